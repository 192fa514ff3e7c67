//! The runs: the CronJob's command and the listener, with the token of the one service account and no other right.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::apiserver::{kubectl, kubectl_ok};
use testkit::peers::http::Request;
use testkit::peers::sshd::Sshd;
use testkit::peers::{free_port, local};

use super::chart::{HOOK, Helm, kustomization};
use super::kubelet::Node;

/// What GitLab and the listener share.
const SECRET: &str = "between the two of us";

/// A repository behind an sshd.
struct Repository {
    folder: TempDir,
    sshd: Sshd,
}

impl Repository {
    fn new() -> Option<Repository> {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let path = |name: &str| folder.path().join(name);
        run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path("deploy")));
        run(git(folder.path()).args(["init", "--quiet", "--bare", "-b", "main", "cluster.git"]));
        run(git(folder.path()).args(["init", "--quiet", "-b", "main", "work"]));
        let sshd = Sshd::start(&fs::read_to_string(path("deploy.pub")).unwrap(), &path("cluster.git"))?;
        Some(Repository { folder, sshd })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn push(&self, tenants: &str) {
        let work = self.path("work");
        let roster = format!("apiVersion: kwo/v1\nkind: Roster\ntenants:\n{tenants}");
        fs::write(work.join("roster.yaml"), roster).unwrap();
        run(git(&work).args(["add", "--all"]));
        run(git(&work).args(["commit", "--quiet", "-m", "Change the roster"]));
        // It is the sshd's, and stays so.
        let (served, config) = (self.path("cluster.git"), self.path("gitconfig"));
        fs::write(&config, "[safe]\n\tdirectory = *\n").unwrap();
        let mut push = git(&work);
        push.args(["push", "--quiet"]).arg(&served).arg("HEAD:main").env("GIT_CONFIG_GLOBAL", &config);
        run(&mut push);
        run(Command::new("chown").arg("-R").arg("--reference").arg(served.join("HEAD")).arg(&served));
    }

    fn settings(&self) -> String {
        let url = format!("ssh://git@127.0.0.1:{}{}", self.sshd.port, self.path("cluster.git").display());
        let repository =
            json!({"url": url, "key": {"credential": "kwo.key"}, "knownHosts": "/etc/kwo/known_hosts"});
        let hook = json!({"secrets": {"gitlab": {"credential": "kwo.gitlab"}}});
        json!({"apiVersion": "kwo/v1", "kind": "Settings", "repository": repository, "hook": hook})
            .to_string()
    }
}

fn git(folder: &Path) -> Command {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=Alice", "-c", "user.email=alice@example.com"]).current_dir(folder);
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
    command
}

#[track_caller]
fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn get(kind: &str, name: &str) -> Value {
    serde_json::from_str(&kubectl_ok(&["get", kind, name, "-n", "kwo-system", "-o", "json"])).unwrap()
}

/// The pod that a controller would make of this template, as the API server admits it and gives it back.
#[track_caller]
fn admitted(folder: &Path, name: &str, template: &Value) -> Result<Value, String> {
    let metadata = json!({"name": name, "namespace": "kwo-system", "labels": template["metadata"]["labels"]});
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]});
    let file = folder.join("pod.json");
    fs::write(&file, pod.to_string()).unwrap();
    let made = kubectl(&["create", "-f", file.to_str().unwrap()]);
    match made.status.success() {
        true => Ok(get("pod", name)),
        false => Err(String::from_utf8_lossy(&made.stderr).into_owned()),
    }
}

fn exists(tenant: &str) -> bool {
    kubectl(&["get", "namespace", tenant]).status.success()
}

