//! An empty machine becomes a node with two tenants by one command line, with a stand-in for k3s. A run that is killed goes on, and a
//! second one changes nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use testkit::apiserver;
use testkit::releases::{Server, answer, arch, stand_in};

use crate::machine::Machine;

const VERSION: &str = "v1.37.1+k3s1";

const ROSTER: &str = "apiVersion: kwo/v1\nkind: Roster\n\
    cluster: {k3s: {version: v1.37.1+k3s1}, api: {hosts: [api.example.com]}}\n\
    tenants:\n  alice:\n  bob:\n";

#[test]
fn one_command_line_makes_a_node_with_two_tenants() {
    let Some(programs) = apiserver::programs() else { return };
    let Some(machine) = Machine::boot() else { return };
    machine.k3s_parts(&programs);
    machine.put("roster.yaml", ROSTER);
    let server = Server::default();
    let mirror = format!("--mirror=http://{}", server.start());
    // The kernel, the disk and the network are those of whatever machine the tests run on.
    let words = [
        "/kwo",
        "node",
        "install",
        "/roster.yaml",
        "--yes",
        &mirror,
        "--ignore=cgroup,memory,disk,ports,runtime",
    ];
    let kubectl = |args: &[&str]| {
        let first = ["/stand-in/kubectl", "--kubeconfig=/etc/rancher/k3s/k3s.yaml"];
        machine.ok(&[&first, args].concat())
    };

    // A machine that trusts nobody can ask nobody.
    let refused = machine.run(&words);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("install the package `ca-certificates`"), "{said}");
    let authority = rcgen::generate_simple_self_signed(["ca.example.com".to_owned()]).unwrap();
    machine.put("etc/ssl/certs/ca-certificates.crt", &authority.cert.pem());

    // What a server says first is not what it gives then. The machine is as it was.
    server.release(VERSION, &stand_in(VERSION));
    server.set(&format!("/v1.37.1%2Bk3s1/{}", arch().1), answer(200, "", "something else"));
    let refused = machine.run(&words);
    assert_eq!(refused.status.code(), Some(1), "{}", String::from_utf8_lossy(&refused.stdout));
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("is not what its list of sums says"), "{said}");
    for path in ["usr.local/bin/k3s", "etc/rancher", "etc/systemd/system/k3s.service", "var/lib/rancher"] {
        assert!(!machine.path(path).exists(), "{path}");
    }

    // It is killed while k3s comes up.
    server.release(VERSION, &stand_in(VERSION));
    machine.put("stand-in/hold", "");
    let script = format!(
        "{} & pid=$!; until [ -e /stand-in/begun ]; do sleep 0.1; done; kill -KILL $pid; ! wait $pid",
        words.join(" ")
    );
    machine.ok(&["sh", "-c", &script]);
    assert_eq!(machine.shows("k3s", "ActiveState"), "activating");
    // A node that does not come up in time is told with what to read.
    let late = machine.run(&[&words[..], &["--ready-timeout", "1s"]].concat());
    assert_eq!(late.status.code(), Some(1));
    let said = String::from_utf8_lossy(&late.stderr);
    assert!(said.contains("is not ready after 1 second") && said.contains("journalctl -u k3s"), "{said}");
    fs::remove_file(machine.path("stand-in/hold")).unwrap();

    let in_time = [&words[..], &["--ready-timeout=90s"]].concat();
    let said = machine.ok(&in_time);
    assert!(said.contains("Go on installing k3s v1.37.1+k3s1 on node"), "{said}");
    assert!(said.contains("done  node:Ready/node") && !said.contains("done  node:Binary/k3s"), "{said}");
    let namespaces = kubectl(&["get", "namespaces", "-oname"]);
    assert!(
        ["namespace/alice", "namespace/bob"].iter().all(|name| namespaces.contains(name)),
        "{namespaces}"
    );
    assert!(kubectl(&["get", "node", "node"]).contains(" Ready "));
    assert_eq!(machine.shows("k3s", "ActiveState"), "active");
    assert_eq!(machine.shows("k3s", "UnitFileState"), "enabled");
    assert!(machine.text("etc/rancher/k3s/config.yaml").contains("api.example.com"));
    for (file, wanted) in [("etc/rancher/k3s/k3s.yaml", 0o600), ("var/lib/kwo/node/k3s.json", 0o600)] {
        let mode = fs::metadata(machine.path(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, wanted, "{file}");
    }

    // Once more: nothing is done, nothing restarted, and nobody asked.
    let (before, asked) = (machine.shows("k3s", "MainPID"), server.asked.lock().unwrap().len());
    let said = machine.ok(&in_time);
    assert!(said.contains("Nothing to do: 6 steps unchanged") && said.contains(": nothing to do"), "{said}");
    assert_eq!((machine.shows("k3s", "MainPID"), server.asked.lock().unwrap().len()), (before, asked));
    let older = machine.run(&[&words[..], &["--version", "v1.36.0+k3s1"]].concat());
    assert_eq!(older.status.code(), Some(5), "{}", String::from_utf8_lossy(&older.stdout));
}
