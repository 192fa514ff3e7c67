//! The RPM package under real rpm and systemd: what it starts and stops, and what it keeps. rpm runs on this Debian, so what
//! the package needs of Fedora's is not tried.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use testkit::live::missing;

use crate::machine::Machine;
use crate::package::{held_run, nothing_runs, own_settings, run};

/// The version of the package that is there first.
const BEFORE: &str = "0.0.1";

/// The package of that version, and that of this one: of the same program, without compression.
fn packages() -> &'static [PathBuf; 2] {
    static MADE: OnceLock<[PathBuf; 2]> = OnceLock::new();
    MADE.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rpms");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap();
        let program = folder.join("kwo");
        run(Command::new("strip").arg("-o").arg(&program).arg(env!("CARGO_BIN_EXE_kwo")));
        let build = |more: &[&str]| {
            let mut build = Command::new(".ci/rpm");
            build.args([&program, &folder]).arg("_binary_payload=w0.gzdio").args(more);
            PathBuf::from(run(&mut build).trim())
        };
        [build(&[&format!("kwo_version={BEFORE}")]), build(&[])]
    })
}

/// A machine with the version before, and this one at hand as `/new.rpm`.
fn machine() -> Option<Machine> {
    if Command::new("rpm").arg("--version").output().is_err() {
        return missing("there is no rpm: install rpm");
    }
    let machine = Machine::debian()?;
    for (package, name) in packages().iter().zip(["old.rpm", "new.rpm"]) {
        fs::copy(package, machine.path(name)).unwrap();
    }
    rpm(&machine, &["--install", "/old.rpm"]);
    Some(machine)
}

/// rpm knows none of Debian's packages, and Debian's rpm wants to be asked twice.
#[track_caller]
fn rpm(machine: &Machine, args: &[&str]) -> String {
    let own = ["rpm", "--force-debian", "--dbpath", "/var/lib/rpm"];
    let nodeps: &[&str] = if args[0].starts_with("--query") { &[] } else { &["--nodeps"] };
    machine.ok(&[&own[..], args, nodeps].concat())
}

#[test]
fn it_starts_nothing_and_an_upgrade_ends_no_run_and_keeps_what_an_admin_chose() {
    let Some(machine) = machine() else { return };
    nothing_runs(&machine);
    assert_eq!(machine.ok(&["stat", "--format=%a %U", "/etc/kwo/kwo.yaml"]), "600 root\n");
    assert!(machine.ok(&["/usr/bin/kwo", "--version"]).starts_with("kwo "));
    assert!(rpm(&machine, &["--query", "kwo"]).starts_with(&format!("kwo-{BEFORE}-1")));

    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let settings = own_settings(&silent);
    machine.put("etc/kwo/kwo.yaml", &settings);
    machine.put("etc/credstore/kwo.gitlab", "between us");
    machine.ok(&["kwo", "install", "--hook"]);
    let held = held_run(&machine, &silent);
    let process = |unit: &str| machine.shows(unit, "MainPID");
    let (run, listener) = (process("kwo-sync"), process("kwo-hook"));

    rpm(&machine, &["--upgrade", "/new.rpm"]);
    assert!(!rpm(&machine, &["--query", "kwo"]).contains(BEFORE));
    assert_eq!(machine.text("etc/kwo/kwo.yaml"), settings);
    assert_eq!(process("kwo-sync"), run);
    assert_ne!(process("kwo-hook"), listener, "the listener is the old program");
    assert_eq!(machine.shows("kwo-sync.timer", "ActiveState"), "active");
    assert_eq!(machine.shows("kwo-hook", "NeedDaemonReload"), "no");
    drop((held, silent));
    let active = || machine.shows("kwo-sync", "ActiveState");
    machine.until("the run has ended", || (active() == "failed").then_some(()));
    machine.says("kwo-sync", "cannot be fetched");

    // A listener that an admin has stopped stays so.
    machine.ok(&["systemctl", "stop", "kwo-hook"]);
    rpm(&machine, &["--upgrade", "--oldpackage", "/old.rpm"]);
    assert_eq!(machine.shows("kwo-hook", "ActiveState"), "inactive");
    assert_eq!(machine.ok(&["systemctl", "is-enabled", "kwo-hook"]).trim(), "enabled");
}

#[test]
fn what_is_removed_keeps_settings_and_state() {
    let Some(machine) = machine() else { return };
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let settings = own_settings(&silent);
    machine.put("etc/kwo/kwo.yaml", &settings);
    machine.put("etc/kwo/known_hosts", "of the admin");
    machine.put("etc/credstore/kwo.gitlab", "between us");
    machine.ok(&["kwo", "install", "--hook"]);
    machine.put("var/lib/kwo/history/000001.json", "{}");
    let _held = held_run(&machine, &silent);

    rpm(&machine, &["--erase", "kwo"]);
    machine.says("kwo-sync", "interrupted; nothing was changed");
    nothing_runs(&machine);
    let listed = machine.run(&["systemctl", "list-unit-files", "--full", "--no-legend", "kwo*"]);
    assert_eq!(String::from_utf8_lossy(&listed.stdout), "");
    assert_eq!(machine.text("etc/kwo/kwo.yaml.rpmsave"), settings);
    assert_eq!(machine.text("etc/kwo/known_hosts"), "of the admin");
    assert_eq!(machine.text("var/lib/kwo/history/000001.json"), "{}");
    let left = machine.ok(&["find", "/usr", "-not", "-path", "/usr/local/*", "-name", "kwo*"]);
    assert_eq!(left, "");

    // Once more, and nobody has said that it should run.
    rpm(&machine, &["--install", "/new.rpm"]);
    nothing_runs(&machine);
}