#[test]
fn with_the_rights_of_its_account_alone_it_converges_and_then_finds_nothing_to_do() {
    let (Some(node), Some(helm), Some(repository)) = (Node::new(), Helm::new(), Repository::new()) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let kustomize = kustomization(folder.path());
    fs::write(kustomize.join("settings/kwo.yaml"), repository.settings()).unwrap();
    fs::write(kustomize.join("settings/known_hosts"), &repository.sshd.host_key).unwrap();
    kubectl_ok(&["apply", "-k", kustomize.to_str().unwrap()]);
    let key = format!("--from-file=kwo.key={}", repository.path("deploy").display());
    kubectl_ok(&["create", "secret", "generic", "kwo-credentials", "-n", "kwo-system", &key]);
    let shared = format!("--from-literal=kwo.gitlab={SECRET}");
    kubectl_ok(&["create", "secret", "generic", "kwo-hook", "-n", "kwo-system", &shared]);

    // The namespace lets it in, and no pod with a right more.
    let template = get("cronjob", "kwo-sync")["spec"]["jobTemplate"]["spec"]["template"].clone();
    for (pointer, field) in
        [("/spec/securityContext", "seccompProfile"), ("/spec/containers/0/securityContext", "capabilities")]
    {
        let mut loose = template.clone();
        loose.pointer_mut(pointer).unwrap().as_object_mut().unwrap().remove(field).unwrap();
        let refused = admitted(folder.path(), "loose", &loose).unwrap_err();
        assert!(refused.contains("violates PodSecurity \"restricted:latest\""), "{refused}");
    }
    let pod = node.pod(admitted(folder.path(), "first", &template).unwrap());

    repository.push("  alice: {owners: [alice@example.com]}\n  bob: {owners: [bob@example.com]}\n");
    let ran = pod.run("sync", None).expect(0);
    assert!(exists("alice") && exists("bob"), "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("Converged: "), "{}{}", ran.out, ran.err);
    let history = ["kwo", "history", "verify", "--settings", "/etc/kwo/kwo.yaml"];
    let verified = pod.run("sync", Some(&history)).expect(0);
    assert!(
        verified.out.contains("the cluster remembers the same last entries, up to entry 1"),
        "{}",
        verified.out
    );

    // The next pod, as Helm has it: another host name would be another history.
    let settings = file("settings.json");
    let values: Value = serde_json::from_str(&repository.settings()).unwrap();
    let values = json!({"settings": {"repository": values["repository"], "hook": values["hook"]},
                        "files": {"known_hosts": repository.sshd.host_key}});
    fs::write(&settings, values.to_string()).unwrap();
    let rendered = helm.template(&[&HOOK[..], &["--values", &settings]].concat()).expect(0).out;
    fs::write(file("rendered.yaml"), rendered).unwrap();
    kubectl_ok(&["apply", "-f", &file("rendered.yaml")]);
    let template = get("cronjob", "kwo-sync")["spec"]["jobTemplate"]["spec"]["template"].clone();
    let pod = node.pod(admitted(folder.path(), "second", &template).unwrap());
    let ran = pod.run("sync", None).expect(0);
    assert!(ran.out.contains("In agreement: "), "{}{}", ran.out, ran.err);
    // What it may not do, it cannot: the root is closed, and the account is no admin.
    let write = "for place in /etc/kwo /usr /var/lib / /tmp; do (: >$place/x) && echo $place; done";
    let written = pod.run("sync", Some(&["/bin/sh", "-c", write]));
    assert_eq!(written.out, "/tmp\n", "{}", written.err);
    let may = |verb: &str, what: &str| {
        let answer = kubectl(&[
            "auth",
            "can-i",
            verb,
            what,
            "-n",
            "alice",
            "--as=system:serviceaccount:kwo-system:kwo-sync",
        ]);
        String::from_utf8_lossy(&answer.stdout).trim() == "yes"
    };
    assert!(may("create", "rolebindings"));
    for (verb, what) in
        [("get", "secrets"), ("delete", "namespaces"), ("create", "pods"), ("create", "pods/exec")]
    {
        assert!(!may(verb, what), "{verb} {what}");
    }
    // A roster hands out no rights in the namespace that kwo runs in.
    repository.push(
        "  alice: {owners: [alice@example.com]}\n  bob: {owners: [bob@example.com]}\n  \
                     kwo-system: {owners: [mallory@example.com]}\n",
    );
    let ran = pod.run("sync", None).expect(1);
    assert!(ran.err.contains("namespace `kwo-system` is reserved for kwo"), "{}{}", ran.out, ran.err);
    assert_eq!(kubectl_ok(&["get", "rolebindings", "-n", "kwo-system", "-o", "name"]), "");
    a_push_starts_a_run(&node, &repository, folder.path());
}

/// The two containers of the listener.
fn a_push_starts_a_run(node: &Node, repository: &Repository, folder: &Path) {
    let template = get("deployment", "kwo-hook")["spec"]["template"].clone();
    let pod = node.pod(admitted(folder, "hook", &template).unwrap());
    let mounted = |container: &str| {
        let look = pod.run(
            container,
            Some(&["/bin/sh", "-c", "echo /var/run/secrets/*/serviceaccount/* /run/credentials/*"]),
        );
        look.out + &look.err
    };
    // Who faces the network has no token and no key.
    let listener = mounted("listener");
    assert!(
        listener.contains("kwo.gitlab") && !listener.contains("kwo.key") && !listener.contains("token"),
        "{listener}"
    );
    let runner = mounted("sync");
    assert!(
        runner.contains("kwo.key") && runner.contains("token") && !runner.contains("kwo.gitlab"),
        "{runner}"
    );
    // It says where it looked, in the words of a pod.
    let lacks = pod.run("sync", Some(&["kwo", "hook", "--settings", "/etc/kwo/kwo.yaml"])).expect(1);
    let no = "the Secret that the pod mounts at /run/credentials has no key `kwo.gitlab`";
    assert!(lacks.err.contains(no), "{}", lacks.err);

    let port = free_port();
    let address = format!("127.0.0.1:{port}");
    let command: Vec<String> =
        serde_json::from_value(template["spec"]["containers"][0]["command"].clone()).unwrap();
    let command: Vec<&str> =
        command.iter().map(|word| if word == "0.0.0.0:9720" { &address } else { word.as_str() }).collect();
    let mut listener = pod.start("listener", Some(&command));
    listener.wait_for(local(port));
    let runner = pod.start("sync", None);
    repository.push("  alice: {owners: [alice@example.com]}\n  bob: {owners: [bob@example.com]}\n  carol:\n");
    let headers =
        [("x-gitlab-event", "Push Hook"), ("x-gitlab-token", SECRET), ("content-type", "application/json")];
    let request = Request { method: "POST", path: "/hook", host: &address, headers: &headers, body: b"{}" };
    assert_eq!(request.ask(local(port)).unwrap().status(), 202);
    let end = Instant::now() + Duration::from_secs(60);
    while !exists("carol") {
        assert!(Instant::now() < end, "{}\n{}", listener.said(), runner.said());
        thread::sleep(Duration::from_millis(50));
    }
    // Nothing of it outlives the test.
    drop((listener, runner));
    let end = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(local(port)).is_ok() {
        assert!(Instant::now() < end, "the listener goes on");
        thread::sleep(Duration::from_millis(20));
    }
}
