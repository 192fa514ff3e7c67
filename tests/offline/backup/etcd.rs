//! A node that keeps its objects in etcd: which snapshot of k3s a backup takes, what it says where there is none of use, and the
//! commands that put one in place. The snapshots are played; no etcd and no k3s is started.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use testkit::k3s::{self, SENTINELS, has_a_secret};
use testkit::run::Ran;
use testkit::schemas::fits;

use crate::backup::world::{DATA, Says as _, World};
use crate::cli::snapshot;

const CONFIG: &str = "root/etc/rancher/k3s/config.yaml";

/// A node on etcd that has no snapshot yet, and the folder for them.
fn world() -> (World, PathBuf) {
    let world = World::new(0, 0);
    let folder = k3s::on_etcd(&world.path("root"));
    (world, folder)
}

/// The name that k3s gives to a snapshot that is some minutes old.
fn named(minutes: i64) -> String {
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
    format!("etcd-snapshot-node-1-{}", now - minutes * 60)
}

fn whole() -> Vec<u8> {
    k3s::snapshot(SENTINELS[0].as_bytes())
}

/// What a check says of the newest backup.
fn said(world: &World, code: i32) -> Value {
    let names = world.backups();
    let newest = names.iter().max_by_key(|file| fs::metadata(file).unwrap().modified().unwrap()).unwrap();
    serde_json::from_str(&world.check(newest, &["-o", "json"]).expect(code).out).unwrap()
}

fn restored(world: &World, to: &str, more: &[&str]) -> Ran {
    let file = world.backups().pop().unwrap();
    let file = file.to_str().unwrap();
    world.kwo(&[&["node", "restore", file, "--to", to, "--identity", "age.key"], more].concat())
}

#[test]
fn a_node_on_etcd_is_backed_up_by_its_newest_snapshot() {
    let (world, folder) = world();
    for minutes in [60, 800, 1500] {
        fs::write(folder.join(named(minutes)), k3s::snapshot(&[1; 50])).unwrap();
    }
    let newest = named(10);
    fs::write(folder.join(&newest), whole()).unwrap();
    fs::write(folder.join(format!("{}.part", named(0))), "half").unwrap();
    let made = world.backup(&[]).expect(0);
    made.says(&format!("snapshot  {newest}, made by k3s at "));
    let file = world.backups().remove(0);
    let checked = world.check(&file, &[]).expect(0);
    let restored = restored(&world, "restored", &[]).expect(0);
    let json = said(&world, 0);
    fits("node-restore", &json);
    assert_eq!(json["datastore"], "etcd");
    assert_eq!((&json["database"], &json["snapshot"]["name"]), (&Value::Null, &json!(newest)), "{json}");
    assert_eq!((&json["missing"], &json["left_out"]), (&json!([]), &json!([])), "{json}");
    assert!(![&made, &checked, &restored].iter().any(|ran| has_a_secret(ran.out.as_bytes())));

    let plain = |text: &str| {
        let text = text.replace(world.path("").to_str().unwrap().trim_end_matches('/'), "FOLDER");
        let text = text.replace(&newest, "SNAPSHOT");
        let lines = text.lines().map(|line| match line.trim_start().split_once(' ') {
            Some((name @ ("made" | "size" | "sha256"), _)) => format!("  {name} …"),
            Some(("snapshot", _)) => "  snapshot …".to_owned(),
            _ => line.to_owned(),
        });
        let text = lines.collect::<Vec<String>>().join("\n");
        // Both times may be of the same second, and are cut out at once then.
        let cut = |text: String, before: &str| match text.find(before).map(|at| at + before.len() - 1) {
            Some(from) => text.replace(&text[from..from + 16], "TIME"),
            None => text,
        };
        cut(cut(text, "backups/kwo-node-node-1-2"), "server.before-2")
    };
    let all = format!("{}\n\n{}\n\n{}\n", plain(&made.out), plain(&checked.out), plain(&restored.out));
    snapshot("node_backup_etcd", &all);
    assert_eq!(fs::read(world.path("restored/etcd/snapshot")).unwrap(), whole());
    assert!(world.path("restored/data/server/token").is_file());
    assert!(!world.path("restored/data/server/db").exists());
    fs::remove_dir_all(world.path("restored")).unwrap();
    world.keeps_its_secrets();
    // It counts as any other: it takes the place of older ones.
    world.backup(&["--keep", "1"]).expect(0).says("removed 1 older one");
}

