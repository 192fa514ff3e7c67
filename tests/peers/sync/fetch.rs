//! Where the newest commit cannot be had or cannot be used: the last good one is converged, and it is told why and how
//! old it is.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::sync::world::{World, roster};

const ALICE: &str = "tenants:\n  alice:\n";

/// Makes the node believe that it fetched this long ago.
fn age(world: &World, seconds: i64) {
    let path = world.path("state/sync/applied.json");
    let mut applied: serde_json::Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    let when = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(seconds);
    applied["fetched"] = json!(when.to_string());
    fs::write(&path, applied.to_string()).unwrap();
}

#[test]
fn where_the_fetch_fails_the_last_good_commit_is_converged_and_its_age_told() {
    let world = World::new(ALICE);
    let commit = world.head();
    world.sync(&[]).expect(0);
    fs::rename(world.path("cluster.git"), world.path("gone.git")).unwrap();
    age(&world, 5 * 3600 + 130);
    fs::remove_file(world.file_of("ResourceQuota", "alice-quota").unwrap()).unwrap();
    world
        .sync(&[])
        .expect(1)
        .says("cluster.git cannot be fetched: `git fetch` failed: ")
        .says(&format!("; kwo last applied {}, which it saw on the branch at ", &commit[..12]))
        .says(", 5 h 2 min ago")
        .says("+ created kube:ResourceQuota/alice/alice-quota");
    let entry = world.newest();
    assert_eq!((&entry["outcome"], &entry["problems"][0]["kind"]), (&json!("failed"), &json!("fetch")));
    assert!(entry["problems"][0]["text"].as_str().unwrap().ends_with("5 h 2 min ago"), "{entry}");
    assert_eq!(entry["drift"][0]["what"], "it was deleted");

    // A clock that was put back makes it no older than it is.
    age(&world, -7200);
    world.sync(&[]).expect(1).says(", 0 s ago");
    age(&world, 5 * 3600 + 130);

    // Hour by hour the same is no news, and a converging run does not make the commit any younger.
    world.sync(&[]).expect(1).says(", 5 h 2 min ago");
    let count = world.history().len();
    world.sync(&[]).expect(1);
    assert_eq!(world.history().len(), count);
    fs::rename(world.path("gone.git"), world.path("cluster.git")).unwrap();
    world.sync(&[]).expect(0);
    assert_eq!(world.newest()["outcome"], "converged", "the recovery is news");
}

#[test]
fn a_first_run_that_cannot_fetch_does_nothing() {
    let world = World::empty();
    world
        .sync(&[])
        .expect(1)
        .says("couldn't find remote ref refs/heads/main")
        .says("there is no such branch: see `repository.branch`")
        .says(
            "kwo has no commit to apply; nothing was changed: neither this node nor another one has applied",
        );
    assert_eq!(world.newest()["commit"], json!(null));
}

/// What still runs and has this in its command line or its environment.
fn running(mark: &str) -> Vec<String> {
    let mut found = Vec::new();
    for process in fs::read_dir("/proc").unwrap().flatten() {
        let read = |name: &str| fs::read(process.path().join(name)).unwrap_or_default();
        let both = [read("cmdline"), read("environ")].concat();
        let text = String::from_utf8_lossy(&both).replace('\0', " ");
        if text.contains(mark) && process.path() != Path::new("/proc/self") {
            found.push(text.chars().take(200).collect());
        }
    }
    found
}

#[test]
fn a_fetch_that_hangs_is_ended_with_all_that_it_started() {
    let world = World::new(ALICE);
    world.sync(&[]).expect(0);
    // It takes connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    fs::write(world.path("known_hosts"), "").unwrap();
    for url in [format!("https://127.0.0.1:{port}/x.git"), format!("ssh://git@127.0.0.1:{port}/x.git")] {
        world.settings_for(&format!("{{url: '{url}', timeout: 2s}}"), "");
        let began = Instant::now();
        let ran = world.sync(&[]).expect(1).says("kwo goes on with what it applied last");
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
        let hung = "`git fetch` took longer than 2 s";
        assert!(ran.out.contains(hung) || ran.out.contains("timed out"), "{}", ran.out);
        assert!(ran.out.contains("hint: ") && ran.out.contains("`repository.timeout`"), "{}", ran.out);
        assert_eq!(running(&format!("127.0.0.1:{port}")), [""; 0]);
        assert_eq!(running(&world.path("state").display().to_string()), [""; 0]);
    }
}

