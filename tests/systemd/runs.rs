//! What starts a run beside a push, what stops it, and what is left when kwo is taken away.

use std::fs;
use std::net::TcpListener;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use testkit::apiserver;
use testkit::peers::free_port;

use crate::machine::Machine;
use crate::push::listening;
use crate::repository::{Repository, WITHIN};

#[test]
fn the_timer_runs_every_hour_and_makes_up_for_what_was_missed() {
    let Some(machine) = Machine::boot() else { return };
    Repository::within(&machine);
    machine.install(WITHIN, &[]);
    let next = machine.shows("kwo-sync.timer", "NextElapseUSecRealtime");
    let next = machine.ok(&["date", &format!("--date={next}"), "+%s"]);
    let next: u64 = next.trim().parse().unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    assert!((1..=4200).contains(&next.saturating_sub(now)), "an hour and ten minutes at most: {next}, {now}");
    assert_eq!(machine.journal(&["--unit", "kwo-sync"]), "", "the first run waits for its hour");

    // The machine was off for two hours; of its own delay it does without here.
    machine.put("etc/systemd/system/kwo-sync.timer.d/now.conf", "[Timer]\nRandomizedDelaySec=0\n");
    machine.ok(&["systemctl", "stop", "kwo-sync.timer"]);
    machine.ok(&["touch", "--date=2 hours ago", "/var/lib/systemd/timers/stamp-kwo-sync.timer"]);
    machine.ok(&["systemctl", "daemon-reload"]);
    machine.ok(&["systemctl", "start", "kwo-sync.timer"]);
    machine.says("kwo-sync", "converged at");
    assert_eq!(machine.shows("kwo-sync.timer", "Result"), "success");
}

#[test]
fn keys_of_gpg_are_read_in_the_sandbox() {
    let Some(machine) = Machine::boot() else { return };
    let repository = Repository::new();
    let (by, key) = repository.gpg_key();
    machine.put("etc/kwo/signers.asc", &key);
    machine.install(&format!("{WITHIN}trust: {{signers: {{gpg: /etc/kwo/signers.asc}}}}\n"), &[]);
    let by: Vec<&str> = by.iter().map(String::as_str).collect();
    repository.push("tenants:\n  alice:\n", &by, &["--gpg-sign"]);
    repository.copy(&machine);
    machine.ok(&["systemctl", "start", "kwo-sync"]);
    machine.says("kwo-sync", "converged at");
    repository.push("tenants:\n  bob:\n", &[], &[]);
    repository.copy(&machine);
    assert!(!machine.run(&["systemctl", "start", "kwo-sync"]).status.success());
    machine.says("kwo-sync", ": it is not signed");
}

#[test]
fn what_a_run_said_is_found_by_its_unit_also_when_the_journal_is_late() {
    let Some(machine) = Machine::boot() else { return };
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/cluster.git", silent.local_addr().unwrap());
    machine
        .install(&format!("repository: {{url: '{url}'}}\ntarget: {{directory: /var/lib/kwo/target}}\n"), &[]);
    machine.ok(&["systemctl", "start", "--no-block", "kwo-sync"]);
    silent.set_nonblocking(true).unwrap();
    let held = machine.until("it fetches", || silent.accept().ok());
    // The journal knows the run by now, and reads what it says at its end when it is gone.
    let journal = |signal: &str| machine.ok(&["systemctl", "kill", "--signal", signal, "systemd-journald"]);
    journal("STOP");
    drop((held, silent));
    machine
        .until("the run has ended", || (machine.shows("kwo-sync", "ActiveState") == "failed").then_some(()));
    journal("CONT");
    machine.says("kwo-sync", "cannot be fetched");
}

