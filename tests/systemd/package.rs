//! The Debian package under real dpkg and systemd: what it starts and stops, what it keeps, and how it is mended.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use testkit::peers::free_port;

use crate::machine::Machine;
use crate::push::listening;
use crate::repository::Repository;

/// Every unit that could be enabled, and what these start.
const UNITS: [&str; 9] = [
    "kwo-sync.timer",
    "kwo-sync.path",
    "kwo-roster.path",
    "kwo-roster-parts.path",
    "kwo-hook.service",
    "kwo-sync.service",
    "kwo-roster.service",
    "kwo-backup.timer",
    "kwo-backup.service",
];

/// What an admin has who upgrades without being asked.
const KEEP: &[&str] = &["--force-confold", "--force-unsafe-io"];

/// What comes first in the settings of the version before.
const BEFORE: &str = "# Settings of the version before.\n";

#[track_caller]
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The package of this program as people get it, but without compression, and one of a version before, whose settings and
/// units have other texts.
fn packages() -> &'static [PathBuf; 2] {
    static MADE: OnceLock<[PathBuf; 2]> = OnceLock::new();
    MADE.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("packages");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap();
        let program = folder.join("kwo");
        run(Command::new("strip").arg("-o").arg(&program).arg(env!("CARGO_BIN_EXE_kwo")));
        let new = run(Command::new(".ci/deb").args([&program, &folder]).arg("-Znone"));
        let new = PathBuf::from(new.trim());

        let (tree, old) = (folder.join("tree"), folder.join("old.deb"));
        run(Command::new("dpkg-deb").arg("--raw-extract").args([&new, &tree]));
        let edit = |file: &str, change: &dyn Fn(String) -> String| {
            fs::write(tree.join(file), change(fs::read_to_string(tree.join(file)).unwrap())).unwrap();
        };
        edit("DEBIAN/control", &|text| text.replace("\nVersion: ", "\nVersion: 0.0~"));
        edit("etc/kwo/kwo.yaml", &|text| format!("{BEFORE}{text}"));
        edit("usr/lib/systemd/system/kwo-sync.service", &|text| text.replace("Nice=5", "Nice=7"));
        run(Command::new("dpkg-deb").args(["--root-owner-group", "-Znone", "--build"]).args([&tree, &old]));
        fs::remove_dir_all(tree).unwrap();
        [old, new]
    })
}

/// A machine with the version before, as `/old.deb`, and this one at hand, as `/new.deb`.
fn machine() -> Option<Machine> {
    let machine = Machine::debian()?;
    for (package, name) in packages().iter().zip(["old.deb", "new.deb"]) {
        fs::hard_link(package, machine.path(name))
            .or_else(|_| fs::copy(package, machine.path(name)).map(drop))
            .unwrap();
    }
    dpkg(&machine, &["--install", "/old.deb"]);
    Some(machine)
}

#[track_caller]
fn dpkg(machine: &Machine, args: &[&str]) -> String {
    machine.ok(&[&["dpkg"], KEEP, args].concat())
}

/// What dpkg says of the package: what is wanted, and how it is.
fn state(machine: &Machine) -> String {
    machine.ok(&["dpkg-query", "--show", "--showformat=${db:Status-Abbrev}${Version}", "kwo"])
}

#[track_caller]
pub(crate) fn nothing_runs(machine: &Machine) {
    for unit in UNITS {
        assert_eq!(machine.shows(unit, "ActiveState"), "inactive", "{unit}");
        let enabled = machine.run(&["systemctl", "is-enabled", unit]);
        let enabled = String::from_utf8_lossy(&enabled.stdout).trim().to_owned();
        assert!(["disabled", "static", ""].contains(&&*enabled), "{unit}: {enabled}");
    }
    assert_eq!(machine.ok(&["find", "/etc/systemd", "-name", "kwo*"]), "");
    assert_eq!(machine.run(&["pgrep", "kwo"]).status.code(), Some(1));
}

/// Starts a run that stays at its fetch until what this gives is dropped.
pub(crate) fn held_run(machine: &Machine, silent: &TcpListener) -> TcpStream {
    machine.ok(&["systemctl", "start", "--no-block", "kwo-sync"]);
    silent.set_nonblocking(true).unwrap();
    machine.until("it fetches", || silent.accept().ok()).0
}