/// A backup without objects, or with such as are too old, is told and counts for nothing.
#[test]
fn a_backup_without_a_snapshot_of_use_lacks_its_objects() {
    let (world, folder) = world();
    let lacks = |part: &str| {
        let ran = world.backup(&["--keep", "1"]).expect(5);
        ran.says("! etcd/snapshot: ").says(part).says("older backups stay: the new one lacks something");
        assert!(
            world.there().iter().all(|name| name.ends_with("-lacking.tar.zst.age")),
            "{:?}",
            world.there()
        );
        ran
    };
    lacks("k3s has no snapshot of etcd that is whole, so no object is in the backup");
    let ran = restored(&world, "empty", &[]).expect(5);
    ran.says("No object is in it, so nothing puts it in place").says("holds     no objects");
    assert!(!ran.out.contains("systemctl"), "{}", ran.out);
    assert_eq!(said(&world, 5)["snapshot"], Value::Null);
    fs::write(folder.join(format!("{}.zip", named(5))), whole()).unwrap();
    lacks(&format!("? /var/lib/rancher/k3s/server/db/snapshots/{}.zip: k3s has packed it", named(5)));
    symlink("/etc/passwd", folder.join(named(4))).unwrap();
    lacks("it is a symbolic link, and kwo follows none");
    fs::write(folder.join(named(3)), &whole()[..5000]).unwrap();
    lacks("it is not whole: no snapshot of etcd is that long, so it was cut off");
    // Their names are as they were, also a second later.
    let times = [-600, 14 * 60].map(|minutes| (minutes, named(minutes)));
    let old = |of: i64| times.iter().find(|(minutes, _)| *minutes == of).unwrap().1.clone();
    fs::write(folder.join(old(-600)), whole()).unwrap();
    lacks("its time was still to come when the backup was made");
    fs::write(folder.join(old(14 * 60)), whole()).unwrap();
    lacks("k3s made this snapshot 14 hours before the backup");
    for minutes in [-600, 14 * 60] {
        fs::remove_file(folder.join(old(minutes))).unwrap();
    }
    let other = k3s::foreign(b"\0/bootstrap/0123456789ab\0");
    let name = folder.join(named(2));
    fs::write(&name, other).unwrap();
    lacks("k3s made this snapshot with another token than the one in the backup");
    fs::write(&name, k3s::foreign(b"")).unwrap();
    lacks("no certificates of k3s are in this snapshot, so it is not of this cluster");
    fs::remove_file(name).unwrap();
    // One that is whole, new and of this token makes up for all of them.
    fs::write(folder.join(named(1)), whole()).unwrap();
    world.backup(&[]).expect(0).says("The folder holds 1 whole backup of this node");
}

/// Where the snapshots are is what its configuration and its unit say, and which datastore k3s uses is what is on its disk.
#[test]
fn snapshots_are_found_where_k3s_puts_them() {
    let (world, folder) = world();
    let elsewhere = world.path("root/mnt/my snapshots");
    fs::create_dir_all(&elsewhere).unwrap();
    fs::write(elsewhere.join(named(1)), whole()).unwrap();
    world.backup(&[]).expect(5);
    world.put(&format!("{CONFIG}.d/a.yaml"), "etcd-snapshot-dir: /mnt/my snapshots\n");
    world.backup(&[]).expect(0);
    world.put(&format!("{CONFIG}.d/a.yaml"), "etcd-snapshot-dir: /mnt/none\n");
    world
        .backup(&[])
        .expect(5)
        .says("? /mnt/none: k3s puts its snapshots into this folder, and it is not there");
    world.put("root/etc/systemd/system/k3s.service", "ExecStart=k3s server --etcd-snapshot-dir=/link\n");
    symlink("/mnt/my snapshots", world.path("root/link")).unwrap();
    world.backup(&[]).expect(0);
    fs::remove_file(world.path("root/link")).unwrap();
    symlink("/nowhere", world.path("root/link")).unwrap();
    world.backup(&[]).expect(1).says("leads to nothing below the root");
    world.put("root/etc/systemd/system/k3s.service", "ExecStart=k3s server --etcd-snapshot-dir relative\n");
    world.backup(&[]).expect(1).says("its path does not begin with /");
    fs::remove_file(world.path("root/etc/systemd/system/k3s.service")).unwrap();
    fs::remove_file(world.path(&format!("{CONFIG}.d/a.yaml"))).unwrap();
    fs::write(folder.join(named(1)), whole()).unwrap();
    world.backup(&[]).expect(0);
    assert_eq!(said(&world, 0)["datastore"], "etcd");
    // k3s moved from SQLite to etcd: what is left of the database counts for nothing.
    k3s::play(&world.path("root"), 1, 10);
    world.backup(&[]).expect(0);
    assert_eq!(said(&world, 0)["datastore"], "etcd");
    // Without a log etcd was never used.
    fs::remove_dir_all(world.path(&format!("{DATA}/server/db/etcd/member"))).unwrap();
    world.backup(&[]).expect(0);
    assert_eq!(said(&world, 0)["datastore"], "sqlite");
    // A database elsewhere is none of these.
    fs::create_dir_all(world.path(&format!("{DATA}/server/db/etcd/member/wal"))).unwrap();
    world.put(CONFIG, "datastore-endpoint: https://u:hunter2@etcd:2379\n");
    let ran = world.backup(&[]).expect(1);
    ran.says("kwo backs up SQLite and embedded etcd only");
    assert!(!ran.err.contains("hunter2"), "{}", ran.err);
}

