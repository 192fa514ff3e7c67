//! A run that is killed before and after each write, and somebody else who writes at the same moment.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use testkit::peers::zones::{Ask, Then};
use testkit::run::{LONGER_THAN_THE_LOCK, steps};

use crate::dns::world::{World, each_meddled, records};

/// What a run is killed at, and whether it is: of one scene and one server after the other.
#[derive(Default)]
struct Trap {
    armed: AtomicBool,
    count: AtomicUsize,
    tell: Mutex<Option<mpsc::Sender<()>>>,
}

/// Kills a run at this write, before the server sees it or after, and runs again. A transaction has two sets, `together`, or
/// one: two sets of one name where the server takes more, because a name is in a transaction once.
fn killed(write: usize, after: bool, together: bool) {
    let trap = Arc::new(Trap::default());
    let of_front = Arc::clone(&trap);
    each_meddled(
        move |_| {
            let trap = Arc::clone(&of_front);
            Box::new(move |ask, pass| {
                let is_write = matches!(ask, Ask::Write(_)) && trap.armed.load(Ordering::SeqCst);
                if !is_write || trap.count.fetch_add(1, Ordering::SeqCst) + 1 != write {
                    return Then::Answer;
                }
                if after {
                    pass();
                }
                let _ = trap.tell.lock().unwrap().take().unwrap().send(());
                // The run is killed meanwhile.
                while trap.armed.load(Ordering::SeqCst) {
                    std::thread::sleep(Duration::from_millis(20));
                }
                Then::Drop
            })
        },
        |world| {
            let takes_many = world.server.writes_together();
            if together && !takes_many {
                return;
            }
            let (tell, reached) = mpsc::channel::<()>();
            *trap.tell.lock().unwrap() = Some(tell);
            trap.count.store(0, Ordering::SeqCst);
            trap.armed.store(true, Ordering::SeqCst);
            world.server.put(("A", "shop.example.com"), &["203.0.113.7"], Some("the shop"));
            let shop = world.set("A", "shop.example.com");
            let (of, target, hosts) = if together || !takes_many {
                (["A", "A"], "{addresses: [192.0.2.10]}", ["a.example.com", "b.example.com"])
            } else {
                (["A", "AAAA"], "{addresses: [192.0.2.10, '2001:db8::10']}", ["a.example.com"; 2])
            };
            let named: Vec<&str> = BTreeSet::from(hosts).into_iter().collect();
            world.roster_to(target, &format!("[{}]", named.join(", ")), "");
            let mut run = world.bench.command(&["apply", "--yes", "--lock-timeout=2m"]);
            let mut run = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            reached.recv_timeout(LONGER_THAN_THE_LOCK).unwrap();
            run.kill().unwrap();
            run.wait().unwrap();
            trap.armed.store(false, Ordering::SeqCst);
            let there = world.server.sets().iter().filter(|set| of.contains(&set.of.as_str())).count() - 1;
            let each = if together { 2 } else { 1 };
            assert_eq!(there, each * (write - usize::from(!after)));
            let plan = world.plan(&[]);
            // Where the mark is a request of its own, it is not whole yet.
            let to_finish = usize::from(after && !world.server.writes_at_once());
            let left = 2 - there + to_finish;
            assert_eq!((records(&plan["steps"]).len(), records(&plan["held"])), (left, vec![]));
            world.apply(&[]).expect(0);
            assert_eq!(steps(&world.plan(&[])), Vec::<String>::new());
            for (of, name) in of.into_iter().zip(hosts) {
                let address = if of == "A" { "192.0.2.10" } else { "2001:db8::10" };
                assert_eq!(world.server.resolve(of, name).records, [address]);
            }
            assert_eq!(world.set("A", "shop.example.com"), shop);
        },
    );
}

#[test]
fn a_run_that_is_killed_before_a_write_goes_on_next_time() {
    killed(1, false, false);
    killed(2, false, false);
    killed(1, false, true);
}

#[test]
fn a_run_that_is_killed_after_a_write_goes_on_next_time() {
    killed(1, true, false);
    killed(2, true, false);
    killed(1, true, true);
}

