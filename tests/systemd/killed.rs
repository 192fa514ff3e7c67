//! An installation, an upgrade and the way back are killed before each name that they give or take: the same command goes on from
//! there, and no object is lost. strace kills them; a stand-in plays k3s.

use std::process::Command;

use testkit::apiserver;
use testkit::live::missing;

use crate::upgrade::{FIRST, Node, SECOND, changed};

/// All calls by which a file gets or loses a name.
const CALLS: &str = "rename,renameat,renameat2,link,linkat,unlink,unlinkat";

const RENAMES: &str = "rename,renameat,renameat2";

/// Where kwo keeps what leads back.
const KEPT: &str = "/var/lib/kwo/node/upgrade";
const PROGRAM: &str = "/usr/local/bin/k3s";
const RECORD: &str = "/var/lib/kwo/node/k3s.json";
const DATABASE: &str = "/var/lib/rancher/k3s/server/db/state.db";

/// What happens at the so manieth of these calls that has to do with a file; with any file, if none is named. strace counts each
/// call by itself.
struct At<'a> {
    file: &'a str,
    calls: &'a str,
    count: u32,
    what: &'a str,
}

fn strace() -> Option<()> {
    match Command::new("strace").arg("--version").output() {
        Ok(_) => Some(()),
        Err(_) => missing("there is no strace: install strace"),
    }
}

/// Runs it while strace does this to it. It has to come to that point.
#[track_caller]
fn run_until(
    node: &Node,
    words: &[String],
    At { file, calls, count, what }: &At<'_>,
) -> (Option<i32>, String) {
    let path = if file.is_empty() { String::new() } else { format!("--trace-path={file}") };
    let inject = format!("--inject={calls}:{what}:when={count}");
    let trace = format!("--trace={CALLS}");
    let tracer = ["strace", "--follow-forks", "-qqq", "--output=/trace", &trace, &inject];
    let all: Vec<String> = tracer
        .into_iter()
        .chain([path.as_str()])
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    let ran = node.run(&[&all, words].concat());
    let trace = node.machine.text("trace");
    let come = match what.split_once('=') {
        Some(("error", _)) => "(INJECTED)",
        Some((_, "KILL")) => "+++ killed by SIGKILL +++",
        _ => "--- SIGINT ",
    };
    assert!(trace.contains(come), "no {count} of {calls} for {file}: {trace}\n{}", ran.1);
    ran
}

#[track_caller]
fn killed_before(node: &Node, words: &[String], file: &str, calls: &str, count: u32) {
    let (code, said) = run_until(node, words, &At { file, calls, count, what: "signal=KILL" });
    // As a shell says it.
    assert!(code.is_none_or(|code| code == 137), "{file}: {code:?} {said}");
}

#[test]
fn what_is_killed_before_any_name_goes_on() {
    let (Some(programs), Some(())) = (apiserver::programs(), strace()) else { return };
    let Some(node) = Node::new(&programs) else { return };
    let machine = &node.machine;
    let (before, pod) = (node.settled(), machine.text("stand-in/pod.pid"));
    let words = node.words(SECOND);
    let kept = |name: &str| format!("{KEPT}/{name}");

    // The first name is that of the backup. Until k3s is stopped nobody notices a thing.
    let pid = machine.shows("k3s", "MainPID");
    killed_before(&node, &words, "", CALLS, 1);
    assert_eq!(node.backups(), 0);
    for file in [kept("upgrade.json"), kept("k3s")] {
        killed_before(&node, &words, &file, CALLS, 1);
        assert_eq!(machine.shows("k3s", "MainPID"), pid, "{file}");
    }
    for (file, count) in [(kept("state.db"), 1), (kept("upgrade.json"), 2), (PROGRAM.to_owned(), 1)] {
        killed_before(&node, &words, &file, CALLS, count);
        assert!(machine.text("usr.local/bin/k3s").contains(&format!("version='{FIRST}'")), "{file}");
    }
    for file in [RECORD.to_owned(), kept("upgrade.json")] {
        killed_before(&node, &words, &file, CALLS, 1);
        assert!(machine.text("usr.local/bin/k3s").contains(&format!("version='{SECOND}'")), "{file}");
    }
    let (code, said) = node.run(&words);
    assert!(code == Some(0) && said.contains(&format!("k3s is {SECOND}")), "{said}");
    assert!(node.kubectl(&["get", "node", "node"]).contains(SECOND));
    let now = node.settled();
    assert_eq!([changed(&before, &now), changed(&now, &before)].concat(), Vec::<String>::new());
    node.pod_runs(&pod);

    // The way back.
    node.kubectl(&["create", "namespace", "written-since"]);
    let back = ["/kwo", "node", "upgrade", "--rollback", "--yes", "--settle=1s", "--ready-timeout=90s"];
    let back = back.map(str::to_owned);
    let aside = format!("{DATABASE}.after-{SECOND}");
    // A disk that is full by then: the newer database stays, and k3s runs on it.
    let full = At { file: DATABASE, calls: RENAMES, count: 1, what: "error=ENOSPC" };
    let (code, said) = run_until(&node, &back, &full);
    assert!(
        code == Some(1)
            && said.contains("cannot put the previous database back")
            && said.contains("kwo asked systemd to start k3s again"),
        "{said}"
    );
    machine.until("the newer k3s is up", || (machine.shows("k3s", "ActiveState") == "active").then_some(()));
    assert!(node.kubectl(&["get", "namespace", "written-since"]).contains("Active"));
    for (file, calls) in [
        (kept("upgrade.json"), CALLS),
        (aside.clone(), CALLS),
        (format!("{DATABASE}-shm"), CALLS),
        (format!("{DATABASE}-wal"), CALLS),
        (DATABASE.to_owned(), RENAMES),
        (PROGRAM.to_owned(), CALLS),
        (RECORD.to_owned(), CALLS),
        (kept("upgrade.json"), CALLS),
    ] {
        killed_before(&node, &back, &file, calls, 1);
    }
    let (code, said) = node.run(&back);
    assert!(code == Some(0) && said.contains(&format!("k3s is {FIRST}")), "{said}");
    let now = node.settled();
    assert_eq!([changed(&before, &now), changed(&now, &before)].concat(), Vec::<String>::new());
    node.pod_runs(&pod);
    assert!(machine.path(&aside).exists(), "the newer database is gone");
}