/// The commands that `--to` prints, run as a person would against a copy of the node, with a k3s that says how it was called.
#[test]
fn the_commands_of_a_restore_give_the_snapshot_to_k3s() {
    let (world, folder) = world();
    fs::write(folder.join(named(1)), whole()).unwrap();
    world.put(CONFIG, "server: https://first:6443\n");
    fs::rename(world.path(DATA), world.path("root/my data")).unwrap();
    world.put("root/etc/default/k3s", "K3S_DATA_DIR='/my data'\n");
    world.backup(&["--data-dir", "/my data"]).expect(0);
    let text = restored(&world, "as text", &[]).expect(0);
    text.says("mv -T '/my data/server/db' '/my data/server/db.before' && systemctl start k3s");
    text.says(
        "/etc/rancher/k3s/config.yaml told k3s to join another server. Take that out right before `k3s server`",
    );
    text.says("A server without it makes a new, empty cluster");
    let at = |part: &str| text.out.find(part).unwrap_or_else(|| panic!("{part}: {}", text.out));
    assert!(
        at("told k3s to join another") < at("k3s server '--data-dir")
            && at("k3s server '--data-dir") < at("mv -T '/my data/server/db' ")
    );
    let ran = restored(&world, "to put", &["-o", "json"]).expect(0);
    let json: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(
        (&json["others"], &json["joins"]),
        (&json!("/my data/server/db"), &json!("/etc/rancher/k3s/config.yaml"))
    );

    let root = world.path("root").display().to_string();
    for program in ["k3s", "systemctl"] {
        let path = world.path("bin").join(program);
        let calls = world.path("calls").display().to_string();
        let sum = "for arg; do f=${arg#--cluster-reset-restore-path=}; [ \"$f\" = \"$arg\" ] || cp \"$f\" given; done";
        world.put(
            &format!("bin/{program}"),
            &format!("#!/bin/sh\necho \"{program}|$(printf '%s|' \"$@\")\" >> '{calls}'\n{sum}\n"),
        );
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = format!("{}:{}", world.path("bin").display(), std::env::var("PATH").unwrap());
    // If k3s refuses the snapshot, nothing starts it, and what was restored stays.
    let last = json["commands"].as_array().unwrap().last().unwrap().as_str().unwrap();
    let failed = last.replacen("k3s server", "false k3s server", 1);
    let mut shell = std::process::Command::new("sh");
    let done = shell.args(["-c", &failed]).env("PATH", &path).current_dir(world.path("")).status();
    assert!(!done.unwrap().success() && world.path("to put/etcd/snapshot").is_file());
    for command in json["commands"].as_array().unwrap() {
        let command = command.as_str().unwrap();
        let command = command.replace("/my data/", &format!("{root}/my data/"));
        let command = command.replace(" '/my data'", &format!(" '{root}/my data'"));
        let command = command.replace(" /etc/rancher", &format!(" {root}/etc/rancher"));
        let mut shell = std::process::Command::new("sh");
        let done = shell.args(["-ec", &command]).env("PATH", &path).current_dir(world.path("")).status();
        assert!(done.unwrap().success(), "{command}");
    }
    let calls = fs::read_to_string(world.path("calls")).unwrap();
    let restored = world.path("to put");
    let k3s = format!(
        "k3s|server|--data-dir=/my data|--cluster-reset|--etcd-s3=false|--cluster-reset-restore-path={}/etcd/snapshot|",
        restored.display()
    );
    assert_eq!(calls.lines().collect::<Vec<_>>(), ["systemctl|stop|k3s|", &k3s, "systemctl|start|k3s|"]);
    assert_eq!(fs::read(world.path("given")).unwrap(), whole());
    // What was in the clear is gone; the old data is aside, and etcd begins in an empty folder.
    assert!(!restored.exists());
    assert!(
        world.path("root/my data/server/token").is_file() && !world.path("root/my data/server/db").exists()
    );
    let before = fs::read_dir(world.path("root/my data")).unwrap().map(|entry| entry.unwrap().path());
    let before: Vec<PathBuf> =
        before.filter(|path| path.to_string_lossy().contains("/server.before-2")).collect();
    assert!(before.len() == 1 && before[0].join("db/etcd/member/wal").is_dir(), "{before:?}");
}
