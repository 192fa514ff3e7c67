//! The history: a chain that shows what was done to it, and a disk that is full or read-only.

use std::fs;

use serde_json::Value;
use testkit::live::forbidden;

use crate::sync::world::{Ran, World, plain, tenants};

/// A node with three entries in its history.
fn three() -> World {
    let world = World::new("tenants:\n  alice:\n");
    world.sync(&[]).expect(0);
    for more in ["  bob:\n", "  bob:\n  carol:\n"] {
        world.commit(&format!("tenants:\n  alice:\n{more}"));
        world.sync(&[]).expect(0);
    }
    world
}

#[test]
fn the_history_is_shown_and_each_entry_with_all_that_it_holds() {
    let world = three();
    let list = world.kwo(&["history"]).expect(0).out;
    let lines: Vec<&str> = list.lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(lines[0].trim_start().starts_with("3  20") && lines[0].contains("converged"), "{list}");
    assert!(lines[0].contains(&world.head()[..12]), "{list}");
    assert_eq!(world.kwo(&["history", "--tail", "1"]).expect(0).out.lines().count(), 1);
    world
        .kwo(&["history", "show", "2"])
        .expect(0)
        .says("entry 2: converged\n")
        .says(" by Alice <alice@example.com>, ")
        .says("done: kube:Namespace/bob (created)\n");
    world.kwo(&["history", "show", "9"]).expect(1).says("there is no entry 9").says("its newest entry is 3");
    let entry = world.kwo(&["history", "show", "3", "-o", "json"]).expect(0).json();
    assert_eq!((&entry["format_version"], &entry["number"]), (&"1.0".into(), &3.into()));
    let empty = World::new("tenants:\n  alice:\n");
    empty.kwo(&["history"]).expect(0).says("there is no history yet");
    empty.kwo(&["history", "verify"]).expect(0).says("0 entries");
}

#[test]
fn entries_that_were_changed_or_taken_out_are_found() {
    let world = three();
    let file = |number: u32| world.path(&format!("state/history/{number:06}.json"));
    world
        .kwo(&["history", "verify"])
        .expect(0)
        .says("3 entries, ")
        .says("the same last entries, up to entry 3");
    let kept: Vec<String> = (1..=3).map(|number| fs::read_to_string(file(number)).unwrap()).collect();
    let restore = || (1..=3).for_each(|number| fs::write(file(number), &kept[number as usize - 1]).unwrap());

    fs::write(file(2), kept[1].replace("kube:Namespace/bob", "kube:Namespace/eve")).unwrap();
    let verify = |args: &[&str]| world.kwo(&[&["history", "verify"], args].concat());
    verify(&["--offline"]).expect(1).says("entry 2 was changed after this one was written");
    restore();
    fs::remove_file(file(1)).unwrap();
    verify(&["--offline"]).expect(1).says("entry 1 before it is missing");
    restore();
    fs::write(file(2), &kept[1][..100]).unwrap();
    verify(&["--offline"]).expect(1).says("000002.json is broken");
    restore();

    // The newest one stands in no later one: what the target remembers shows it.
    fs::write(file(3), kept[2].replace("carol", "eve")).unwrap();
    verify(&["--offline"]).expect(0);
    verify(&[])
        .expect(1)
        .says("the cluster remembers entry 3 of this node, from 20")
        .says("it is different here");
    fs::remove_file(file(3)).unwrap();
    verify(&["--offline"]).expect(0);
    verify(&[]).expect(1).says("it is missing here").says("cut off or replaced");
    // Another run does not cover it up.
    world.commit("tenants:\n  alice:\n  bob:\n  carol:\n  dave:\n");
    world.sync(&[]).expect(0);
    verify(&["--offline"]).expect(0);
    verify(&[]).expect(1).says("the cluster remembers entry 3").says("it is different here");
}

/// Runs with a disk that takes files of at most so many blocks of 512 bytes.
fn sync_on_a_full_disk(world: &World, blocks: u32) -> Ran {
    let mut command = plain("sh", &world.path(""));
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" sync");
    command.args(["-c", &script, env!("CARGO_BIN_EXE_kwo")]).env("KWO_SETTINGS", world.path("kwo.yaml"));
    Ran::of(&command.output().unwrap())
}

#[test]
fn on_a_full_disk_nothing_is_begun_that_cannot_be_recorded() {
    let world = World::new("tenants:\n  alice:\n");
    world.sync(&[]).expect(0);
    let before = world.applied();
    world.commit(&tenants(5, 5));
    // There is room for the clone and the roster, and none for the steps of the run.
    let ran = sync_on_a_full_disk(&world, 4).expect(1);
    assert!(
        ran.out.contains("running.json: File too large") && ran.out.contains("; nothing was changed"),
        "{}",
        ran.out
    );
    assert!(ran.out.contains("is the disk of this node full"), "{}", ran.out);
    assert!(!world.has("t0"));
    assert_eq!(world.applied(), before);
    let memory: Value = serde_json::from_str(&world.target(".kwo.sync").unwrap()).unwrap();
    assert_eq!(memory["commit"], before.as_str());
    // There is room for nothing at all.
    for blocks in [0, 1, 2] {
        sync_on_a_full_disk(&world, blocks).expect(1);
        assert!(!world.has("t0"));
    }
    world.sync(&[]).expect(0);
    assert!(world.has("t0"));
    world.kwo(&["history", "verify"]).expect(0);
}

