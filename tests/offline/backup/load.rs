//! A backup while k3s writes: everything that was committed before it began is in it, nothing is half, and k3s goes on.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread;

use rusqlite::{Connection, OpenFlags};

use testkit::k3s::write;

use crate::backup::world::{DATA, Says as _, World};

/// The writer commits two rows at a time, and never stops.
#[test]
fn a_backup_under_write_load_is_sound_and_holds_all_that_was_committed() {
    let world = World::new(200, 2000);
    let (stop, committed) = (AtomicBool::new(false), AtomicI64::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            let database = world.database();
            // Bounded, so that no disk is filled where nobody ends it.
            while !stop.load(Ordering::Relaxed) && committed.load(Ordering::Relaxed) < 100_000 {
                database.execute_batch("BEGIN IMMEDIATE").unwrap();
                let at = committed.load(Ordering::Relaxed);
                for at in [at, at + 1] {
                    let value = format!("value {at} {}", "x".repeat(usize::try_from(at % 3000).unwrap()));
                    write(&database, &format!("/registry/events/shop/e{at}"), value.as_bytes());
                }
                database.execute_batch("COMMIT").unwrap();
                committed.store(at + 2, Ordering::Release);
            }
        });
        // Also where this test fails: the scope waits for the writer.
        let _ends = Ends(&stop);
        for round in 0..3 {
            while committed.load(Ordering::Acquire) < 50 {
                thread::yield_now();
            }
            let before = committed.load(Ordering::Acquire);
            world.backup(&["--keep", "1"]).expect(0);
            let after = committed.load(Ordering::Acquire);
            assert!(after > before, "k3s wrote nothing while the backup was made");
            let [file] = &world.backups()[..] else { panic!("{:?}", world.there()) };
            let to = format!("restored-{round}");
            world
                .kwo(&["node", "restore", file.to_str().unwrap(), "--to", &to, "--identity", "age.key"])
                .expect(0);
            let restored = world.path(&to).join("data/server/db/state.db");
            let held = events(&restored);
            // A prefix: each of the first ones, and no row without the one that was committed with it.
            assert!(held >= before && held <= after && held % 2 == 0, "{before} <= {held} <= {after}");
            fs::remove_dir_all(world.path(&to)).unwrap();
        }
    });
    world.keeps_its_secrets();
}

/// Ends the writer when it is dropped.
struct Ends<'s>(&'s AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// How many events there are, if they are the first ones, each with its value.
fn events(file: &std::path::Path) -> i64 {
    let database = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let sound: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
    let mut asked = database
        .prepare(
            "SELECT name, CAST(value AS TEXT) FROM kine WHERE name LIKE '/registry/events/%' ORDER BY id",
        )
        .unwrap();
    let rows = asked.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))).unwrap();
    let mut next = 0;
    for row in rows {
        let (name, value) = row.unwrap();
        assert_eq!(name, format!("/registry/events/shop/e{next}"));
        assert!(value.starts_with(&format!("value {next} ")), "{value}");
        assert_eq!(value.matches('x').count(), usize::try_from(next % 3000).unwrap());
        next += 1;
    }
    next
}

/// Nothing of the node is written. k3s was killed, so that its log is still beside the database.
#[test]
fn a_backup_writes_nothing_of_the_node() {
    let world = World::new(50, 2000);
    let copy = |name: &str| fs::read(world.path(&format!("{DATA}/server/db/{name}"))).unwrap();
    let database = world.database();
    write(&database, "/registry/secrets/shop/last", b"k8s");
    let before = (copy("state.db"), copy("state.db-wal"));
    assert!(before.1.len() > 4096, "there is no log");
    world.backup(&[]).expect(0);
    assert!(before == (copy("state.db"), copy("state.db-wal")), "the database or its log was written");
    // As a killed k3s leaves them: with nobody who has the database open.
    let dead = world.path("root/dead/server");
    fs::create_dir_all(dead.join("db")).unwrap();
    for name in ["state.db", "state.db-wal"] {
        fs::write(dead.join("db").join(name), copy(name)).unwrap();
    }
    world.backup(&["--data-dir", "/dead"]).expect(5).says("data/server/token");
    let left = |name: &str| fs::read(dead.join("db").join(name)).unwrap();
    assert!(before == (left("state.db"), left("state.db-wal")), "the log was written into the database");
    let said = world.check(world.backups().last().unwrap(), &["-o", "json"]).expect(5).out;
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    // What stood in the log alone is in it.
    assert_eq!(said["database"]["objects"], 55, "{said}");
    drop(database);
}
