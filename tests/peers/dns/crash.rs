//! A run that is killed before and after each write, and somebody else who writes at the same moment.

use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use testkit::loopback::Reply;
use testkit::run::steps;

use crate::dns::world::{World, ZONE, forward, records};

/// Kills a run at this write, before the server sees it or after, and runs again.
fn killed(write: usize, after: bool) {
    let (tell, reached) = mpsc::channel::<()>();
    let (tell, armed) = (Mutex::new(tell), Arc::new(AtomicBool::new(true)));
    let (count, is_armed) = (AtomicUsize::new(0), Arc::clone(&armed));
    let world = World::meddled(|server| {
        Box::new(move |asked| {
            if asked.method != "PATCH" || !is_armed.load(Ordering::SeqCst) {
                return None;
            }
            if count.fetch_add(1, Ordering::SeqCst) + 1 != write {
                return None;
            }
            if after {
                forward(&server, asked);
            }
            let _ = tell.lock().unwrap().send(());
            // The run is killed meanwhile.
            while is_armed.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(20));
            }
            Some(Reply::Drop)
        })
    });
    let Some(world) = world else { return };
    world.server.put(ZONE, ("A", "shop.example.com"), &["203.0.113.7"], Some("the shop"));
    let shop = world.set("A", "shop.example.com");
    world.roster("[a.example.com, b.example.com]", "");
    let mut run = world.bench.command(&["apply", "--yes", "--lock-timeout=2m"]);
    let mut run = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    reached.recv_timeout(Duration::from_secs(60)).unwrap();
    run.kill().unwrap();
    run.wait().unwrap();
    armed.store(false, Ordering::SeqCst);
    let there = world.server.sets(ZONE).iter().filter(|set| set["type"] == "A").count() - 1;
    assert_eq!(there, write - usize::from(!after));
    let plan = world.plan(&[]);
    assert_eq!((records(&plan["steps"]).len(), records(&plan["held"])), (2 - there, vec![]));
    world.apply(&[]).expect(0);
    assert_eq!(steps(&world.plan(&[])), Vec::<String>::new());
    for name in ["a.example.com", "b.example.com"] {
        assert_eq!(world.server.resolve("A", name).records, ["192.0.2.10"]);
    }
    assert_eq!(world.set("A", "shop.example.com"), shop);
}

#[test]
fn a_run_that_is_killed_before_a_write_goes_on_next_time() {
    killed(1, false);
    killed(2, false);
}

#[test]
fn a_run_that_is_killed_after_a_write_goes_on_next_time() {
    killed(1, true);
    killed(2, true);
}

#[test]
fn a_write_without_an_answer_is_looked_at_again() {
    let dropped = AtomicBool::new(false);
    let world = World::meddled(|server| {
        Box::new(move |asked| {
            let first = asked.method == "PATCH" && !dropped.swap(true, Ordering::SeqCst);
            first.then(|| {
                forward(&server, asked);
                Reply::Drop
            })
        })
    });
    let Some(world) = world else { return };
    world.apply(&[]).expect(0);
    assert_eq!(world.asked().iter().filter(|asked| asked.starts_with("PATCH")).count(), 1);
}

#[test]
fn what_somebody_else_makes_meanwhile_is_not_taken_over() {
    let once = AtomicBool::new(false);
    let world = World::meddled(|server| {
        Box::new(move |asked| {
            // Right before kwo looks at what it is about to write.
            if asked.path.contains("rrset_name=") && !once.swap(true, Ordering::SeqCst) {
                server.put(ZONE, ("A", "www.example.com"), &["203.0.113.5"], Some("faster"));
            }
            None
        })
    });
    let Some(world) = world else { return };
    let ran = world.apply(&[]).expect(1);
    let told = format!("{}{}", ran.out, ran.err);
    assert!(told.contains("exists"), "{told}");
    let set = world.set("A", "www.example.com").unwrap();
    assert_eq!(
        (&set["records"][0]["content"], set["comments"].as_array().unwrap().len()),
        (&"203.0.113.5".into(), 1)
    );
}

#[test]
fn what_somebody_else_changes_right_after_a_write_is_told() {
    let once = AtomicBool::new(false);
    let world = World::meddled(|server| {
        Box::new(move |asked| {
            if asked.method != "PATCH" || once.swap(true, Ordering::SeqCst) {
                return None;
            }
            let reply = forward(&server, asked);
            server.put(ZONE, ("A", "www.example.com"), &["203.0.113.5"], None);
            Some(reply)
        })
    });
    let Some(world) = world else { return };
    // It is seen, planned anew, and no longer what was asked for.
    let ran = world.apply(&[]).expect(1);
    let told = format!("{}{}", ran.out, ran.err);
    assert!(told.contains("dns:Record/example.com/A:www.example.com"), "{told}");
    world.apply(&[]).expect(0);
    assert_eq!(world.server.resolve("A", "www.example.com").records, ["192.0.2.10"]);
}
