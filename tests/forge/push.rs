//! From an edit on the forge to the target and back: the forge delivers the push, the run fetches with a token, and the
//! commit has a status.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::peers::{free_port, local};
use crate::project::Project;

const SECRET: &str = "between the two of us";

struct Listener(Child);

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `kwo hook` for this repository on the forge.
fn listen(project: &Project, folder: &Path) -> (Listener, u16) {
    let (port, address) = (free_port(), project.gitea.address);
    fs::write(folder.join("secret"), SECRET).unwrap();
    for (file, scope) in [("fetch", "read:repository"), ("status", "write:repository")] {
        fs::write(folder.join(file), project.gitea.token("alice", scope)).unwrap();
    }
    let at = folder.display();
    let settings = format!(
        "apiVersion: kwo/v1\nkind: Settings\nstate: {at}/state\n\
         repository: {{url: 'https://{address}/alice/cluster.git', user: alice, token: {{file: {at}/fetch}}}}\n\
         target: {{directory: {at}/target}}\n\
         hook: {{listen: '127.0.0.1:{port}', secrets: {{gitea: {{file: {at}/secret}}}}}}\n\
         notify: {{status: {{forge: gitea, api: 'https://{address}', project: alice/cluster, \
         token: {{file: {at}/status}}}}}}\n"
    );
    fs::write(folder.join("kwo.yaml"), settings).unwrap();
    let log = fs::File::create(folder.join("log")).unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_kwo"))
        .args(["hook", "--settings"])
        .arg(folder.join("kwo.yaml"))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", folder)
        .env("SSL_CERT_FILE", &project.gitea.ca)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    let listener = Listener(child);
    until(folder, "it listens", || std::net::TcpStream::connect(local(port)).ok());
    (listener, port)
}

#[track_caller]
fn until<T>(folder: &Path, what: &str, mut try_it: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = try_it() {
            return found;
        }
        let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
        assert!(Instant::now() < end, "in vain: {what}\n{log}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The state of kwo's status, once the commit has one.
fn status(project: &Project, folder: &Path, commit: &str) -> (String, String) {
    until(folder, "the commit has a status", || {
        let all = project.look(&format!("/commits/{commit}/statuses"));
        let own = all.as_array()?.iter().find(|status| status["context"] == "kwo")?;
        let text = |key: &str| own[key].as_str().unwrap_or_default().to_owned();
        Some((text("status"), text("description")))
    })
}

#[test]
fn an_edit_on_the_forge_reaches_the_target_and_its_commit_says_so() {
    let Some(project) = Project::new("{alice: {}}") else { return };
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (_listener, port) = listen(&project, folder);
    let hook = json!({"type": "gitea", "active": true, "events": ["push"], "config": {
        "url": format!("http://127.0.0.1:{port}/hook"), "content_type": "json", "secret": SECRET}});
    project.own("POST", "/hooks", &hook);

    let commit = project.commit("{alice: {}, bob: {}}", None);
    let (state, said) = status(&project, folder, &commit);
    assert_eq!(state, "success", "{said}");
    let there = |tenant: &str| folder.join("target/namespaces").join(tenant).exists();
    assert!(there("alice") && there("bob"), "{said}");
    let bad = project.commit("{alice: {owner: x}}", None);
    let (state, said) = status(&project, folder, &bad);
    assert_eq!(state, "failure", "{said}");
    let good = project.commit("{alice: {}, carol: {}}", None);
    assert_eq!(status(&project, folder, &good).0, "success");

    assert!(there("carol"));

    // The forge tries a webhook by a push too; with another secret it is none.
    let mut hook = hook;
    hook["config"]["secret"] = "another".into();
    let id = project.own("POST", "/hooks", &hook)["id"].as_u64().unwrap();
    project.own("POST", &format!("/hooks/{id}/tests"), &Value::Null);
    until(folder, "the delivery is refused", || {
        let log = fs::read_to_string(folder.join("log")).unwrap();
        log.contains("refused: a delivery whose signature does not fit").then_some(())
    });
}
