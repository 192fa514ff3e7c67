//! A plan asks the cluster while it reads the roster; a run that writes asks nothing before it has the lock.

use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use testkit::loopback::Asked;
use testkit::loopback::Reply::{self, Answer, Drop};
use testkit::places;
use testkit::run::Ran;
use testkit::scripted::Scripted;

use super::status;

const ROSTER: &str = "{apiVersion: kwo/v1, kind: Roster, tenants: {alice: }}\n";

/// An empty cluster, whose first answer to the list of roles is this one.
fn empty(mut roles: Option<Reply>) -> Scripted {
    Scripted::start(move |asked: &Asked| match asked.path.as_str() {
        "/api/v1/namespaces/kube-system" => {
            Answer(200, "", json!({"metadata": {"name": "kube-system", "uid": "u1"}}).to_string())
        }
        path if path.contains("/leases") => status(403, "Forbidden", "no leases"),
        path if path.contains("/roles?limit=") => roles.take().unwrap_or_else(none),
        _ => none(),
    })
}

fn none() -> Reply {
    Answer(200, "", r#"{"items":[]}"#.to_owned())
}

fn kwo(args: &[&str], server: &Scripted) -> Child {
    let folder: &Path = server.kubeconfig.parent().expect("a folder");
    let mut command = Command::new(places::kwo());
    command.args(args).env_clear().env("HOME", folder).env("KWO_KUBECONFIG", &server.kubeconfig);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("kwo runs")
}

/// The paths of the lists that were asked for, ordered.
fn lists(server: &Scripted) -> Vec<String> {
    let paths = server.asked().into_iter().map(|asked| asked.path);
    let mut lists: Vec<String> = paths.filter(|path| path.contains("?limit=")).collect();
    lists.sort();
    lists
}

/// Gives it the roster after so many lists were asked for, and waits for its end.
fn after(lists_asked: usize, mut plan: Child, server: &Scripted) -> Ran {
    let patience = Instant::now();
    while lists(server).len() < lists_asked {
        assert!(patience.elapsed() < Duration::from_secs(30), "{:?}", lists(server));
        std::thread::sleep(Duration::from_millis(10));
    }
    plan.stdin.take().expect("standard input").write_all(ROSTER.as_bytes()).expect("a roster");
    Ran::of(&plan.wait_with_output().expect("an end"))
}

/// The lists of a plan for whom nothing was asked ahead: the roster is there before kwo starts.
fn all() -> Vec<String> {
    let server = empty(None);
    after(0, kwo(&["plan", "-"], &server), &server).expect(0);
    lists(&server)
}

#[test]
fn the_cluster_is_asked_while_the_roster_is_read() {
    let all = all();
    assert!(all.len() > 10, "{all:?}");
    let server = empty(None);
    let ran = after(all.len(), kwo(&["plan", "-"], &server), &server).expect(0);
    assert!(ran.out.contains("alice"), "{}", ran.out);
    // And nothing twice.
    assert_eq!(lists(&server), all);
}

#[test]
fn what_was_asked_ahead_in_vain_is_asked_again() {
    let all = all();
    for (bad, said) in [
        (Drop, None),
        (Answer(503, "", "{}".to_owned()), None),
        (Answer(200, "", "<html>".to_owned()), Some("cannot be read")),
        (status(403, "Forbidden", "User \"x\" cannot list roles"), Some("cannot list roles")),
    ] {
        let server = empty(Some(bad));
        let ran = after(all.len(), kwo(&["plan", "-"], &server), &server);
        match said {
            None => {
                assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
                assert_eq!(lists(&server).len(), all.len() + 1);
            }
            // An answer is an answer: that nothing could be seen is told, and never taken for "there is none".
            Some(said) => {
                assert_eq!(ran.code, 5, "{}{}", ran.out, ran.err);
                assert!(ran.out.contains(said), "{}{}", ran.out, ran.err);
            }
        }
    }
}

#[test]
fn a_run_that_writes_asks_nothing_before_it_has_the_lock() {
    let server = empty(None);
    let ran = after(0, kwo(&["apply", "--yes", "-"], &server), &server);
    assert_ne!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert_eq!(lists(&server), Vec::<String>::new(), "{}", ran.err);
}