#[test]
fn who_interrupts_an_upgrade_is_told_where_it_stands() {
    let (Some(programs), Some(())) = (apiserver::programs(), strace()) else { return };
    let Some(node) = Node::new(&programs) else { return };
    let machine = &node.machine;
    let (before, words) = (node.settled(), node.words(SECOND));
    let pid = machine.shows("k3s", "MainPID");
    let interrupted = |file: &str| {
        let (code, said) =
            run_until(&node, &words, &At { file, calls: RENAMES, count: 1, what: "signal=INT" });
        assert_eq!(code, Some(1), "{said}");
        said
    };
    // The backup is made, and nobody has stopped k3s yet: kwo is about to note the upgrade.
    let mut said = interrupted(&format!("{KEPT}/upgrade.json"));
    // A signal may take a while to come to kwo, and then k3s is stopped.
    if said.contains("interrupted; nothing was changed") {
        assert_eq!(machine.shows("k3s", "MainPID"), pid);
        let (code, back) = node.rollback();
        assert!(code == Some(5) && back.contains("kwo has noted no upgrade"), "{back}");
        said = interrupted(&format!("{KEPT}/state.db"));
    }
    // A run that ended while k3s is stopped would leave the node down.
    assert!(said.contains("done  node:Service/k3s") && said.contains("the same command goes on"), "{said}");
    let (code, said) = node.run(&words);
    assert!(code == Some(0) && said.contains("Go on upgrading"), "{said}");
    assert!(node.kubectl(&["get", "node", "node"]).contains(SECOND));
    assert_eq!(changed(&before, &node.settled()), Vec::<String>::new());
}

#[test]
fn an_installation_goes_on_from_before_any_name() {
    let (Some(programs), Some(())) = (apiserver::programs(), strace()) else { return };
    let Some(node) = Node::empty(&programs) else { return };
    let (machine, words) = (&node.machine, node.installs());
    // In this order: what kwo knows, the program, its configuration, its unit, and that k3s is ready.
    for file in [
        RECORD,
        PROGRAM,
        "/etc/rancher/k3s/config.yaml.d/00-kwo-install.yaml",
        "/etc/systemd/system/k3s.service",
        RECORD,
    ] {
        killed_before(&node, &words, file, CALLS, 1);
    }
    let (code, said) = node.run(&words);
    assert!(code == Some(0) && said.contains("Go on installing k3s"), "{said}");
    assert!(node.kubectl(&["get", "namespaces", "-oname"]).contains("namespace/bob"));
    let pid = machine.shows("k3s", "MainPID");
    let (code, said) = node.run(&words);
    assert!(code == Some(0) && said.contains("Nothing to do: "), "{said}");
    assert_eq!(machine.shows("k3s", "MainPID"), pid);
}
