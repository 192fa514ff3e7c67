//! A run that is killed at any moment: each file is missing or whole, and the next run goes on. And two runs at a time.

use std::fs;
use std::thread;
use std::time::Duration;

use super::world::{TAG, VERSION, World, answer, arch, program};
use crate::backup::world::Says as _;

#[test]
fn a_killed_run_is_gone_on_with() {
    let world = World::new();
    let good = world.machine().len() + 3;
    for pause in (0..24).map(|step| Duration::from_millis(4 * step)) {
        let mut run = world.command(&["--yes", "--version", VERSION]).spawn().unwrap();
        thread::sleep(pause);
        run.kill().unwrap();
        run.wait().unwrap();
        let k3s = world.path("root/usr/local/bin/k3s");
        assert!(!k3s.exists() || fs::read_to_string(&k3s).unwrap() == program(VERSION));
        // What the next run has to do is all that is missing.
        let ran = world.install(&["--dry-run", "--version", VERSION]).expect(0);
        assert!(ran.out.contains("steps") || ran.out.contains("1 step"), "{}", ran.out);
        if world.path("root/etc/systemd/system/k3s.service").exists() {
            fs::remove_dir_all(world.path("root/etc/rancher")).unwrap();
            fs::remove_dir_all(world.path("root/etc/systemd")).unwrap();
            fs::remove_dir_all(world.path("root/var")).unwrap();
            fs::remove_file(&k3s).unwrap();
        }
    }
    world.install(&["--yes", "--version", VERSION]).expect(0);
    let left = world.machine().into_keys().filter(|path| !path.to_string_lossy().ends_with(".tmp")).count();
    assert_eq!(left, good);
    // The program is there already: nobody has to be asked for it once more.
    world.server.set(&format!("{TAG}/{}", arch().1), answer(500, "", ""));
    fs::remove_file(world.path("root/etc/systemd/system/k3s.service")).unwrap();
    let asked = world.server.asked.lock().unwrap().len();
    let ran = world.install(&["--yes"]).expect(0);
    assert!(
        ran.out.contains("1 step, 2 unchanged") && ran.out.contains("done  node:Unit/k3s.service"),
        "{}",
        ran.out
    );
    assert_eq!(world.server.asked.lock().unwrap().len(), asked);
}

#[test]
fn two_runs_do_not_meet() {
    let world = World::new();
    // The server begins to answer, and says no more.
    let file = format!("{TAG}/{}", arch().1);
    world.server.set(&file, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n#!\r\n".to_owned());
    let lock = world.path("root/var/lib/kwo/node/k3s.lock");
    fs::create_dir_all(lock.parent().unwrap()).unwrap();
    let held = fs::File::create(&lock).unwrap();
    held.lock().unwrap();
    world
        .install(&["--yes", "--version", VERSION])
        .expect(4)
        .says("another `kwo node install`, `upgrade` or `cleanup` runs");
    // A look alone waits for nobody.
    world.install(&["--dry-run", "--version", VERSION]).expect(0);
    held.unlock().unwrap();
    world.install(&["--yes", "--version", VERSION]).expect(1).says("broke off");
}
