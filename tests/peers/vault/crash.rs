//! A run that is killed before or after any of its writes: the next one does what is missing, and nothing twice.

use std::process::Stdio;
use std::sync::{Mutex, mpsc};

use serde_json::json;
use testkit::apiserver::unique;
use testkit::loopback::Reply;
use testkit::run::{LONGER_THAN_THE_LOCK, Ran};

use super::World;
use super::front::forward;
use super::leaving::{cut, undo, undoing};

impl World {
    /// Runs kwo with this roster, and kills it before its first write to the server, or after that.
    pub(super) fn killed(&self, after: bool, roster: &str, args: &[&str]) {
        let address = self.bao.address;
        let (tell, reached) = mpsc::channel::<()>();
        let (alive, dead) = mpsc::channel::<()>();
        let (tell, dead) = (Mutex::new(tell), Mutex::new(dead));
        let _front = self.behind(move |asked| {
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
        self.write(roster);
        let mut command = self.bench.command(args);
        let mut run = command
            .env("KWO_LOCK_DURATION", "1s")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        for _ in 0..=usize::from(after) {
            let reached = reached.recv_timeout(LONGER_THAN_THE_LOCK);
            assert!(reached.is_ok(), "the run came to no write: {args:?}");
        }
        run.kill().unwrap();
        run.wait().unwrap();
        drop(alive);
    }
}

#[test]
fn a_run_that_is_killed_at_any_write_is_gone_on_with() {
    let Some(world) = World::new(&["alice"]) else { return };
    let name = unique("vk");
    let roster = format!("  {name}: {{owners: [alice]}}\n");
    // A policy, a group, an entity, its alias, a member: each run comes to the next of them. What is killed after one is
    // what is killed before the next.
    for write in 0..=5 {
        world.killed(write > 0, &roster, &["apply", "--yes", "--lock-timeout=2m", "--concurrency=1"]);
    }
    *world.address.borrow_mut() = world.bao.url();
    world.write(&roster);
    assert_eq!(world.plan("steps"), Vec::<String>::new(), "each write was done once");
    let ran = Ran::of(&world.bench.command(&["apply", "--yes", "--lock-timeout=2m"]).output().unwrap());
    world.heard(ran).expect(0);
    let all = world.all();
    assert_eq!(all["entities"].as_array().unwrap().len(), 1, "{all}");
    assert_eq!(all["aliases"].as_object().unwrap().len(), 1, "{all}");
    assert_eq!(all["groups"].as_array().unwrap().len(), 1, "{all}");
}

#[test]
fn a_cut_and_its_undo_that_are_killed_at_any_write_are_gone_on_with() {
    let Some(world) = World::new(&["alice"]) else { return };
    world.lets_leave();
    let name = unique("vd");
    let roster = format!("  {name}: {{owners: [alice]}}\n");
    world.write(&roster);
    world.apply(&[]).expect(0);
    let before = world.still();
    let typed = format!("offboard {name} (1 namespace)");
    let who = [name.as_str()];
    let cutting = cut(&who, &typed, &[]);
    // The member and the policy: what is killed after one is what is killed before the next.
    for write in 0..=2 {
        world.killed(write > 0, &roster, &cutting);
    }
    *world.address.borrow_mut() = world.bao.url();
    world.write(&roster);
    world.kwo(&cutting).expect(0);
    assert_eq!(world.group(&format!("kwo-{name}-owner"))["member_entity_ids"], json!([]));
    assert!(world.still()["policies"].get(format!("kwo-{name}-owner")).is_none());
    let typed = undoing(&world, &who);
    let undoing = undo(&who, &typed);
    for write in 0..=2 {
        world.killed(write > 0, &roster, &undoing);
    }
    *world.address.borrow_mut() = world.bao.url();
    world.write(&roster);
    world.kwo(&undoing).expect(0);
    assert_eq!(world.still(), before);
    assert_eq!(world.plan("steps"), Vec::<String>::new());
}
