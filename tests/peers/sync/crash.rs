//! Killed at any point, or told to stop: the next run tells of the broken one, converges, and the history is whole.

use std::fs;
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use testkit::apiserver::unique;
use testkit::gate::{self, Gate, Point};
use testkit::run::LONGER_THAN_THE_LOCK;

use crate::sync::cluster::{Cluster, target};
use crate::sync::world::World;

/// Runs until this point of this write, and is killed there.
fn kill(world: &World, write: usize, point: Point) {
    gate::kill(write, point, |kubeconfig| {
        world.settings(&target(kubeconfig));
        // Its lock is free again sooner than that of others.
        world.command(&["sync", "--lock-duration=1s"])
    });
}

#[test]
fn killed_at_any_write_the_next_run_tells_of_it_and_converges() {
    let Some(cluster) = Cluster::alone() else { return };
    let world = World::new(&format!("tenants:\n  {}:\n", unique("kill")));
    cluster.settings(&world, "");
    world.sync(&[]).expect(0);
    world.commit(&format!("tenants:\n  {}:\n", unique("kill")));
    world.sync(&[]).expect(0);
    let steps = world.newest()["steps"].as_array().unwrap().len();
    assert!(steps > 5);
    // What is applied is left first, then come the steps side by side, and how it ended comes last.
    let writes = [1, 2, steps / 2, steps, steps + 1, steps + 2];
    for (write, point) in writes.iter().flat_map(|write| [(*write, Point::Before), (*write, Point::After)]) {
        let name = unique("kill");
        let commit = world.commit(&format!("tenants:\n  {name}:\n"));
        let count = world.history().len();
        kill(&world, write, point);
        cluster.settings(&world, "");
        let ran = world.sync(&["--lock-timeout=8s"]).expect(0);
        world.kwo(&["history", "verify"]).expect(0);
        let entries = world.history();
        let broken = ran.out.contains("broke off; this one finishes it");
        assert_eq!(broken, write < steps + 2, "{point:?} write {write}: {}", ran.out);
        if broken {
            let entry = entries.iter().rev().nth(count).unwrap();
            assert_eq!(
                (&entry["outcome"], &entry["commit"]["id"]),
                (&"failed".into(), &commit.as_str().into())
            );
            assert_eq!(entry["steps"].as_array().unwrap().len(), steps);
            assert!(entry["steps"].as_array().unwrap().iter().all(|step| step["outcome"] == "begun"));
        }
        assert_eq!(cluster.memory()["commit"], commit);
        world.sync(&[]).expect(0).says(": 0 done, ").conceals("broke off");
    }
}

#[test]
fn killed_at_any_moment_the_history_is_whole_and_the_next_run_converges() {
    let world = World::new("tenants:\n  first:\n");
    let began = Instant::now();
    world.sync(&[]).expect(0);
    let whole = began.elapsed();
    for at in 0..30u32 {
        world.commit(&format!("tenants:\n  t{at}:\n  u{at}:\n"));
        let mut run = world.command(&["sync"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        thread::sleep(whole * at / 28);
        let _ = run.kill();
        run.wait().unwrap();
        world.sync(&[]).expect(0);
        assert!(world.has(&format!("u{at}")));
        world.kwo(&["history", "verify"]).expect(0);
        world.sync(&[]).expect(0).says(": 0 done, ");
    }
    let left: Vec<_> =
        fs::read_dir(world.path("state/sync")).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with("checkout-")), "{left:?}");
}

#[test]
fn told_to_stop_it_ends_between_two_writes_and_records_how_far_it_came() {
    let Some(cluster) = Cluster::alone() else { return };
    let name = unique("term");
    let world = World::new(&format!("tenants:\n  {name}:\n"));
    // The second write, which is a step, takes its time.
    let (tell, reached) = mpsc::channel();
    let gate = Gate::open(move |number, at, _| {
        if (number, at) == (2, Point::Before) {
            tell.send(()).unwrap();
            thread::sleep(Duration::from_millis(1500));
        }
        true
    });
    world.settings(&target(gate.kubeconfig()));
    let run = world.command(&["sync"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    reached.recv_timeout(LONGER_THAN_THE_LOCK).unwrap();
    let pid = run.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let ran = crate::sync::world::Ran::of(&run.wait_with_output().unwrap()).expect(1);
    assert!(ran.out.contains("! stopped: interrupted; "), "{}", ran.out);
    let entry = world.newest();
    let done = entry["steps"].as_array().unwrap().len();
    assert!(done >= 1 && entry["problems"][0]["text"].as_str().unwrap().contains("not begun"), "{entry}");
    // The lock was given back, and nothing is told of as broken.
    cluster.settings(&world, "");
    world.sync(&["--lock-timeout", "0s"]).expect(0).conceals("broke off");
    world.kwo(&["history", "verify"]).expect(0);
}

#[test]
fn told_to_stop_while_it_fetches_it_ends_at_once_and_does_nothing() {
    let world = World::new("tenants:\n  alice:\n");
    world.sync(&[]).expect(0);
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/x.git", silent.local_addr().unwrap());
    world.settings_for(&format!("{{url: '{url}', timeout: 10m}}"), "");
    let run = world.command(&["sync"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let _connection = silent.accept().unwrap();
    let pid = run.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let began = Instant::now();
    let ran = crate::sync::world::Ran::of(&run.wait_with_output().unwrap()).expect(1);
    assert!(began.elapsed() < Duration::from_secs(10));
    ran.says("! interrupted; nothing was changed");
}

#[test]
fn an_api_server_that_goes_away_during_a_run_is_told_and_the_next_run_goes_on() {
    let Some(cluster) = Cluster::alone() else { return };
    let name = unique("lost");
    let world = World::new(&format!("tenants:\n  {name}:\n"));
    // From the fourth write on nothing gets through any more, the last word of the run included.
    let gate = Gate::open(move |number, _, _| number < 4);
    world.settings(&target(gate.kubeconfig()));
    let ran = world
        .sync(&[])
        .expect(1)
        .says("lost the connection to ")
        .says("kwo cannot note in the cluster how this run ended");
    assert!(ran.out.contains("steps were not done"), "{}", ran.out);
    let entry = world.newest();
    let outcomes: Vec<&str> =
        entry["steps"].as_array().unwrap().iter().map(|step| step["outcome"].as_str().unwrap()).collect();
    assert!(outcomes.contains(&"done") && outcomes.contains(&"unreachable"), "{outcomes:?}");
    cluster.settings(&world, "");
    world.sync(&[]).expect(0).conceals("broke off");
    world.sync(&[]).expect(0).says(": 0 done, ");
    world.kwo(&["history", "verify"]).expect(0);
}
