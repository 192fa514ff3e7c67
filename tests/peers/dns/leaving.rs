//! A tenant leaves, and its names with it: nobody is led there any more, and they come back as they were.

use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use serde_json::Value;
use testkit::peers::zones::{Ask, Set, Then};
use testkit::run::{LONGER_THAN_THE_LOCK, steps};

use crate::dns::world::{World, ZONE, each_meddled};

const NAMES: [(&str, &str); 2] = [("A", "www.example.com"), ("A", "*.any.example.com")];

const OFF: usize = 0;
const BEFORE: usize = 1;
const AFTER: usize = 2;

/// Whether a run is killed at its next write, before the server sees it or after.
#[derive(Default)]
struct Trap {
    armed: AtomicUsize,
    tell: Mutex<Option<mpsc::Sender<()>>>,
}

impl Trap {
    fn stands(&self, ask: &Ask, pass: &mut dyn FnMut()) -> Then {
        let armed = self.armed.load(Ordering::SeqCst);
        if armed == OFF || !matches!(ask, Ask::Write(_)) {
            return Then::Answer;
        }
        if armed == AFTER {
            pass();
        }
        if let Some(tell) = self.tell.lock().unwrap().take() {
            let _ = tell.send(());
        }
        while self.armed.load(Ordering::SeqCst) != OFF {
            std::thread::sleep(Duration::from_millis(20));
        }
        Then::Drop
    }

    fn kills(&self, world: &World, at: usize, args: &[&str]) {
        let (tell, reached) = mpsc::channel::<()>();
        *self.tell.lock().unwrap() = Some(tell);
        self.armed.store(at, Ordering::SeqCst);
        let mut run = world.bench.command(args);
        run.env("KWO_LOCK_DURATION", "1s");
        let mut run = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        reached.recv_timeout(LONGER_THAN_THE_LOCK).unwrap();
        run.kill().unwrap();
        run.wait().unwrap();
        self.armed.store(OFF, Ordering::SeqCst);
    }
}

/// What is there of these names, with its notes and kwo's marks.
fn own(world: &World) -> Vec<Set> {
    NAMES.iter().filter_map(|(of, name)| world.set(of, name)).collect()
}

/// All that is there besides.
fn of_others(world: &World) -> Vec<Set> {
    let mut sets = world.server.sets();
    sets.retain(|set| !NAMES.iter().any(|(_, name)| set.name == *name || set.name.starts_with("_kwo")));
    sets
}

#[test]
fn a_tenants_names_end_with_it_and_come_back_as_they_were() {
    let trap = Arc::new(Trap::default());
    let of_front = Arc::clone(&trap);
    let meddle = move |_| -> testkit::peers::zones::Meddle {
        let trap = Arc::clone(&of_front);
        Box::new(move |ask, pass| trap.stands(ask, pass))
    };
    each_meddled(meddle, |world| {
        let tenant = world.tenant.as_str();
        let typed = format!("offboard {tenant} (1 namespace)");
        let cut = ["offboard", tenant, "--stage", "cut", "--yes", "--lock-timeout=2m", "--confirm", &typed];
        if !world.server.ends() {
            world.apply(&[]).expect(0);
            let before = own(world);
            let ran = world.kwo(&cut).expect(5);
            let id = World::id("A", "www.example.com");
            assert!(
                ran.err.contains(&format!("by hand {id}: refused: kwo ends no records at ")),
                "{}",
                ran.err
            );
            assert!(
                ran.err.contains(&format!("cut     kube:ServiceAccount/{tenant}/deployer")),
                "{}",
                ran.err
            );
            assert_eq!(own(world), before);
            return;
        }
        // Some servers end a set record by record.
        let two = ["192.0.2.10", "192.0.2.11"];
        let target = format!("{{addresses: [{}]}}", two.join(", "));
        world.roster_to(&target, "[www.example.com, '*.any.example.com']", ", ttl: 60");
        let with = std::fs::read_to_string(world.bench.path("roster.yaml")).unwrap();
        let stays = format!("  {tenant}-b: {{domains: [other.example.com]}}\n");
        let with = format!("{with}{stays}");
        std::fs::write(world.bench.path("roster.yaml"), &with).unwrap();
        // One of the names was there before, with a note of others, and is kwo's by its mark.
        world.server.put(NAMES[0], &two, Some("by hand"));
        world.server.put(("A", "shop.example.com"), &["203.0.113.7"], Some("the shop"));
        world.server.put(("TXT", "www.example.com"), &["\"x=y\""], None);
        world.apply(&[&format!("--adopt={tenant}")]).expect(0);
        let (before, others) = (own(world), of_others(world));
        assert_eq!(before.len(), 2);
        let marks =
            |world: &World| world.server.sets().iter().filter(|set| set.name.starts_with("_kwo")).count();
        let marked = marks(world);

        trap.kills(world, BEFORE, &cut);
        assert_eq!(own(world), before);
        trap.kills(world, AFTER, &cut);
        world.kwo(&cut).expect(0);
        for (of, name) in NAMES {
            assert_eq!(world.server.resolve(of, name).records, Vec::<String>::new(), "{name}");
            assert!(world.set(of, name).is_none_or(|set| set.records.is_empty()), "{name}");
        }
        assert!(
            !world
                .server
                .sets()
                .iter()
                .any(|set| set.notes.iter().any(|note| note.contains(&format!("tenant={tenant} "))))
        );
        assert_eq!(of_others(world), others);
        let proof = world.kwo(&["offboard", tenant, "--certificate"]).expect(0).out;
        assert!(proof.contains(&World::id("A", "www.example.com")), "{proof}");

        // A record of who left is a stranger's text: a name comes back alone where the roster wants it.
        let status: Value =
            serde_json::from_str(&world.kwo(&["offboard", tenant, "--status", "-o", "json"]).out).unwrap();
        let typed = format!("undo {tenant} ({} cuts)", status["cuts"].as_array().unwrap().len());
        let undo = ["offboard", tenant, "--undo", "--yes", "--lock-timeout=2m", "--confirm", &typed];
        let (head, _) = with.split_once("tenants:\n").unwrap();
        std::fs::write(world.bench.path("roster.yaml"), format!("{head}tenants:\n{stays}")).unwrap();
        let ran = world.kwo(&undo).expect(64);
        assert!(ran.err.contains("differs from the roster"), "{}", ran.err);
        std::fs::write(world.bench.path("roster.yaml"), &with).unwrap();
        trap.kills(world, BEFORE, &undo);
        trap.kills(world, AFTER, &undo);
        world.kwo(&undo).expect(0);
        assert_eq!((own(world), of_others(world), marks(world)), (before, others, marked));
        assert_eq!(steps(&world.plan(&[])), Vec::<String>::new());

        // What somebody else makes meanwhile stays, and is told.
        world.kwo(&cut).expect(0);
        world.server.put(NAMES[0], &["203.0.113.5"], Some("faster"));
        let theirs = world.set(NAMES[0].0, NAMES[0].1);
        let ran = world.kwo(&undo).expect(5);
        let said = "somebody made other records there meanwhile, and they stay";
        assert!(
            ran.err.contains(&format!("failed  {}: ", World::id("A", "www.example.com")))
                && ran.err.contains(said),
            "{}",
            ran.err
        );
        assert_eq!(world.set(NAMES[0].0, NAMES[0].1), theirs);
        assert_eq!(world.server.resolve("A", "x.any.example.com").records, two);
        let zone = format!("dns:{ZONE}");
        assert!(!ran.err.contains(&format!("{zone}: ")), "{}", ran.err);
    });
}