#[test]
fn a_run_is_stopped_with_all_that_it_started() {
    let Some(machine) = Machine::boot() else { return };
    // It takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/cluster.git", silent.local_addr().unwrap());
    machine
        .install(&format!("repository: {{url: '{url}'}}\ntarget: {{directory: /var/lib/kwo/target}}\n"), &[]);
    machine.ok(&["systemctl", "start", "--no-block", "kwo-sync"]);
    silent.set_nonblocking(true).unwrap();
    let _held = machine.until("it fetches", || silent.accept().ok());
    let began = Instant::now();
    machine.ok(&["systemctl", "stop", "kwo-sync"]);
    assert!(began.elapsed() < Duration::from_secs(20), "it waits to be killed: {:?}", began.elapsed());
    assert_eq!(machine.run(&["pgrep", "git"]).status.code(), Some(1));
    machine.says("kwo-sync", "interrupted; nothing was changed");
}

#[test]
fn a_roster_without_git_is_applied_whenever_it_was_saved() {
    let Some(machine) = Machine::boot() else { return };
    let Some(server) = apiserver::another(&[]) else { return };
    machine.put("etc/rancher/k3s/k3s.yaml", &fs::read_to_string(&server.kubeconfig).unwrap());
    machine.install(WITHIN, &[]);
    machine.ok(&["systemctl", "enable", "--now", "kwo-roster.path"]);
    let applied = |tenant: &str| {
        machine.until(&format!("{tenant} is there"), || {
            let mut kubectl = std::process::Command::new(&server.kubectl);
            kubectl.args(["get", "namespace", tenant, "--kubeconfig"]).arg(&server.kubeconfig);
            kubectl.output().unwrap().status.success().then_some(())
        });
        machine.until("the run has ended", || {
            (machine.shows("kwo-roster", "ActiveState") == "inactive").then_some(())
        });
    };
    // As editors save: in place, and by putting another file there.
    let saves = |file: &str, text: &str| {
        machine.put("etc/kwo/.next", text);
        fs::rename(machine.path("etc/kwo/.next"), machine.path(file)).unwrap();
    };
    let roster = "apiVersion: kwo/v1\nkind: Roster\n";
    machine.put("etc/kwo/roster.yaml", &format!("{roster}tenants:\n  in-place:\n"));
    applied("in-place");
    saves("etc/kwo/roster.yaml", &format!("{roster}tenants:\n  by-name:\n"));
    applied("by-name");
    saves("etc/kwo/roster.yaml", &format!("{roster}tenants:\n  by-name-again:\n"));
    applied("by-name-again");
    fs::create_dir(machine.path("etc/kwo/roster.d")).unwrap();
    saves("etc/kwo/roster.d/more.yaml", "tenants:\n  included:\n");
    saves("etc/kwo/roster.yaml", &format!("{roster}include: [roster.d/*.yaml]\n"));
    applied("included");
    saves("etc/kwo/roster.d/more.yaml", "tenants:\n  included-anew:\n");
    applied("included-anew");
    // As fast as one can, and it never gets too much.
    for number in 0..6 {
        let tenant = format!("again-{number}");
        saves("etc/kwo/roster.d/more.yaml", &format!("tenants:\n  {tenant}:\n"));
        applied(&tenant);
    }
}

#[test]
fn taking_kwo_away_leaves_no_unit_and_keeps_settings_and_state() {
    let Some(machine) = Machine::boot() else { return };
    Repository::within(&machine);
    machine.put("etc/credstore/kwo.gitlab", "between us");
    machine.install(&listening(free_port()), &["--hook", "--node"]);
    machine.ok(&["systemctl", "start", "kwo-sync"]);
    assert_eq!(machine.shows("kwo-hook", "ActiveState"), "active");
    let said = machine.ok(&["/kwo", "install", "--uninstall"]);
    assert!(said.contains("settings, state and history stay: /etc/kwo, /var/lib/kwo"), "{said}");
    for list in [["list-units", "--all"], ["list-unit-files", "--full"]] {
        let listed = machine.run(&[&["systemctl"], &list[..], &["--no-legend", "kwo*"]].concat());
        assert_eq!(String::from_utf8_lossy(&listed.stdout), "");
    }
    assert_eq!(machine.ok(&["find", "/etc/systemd", "/usr/local", "/run", "-name", "*kwo*"]), "");
    assert!(machine.text("var/lib/kwo/history/000001.json").contains("alice"));
    assert_eq!(machine.run(&["pgrep", "kwo"]).status.code(), Some(1));
}
