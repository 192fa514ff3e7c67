//! The code of a fork gets no credential: not the cluster's, not the forge's.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::forge::Forge;
use crate::loopback::{Loopback, Reply};
use crate::stage::{SYSTEMS, Stage, System, and};

/// A cluster that counts who comes.
fn cluster() -> (Loopback, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let server = Loopback::start(move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
        Reply::Answer(403, "", r#"{"kind": "Status", "message": "no"}"#.to_owned())
    });
    (server, count)
}

#[test]
fn a_request_from_a_fork_is_checked_and_nothing_else() {
    for (system, kind) in SYSTEMS {
        let stage = Stage::new("tenants: {mallory: {owners: [mallory@example.com]}}\n");
        let forge = Forge::start(kind, "mallory/rosters");
        let (server, visits) = cluster();
        let kubeconfig = std::fs::read_to_string(&server.kubeconfig).unwrap();
        let more = [("KWO_KUBECONFIG_DATA", kubeconfig.as_str())];
        let variables = and(stage.request(system, &forge, "mallory/rosters"), &more);
        let ran = stage.kwo(&["ci", "--plan-file=plan.json"], &variables).expect(0);
        assert!(ran.err.contains("the request comes from a fork ("), "{}", ran.err);
        assert!(
            ran.err.contains("only the roster is checked, without the credentials of the cluster"),
            "{}",
            ran.err
        );
        assert!(ran.err.contains("roster.yaml is valid"), "{}", ran.err);
        assert_eq!(visits.load(Ordering::SeqCst), 0);
        assert!(!stage.path("plan.json").exists() && forge.comments().is_empty());
        let asked = forge.asked();
        match system {
            // It does not say where a request comes from, so the forge is asked; of the fork's nothing is sent along.
            System::Woodpecker => {
                assert_eq!(asked.len(), 1);
                assert!(asked[0].method == "GET" && asked[0].body.is_empty());
            }
            _ => assert_eq!(asked.len(), 0),
        }
        // What is wrong in it is said all the same.
        stage.write("tenants: {mallory: {owner: x}}\n");
        stage.kwo(&["ci"], &variables).expect(1);
        assert_eq!(visits.load(Ordering::SeqCst), 0);

        // The same request from the repository itself does lead to the cluster.
        let forge = Forge::start(kind, "group/rosters");
        stage.write("tenants: {alice: {}}\n");
        let variables = and(stage.request(system, &forge, "group/rosters"), &more);
        stage.kwo(&["ci"], &variables).expect(5);
        assert!(visits.load(Ordering::SeqCst) > 0, "{system:?}");
    }
}

#[test]
fn where_the_source_cannot_be_told_it_is_taken_for_a_fork() {
    let stage = Stage::new("tenants: {alice: {}}\n");
    let (server, visits) = cluster();
    let config = [("KWO_KUBECONFIG", server.kubeconfig.to_str().unwrap())];
    for (system, kind) in SYSTEMS.into_iter().filter(|(system, _)| *system == System::Woodpecker) {
        let forge = Forge::start(kind, "group/rosters");
        let lost = [("CI_REPO", "group/unknown")];
        let variables = and(and(stage.request(system, &forge, "group/rosters"), &lost), &config);
        let ran = stage.kwo(&["ci"], &variables).expect(0);
        let why = "whether the request comes from a fork cannot be told: ";
        assert!(ran.err.contains(why) && ran.err.contains("404"), "{}", ran.err);
    }
    assert_eq!(visits.load(Ordering::SeqCst), 0);
}

#[test]
fn what_is_neither_a_request_nor_the_default_branch_is_only_checked() {
    for (system, kind) in SYSTEMS {
        let stage = Stage::new("tenants: {alice: {}}\n");
        let forge = Forge::start(kind, "group/rosters");
        let ran = stage.kwo(&["ci", "--target=dir:sandbox"], &stage.push(system, &forge, "topic")).expect(0);
        assert!(ran.err.contains("this is the branch `topic`, which is not `main`: "), "{}", ran.err);
        assert!(!stage.path("sandbox").exists() && forge.asked().is_empty());
    }
}
