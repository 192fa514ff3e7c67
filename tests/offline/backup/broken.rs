//! Backups that do not come to their end: killed, told to end, without room. No half one is ever taken for a whole one, and
//! what a killed run left is gone after the next.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use testkit::k3s::has_a_secret;
use testkit::live::forbidden;
use testkit::run::Ran;

use crate::backup::world::{Says as _, World};

/// Starts a backup, and waits until a part of it is on the disk.
#[expect(clippy::zombie_processes, reason = "whoever begins a run waits for its end")]
fn begun(world: &World) -> Child {
    let before = world.there();
    let mut command = world.command(&world.making(&["--keep", "1"]));
    let mut run = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let half = world.there().into_iter().find(|name| name.ends_with(".part") && !before.contains(name));
        let size =
            half.and_then(|name| fs::metadata(world.path("backups").join(name)).ok()).map(|meta| meta.len());
        if size.is_some_and(|size| size > 100_000) {
            return run;
        }
        if Instant::now() > end {
            run.kill().unwrap();
            run.wait().unwrap();
            panic!("no part of a backup came: {:?}", world.there());
        }
        std::thread::yield_now();
    }
}

fn signal(name: &str, run: &Child) {
    assert!(Command::new("kill").args([name, &run.id().to_string()]).status().unwrap().success());
}

#[test]
fn a_run_that_is_killed_leaves_no_backup_and_the_next_one_cleans_up() {
    // So big that it takes a while.
    let world = World::new(500, 16_000);
    let mut run = begun(&world);
    run.kill().unwrap();
    run.wait().unwrap();
    let there = world.there();
    assert!(there.len() == 1 && there[0].starts_with('.') && there[0].ends_with(".part"), "{there:?}");
    let half = world.path("backups").join(&there[0]);
    assert_eq!(fs::metadata(&half).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!has_a_secret(&fs::read(&half).unwrap()));
    world.check(&half, &[]).expect(1).says("is damaged, or somebody changed it");

    // Another one is at work: it is not disturbed, and neither is what it writes.
    let run = begun(&world);
    signal("-STOP", &run);
    world.backup(&[]).expect(4).says("another run makes a backup of this node");
    // Told to end, it takes its half backup with it.
    signal("-TERM", &run);
    signal("-CONT", &run);
    let ended = Ran::of(&run.wait_with_output().unwrap()).expect(1);
    ended.says("it was told to end, and no backup was made");
    assert_eq!(world.there(), Vec::<String>::new());

    world.backup(&[]).expect(0);
    assert_eq!(world.there().len(), 1);
    let whole = world.backups().remove(0);
    world.check(&whole, &[]).expect(0);
    world.keeps_its_secrets();

    // A restore that is killed says so in its folder, and nothing is put on top of that.
    let to = ["node", "restore", whole.to_str().unwrap(), "--to", "restored", "--identity", "age.key"];
    let mut run = world.command(&to).stdout(Stdio::null()).spawn().unwrap();
    let half = world.path("restored/NOT-WHOLE");
    let end = Instant::now() + Duration::from_secs(60);
    while !world.path("restored/data").exists() && Instant::now() < end {
        std::thread::yield_now();
    }
    run.kill().unwrap();
    run.wait().unwrap();
    assert!(fs::read_to_string(&half).unwrap().contains("it was interrupted"));
    world.kwo(&to).expect(1).says("it is not empty");
    fs::remove_dir_all(world.path("restored")).unwrap();
    world.kwo(&to).expect(0);
    assert!(!half.exists() && world.path("restored/data/server/db/state.db").is_file());
}

#[test]
fn a_disk_that_is_full_leaves_nothing_half_and_the_old_backup() {
    let world = World::new(100, 4000);
    fs::create_dir(world.path("backups")).unwrap();
    fs::set_permissions(world.path("backups"), fs::Permissions::from_mode(0o700)).unwrap();
    // The first one fits, and a second one beside it does not.
    let script = "mount -t tmpfs -o size=700k,mode=0700 tmpfs backups || exit 77
        \"$0\" \"$@\" || exit 71
        \"$0\" \"$@\"; code=$?
        ls -A backups
        mkdir small && mount -t tmpfs -o size=100k,mode=0700 tmpfs small || exit 77
        \"$0\" node restore backups/kwo-node-*.age --to small/to --identity age.key && exit 72
        find small/to -mindepth 1
        exit $code";
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", script, env!("CARGO_BIN_EXE_kwo")]).args(world.making(&["--keep", "1"]));
    command.current_dir(world.path("")).env("HOME", world.path(""));
    let ran = Ran::of(&command.output().unwrap());
    if ran.code == 77 || ran.err.starts_with("unshare: ") {
        return forbidden("nothing can be mounted").unwrap_or(());
    }
    let ran = ran.expect(1);
    ran.says("No space left on device").says("older ones are as they were");
    // A restore into a disk that is full leaves nothing of a node's files.
    ran.says("the backup cannot be used").says("small/to/data/server/db/state.db");
    let left: Vec<&str> = ran.out.lines().rev().take_while(|line| line.contains("kwo-node-")).collect();
    assert_eq!(left.iter().filter(|name| name.ends_with(".age")).count(), 1, "{}", ran.out);
    assert_eq!(left.iter().filter(|name| name.ends_with(".part")).count(), 0, "{}", ran.out);
}
