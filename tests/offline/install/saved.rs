//! `kwo node install --out` and `--plan`: exactly that plan or nothing, whatever the servers and the machine say by then.

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use testkit::run::Ran;

use super::world::{TAG, VERSION, World, arch, program, sum};
use crate::backup::world::Says as _;

const NEWER: &str = "v1.37.2+k3s1";
/// Where kwo notes the installation.
const RECORD: &str = "root/var/lib/kwo/node/k3s.json";
const ROSTER: &str = "apiVersion: kwo/v1\nkind: Roster\n\
    cluster: {k3s: {channel: stable}, node: {name: node-1}, api: {hosts: [api.example.com]}}\n";

/// A machine, and a plan for it that was saved.
fn saved() -> World {
    let world = World::new();
    world.put("roster.yaml", ROSTER);
    let before = world.machine();
    let ran = world.install(&["roster.yaml", "--out", "plan.json"]).expect(0);
    assert!(
        ran.err.contains(
            "saved to plan.json; `kwo node install --plan plan.json --root root` does exactly this"
        ),
        "{}",
        ran.err
    );
    assert!(ran.out.contains("Install k3s v1.37.1+k3s1 on node-1"), "{}", ran.out);
    assert_eq!(world.machine(), before);
    assert!(!world.path("root/var/lib/kwo").exists());
    world
}

/// It changed nothing, and says this.
fn stale(world: &World, said: &str) {
    let before = world.machine();
    world.install(&["--plan", "plan.json", "--yes"]).expect(3).says("the plan plan.json is stale").says(said);
    assert_eq!(world.machine(), before);
}

#[test]
fn a_saved_plan_is_done_as_it_was_whatever_is_said_by_then() {
    let world = saved();
    // The channel has moved on, and the roster wants something else.
    world.release(NEWER, &program(NEWER));
    world.server.set("/channels/stable", world.leads(NEWER));
    world.put("roster.yaml", &ROSTER.replace("api.example.com", "other.example.com"));
    world.server.asked.lock().unwrap().clear();
    let looked = world.install(&["--plan", "plan.json", "--dry-run"]).expect(0);
    assert!(looked.out.contains("Install k3s v1.37.1+k3s1 on node-1"), "{}", looked.out);
    assert!(!world.path("root/var/lib/kwo").exists());
    let done = world.install(&["--plan", "plan.json", "--yes"]).expect(0);
    // The channel may lead elsewhere by then, so the version is a part of the command.
    let says = format!("`kwo node install roster.yaml --version {VERSION}` goes on");
    assert!(done.err.contains(&says), "{}", done.err);
    assert_eq!(world.text("root/usr/local/bin/k3s"), program(VERSION));
    let config = world.text("root/etc/rancher/k3s/config.yaml");
    assert!(config.contains("api.example.com") && !config.contains("other.example.com"), "{config}");
    let asked = world.server.asked.lock().unwrap().clone();
    assert!(asked.iter().all(|path| path.starts_with(TAG)), "{asked:?}");
    // Once more there is nothing to do, and nobody is asked.
    world.server.asked.lock().unwrap().clear();
    let again = world.install(&["--plan", "plan.json", "--yes"]).expect(0);
    assert!(again.out.contains("Nothing to do"), "{}", again.out);
    assert_eq!(*world.server.asked.lock().unwrap(), Vec::<String>::new());
}

#[test]
fn what_became_otherwise_is_named_and_nothing_is_done() {
    let world = saved();
    // The server has another program of that version, with sums that fit.
    let other = program(VERSION) + "# other\n";
    world.release(VERSION, &other);
    let sum = sum("", &other);
    stale(&world, &format!("and now it is `v1.37.1+k3s1 from {}, sha256:{}`", world.url, sum.trim()));
    world.release(VERSION, &program(VERSION));
    // Somebody wrote a file that kwo would make.
    world.put("root/etc/rancher/k3s/config.yaml", "write-kubeconfig-mode: \"0644\"\n");
    stale(&world, "exists without kwo's mark");
    fs::remove_dir_all(world.path("root/etc/rancher")).unwrap();
    // Something stands in the way by now.
    world.put("root/etc/rancher/k3s/config.yaml.d/50.yaml", "server: https://elsewhere.example.com:6443\n");
    stale(
        &world,
        "root/etc/rancher/k3s/config.yaml.d/50.yaml says `server`, which makes k3s join another cluster",
    );
    fs::remove_dir_all(world.path("root/etc/rancher")).unwrap();
    // Somebody else installed a k3s: another one, or the very same.
    for version in [NEWER, VERSION] {
        world.put_program("root/usr/local/bin/k3s", &program(version));
        stale(&world, "somebody else installed k3s since the plan was saved");
    }
    fs::remove_file(world.path("root/usr/local/bin/k3s")).unwrap();
    world.install(&["--plan", "plan.json", "--yes"]).expect(0);
    // It is there, and somebody took a part of it away that the plan made: that is done once more. A later plan does not do that.
    fs::remove_file(world.path("root/etc/systemd/system/k3s.service")).unwrap();
    world.install(&["--plan", "plan.json", "--yes"]).expect(0);
    world.install(&["--out", "later.json", "--version", VERSION]).expect(0);
    fs::remove_file(world.path("root/etc/systemd/system/k3s.service")).unwrap();
    world
        .install(&["--plan", "later.json", "--yes"])
        .expect(3)
        .says("node:Unit/k3s.service was as it should be, and is not any more");
    assert!(!world.path("root/etc/systemd/system/k3s.service").exists());
}

