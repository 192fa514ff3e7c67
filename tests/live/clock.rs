//! Runs whose clocks are hours apart keep each other out as others do, and a killed one leaves no lock that lasts. The
//! clock of a run is shifted by libfaketime.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use kwo_engine::providers::{Home as _, Kube, KubeOptions};
use testkit::apiserver::Server;
use testkit::live;
use testkit::run::Bench;

use crate::outage::{bench, go};

/// The library; nothing where it cannot be had.
fn faketime() -> Option<PathBuf> {
    let peers = Path::new(env!("CARGO_TARGET_TMPDIR")).join("peers");
    let fetched =
        Command::new("sh").arg("tests/peers/fetch.sh").arg(&peers).arg("libfaketime").output().unwrap();
    if fetched.status.success() {
        return Some(peers.join("libfaketime.so.1"));
    }
    live::missing(&format!("libfaketime: {}", String::from_utf8_lossy(&fetched.stderr)))
}

/// `kwo apply` by a clock that is so far ahead or behind.
fn shifted(bench: &Bench, library: &Path, by: &str, more: &[&str]) -> Command {
    let mut run = bench.command(&[&["apply", "--yes"], more].concat());
    run.env("LD_PRELOAD", library).env("FAKETIME", by).env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    run
}

/// When the lock was renewed last, in hours from now, as its holder says.
fn renewed(server: &Server) -> f64 {
    let mut kubectl = Command::new(&server.kubectl);
    kubectl.arg("--kubeconfig").arg(&server.kubeconfig);
    kubectl.args(["-n", "kube-system", "get", "lease", "kwo", "-o", "jsonpath={.spec.renewTime}"]);
    let time = String::from_utf8(kubectl.output().unwrap().stdout).unwrap();
    let time: jiff::Timestamp = time.parse().unwrap();
    time.duration_since(jiff::Timestamp::now()).as_secs_f64() / 3600.0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clocks_that_are_hours_apart_change_nothing_about_the_lock() {
    let Some(library) = faketime() else { return };
    let Some((bench, server)) = bench(20, &[]) else { return };
    let options = KubeOptions {
        kubeconfig: Some(server.kubeconfig.clone()),
        lock_duration: Duration::from_secs(3),
        ..KubeOptions::default()
    };
    let held = Kube::connect(options).await.unwrap().lock(Duration::ZERO).await.ok().unwrap();
    for by in ["+2h", "-2h"] {
        let ran = shifted(&bench, &library, by, &[]).output().unwrap();
        let said = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.code(), Some(4), "{by}: {said}");
        assert!(said.contains(" by its own clock; it is alive, because it renews the lock"), "{by}: {said}");
        assert!(!*held.lost.borrow());
    }
    held.release.await;

    for (by, hours) in [("+2h", 2.0), ("-2h", -2.0)] {
        let (mut run, rest) = go(shifted(&bench, &library, by, &["--concurrency=1"]));
        run.kill().unwrap();
        let ran = rest(run);
        assert_ne!(ran.code, 0, "{by}: it had ended before it could be killed: {}", ran.err);
        let renewed = renewed(&server);
        assert!((renewed - hours).abs() < 0.1, "{by}: the lock was renewed {renewed} hours from now");
        assert!(bench.kwo(&["status"]).out.contains("broke off: "));
        let began = Instant::now();
        let ran = bench.kwo(&["apply", "--yes"]).expect(0);
        assert!(ran.err.contains("it is free after 3 s without a renewal"), "{by}: {}", ran.err);
        assert!(began.elapsed() < Duration::from_secs(60), "{by}: {:?}", began.elapsed());
        // So that the next one finds something to do as well.
        bench.write("tenants:\n  other: {owners: [a@example.com]}\n  another: {owners: [a@example.com]}\n");
    }
}