#[test]
fn a_write_without_an_answer_is_looked_at_again() {
    unanswered(Then::Drop);
}

#[test]
fn a_write_whose_answer_is_too_long_to_read_is_looked_at_again() {
    unanswered(Then::Flood);
}

/// The server has written, and kwo does not hear of it.
fn unanswered(then: Then) {
    each_meddled(
        |_| {
            let dropped = AtomicBool::new(false);
            Box::new(move |ask, pass| {
                if !matches!(ask, Ask::Write(_)) || dropped.swap(true, Ordering::SeqCst) {
                    return Then::Answer;
                }
                pass();
                then
            })
        },
        |world| {
            world.apply(&[]).expect(0);
            assert_eq!(world.asked().iter().filter(|ask| matches!(ask, Ask::Write(_))).count(), 1);
        },
    );
}

#[test]
fn what_somebody_else_makes_meanwhile_is_not_taken_over() {
    each_meddled(
        |server| {
            let once = AtomicBool::new(false);
            Box::new(move |ask, _| {
                // Right before kwo looks at what it is about to write, or right before the write that compares.
                let is_last = match ask {
                    Ask::Find | Ask::Look | Ask::Part => false,
                    Ask::LookAt(_) => true,
                    Ask::Write(_) => server.compares(),
                };
                if is_last && !once.swap(true, Ordering::SeqCst) {
                    server.put(("A", "www.example.com"), &["203.0.113.5"], Some("faster"));
                }
                Then::Answer
            })
        },
        |world| {
            let ran = world.apply(&[]).expect(1);
            let told = format!("{}{}", ran.out, ran.err);
            assert!(told.contains("exists"), "{told}");
            let set = world.set("A", "www.example.com").unwrap();
            assert_eq!(set.records, ["203.0.113.5"]);
            assert!(set.notes.iter().all(|note| !note.contains("kwo1")), "{set:?}");
        },
    );
}

#[test]
fn what_somebody_else_changes_right_after_a_write_is_told() {
    each_meddled(
        |server| {
            let once = AtomicBool::new(false);
            Box::new(move |ask, pass| {
                if matches!(ask, Ask::Write(_)) && !once.swap(true, Ordering::SeqCst) {
                    pass();
                    server.put(("A", "www.example.com"), &["203.0.113.5"], None);
                }
                Then::Answer
            })
        },
        |world| {
            // It is seen, right after the write or at the end of the run, and no longer what was asked for.
            let ran = world.apply(&[]);
            let told = format!("{}{}", ran.out, ran.err);
            assert_ne!(ran.code, 0, "{told}");
            assert!(told.contains(&World::id("A", "www.example.com")), "{told}");
            world.apply(&[]).expect(0);
            assert_eq!(world.server.resolve("A", "www.example.com").records, ["192.0.2.10"]);
        },
    );
}

#[test]
fn what_somebody_else_changes_meanwhile_is_not_written_over() {
    let armed = Arc::new(AtomicBool::new(false));
    let of_front = Arc::clone(&armed);
    each_meddled(
        move |server| {
            let armed = Arc::clone(&of_front);
            Box::new(move |ask, _| {
                let is_last =
                    matches!(ask, Ask::LookAt(_)) || matches!(ask, Ask::Write(_)) && server.compares();
                if is_last && armed.swap(false, Ordering::SeqCst) {
                    server.put(("CNAME", "extra.example.com"), &["shop.example.net."], None);
                    server.put(("A", "www.example.com"), &["203.0.113.6"], None);
                }
                Then::Answer
            })
        },
        |world| {
            world.apply(&[]).expect(0);
            // One is changed, and where the other is to be made somebody puts something that bears no other beside it.
            world.roster("[www.example.com, extra.example.com]", ", ttl: 90");
            armed.store(true, Ordering::SeqCst);
            let ran = world.apply(&[]).expect(1);
            let told = format!("{}{}", ran.out, ran.err);
            assert_eq!(world.set("A", "www.example.com").unwrap().records, ["203.0.113.6"], "{told}");
            assert!(world.set("A", "extra.example.com").is_none(), "{told}");
        },
    );
}
