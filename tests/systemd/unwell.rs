//! An upgrade to a k3s that does not start, that dies after it has written, or that is never ready: kwo says what is wrong and the
//! way back, and the way back leads to the earlier objects. A stand-in plays k3s.

use std::fs;
use std::os::unix::fs::symlink;

use testkit::apiserver;

use crate::upgrade::{FIRST, Node, SECOND, THIRD, changed};

/// The words of an upgrade that does not wait long.
fn impatient(node: &Node, version: &str) -> Vec<String> {
    let mut words = node.words(version);
    words.retain(|word| !word.starts_with("--ready-timeout"));
    words.push("--ready-timeout=8s".to_owned());
    words
}

/// The upgrade came to the start of the new k3s and no further; both ways on are told.
#[track_caller]
fn ended_unwell(said: &str, from: &str, to: &str, why: &str) {
    for part in [
        &format!("k3s {to} is not well after 8 seconds"),
        why,
        "`journalctl -u k3s -n 50` says why; k3s keeps trying",
        "to go on waiting: the same command once more",
        &format!(
            "to go back to {from} and to the objects from before the upgrade: `kwo node upgrade --rollback`"
        ),
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("done  node:Ready/") && !said.contains("done  node:Workloads/"), "{said}");
}

/// Runs the way back that was said, word for word.
#[track_caller]
fn go_back(node: &Node, said: &str) -> String {
    let (_, rest) = said.split_once("objects from before the upgrade: `").unwrap();
    let (command, _) = rest.split_once('`').unwrap();
    let words: Vec<String> = ["env", "KWO_YES=true", "KWO_READY_TIMEOUT=90s"]
        .into_iter()
        .chain(command.split(' '))
        .chain(["--settle=1s"])
        .map(str::to_owned)
        .collect();
    let (code, said) = node.run(&words);
    assert_eq!(code, Some(0), "{said}");
    said
}

#[test]
fn a_k3s_that_does_not_come_up_is_told_and_taken_back() {
    let Some(programs) = apiserver::programs() else { return };
    let Some(node) = Node::new(&programs) else { return };
    let machine = &node.machine;
    symlink("/kwo", machine.path("usr.local/bin/kwo")).unwrap();
    let (before, pod) = (node.settled(), machine.text("stand-in/pod.pid"));

    // It does not start at all.
    machine.put("stand-in/fails", SECOND);
    let (code, said) = node.run(&impatient(&node, SECOND));
    assert_eq!(code, Some(1), "{said}");
    for done in ["node:Backup/k3s", "node:Kept/k3s", "node:Binary/k3s", "node:Service/k3s"] {
        assert!(said.contains(&format!("done  {done}\n")), "{done}: {said}");
    }
    ended_unwell(&said, FIRST, SECOND, "the API does not answer");
    // The command that kwo names says why, and systemd does keep trying.
    let why = format!("played: {SECOND} does not start");
    let journal = machine.ok(&["journalctl", "-u", "k3s", "-n", "50"]);
    assert!(journal.contains(&why), "{journal}");
    let tries = machine.journal(&["--unit=k3s"]).matches(&why).count();
    machine.until("systemd tries again", || {
        (machine.journal(&["--unit=k3s"]).matches(&why).count() > tries).then_some(())
    });
    // The same command waits once more. It stops nothing, and keeps the earlier copies.
    let (code, said) = node.run(&impatient(&node, SECOND));
    assert_eq!((code, node.backups()), (Some(1), 1), "{said}");
    assert!(!said.contains("done  node:Kept/k3s"), "{said}");
    ended_unwell(&said, FIRST, SECOND, "the API does not answer");
    go_back(&node, &said);
    serves_as_before(&node, FIRST, &before);

    // It starts, writes to its database, and dies. What the older one does not start on is put back, too.
    fs::remove_file(machine.path("stand-in/fails")).unwrap();
    let dies = format!(
        "[ $version != {SECOND} ] || {{ kubectl create namespace written-since; kubectl delete namespace bob --wait=false; \
         kill $server; wait $server || :; echo played: it dies >&2; exit 1; }}"
    );
    machine.put("stand-in/after", &dies);
    let (code, said) = node.run(&impatient(&node, SECOND));
    assert_eq!(code, Some(1), "{said}");
    ended_unwell(&said, FIRST, SECOND, "");
    assert!(machine.journal(&["--unit=k3s"]).contains("played: it dies"));
    go_back(&node, &said);
    serves_as_before(&node, FIRST, &before);

    // Somebody mends it, and the same command ends the upgrade.
    fs::remove_file(machine.path("stand-in/after")).unwrap();
    machine.put("stand-in/fails", SECOND);
    let (code, said) = node.run(&impatient(&node, SECOND));
    assert_eq!(code, Some(1), "{said}");
    fs::remove_file(machine.path("stand-in/fails")).unwrap();
    let (code, said) = node.run(&node.words(SECOND));
    assert!(code == Some(0) && said.contains("done  node:Workloads/k3s"), "{said}");
    serves_as_before(&node, SECOND, &before);

    // It answers, and its node is never ready.
    let unready = "{\"status\": {\"conditions\": [{\"type\": \"Ready\", \"status\": \"False\"}]}}";
    let after =
        format!("[ $version != {THIRD} ] || kubectl patch node $name --subresource=status -p '{unready}'");
    machine.put("stand-in/after", &after);
    let (code, said) = node.run(&impatient(&node, THIRD));
    assert_eq!(code, Some(1), "{said}");
    ended_unwell(&said, SECOND, THIRD, "the node node is not ready yet");
    go_back(&node, &said);
    serves_as_before(&node, SECOND, &before);
    node.pod_runs(&pod);
}

/// This version runs and is ready, and has the earlier objects, each with its uid and its revision, and none besides.
#[track_caller]
fn serves_as_before(node: &Node, version: &str, before: &crate::upgrade::Objects) {
    let machine = &node.machine;
    assert_eq!(machine.shows("k3s", "ActiveState"), "active");
    assert!(machine.text("usr.local/bin/k3s").contains(&format!("version='{version}'")));
    assert!(machine.text("var/lib/kwo/node/k3s.json").contains(version));
    let shown = node.kubectl(&["get", "node", "node"]);
    assert!(shown.contains(version) && shown.contains(" Ready "), "{shown}");
    let now = node.settled();
    assert_eq!([changed(before, &now), changed(&now, before)].concat(), Vec::<String>::new());
}