#[test]
fn a_roster_that_is_not_valid_is_told_where_and_the_last_good_one_converged() {
    let world = World::new(ALICE);
    let good = world.head();
    world.sync(&[]).expect(0);
    world.write("roster.yaml", &roster("tenants:\n  alice:\n    owner: [a@example.com]\n    tier: gold\n"));
    let bad = world.commit_all(&[]);
    fs::remove_file(world.file_of("Namespace", "alice").unwrap()).unwrap();
    world
        .sync(&[])
        .expect(1)
        .says("error[unknown-field]: unknown field `owner` in a tenant")
        .says("--> roster.yaml:5:5")
        .says(&format!("! the roster of {} is not valid: ", &bad[..12]))
        .says("and 1 more")
        .says(&format!("kwo goes on with what it applied last: main: {}", &good[..12]));
    assert!(world.has("alice"));
    let entry = world.newest();
    assert_eq!(entry["problems"][0]["kind"], "roster");
    assert_eq!((&entry["commit"]["id"], &entry["refused"]["id"]), (&json!(good), &json!(bad)));
    let ran = world.sync(&["-o", "json"]).expect(1);
    assert!(ran.err.contains("--> roster.yaml:5:5") && ran.json()["outcome"] == "failed");

    // A roster that is gone is no roster without tenants.
    fs::remove_file(world.path("work/roster.yaml")).unwrap();
    let empty = world.commit_all(&[]);
    world.sync(&[]).expect(1).says(&format!("{} has no file roster.yaml", &empty[..12]));
    world.commit(ALICE);
    world.sync(&[]).expect(0).says("In agreement");
}

#[test]
fn a_broken_clone_is_made_anew() {
    let world = World::new(ALICE);
    world.sync(&[]).expect(0);
    let clone = world.path("state/sync/repository.git");
    // What a power cut may leave: files with a name and no content, and halves of a fetch.
    for file in crate::sync::world::files(&clone.join("objects")) {
        fs::remove_file(&file).unwrap();
        fs::write(&file, "").unwrap();
    }
    fs::write(clone.join("objects/pack/tmp_pack_x"), "half").unwrap();
    fs::write(clone.join("packed-refs.lock"), "").unwrap();
    world.commit("tenants:\n  alice:\n  bob:\n");
    world.sync(&[]).expect(0);
    assert!(world.has("bob") && !clone.join("objects/pack/tmp_pack_x").exists());
    fs::write(clone.join("HEAD"), "").unwrap();
    world.commit("tenants:\n  alice:\n  bob:\n  carol:\n");
    world.sync(&[]).expect(0);
    assert!(world.has("carol"));
}

#[test]
fn what_is_missing_on_the_node_is_named() {
    let world = World::new(ALICE);
    let bin = world.path("bin");
    fs::create_dir(&bin).unwrap();
    let poor = || crate::sync::world::Ran::of(&world.command(&["sync"]).env("PATH", &bin).output().unwrap());
    poor().expect(1).says("cannot run `git`").says("hint: install it: kwo needs `git`");
    let path = std::env::var_os("PATH").unwrap();
    for name in ["git", "sh"] {
        let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file());
        std::os::unix::fs::symlink(found.unwrap(), bin.join(name)).unwrap();
    }
    world.settings_for("{url: 'git@127.0.0.1:x.git'}", "");
    poor().expect(1).says("ssh: not found").says("hint: `ssh` has to be installed");
    world.settings(&format!("target: {{kubeconfig: {}}}\n", world.path("nowhere").display()));
    let said = "! cannot connect to the cluster: cannot read the kubeconfig ";
    world.sync(&[]).expect(1).says(said).conceals("error:").conceals("caused by");
}