#[test]
fn what_changes_while_kwo_gets_the_program_is_not_written_over() {
    for file in ["etc/systemd/system/k3s.service", "etc/rancher/k3s/config.yaml.d/00-kwo-install.yaml"] {
        let world = World::new();
        let theirs = world.path(&format!("root/{file}"));
        let (theirs, folder) = (theirs.display(), theirs.parent().unwrap().display());
        // Whoever comes in between comes when kwo asks the new program for its version.
        let meanwhile = format!("mkdir -p '{folder}'\necho theirs >'{theirs}'\n");
        world.release(VERSION, &(program(VERSION) + &meanwhile));
        world.put("roster.yaml", ROSTER);
        world
            .install(&["roster.yaml", "--yes"])
            .expect(3)
            .says("somebody has changed this machine meanwhile, and kwo changed nothing")
            .says(&format!("{file} is not as kwo saw it"));
        assert_eq!(world.text(&format!("root/{file}")), "theirs\n");
        assert!(!world.path("root/usr/local/bin/k3s").exists());
        assert!(!world.path("root/var/lib/kwo/node/k3s.json").exists());
    }
}

#[test]
fn a_plan_is_for_one_machine_and_one_root() {
    let world = saved();
    world.put("root/etc/hostname", "node-2\n");
    world
        .install(&["--plan", "plan.json", "--yes"])
        .expect(1)
        .says("the plan was made for node-1 (")
        .says("but this is node-2 (");
    world.put("root/etc/hostname", "node-1\n");
    world.put("root/etc/machine-id", "0123456789abcdef0123456789abcdef\n");
    world.install(&["--plan", "plan.json", "--yes"]).expect(1).says("its /etc/machine-id differs");
    let id = world.text("root/etc/machine-id");
    world.install(&["--out", "plan.json"]).expect(0);
    assert!(!world.text("plan.json").contains(id.trim()), "the id of a machine is nobody else's business");
    fs::rename(world.path("root"), world.path("other")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_kwo"));
    command.args(["node", "install", "--root", "other", "--plan", "plan.json", "--yes"]);
    command.current_dir(world.path("")).env_clear().env("HOME", world.path("")).stdin(Stdio::null());
    let ran = Ran::of(&command.output().unwrap()).expect(1);
    ran.says("the plan was made for node-1 (").says("/other)");
    fs::create_dir(world.path("root")).unwrap();
    world.install(&["--plan", "plan.json", "--yes"]).expect(1).says("the plan was made for node-1 (");
}

#[test]
fn a_killed_run_of_a_plan_is_gone_on_with() {
    let world = saved();
    for pause in (0..12).map(|step| Duration::from_millis(25 * step)) {
        let mut run = world.command(&["--yes", "--plan", "plan.json"]).spawn().unwrap();
        thread::sleep(pause);
        run.kill().unwrap();
        run.wait().unwrap();
        world.install(&["--plan", "plan.json", "--dry-run"]).expect(0);
    }
    world.install(&["--plan", "plan.json", "--yes"]).expect(0);
    assert_eq!(world.text("root/usr/local/bin/k3s"), program(VERSION));
    assert!(world.path("root/etc/systemd/system/k3s.service").exists());
}

#[test]
fn a_folder_and_what_is_ignored_are_in_the_plan() {
    let world = World::new();
    let (arch, name) = arch();
    let images = format!("k3s-airgap-images-{arch}.tar");
    let release = |images_say: &str| {
        world.put(&format!("air/{name}"), &program(VERSION));
        world.put(&format!("air/{images}"), images_say);
        let sums = sum(name, &program(VERSION)) + &sum(&images, images_say);
        world.put(&format!("air/sha256sum-{arch}.txt"), &sums);
    };
    release("images");
    world.put("root/proc/meminfo", "MemTotal: 1024 kB\n");
    world.install(&["--airgap", "air", "--version", VERSION, "--out", "plan.json"]).expect(5);
    assert!(!world.path("plan.json").exists(), "what cannot be done is no plan");
    let ignoring = ["--airgap", "air", "--version", VERSION, "--ignore", "memory", "--out", "plan.json"];
    world.install(&ignoring).expect(0);
    release("other images");
    stale(&world, &format!("node:Images/{images}: the plan says"));
    release("images");
    // The folder is found from elsewhere, too.
    let mut command = world.command(&["--plan", "plan.json", "--yes"]);
    command.env("KWO_ROSTER", "no-such-roster.yaml").env("KWO_K3S_VERSION", "v1.36.0+k3s1");
    let ran = Ran::of(&command.output().unwrap()).expect(0);
    assert!(ran.out.contains(&format!("done  node:Images/{images}")), "{}", ran.out);
    assert_eq!(world.text(&format!("root/var/lib/rancher/k3s/agent/images/{images}")), "images");
    let asked = world.server.asked.lock().unwrap().clone();
    assert_eq!(asked, Vec::<String>::new());
}

#[test]
fn a_k3s_of_somebody_else_has_no_plan() {
    let world = World::new();
    world.put_program("root/usr/local/bin/k3s", &program(VERSION));
    world.put("root/etc/systemd/system/k3s.service", "[Service]\nExecStart=/usr/local/bin/k3s server\n");
    world.install(&["--out", "plan.json"]).expect(1).says("there is no plan to save");
    assert!(!world.path("plan.json").exists());
    // An earlier plan is of no use either.
    fs::remove_file(world.path("root/usr/local/bin/k3s")).unwrap();
    fs::remove_file(world.path("root/etc/systemd/system/k3s.service")).unwrap();
    world.install(&["--out", "plan.json"]).expect(0);
    world.put_program("root/usr/local/bin/k3s", &program(NEWER));
    stale(&world, "somebody else installed k3s since the plan was saved");
}

/// What kwo notes of the installation, as it is where `change` was made to it.
fn noted(world: &World, change: impl FnOnce(&mut serde_json::Value)) {
    let mut record = record(world);
    change(&mut record);
    world.put(RECORD, &record.to_string());
}

fn record(world: &World) -> serde_json::Value {
    serde_json::from_str(&world.text(RECORD)).unwrap()
}

#[test]
fn a_newer_roster_goes_before_that_of_a_plan_which_waits_for_its_apply() {
    let world = saved();
    world.install(&["--plan", "plan.json", "--yes"]).expect(0);
    let kwo = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kwo"));
        command.args(words).args(["roster.yaml", "--target", "dir:out", "--node", "--root", "root"]);
        command.current_dir(world.path("")).env_clear().stdin(Stdio::null());
        Ran::of(&command.output().unwrap())
    };
    // As it is where the plan was done, and its apply was held.
    noted(&world, |record| {
        record["installed"] = true.into();
        record["plan"] = "waits".into();
    });
    // Whoever only looks, or says no, leaves it.
    kwo(&["plan"]).expect(0);
    kwo(&["apply"]).expect(64);
    assert_eq!(record(&world)["plan"], "waits");
    kwo(&["apply", "--yes"]).expect(0);
    assert!(record(&world).get("plan").is_none(), "{}", record(&world));
    // A note that no run of a plan can read is in nobody's way.
    world.put(RECORD, "{");
    kwo(&["apply", "--yes"]).expect(0);
    assert_eq!(world.text(RECORD), "{");
}

#[test]
fn a_plan_for_an_installed_node_has_no_roster_and_says_so() {
    let world = saved();
    world.install(&["roster.yaml", "--yes"]).expect(0);
    noted(&world, |record| record["installed"] = true.into());
    world.put("roster.yaml", &ROSTER.replace("api.example.com", "other.example.com"));
    let ran = world.install(&["roster.yaml", "--out", "later.json"]).expect(0);
    assert!(!ran.out.contains("config.yaml"), "{}", ran.out);
    ran.says("this plan does not apply the roster: `kwo plan roster.yaml --kubeconfig /etc/rancher/k3s/k3s.yaml --node --out FILE`");
    world.install(&["--plan", "later.json", "--yes"]).expect(0);
    let config = world.text("root/etc/rancher/k3s/config.yaml");
    assert!(!config.contains("other.example.com"), "{config}");
}
