//! A run that is killed before or after any of its writes: the next one does what is missing, and nothing twice.

use std::process::Stdio;
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use testkit::apiserver::unique;
use testkit::loopback::Reply;
use testkit::run::Ran;

use super::World;
use super::front::forward;

#[test]
fn a_run_that_is_killed_at_any_write_is_gone_on_with() {
    let Some(world) = World::new(&["alice"]) else { return };
    let name = unique("vk");
    let roster = format!("  {name}: {{owners: [alice]}}\n");
    let address = world.bao.address;
    // A policy, a group, an entity, its alias, a member: each run comes to the next of them. What is killed after one is
    // what is killed before the next.
    for write in 0..=5 {
        {
            let after = write > 0;
            let (tell, reached) = mpsc::channel::<()>();
            let (alive, dead) = mpsc::channel::<()>();
            let (tell, dead) = (Mutex::new(tell), Mutex::new(dead));
            let _front = world.behind(move |asked| {
                if asked.method == "GET" || asked.path.contains("/lookup/") {
                    return None;
                }
                // One write comes through at a time, and the first one is the last.
                let dead = dead.lock().unwrap();
                if after && tell.lock().unwrap().send(()).is_ok() {
                    let _ = forward(address, asked);
                }
                let _ = tell.lock().unwrap().send(());
                let _ = dead.recv();
                Some(Reply::Drop)
            });
            world.write(&roster);
            let mut command =
                world.bench.command(&["apply", "--yes", "--lock-timeout=1m", "--concurrency=1"]);
            let mut run = command
                .env("KWO_LOCK_DURATION", "1s")
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            for _ in 0..=usize::from(after) {
                let reached = reached.recv_timeout(Duration::from_secs(60));
                assert!(reached.is_ok(), "the run did not come to write {write}");
            }
            run.kill().unwrap();
            run.wait().unwrap();
            drop(alive);
        }
    }
    *world.address.borrow_mut() = world.bao.url();
    world.write(&roster);
    assert_eq!(world.plan("steps"), Vec::<String>::new(), "each write was done once");
    let ran = Ran::of(&world.bench.command(&["apply", "--yes", "--lock-timeout=1m"]).output().unwrap());
    world.heard(ran).expect(0);
    let all = world.all();
    assert_eq!(all["entities"].as_array().unwrap().len(), 1, "{all}");
    assert_eq!(all["aliases"].as_object().unwrap().len(), 1, "{all}");
    assert_eq!(all["groups"].as_array().unwrap().len(), 1, "{all}");
}
