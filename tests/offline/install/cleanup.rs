//! `kwo node cleanup` below a folder that plays a machine: what goes, what stays and why, and what no trick makes it touch.

use std::fs;
use std::hash::{Hash as _, Hasher as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use testkit::run::Ran;
use testkit::schemas::fits;

use crate::backup::world::Says as _;
use crate::cli::snapshot;

/// Where k3s unpacks itself.
const DATA: &str = "root/var/lib/rancher/k3s/data";

/// A machine on which k3s was upgraded twice: `a` is current, `b` is previous, `c` is older.
struct Machine(tempfile::TempDir);

impl Machine {
    fn new() -> Machine {
        let machine = Machine(tempfile::tempdir().unwrap());
        fs::create_dir_all(machine.path("root/etc")).unwrap();
        for digit in ["a", "b", "c"] {
            machine.unpack(&machine.name(digit));
        }
        machine.link("current", "a");
        machine.link("previous", "b");
        machine.unpack("cni");
        machine
    }

    /// Its root, as kwo shows it.
    fn root(&self) -> String {
        self.path("root").canonicalize().unwrap().display().to_string()
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    /// The name of a folder of k3s. Other tests have other names, because they run programs from theirs.
    fn name(&self, digit: &str) -> String {
        let mut hasher = std::hash::DefaultHasher::new();
        self.0.path().hash(&mut hasher);
        format!("{digit}{:063x}", hasher.finish())
    }

    /// A file of k3s' folder.
    fn data(&self, name: &str) -> PathBuf {
        self.path(DATA).join(name)
    }

    fn unpack(&self, name: &str) {
        fs::create_dir_all(self.data(name).join("bin/aux")).unwrap();
        fs::write(self.data(name).join("bin/k3s"), vec![7; 100_000]).unwrap();
    }

    fn link(&self, link: &str, digit: &str) {
        symlink(format!("/var/lib/rancher/k3s/data/{}", self.name(digit)), self.data(link)).unwrap();
    }

    fn cleanup(&self, more: &[&str]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kwo"));
        command.args(["node", "cleanup"]).args(more).current_dir(self.0.path());
        if !more.contains(&"--root") {
            command.args(["--root", "root"]);
        }
        command.env_clear().env("HOME", self.0.path()).env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
        Ran::of(&command.output().unwrap())
    }

    /// What is in k3s' folder, but its lock.
    fn there(&self) -> Vec<String> {
        let listed = fs::read_dir(self.path(DATA)).unwrap();
        let mut names: Vec<String> =
            listed.map(|found| found.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| name != ".lock");
        names.sort();
        names.into_iter().map(|name| if name.len() == 64 { name[..1].to_owned() } else { name }).collect()
    }

    /// A program that runs from a folder, as the shim of a container does while k3s is upgraded.
    fn runs(&self, digit: &str) -> Running {
        let program = self.data(&self.name(digit)).join("bin/shim");
        let copied = Command::new("cp").arg("/bin/sleep").arg(&program).status().unwrap();
        assert!(copied.success());
        Running(Command::new(program).arg("300").spawn().unwrap())
    }
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_look_says_what_goes_and_removes_nothing() {
    let machine = Machine::new();
    let before = machine.there();
    let ran = machine.cleanup(&["--dry-run"]).expect(0);
    // How full the disk of the tests is, and how many blocks a file takes, is another matter.
    let mut text = String::new();
    for line in ran.out.lines() {
        let line =
            line.split_once(": ok, ").or(line.split_once(": warning, ")).map_or(line, |(first, _)| first);
        let line = line.split_once(": critical, ").map_or(line, |(first, _)| first);
        let sized = line.rsplit_once("  ").filter(|(_, size)| size.ends_with("KiB"));
        text += &sized.map_or_else(|| line.to_owned(), |(first, _)| format!("{first}  SIZE"));
        text.push('\n');
    }
    let about = text.split_once("about ").unwrap().1.split_once(';').unwrap().0.to_owned();
    let text = text.replace(&about, "SIZE").replace(&machine.name(""), &"0".repeat(63));
    snapshot("node_cleanup", &text.replace(&machine.root(), "/root"));
    let json = machine.cleanup(&["--dry-run", "--previous", "-o", "json"]).expect(0);
    let json: Value = serde_json::from_str(&json.out).unwrap();
    fits("node-cleanup", &json);
    let fates: Vec<&str> =
        json["items"].as_array().unwrap().iter().map(|item| item["fate"].as_str().unwrap()).collect();
    assert_eq!(fates, ["keep", "remove", "remove"]);
    assert!(json["bytes"].as_u64().unwrap() >= 200_000 && json["disk"]["percent"].is_u64(), "{json:#}");
    machine.cleanup(&["-o", "json"]).expect(64).says("--dry-run");
    machine.cleanup(&[]).expect(64).says("pass --yes to remove without being asked");
    assert_eq!(machine.there(), before);
    assert!(!machine.data(".lock").exists());
    // There is no k3s.
    let empty = Machine(tempfile::tempdir().unwrap());
    fs::create_dir(empty.path("root")).unwrap();
    empty.cleanup(&["--yes"]).expect(0).says("Nothing to remove: k3s never unpacked itself here");
    assert!(!empty.path("root/var").exists());
}

#[test]
fn what_nothing_leads_to_goes_and_the_rest_when_it_is_asked_for() {
    let machine = Machine::new();
    machine.unpack(&format!("{}-tmp", machine.name("d")));
    machine.unpack(&format!(".kwo-cleanup-{}", machine.name("e")));
    machine.unpack("mine");
    let ran = machine.cleanup(&["--yes"]).expect(0);
    assert_eq!(ran.out.matches("removed  node:Data/").count(), 3, "{}", ran.out);
    ran.says(" % of the disk is used, and ");
    assert_eq!(machine.there(), ["a", "b", "cni", "current", "mine", "previous"]);
    machine.cleanup(&["--yes"]).expect(0).says("Nothing to remove: 2 things stay");
    machine.cleanup(&["--yes", "--previous"]).expect(0).says("removed  node:Data/b");
    assert_eq!(machine.there(), ["a", "cni", "current", "mine"]);
    // What was held while k3s unpacks itself is not looked at, and other runs wait.
    machine.unpack(&machine.name("c"));
    let lock = fs::File::open(machine.data(".lock")).unwrap();
    lock.lock().unwrap();
    machine.cleanup(&["--yes"]).expect(4).says("k3s is unpacking itself; nothing was removed");
    drop(lock);
    let own = fs::File::create(machine.path("root/var/lib/kwo/node/k3s.lock")).unwrap();
    own.lock().unwrap();
    machine.cleanup(&["--yes"]).expect(4).says("another `kwo node");
    machine.cleanup(&["--dry-run"]).expect(0);
    assert!(machine.data(&machine.name("c")).exists());
}

#[test]
fn what_a_container_runs_from_stays_also_where_no_link_leads() {
    let machine = Machine::new();
    // A rollback: the previous k3s runs, and its containers are from the one before that.
    let (k3s, shim) = (machine.runs("b"), machine.runs("c"));
    let ran = machine.cleanup(&["--yes", "--previous"]).expect(0);
    for running in [&k3s, &shim] {
        assert!(ran.out.contains(&format!("shim ({}) runs from it", running.0.id())), "{}", ran.out);
    }
    assert_eq!(machine.there(), ["a", "b", "c", "cni", "current", "previous"]);
    drop((k3s, shim));
    // Containers ran since the start of the machine, and nobody sees them: as from within one.
    fs::create_dir_all(machine.path("root/run/k3s/containerd")).unwrap();
    let ran = machine.cleanup(&["--yes", "--previous"]).expect(5);
    ran.says("kwo sees nothing of k3s that runs").says("Nothing to remove: 3 things stay");
    // A k3s that runs is one that is seen.
    let k3s = machine.runs("a");
    machine.cleanup(&["--yes", "--previous"]).expect(0);
    assert_eq!(machine.there(), ["a", "cni", "current"]);
    drop(k3s);
    machine.unpack(&machine.name("c"));
    fs::remove_file(machine.data("current")).unwrap();
    fs::remove_dir_all(machine.path("root/run")).unwrap();
    let ran = machine.cleanup(&["--yes"]).expect(5);
    ran.says("nothing says which one it runs from").says("Nothing to remove: 2 things stay");
}

#[test]
fn what_others_can_change_and_what_leads_elsewhere_is_not_touched() {
    let machine = Machine::new();
    let outside = machine.path("outside");
    fs::create_dir_all(outside.join("bin")).unwrap();
    fs::write(outside.join("bin/k3s"), "x").unwrap();
    // A link in the place of a folder, and one within a folder that goes.
    symlink(&outside, machine.data(&machine.name("d"))).unwrap();
    symlink(&outside, machine.data(&machine.name("c")).join("bin/out")).unwrap();
    machine.unpack(&machine.name("e"));
    mode(&machine.data(&machine.name("e")), 0o777);
    let ran = machine.cleanup(&["--yes"]).expect(0);
    assert!(
        ran.out.contains("other users can write to it") && !ran.out.contains("node:Data/d"),
        "{}",
        ran.out
    );
    // What stays takes room all the same.
    assert!(!ran.out.contains(" 0 B"), "{}", ran.out);
    assert_eq!(machine.there(), ["a", "b", "cni", "current", "d", "e", "previous"]);
    assert!(outside.join("bin/k3s").exists());
    // The whole folder.
    mode(&machine.path(DATA), 0o777);
    let ran = machine.cleanup(&["--yes"]).expect(1);
    let folder = format!("{}/var/lib/rancher/k3s/data", machine.root());
    ran.says(&format!("kwo removes nothing in {folder}: other users can write to it"));
    mode(&machine.path(DATA), 0o755);
    // A link out of the root leads to a place below it.
    fs::rename(machine.path(DATA), outside.join("data")).unwrap();
    symlink(outside.join("data"), machine.path(DATA)).unwrap();
    fs::create_dir(outside.join("data").join(machine.name("f"))).unwrap();
    let ran = machine.cleanup(&["--yes"]);
    assert_ne!(ran.out.matches("removed").count(), 1, "{}", ran.out);
    assert!(outside.join("data").join(machine.name("f")).exists());
    // Nobody asks the container runtime of this machine what another one needs.
    let machine = Machine::new();
    let ran = machine.cleanup(&["--images", "--yes"]).expect(5);
    ran.says("the container runtime below another root than / does not run here")
        .says("removed  node:Data/c");
}

#[test]
fn a_run_that_is_killed_leaves_no_half_of_a_folder() {
    let machine = Machine::new();
    let old = machine.data(&machine.name("c"));
    for at in 0..3_000 {
        fs::write(old.join(format!("bin/aux/{at}")), "").unwrap();
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_kwo"));
    command.args(["node", "cleanup", "--root", "root", "--yes"]).current_dir(machine.0.path());
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    while old.exists() && child.try_wait().unwrap().is_none() {}
    let _ = child.kill();
    child.wait().unwrap();
    // Whole, or not by this name: k3s would take a half for a whole one.
    assert!(!old.exists());
    machine.cleanup(&["--yes"]).expect(0);
    assert_eq!(machine.there(), ["a", "b", "cni", "current", "previous"]);
}

#[test]
fn a_machine_without_k3s_has_nothing_that_kwo_could_not_see() {
    let machine = Machine::new();
    fs::remove_dir_all(machine.path("root/var")).unwrap();
    let ran = machine.cleanup(&["--dry-run", "-o", "json"]).expect(0);
    let found: Value = serde_json::from_str(&ran.out).unwrap();
    fits("node-cleanup", &found);
    assert_eq!((&found["findings"], &found["folder"]), (&serde_json::json!([]), &Value::Null), "{found}");
}

#[test]
fn what_is_no_folder_of_data_is_said_and_nobody_is_sent_to_root_for_it() {
    let machine = Machine::new();
    let refused = |words: &[&str], code: i32, said: &[&str]| {
        let ran = machine.cleanup(words).expect(code);
        for said in said {
            ran.says(said);
        }
        assert!(!ran.err.contains("run it as root"), "{}", ran.err);
    };
    // A folder that is missing is a mistake, and not a machine without k3s.
    refused(&["--data-dir", "/typo"], 1, &["/root/typo is not there", "correct `--data-dir`"]);
    refused(&["--data-dir", "typo"], 64, &["`--data-dir typo` does not begin with /"]);
    let config = machine.path("root/etc/rancher/k3s/config.yaml");
    fs::create_dir_all(config.parent().unwrap()).unwrap();
    fs::write(&config, "data-dir: /gone\n").unwrap();
    refused(&[], 1, &["/root/gone is not there", "correct `data-dir`"]);
    fs::write(&config, "a: b\nc: [\n").unwrap();
    refused(&[], 1, &["it is no YAML that kwo can read from line ", "correct that file; k3s reads it, too"]);
    fs::write(&config, b"a: b\nc: \xff\n").unwrap();
    refused(&[], 1, &["line 2 is not UTF-8"]);
    fs::remove_file(&config).unwrap();
    // k3s' lock, and kwo's own.
    fs::create_dir(machine.data(".lock")).unwrap();
    refused(&["--yes"], 1, &["cannot lock ", "move away what is there"]);
    fs::remove_dir(machine.data(".lock")).unwrap();
    let own = machine.path("root/var/lib/kwo/node/k3s.lock");
    let _ = fs::remove_file(&own);
    symlink("/dev/null", &own).unwrap();
    refused(&["--yes"], 1, &["is a symbolic link", "move away what is at /var/lib/kwo/node/k3s.lock"]);
    fs::remove_file(&own).unwrap();
    // Another root: a file, one that is not there, and one whose folders lead out of it.
    refused(&["--root", "root/etc/../../x"], 1, &["cannot use root/etc/../../x as the root of the node"]);
    fs::write(machine.path("file"), "x").unwrap();
    refused(&["--root", "file"], 1, &["it is no folder", "`--root` names the folder above"]);
    // A masked unit is no mistake for who removes what is left.
    let unit = machine.path("root/etc/systemd/system/k3s.service");
    fs::create_dir_all(unit.parent().unwrap()).unwrap();
    symlink("/dev/null", &unit).unwrap();
    machine.cleanup(&["--dry-run"]).expect(0);
    // A unit that leads to another file is read as systemd does.
    fs::remove_file(&unit).unwrap();
    let elsewhere = machine.path("root/opt/k3s.service");
    fs::create_dir_all(elsewhere.parent().unwrap()).unwrap();
    fs::write(&elsewhere, "[Service]\nExecStart=/usr/local/bin/k3s server --data-dir /gone\n").unwrap();
    symlink("/opt/k3s.service", &unit).unwrap();
    refused(&[], 1, &["/root/gone is not there"]);
    fs::remove_file(&elsewhere).unwrap();
    refused(&[], 1, &["that leads to nothing below the root", "mend that file, or the link"]);
}