/// Settings of an admin: a repository that does not answer, and a listener.
pub(crate) fn own_settings(silent: &TcpListener) -> String {
    let own = listening(free_port());
    let url = format!("https://{}/cluster.git", silent.local_addr().unwrap());
    format!("apiVersion: kwo/v1\nkind: Settings\n{}", own.replace("/srv/cluster.git", &format!("'{url}'")))
}

#[test]
fn a_package_starts_nothing_and_an_upgrade_ends_no_run_and_keeps_what_an_admin_chose() {
    let Some(machine) = machine() else { return };
    nothing_runs(&machine);
    assert_eq!(machine.ok(&["stat", "--format=%a %U", "/etc/kwo/kwo.yaml"]), "600 root\n");
    assert!(machine.ok(&["/usr/bin/kwo", "--version"]).starts_with("kwo "));
    // Nobody has changed the settings, so they are those of the new version.
    assert!(machine.text("etc/kwo/kwo.yaml").starts_with(BEFORE));
    dpkg(&machine, &["--install", "/new.deb"]);
    nothing_runs(&machine);
    assert!(!machine.text("etc/kwo/kwo.yaml").starts_with(BEFORE));
    dpkg(&machine, &["--install", "/old.deb"]);

    // An admin has settings, the timer and the listener, and has stopped what waits for pushes.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let settings = own_settings(&silent);
    machine.put("etc/kwo/kwo.yaml", &settings);
    machine.put("etc/credstore/kwo.gitlab", "between us");
    machine.ok(&["kwo", "install", "--hook"]);
    machine.ok(&["systemctl", "stop", "kwo-sync.path"]);
    let held = held_run(&machine, &silent);
    let process = |unit: &str| machine.shows(unit, "MainPID");
    let (run, listener) = (process("kwo-sync"), process("kwo-hook"));
    assert_eq!(machine.ok(&["ps", "--no-headers", "--format=nice", &run]).trim(), "7");

    // Nobody is there to say what becomes of the settings: the upgrade stops there, and what runs goes on.
    let refused = machine.run(&["dpkg", "--install", "/new.deb"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("conffile prompt"), "{said}");
    assert_eq!((process("kwo-sync"), process("kwo-hook")), (run.clone(), listener.clone()));
    assert_eq!(machine.text("etc/kwo/kwo.yaml"), settings);
    dpkg(&machine, &["--configure", "--pending"]);
    assert!(state(&machine).starts_with("ii "), "{}", state(&machine));

    assert_eq!(machine.text("etc/kwo/kwo.yaml"), settings);
    assert_eq!(process("kwo-sync"), run);
    assert_ne!(process("kwo-hook"), listener, "the listener is the old program");
    let active = |unit: &str| machine.shows(unit, "ActiveState");
    assert_eq!((active("kwo-sync.timer"), active("kwo-sync.path")), ("active".into(), "inactive".into()));
    for unit in UNITS {
        assert_eq!(machine.shows(unit, "NeedDaemonReload"), "no", "{unit}");
    }
    // The run ends by itself, and the next one is of the new version.
    drop((held, silent));
    machine.until("the run has ended", || (active("kwo-sync") == "failed").then_some(()));
    machine.says("kwo-sync", "cannot be fetched");
    assert!(!machine.journal(&["--unit", "kwo-sync"]).contains("interrupted"));
    assert_eq!(machine.shows("kwo-sync", "Nice"), "5");

    // A listener that an admin has stopped stays so.
    machine.ok(&["systemctl", "stop", "kwo-hook"]);
    dpkg(&machine, &["--install", "/new.deb"]);
    assert_eq!(active("kwo-hook"), "inactive");
    assert_eq!(machine.ok(&["systemctl", "is-enabled", "kwo-hook"]).trim(), "enabled");
}

#[test]
fn a_removed_package_keeps_settings_and_state_and_a_purged_one_what_it_did_not_bring() {
    let Some(machine) = machine() else { return };
    Repository::within(&machine);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let settings = own_settings(&silent);
    machine.put("etc/kwo/kwo.yaml", &settings);
    machine.put("etc/kwo/known_hosts", "of the admin");
    machine.put("etc/credstore/kwo.gitlab", "between us");
    machine.ok(&["kwo", "install", "--hook"]);
    machine.put("var/lib/kwo/history/000001.json", "{}");
    let _held = held_run(&machine, &silent);

    dpkg(&machine, &["--remove", "kwo"]);
    machine.says("kwo-sync", "interrupted; nothing was changed");
    nothing_runs(&machine);
    let listed = machine.run(&["systemctl", "list-unit-files", "--full", "--no-legend", "kwo*"]);
    assert_eq!(String::from_utf8_lossy(&listed.stdout), "");
    assert!(state(&machine).starts_with("rc "), "{}", state(&machine));
    assert_eq!(machine.text("etc/kwo/kwo.yaml"), settings);
    assert_eq!(machine.text("var/lib/kwo/history/000001.json"), "{}");

    // Once more, and nobody has said that it should run.
    dpkg(&machine, &["--install", "/new.deb"]);
    nothing_runs(&machine);
    assert_eq!(machine.text("etc/kwo/kwo.yaml"), settings);

    let said = dpkg(&machine, &["--purge", "kwo"]);
    for folder in ["/etc/kwo", "/var/lib/kwo"] {
        assert!(said.contains(&format!("kwo: {folder} stays, because it holds what")), "{said}");
    }
    assert_eq!(machine.ok(&["ls", "-A", "/etc/kwo"]), "known_hosts\n");
    assert_eq!(machine.text("var/lib/kwo/history/000001.json"), "{}");
    let places = ["find", "/usr", "/run", "/etc/systemd", "-not", "-path", "/usr/local/*"];
    let left = machine.ok(&[&places[..], &["-regex", ".*/_?kwo\\([-.].*\\)?"]].concat());
    assert_eq!(left, "");

    // Where nobody had anything of their own, nothing stays.
    machine.ok(&["rm", "-r", "/etc/kwo", "/var/lib/kwo"]);
    dpkg(&machine, &["--install", "/new.deb"]);
    let said = dpkg(&machine, &["--purge", "kwo"]);
    assert!(!said.contains("stays"), "{said}");
    assert!(!machine.path("etc/kwo").exists());
}

#[test]
fn what_ended_half_way_dpkg_mends() {
    let Some(machine) = machine() else { return };
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let settings = own_settings(&silent);
    machine.put("etc/kwo/kwo.yaml", &settings);
    machine.put("etc/credstore/kwo.gitlab", "between us");
    machine.ok(&["kwo", "install", "--hook"]);
    // Where a script of the package first asks for something of systemd: kills the script, or dpkg, too.
    let dies = |whom: &str| {
        machine.put("usr.local/bin/systemctl", &format!("#!/bin/sh\nkill -KILL {whom}\n"));
        machine.ok(&["chmod", "+x", "/usr/local/bin/systemctl"]);
    };
    let mended = || fs::remove_file(machine.path("usr.local/bin/systemctl")).unwrap();
    let script = "$PPID";
    let all = "$PPID $(ps --no-headers --format=ppid $PPID)";
    for whom in [script, all] {
        dies(whom);
        assert!(!machine.run(&[&["dpkg"], KEEP, &["--install", "/new.deb"]].concat()).status.success());
        assert!(!state(&machine).starts_with("ii "), "{}", state(&machine));
        mended();
        dpkg(&machine, &["--configure", "--pending"]);
        assert!(state(&machine).starts_with("ii "), "{}", state(&machine));
        assert_eq!(machine.shows("kwo-sync.timer", "ActiveState"), "active");
        assert_eq!(machine.shows("kwo-hook", "ActiveState"), "active");
        assert_eq!(machine.shows("kwo-hook", "NeedDaemonReload"), "no");

        // To remove it has not ended: it is there still, or it is removed once more.
        dies(whom);
        assert!(!machine.run(&["dpkg", "--remove", "kwo"]).status.success());
        mended();
        dpkg(&machine, &["--configure", "--pending"]);
        assert!(machine.ok(&["kwo", "--version"]).starts_with("kwo "));
        dpkg(&machine, &["--remove", "kwo"]);
        nothing_runs(&machine);
        assert_eq!(machine.text("etc/kwo/kwo.yaml"), settings);
        dpkg(&machine, &["--install", "/old.deb"]);
        machine.ok(&["kwo", "install", "--hook"]);
    }
}
