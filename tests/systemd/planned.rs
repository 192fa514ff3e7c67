//! A node is installed and upgraded by saved plans: exactly those, whatever the servers say by then, also after a run was killed. And an
//! API that is used and goes holds an upgrade. A stand-in plays k3s, with a real API server.

use std::fs;

use testkit::apiserver;
use testkit::releases::{answer, stand_in};

use crate::upgrade::{FIRST, Node, SECOND, THIRD};

/// So many words.
fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn saved_plans_install_and_upgrade_a_node() {
    let Some(programs) = apiserver::programs() else { return };
    let Some(node) = Node::empty(&programs) else { return };
    let machine = &node.machine;
    let leads = |version: &str| {
        let tag = version.replace('+', "%2B");
        let location = format!("location: https://github.com/k3s-io/k3s/releases/tag/{tag}\r\n");
        node.server.set("/channels/stable", answer(302, &location, ""));
    };
    // Kubernetes 1.37 has it, and 1.38 does not.
    machine.put("stand-in/flags", "--set runtime-config=resource.k8s.io/v1beta1=true");

    // The channel moves on after the plan was saved.
    leads(FIRST);
    let channels = node.mirror.replace("--mirror=", "--channels=") + "/channels";
    let ignore = "--ignore=cgroup,memory,disk,ports,runtime";
    let out =
        ["/kwo", "node", "install", "/roster.yaml", "--out=/plan.json", &node.mirror, &channels, ignore];
    let (code, said) = node.run(&words(&out));
    assert!(
        code == Some(0) && said.contains("`kwo node install --plan /plan.json` does exactly this"),
        "{said}"
    );
    assert!(!machine.path("usr.local/bin/k3s").exists() && !machine.path("var/lib/kwo").exists());
    leads(SECOND);
    let roster = machine.text("roster.yaml");
    machine.put("roster.yaml", &roster.replace("bob", "mallory"));
    let install = words(&["/kwo", "node", "install", "--plan=/plan.json", "--yes", "--ready-timeout=90s"]);
    // It is killed while k3s comes up.
    machine.put("stand-in/hold", "");
    node.killed_at(&install, "/stand-in/begun");
    fs::remove_file(machine.path("stand-in/hold")).unwrap();
    let (code, said) = node.run(&install);
    assert!(code == Some(0) && said.contains("Go on installing k3s v1.37.1+k3s1 on node"), "{said}");
    let namespaces = node.kubectl(&["get", "namespaces", "-oname"]);
    assert!(namespaces.contains("namespace/bob") && !namespaces.contains("mallory"), "{namespaces}");
    machine.put("roster.yaml", &roster);
    // Its roster is an old one from then on: what is there now stays.
    node.kubectl(&["delete", "resourcequota", "--all", "-n", "bob"]);
    let (code, said) = node.run(&install);
    assert!(code == Some(0) && said.contains("the plan is done") && !said.contains("applying"), "{said}");
    assert_eq!(node.kubectl(&["get", "resourcequota", "-n", "bob", "-oname"]), "");

    // What is used and goes is said, and can be ignored.
    let (code, said) = node.run(&[node.words(SECOND), words(&["--dry-run"])].concat());
    assert!(code == Some(0) && !said.contains("apis:"), "{said}");
    node.kubectl(&["get", "--raw", "/api/v1/componentstatuses"]);
    node.kubectl(&["get", "--raw", "/apis/resource.k8s.io/v1beta1/deviceclasses"]);
    let (code, said) = node.run(&node.words(SECOND));
    let used = "apis: somebody has used deviceclasses of resource.k8s.io/v1beta1, which v1.38 no longer has";
    assert!(code == Some(5) && said.contains(used) && !said.contains("componentstatuses"), "{said}");
    let out = [node.words(SECOND), words(&["--ignore=apis", "--out=/up.json"])].concat();
    let (code, said) = node.run(&out);
    assert!(
        code == Some(0) && said.contains("`kwo node upgrade --plan /up.json` does exactly this"),
        "{said}"
    );
    assert_eq!(node.backups(), 0);

    // Another program of that version, another version in the file, and another machine are refused.
    let upgrade =
        words(&["/kwo", "node", "upgrade", "--plan=/up.json", "--yes", "--settle=1s", "--ready-timeout=90s"]);
    let pid = machine.shows("k3s", "MainPID");
    node.server.release(SECOND, &(stand_in(SECOND) + "# other\n"));
    let (code, said) = node.run(&upgrade);
    assert!(code == Some(3) && said.contains("node:Binary/k3s: the plan says"), "{said}");
    node.server.release(SECOND, &stand_in(SECOND));
    let plan = machine.text("up.json");
    machine.put("up.json", &plan.replace(SECOND, THIRD));
    let (code, said) = node.run(&upgrade);
    assert!(code == Some(1) && said.contains("kwo cannot trust the plan /up.json"), "{said}");
    machine.put("up.json", &plan);
    let id = machine.text("etc/machine-id");
    machine.put("etc/machine-id", &id.replace(['0', '1', '2', '3'], "f"));
    let (code, said) = node.run(&upgrade);
    assert!(code == Some(1) && said.contains("another machine with the name node"), "{said}");
    machine.put("etc/machine-id", &id);
    assert_eq!((machine.shows("k3s", "MainPID"), node.backups()), (pid, 0));

    // It is killed while k3s ends, and while the new one comes up.
    machine.put("stand-in/hold-stop", "");
    node.killed_at(&upgrade, "/stand-in/ending");
    fs::remove_file(machine.path("stand-in/hold-stop")).unwrap();
    machine.put("stand-in/hold", "");
    fs::remove_file(machine.path("stand-in/begun")).unwrap();
    node.killed_at(&upgrade, "/stand-in/begun");
    fs::remove_file(machine.path("stand-in/hold")).unwrap();
    let (code, said) = node.run(&upgrade);
    assert!(code == Some(0) && said.contains("Go on upgrading k3s v1.37.1+k3s1 to v1.38.0+k3s1"), "{said}");
    assert!(node.kubectl(&["get", "node", "node"]).contains(SECOND));
    assert_eq!(node.backups(), 2);
    let (code, said) = node.run(&upgrade);
    assert!(code == Some(0) && said.contains("k3s is v1.38.0+k3s1 already"), "{said}");
    // After one more upgrade it is of another time.
    let (code, said) = node.run(&[node.words(THIRD), words(&["--ignore=apis"])].concat());
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = node.run(&upgrade);
    assert!(code == Some(3) && said.contains("the plan /up.json is stale"), "{said}");
}
