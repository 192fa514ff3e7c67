//! The files of the node and the restart of k3s, out of the sandbox of the unit. k3s is a unit that only runs; the API
//! server is a real one beside it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use testkit::apiserver;

use crate::machine::Machine;

const K3S: &str = "[Service]\nExecStart=/bin/sh -c 'echo k3s is up; exec sleep infinity'\n";

const ROSTER: &str = "apiVersion: kwo/v1\nkind: Roster\n\
    cluster: {name: prod, api: {hosts: [api.example.com]}, node: {name: node-1}, kubeconfigs: {}}\n\
    tenants:\n  shop:\n";

/// A machine with k3s on it, whose sync takes a roster from a repository beside it.
fn with_k3s(roster: &str, kubeconfig: &Path, options: &[&str]) -> Option<Machine> {
    let machine = Machine::boot()?;
    machine.put("etc/systemd/system/k3s.service", K3S);
    machine.put("etc/rancher/k3s/k3s.yaml", &fs::read_to_string(kubeconfig).unwrap());
    machine.put("srv/cluster/roster.yaml", roster);
    machine.ok(&["systemctl", "start", "k3s"]);
    let git = ["git", "-C", "/srv/cluster", "-c", "user.name=Alice", "-c", "user.email=alice@example.com"];
    for args in
        [&["init", "--quiet", "-b", "main"][..], &["add", "--all"], &["commit", "--quiet", "-m", "Begin"]]
    {
        machine.ok(&[&git, args].concat());
    }
    machine.install(
        "repository: {url: /srv/cluster}\n\
         target: {kubeconfig: /etc/rancher/k3s/k3s.yaml, node: true, allowRestart: true}\n",
        options,
    );
    Some(machine)
}

#[test]
fn node_files_are_written_and_k3s_restarted_out_of_the_sandbox() {
    let Some(server) = apiserver::another(&[]) else { return };
    let Some(machine) = with_k3s(ROSTER, &server.kubeconfig, &["--node"]) else { return };
    let before = machine.shows("k3s", "MainPID");
    machine.ok(&["systemctl", "start", "kwo-sync"]);
    let after = machine.shows("k3s", "MainPID");
    assert_ne!(before, after, "k3s was not restarted\n{}", machine.journal(&["--unit", "kwo-sync"]));
    for (file, part) in [
        ("etc/rancher/k3s/config.yaml", "node-name: node-1"),
        ("var/lib/kwo/kubeconfigs/shop-kubeconfig.yaml", "server: https://api.example.com"),
    ] {
        assert!(machine.text(file).contains(part), "{file}");
        let mode = fs::metadata(machine.path(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    // Then all is as it should be.
    machine.ok(&["systemctl", "start", "kwo-sync"]);
    assert_eq!(machine.shows("k3s", "MainPID"), after);
    machine.says("kwo-sync", ": 0 done,");

    // A person sees it, and what k3s said.
    let kubeconfig = "--kubeconfig=/etc/rancher/k3s/k3s.yaml";
    let status = machine.ok(&["kwo", "status", "/srv/cluster/roster.yaml", "--node", kubeconfig]);
    assert!(status.contains("k3s         runs since"), "{status}");
    assert!(status.contains(" on node (entry 1), "), "{status}");
    let said = machine.ok(&["kwo", "logs", "k3s", "--tail", "50"]);
    assert_eq!(said.matches("k3s is up").count(), 2, "{said}");
}

#[test]
fn without_leave_for_the_node_the_run_says_which_leave_it_lacks() {
    let Some(server) = apiserver::another(&[]) else { return };
    let Some(machine) = with_k3s(ROSTER, &server.kubeconfig, &[]) else { return };
    let before = machine.shows("k3s", "MainPID");
    assert!(!machine.run(&["systemctl", "start", "kwo-sync"]).status.success());
    assert_eq!(machine.shows("k3s", "MainPID"), before);
    machine.says(
        "kwo-sync",
        "if kwo-sync.service runs this, `sudo kwo install --node` allows it to write there",
    );
    machine.ok(&["kwo", "install", "--node"]);
    machine.ok(&["systemctl", "start", "kwo-sync"]);
    assert_ne!(machine.shows("k3s", "MainPID"), before);
}