#[test]
fn what_could_not_be_recorded_in_the_end_is_recorded_by_the_next_run() {
    let world = World::new("tenants:\n  alice:\n");
    world.sync(&[]).expect(0);
    world.commit("tenants:\n  alice:\n  bob:\n");
    // The folder of the history is in the way of nothing but its own entries.
    let (history, aside) = (world.path("state/history"), world.path("aside"));
    fs::rename(&history, &aside).unwrap();
    fs::write(&history, "in the way").unwrap();
    world.sync(&[]).expect(1).says("created kube:Namespace/bob").says("the run is not in the history: ");
    // Nothing new is begun before it is.
    world.commit("tenants:\n  alice:\n  bob:\n  carol:\n");
    world.sync(&[]).expect(1).says("the history cannot be kept: ").says("nothing was changed");
    assert!(!world.has("carol"));
    fs::remove_file(&history).unwrap();
    fs::rename(&aside, &history).unwrap();
    world.sync(&[]).expect(0).says("broke off; this one finishes it");
    let entries = world.history();
    assert_eq!(entries.len(), 3);
    assert!(entries[1]["problems"][0]["text"].as_str().unwrap().contains("could not record its end"));
    assert!(entries[1]["steps"].as_array().unwrap().iter().any(|step| step["id"] == "kube:Namespace/bob"));
    world.kwo(&["history", "verify"]).expect(0);
}

#[test]
fn a_run_that_was_killed_after_its_end_was_recorded_is_not_told_of_twice() {
    let world = three();
    let entry = world.kwo(&["history", "show", "3", "-o", "json"]).expect(0).json();
    // Nor does what it had laid out stay.
    fs::create_dir(world.path("state/sync/checkout-x")).unwrap();
    fs::write(world.path("state/sync/running.json"), serde_json::json!({"entry": entry}).to_string())
        .unwrap();
    world.sync(&[]).expect(0).conceals("broke off").says("In agreement");
    assert_eq!(world.history().len(), 3);
    assert!(!world.path("state/sync/running.json").exists());
    assert!(!world.path("state/sync/checkout-x").exists());
}

#[test]
fn a_state_folder_that_cannot_be_written_is_said_at_once() {
    let world = World::new("tenants:\n  alice:\n");
    fs::write(world.path("state"), "a file").unwrap();
    let ran = world.sync(&[]).expect(1);
    assert!(
        ran.err.contains("cannot write ") && ran.err.contains("`state:` in the settings moves it"),
        "{}",
        ran.err
    );
    assert!(!world.has("alice"));
    fs::remove_file(world.path("state")).unwrap();
    // Where nothing can be mounted, the rest of this test does nothing.
    fs::create_dir(world.path("state")).unwrap();
    let mut command = plain("unshare", &world.path(""));
    let script = "mount --bind \"$1\" \"$1\" && mount -o remount,bind,ro \"$1\" || exit 77; exec \"$0\" sync";
    let state = world.path("state");
    command.args(["-m", "sh", "-c", script, env!("CARGO_BIN_EXE_kwo")]).arg(state);
    let ran = Ran::of(&command.env("KWO_SETTINGS", world.path("kwo.yaml")).output().unwrap());
    if ran.code == 77 || ran.err.starts_with("unshare: ") {
        return forbidden("nothing can be mounted").unwrap_or(());
    }
    ran.expect(1).says("Read-only file system").says("`state:` in the settings moves it");
    assert!(!world.has("alice"));
}

/// The same with a disk that is really full, where one can be had: a small one in memory.
#[test]
fn a_disk_that_is_full_and_then_is_not_loses_nothing() {
    let world = World::new("tenants:\n  alice:\n");
    fs::create_dir(world.path("state")).unwrap();
    let script = "mount -t tmpfs -o size=600k tmpfs \"$1\" || exit 77
        \"$0\" sync || exit 71
        git -C work push --quiet --force \"$2\" HEAD:main || exit 72
        dd if=/dev/zero of=\"$1/fill\" bs=1k count=600 2>/dev/null
        \"$0\" sync && exit 73
        grep -rqs 'name: t0' target && exit 74
        rm \"$1/fill\"
        \"$0\" sync || exit 75
        \"$0\" history verify && \"$0\" history";
    world.write("roster.yaml", &crate::sync::world::roster(&tenants(5, 5)));
    world.git(&["commit", "--quiet", "-am", "More"]);
    let mut command = plain("unshare", &world.path(""));
    command.args(["-m", "sh", "-c", script, env!("CARGO_BIN_EXE_kwo")]).arg(world.path("state"));
    command
        .arg(world.path("cluster.git"))
        .current_dir(world.path(""))
        .env("KWO_SETTINGS", world.path("kwo.yaml"));
    let ran = Ran::of(&command.output().unwrap());
    if ran.code == 77 || ran.err.starts_with("unshare: ") {
        return forbidden("nothing can be mounted").unwrap_or(());
    }
    let ran = ran.expect(0);
    assert!(ran.out.contains("No space left on device"), "{}", ran.out);
    assert!(world.has("t4"));
    let entries = ran.out.lines().rev().take_while(|line| line.contains("  20")).count();
    assert!(entries >= 2, "{}", ran.out);
}
