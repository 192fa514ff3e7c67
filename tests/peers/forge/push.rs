//! From an edit on the forge to the target and back: the forge delivers the push, the run fetches with a token, and the
//! commit has a status.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use testkit::peers::{Running, free_port, local};

use crate::forge::project::Project;

const SECRET: &str = "between the two of us";

/// `kwo hook` for this repository on the forge.
fn listen(project: &Project, folder: &Path) -> (Running, u16) {
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
    // Nothing of what this machine trusts, and how.
    let path = std::env::var("PATH").unwrap();
    let args = [
        "-i".to_owned(),
        format!("PATH={path}"),
        format!("HOME={at}"),
        format!("SSL_CERT_FILE={}", project.gitea.ca.display()),
        env!("CARGO_BIN_EXE_kwo").to_owned(),
        "hook".to_owned(),
        format!("--settings={at}/kwo.yaml"),
    ];
    let mut listener = Running::start(Path::new("env"), &args, &[], folder);
    listener.wait_for(local(port));
    (listener, port)
}

/// The state of kwo's status, once the commit has one.
fn status(project: &Project, listener: &mut Running, commit: &str) -> (String, String) {
    listener.wait("gives the commit no status", || {
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
    let (mut listener, port) = listen(&project, folder);
    let hook = json!({"type": "gitea", "active": true, "events": ["push"], "config": {
        "url": format!("http://127.0.0.1:{port}/hook"), "content_type": "json", "secret": SECRET}});
    project.own("POST", "/hooks", &hook);

    let commit = project.commit("{alice: {}, bob: {}}", None);
    let (state, said) = status(&project, &mut listener, &commit);
    assert_eq!(state, "success", "{said}");
    let there = |tenant: &str| folder.join("target/namespaces").join(tenant).exists();
    assert!(there("alice") && there("bob"), "{said}");
    let bad = project.commit("{alice: {owner: x}}", None);
    let (state, said) = status(&project, &mut listener, &bad);
    assert_eq!(state, "failure", "{said}");
    let good = project.commit("{alice: {}, bob: {}, carol: {}}", None);
    assert_eq!(status(&project, &mut listener, &good).0, "success");

    assert!(there("carol"));

    // The forge tries a webhook by a push too; with another secret it is none.
    let mut hook = hook;
    hook["config"]["secret"] = "another".into();
    let id = project.own("POST", "/hooks", &hook)["id"].as_u64().unwrap();
    project.own("POST", &format!("/hooks/{id}/tests"), &Value::Null);
    listener.wait("takes the delivery", || {
        let said = fs::read_to_string(folder.join("env.log")).unwrap();
        said.contains("refused: a delivery whose signature does not match").then_some(())
    });
}
