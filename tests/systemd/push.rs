//! From a push to the cluster, with every part a real one: the listener, systemd between it and the run, an sshd with the
//! repository, the API server.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use testkit::apiserver::{self, kubectl_ok, unique};
use testkit::peers::sshd::Sshd;
use testkit::peers::{free_port, local};

use crate::machine::Machine;
use crate::repository::{Repository, WITHIN};

/// What GitLab and the listener share.
const SECRET: &str = "between the two of us";

/// A delivery as GitLab sends it; gives the first line of the answer.
fn deliver(port: u16) -> String {
    let mut stream = TcpStream::connect(local(port)).unwrap();
    // No two are alike: of two that are the second would be dropped.
    let id = unique("delivery");
    let request = format!(
        "POST /hook HTTP/1.1\r\nHost: x\r\nX-Gitlab-Event: Push Hook\r\nX-Gitlab-Event-UUID: {id}\r\nX-Gitlab-Token: \
         {SECRET}\r\nContent-Length: {}\r\n\r\n{id}",
        id.len(),
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn a_signed_push_reaches_the_cluster_through_the_units_and_an_unsigned_one_does_not() {
    let repository = Repository::new();
    let (deploy, alice) = (repository.key("deploy"), repository.key("alice"));
    let Some(kubeconfig) = apiserver::kubeconfig() else { return };
    let Some(sshd) = Sshd::start(&deploy, &repository.path("cluster.git")) else { return };
    let Some(machine) = Machine::boot() else { return };

    let port = free_port();
    machine.put("etc/rancher/k3s/k3s.yaml", &fs::read_to_string(kubeconfig).unwrap());
    machine.put("etc/credstore/kwo.key", &fs::read_to_string(repository.path("deploy")).unwrap());
    machine.put("etc/credstore/kwo.gitlab", SECRET);
    machine.put("etc/kwo/known_hosts", &sshd.host_key);
    machine.put("etc/kwo/allowed_signers", &format!("alice@example.com namespaces=\"git\" {alice}"));
    let url = format!("ssh://git@127.0.0.1:{}{}", sshd.port, repository.path("cluster.git").display());
    let said = machine.install(
        &format!(
            "repository: {{url: '{url}', key: {{credential: kwo.key}}, knownHosts: /etc/kwo/known_hosts}}\n\
             target: {{kubeconfig: /etc/rancher/k3s/k3s.yaml}}\n\
             trust: {{signers: {{ssh: /etc/kwo/allowed_signers}}}}\n\
             hook: {{listen: '127.0.0.1:{port}', secrets: {{gitlab: {{credential: kwo.gitlab}}}}}}\n"
        ),
        &["--hook"],
    );
    assert!(said.contains("enabled kwo-sync.timer, kwo-sync.path, kwo-hook.service"), "{said}");

    let key = format!("user.signingKey={}", repository.path("alice").display());
    let signed: (&[&str], &[&str]) = (&["gpg.format=ssh", &key], &["--gpg-sign"]);
    let (first, second) = (unique("systemd"), unique("systemd"));
    let exists = |tenant: &str| kubectl_ok(&["get", "namespace", "--output=name"]).contains(tenant);
    let roster = format!("tenants:\n  {first}:\n");
    let commit = repository.push(&roster, signed.0, signed.1);
    assert_eq!(deliver(port), "HTTP/1.1 202 Accepted");
    machine.says("kwo-sync", &format!("converged at {}", &commit[..7]));
    assert!(exists(&first));

    // Each line has its fields, under the name that the unit has in the journal.
    let lines = machine.fields(&[&format!("KWO_TENANT={first}")]);
    assert!(lines.len() > 5, "{lines:?}");
    for line in &lines {
        assert_eq!(line["KWO_COMMIT"], commit.as_str(), "{line}");
        assert_eq!(line["_SYSTEMD_UNIT"], "kwo-sync.service", "{line}");
    }
    // The listener is nobody, and what it was asked for is taken up.
    assert_ne!(machine.ok(&["stat", "--format=%U", "/run/kwo/"]).trim(), "root");
    assert!(!machine.run(&["test", "-e", "/run/kwo/push"]).status.success());
    assert_eq!(machine.ok(&["stat", "--format=%a", "/var/lib/kwo/sync/repository.git"]).trim(), "700");

    // What nobody signed is refused, and neither the listener nor the path unit is lost over it.
    repository.push(&format!("{roster}  {second}:\n"), &[], &[]);
    assert_eq!(deliver(port), "HTTP/1.1 202 Accepted");
    machine.says("kwo-sync", ": it is not signed");
    machine.until("the run has failed", || {
        (machine.shows("kwo-sync", "Result") == "exit-code"
            && machine.shows("kwo-sync", "ExecMainStatus") == "5")
            .then_some(())
    });
    assert!(!exists(&second));
    assert_eq!(machine.shows("kwo-sync.path", "ActiveState"), "active");
    assert_eq!(machine.shows("kwo-hook", "NRestarts"), "0");
}

/// Settings for a listener there, and a repository that lies in the machine.
pub(crate) fn listening(port: u16) -> String {
    format!("{WITHIN}hook: {{listen: '127.0.0.1:{port}', secrets: {{gitlab: {{credential: kwo.gitlab}}}}}}\n")
}

#[test]
fn a_push_during_a_run_starts_one_more() {
    let Some(machine) = Machine::boot() else { return };
    let repository = Repository::within(&machine);
    let port = free_port();
    machine.put("etc/credstore/kwo.gitlab", SECRET);
    // It goes on until the file is there.
    machine.put(
        "etc/systemd/system/kwo-sync.service.d/long.conf",
        "[Service]\nExecStartPost=/bin/sh -c 'until [ -e /etc/go-on ]; do sleep 0.1; done'\n",
    );
    machine.install(&listening(port), &["--hook"]);
    assert_eq!(deliver(port), "HTTP/1.1 202 Accepted");
    machine.until("the run has done its work", || {
        (machine.shows("kwo-sync", "SubState") == "start-post").then_some(())
    });
    repository.push("tenants:\n  alice:\n  bob:\n", &[], &[]);
    repository.copy(&machine);
    assert_eq!(deliver(port), "HTTP/1.1 202 Accepted");
    machine.until("the push is noted", || {
        machine.run(&["test", "-e", "/run/kwo/push"]).status.success().then_some(())
    });
    machine.put("etc/go-on", "");
    machine.says("kwo-sync", "created kube:Namespace/bob");
}

#[test]
fn after_a_power_cut_the_units_are_back_and_the_run_is_made_up_for() {
    let Some(mut machine) = Machine::boot() else { return };
    let repository = Repository::within(&machine);
    let port = free_port();
    machine.put("etc/credstore/kwo.gitlab", SECRET);
    let long = "etc/systemd/system/kwo-sync.service.d/long.conf";
    machine.put(long, "[Service]\nExecStart=\nExecStart=sh -c 'kwo sync && exec sleep infinity'\n");
    machine.install(&listening(port), &["--hook"]);
    assert_eq!(deliver(port), "HTTP/1.1 202 Accepted");
    machine.says("kwo-sync", "converged at");
    repository.push("tenants:\n  alice:\n  bob:\n", &[], &[]);
    repository.copy(&machine);

    machine.lose_power();
    fs::remove_file(machine.path(long)).unwrap();
    machine.ok(&["systemctl", "daemon-reload"]);
    for unit in ["kwo-sync.timer", "kwo-sync.path", "kwo-hook.service"] {
        assert_eq!(machine.shows(unit, "ActiveState"), "active", "{unit}");
    }
    assert_eq!(deliver(port), "HTTP/1.1 202 Accepted");
    machine.says("kwo-sync", "created kube:Namespace/bob");
    let verified = machine.ok(&["kwo", "history", "verify"]);
    assert!(verified.contains("2 entries, none is changed or missing"), "{verified}");
}

#[test]
fn a_listener_without_its_secret_says_where_it_belongs() {
    let Some(machine) = Machine::boot() else { return };
    let port = free_port();
    machine.put("etc/kwo/kwo.yaml", &format!("apiVersion: kwo/v1\nkind: Settings\n{}", listening(port)));
    let output = machine.run(&["/kwo", "install", "--hook"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.code() == Some(1) && said.contains("`journalctl -n 20 -u 'kwo*'` says more"),
        "{said}"
    );
    machine
        .says("kwo-hook", "`LoadCredential=kwo.gitlab` in the unit takes it from /etc/credstore/kwo.gitlab");
    machine.says("kwo-hook", "fix /etc/kwo/kwo.yaml or what it names");
    machine.put("etc/credstore/kwo.gitlab", SECRET);
    let said = machine.ok(&["/kwo", "install", "--hook"]);
    assert!(said.contains("enabled kwo-sync.timer, kwo-sync.path, kwo-hook.service"), "{said}");
    assert_eq!(machine.shows("kwo-hook", "ActiveState"), "active");
}
