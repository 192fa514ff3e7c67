//! `kwo-backup.service` in its sandbox, on a node that is played and written all the time: what it says without a recipient,
//! what it makes, and that it writes nothing of k3s.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use testkit::k3s;

use crate::machine::Machine;

/// Where the backups go.
const FOLDER: &str = "/var/lib/kwo/backups";

/// Ends the writer when it is dropped, also where the test fails.
struct Ends<'s>(&'s AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Writes as k3s does, until it is told to end.
fn k3s_writes(root: &Path, end: &AtomicBool, written: &AtomicU32) {
    let database = k3s::database(root);
    // Bounded, so that no disk is filled where nobody ends it.
    while !end.load(Ordering::Relaxed) && written.load(Ordering::Relaxed) < 100_000 {
        let at = written.fetch_add(1, Ordering::AcqRel);
        k3s::write(&database, &format!("/registry/events/shop/e{at}"), &[b'x'; 500]);
    }
    // Not closed: its log stays, as that of k3s does.
    std::mem::forget(database);
}

fn newest(machine: &Machine) -> String {
    let listed = machine.ok(&["ls", FOLDER]);
    format!("{FOLDER}/{}", listed.lines().last().unwrap())
}

#[test]
fn a_service_backs_up_a_node_that_is_written_and_writes_nothing_of_it() {
    let Some(machine) = Machine::boot() else { return };
    k3s::play(&machine.path("/"), 50, 1000);
    machine.ok(&["/kwo", "install"]);
    assert_eq!(machine.shows("kwo-backup.timer", "ActiveState"), "inactive");

    // Nobody is named yet.
    assert!(!machine.run(&["systemctl", "start", "kwo-backup"]).status.success());
    machine.says("kwo-backup", "nobody is named who can open the backup");
    machine.says("kwo-backup", "`KWO_BACKUP_RECIPIENT=age1…` in /etc/kwo/backup.env");
    assert_eq!(machine.ok(&["ls", "-A", FOLDER]), "");

    let made = machine.ok(&["kwo", "secrets", "keygen", "/age.key"]);
    let recipient = made.lines().find(|line| line.starts_with("age1")).unwrap();
    machine.put("etc/kwo/backup.env", &format!("KWO_BACKUP_RECIPIENT={recipient}\nKWO_BACKUP_KEEP=2\n"));
    let data = machine.path("/var/lib/rancher");
    let (end, written) = (AtomicBool::new(false), AtomicU32::new(0));
    let restored = |file: &str| {
        let said =
            machine.ok(&["kwo", "node", "restore", file, "--check", "--identity", "/age.key", "-ojson"]);
        serde_json::from_str::<serde_json::Value>(&said).unwrap()
    };
    thread::scope(|scope| {
        scope.spawn(|| k3s_writes(&machine.path("/"), &end, &written));
        let _ends = Ends(&end);
        machine.until("k3s writes", || (written.load(Ordering::Acquire) > 100).then_some(()));
        for _ in 0..3 {
            let before = written.load(Ordering::Acquire);
            machine.ok(&["systemctl", "start", "kwo-backup"]);
            let after = written.load(Ordering::Acquire);
            assert!(after > before, "k3s wrote nothing meanwhile");
            let said = restored(&newest(&machine));
            assert_eq!(said["missing"], serde_json::json!([]), "{said}");
            let kinds = said["database"]["kinds"].as_array().unwrap();
            let events =
                kinds.iter().find(|kind| kind["name"] == "events").unwrap()["objects"].as_u64().unwrap();
            // The last one may not be committed yet.
            assert!(
                (u64::from(before) - 1..=u64::from(after)).contains(&events),
                "{before} {events} {after}"
            );
        }
    });
    assert_eq!(machine.ok(&["ls", FOLDER]).lines().count(), 2, "KWO_BACKUP_KEEP");
    assert_eq!(machine.ok(&["stat", "--format=%a %U", FOLDER, &newest(&machine)]), "700 root\n600 root\n");
    let said = machine.journal(&["--unit", "kwo-backup"]);
    assert!(said.contains("It was read back.") && !k3s::has_a_secret(said.as_bytes()), "{said}");

    // k3s was killed, and nobody has its files open any more. Nothing is written there.
    let db = "/var/lib/rancher/k3s/server/db";
    machine.ok(&["cp", "-a", db, "/copy"]);
    machine.ok(&["rm", "-r", db]);
    machine.ok(&["mv", "/copy", db]);
    let all = || {
        let files = ["state.db", "state.db-wal", "state.db-shm"];
        files.map(|name| fs::read(data.join("k3s/server/db").join(name)).ok())
    };
    let before = all();
    machine.ok(&["systemctl", "start", "kwo-backup"]);
    assert!(before == all(), "the node was written");
    assert_eq!(restored(&newest(&machine))["missing"], serde_json::json!([]));

    // k3s closed it and took its log away. To read it then takes a file beside it, so a person does that.
    drop(k3s::database(&machine.path("/")));
    assert_eq!(machine.ok(&["ls", db]), "state.db\n");
    assert!(!machine.run(&["systemctl", "start", "kwo-backup"]).status.success());
    machine.says("kwo-backup", "k3s does not have the database");
    machine.says("kwo-backup", "older ones are as they were");
    assert_eq!(machine.ok(&["ls", db]), "state.db\n");
    machine.ok(&["kwo", "node", "backup", "--recipient", recipient]);

    // The timer, once somebody wants it.
    machine.ok(&["systemctl", "enable", "--now", "kwo-backup.timer"]);
    let next = machine.shows("kwo-backup.timer", "NextElapseUSecRealtime");
    assert!(!next.is_empty() && machine.shows("kwo-backup.timer", "ActiveState") == "active", "{next}");
}

/// The sandbox lets it read the snapshots of k3s. Without one the backup lacks its objects, and the unit fails.
#[test]
fn a_service_backs_up_a_node_on_etcd_by_its_snapshot() {
    let Some(machine) = Machine::boot() else { return };
    k3s::files(&machine.path("/"));
    let snapshots = k3s::on_etcd(&machine.path("/"));
    machine.ok(&["/kwo", "install"]);
    let made = machine.ok(&["kwo", "secrets", "keygen", "/age.key"]);
    let recipient = made.lines().find(|line| line.starts_with("age1")).unwrap();
    machine.put("etc/kwo/backup.env", &format!("KWO_BACKUP_RECIPIENT={recipient}\n"));
    assert!(!machine.run(&["systemctl", "start", "kwo-backup"]).status.success());
    machine.says("kwo-backup", "k3s has no snapshot of etcd that is whole");

    let now = machine.ok(&["date", "+%s"]);
    let name = format!("etcd-snapshot-node-1-{}", now.trim());
    fs::write(snapshots.join(&name), k3s::snapshot(k3s::SENTINELS[0].as_bytes())).unwrap();
    machine.ok(&["systemctl", "start", "kwo-backup"]);
    let file = machine.ok(&["find", FOLDER, "-name", "*Z.tar.zst.age"]);
    let check = ["kwo", "node", "restore", file.trim(), "--check", "--identity", "/age.key", "-ojson"];
    let said: serde_json::Value = serde_json::from_str(&machine.ok(&check)).unwrap();
    assert_eq!(
        (&said["missing"], &said["snapshot"]["name"]),
        (&serde_json::json!([]), &name.into()),
        "{said}"
    );
    let said = machine.journal(&["--unit", "kwo-backup"]);
    assert!(!k3s::has_a_secret(said.as_bytes()), "{said}");
}
