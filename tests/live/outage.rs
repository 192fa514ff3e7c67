//! The API server goes away in the middle of a run, by a kill or by standing still, and comes back or does not; and it
//! has few places for requests. Each on a server of its own, for all others would notice.

use std::io::BufRead as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use testkit::apiserver::{self, Server};
use testkit::run::{Bench, Ran};

/// A server of one's own and a roster of so many tenants.
pub(crate) fn bench(tenants: usize, flags: &[&str]) -> Option<(Bench, Server)> {
    let flags: Vec<String> = flags.iter().flat_map(|flag| ["--set".to_owned(), (*flag).to_owned()]).collect();
    let server = apiserver::another(&flags)?;
    let names: String =
        (0..tenants).map(|at| format!("  t{at}: {{owners: [a{at}@example.com]}}\n")).collect();
    let bench = Bench::new(&format!("tenants:\n{names}"))?.with_kubeconfig(&server.kubeconfig);
    Some((bench, server))
}

/// A run that has made its first objects, and what it says from then on.
fn begun(bench: &Bench, more: &[&str]) -> (Child, impl FnOnce(Child) -> Ran) {
    go(bench.command(&[&["apply", "--yes"], more].concat()))
}

/// The same for a run that is begun in another way.
pub(crate) fn go(mut run: Command) -> (Child, impl FnOnce(Child) -> Ran) {
    let mut run = run.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = std::io::BufReader::new(run.stderr.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("created kube:Namespace")));
    let rest = |mut run: Child| {
        let err = lines.fold(String::new(), |all, line| all + &line + "\n");
        Ran { code: run.wait().unwrap().code().unwrap_or(-1), out: String::new(), err }
    };
    (run, rest)
}

fn pause(seconds: u64) {
    std::thread::sleep(Duration::from_secs(seconds));
}

/// How long the server is away: as long as the lock lasts and some; `KWO_TEST_AWAY` for longer.
fn away() -> u64 {
    std::env::var("KWO_TEST_AWAY").ok().and_then(|away| away.parse().ok()).unwrap_or(6)
}

/// How many tenants; `KWO_TEST_TENANTS` for more.
fn tenants() -> usize {
    std::env::var("KWO_TEST_TENANTS").ok().and_then(|tenants| tenants.parse().ok()).unwrap_or(60)
}

#[test]
fn a_restart_in_the_middle_of_a_run_is_waited_for() {
    let Some((bench, mut server)) = bench(tenants(), &[]) else { return };
    let (run, rest) = begun(&bench, &[]);
    server.kill();
    pause(away());
    server.again();
    let ran = rest(run).expect(0);
    assert!(ran.err.contains("the API server has not answered for "), "{}", ran.err);
    assert!(ran.err.contains(": connection refused by https://127.0.0.1:"), "{}", ran.err);
    assert!(ran.err.contains("the API server answers again, after "), "{}", ran.err);
    assert!(ran.err.contains(" done, 0 refused, 0 skipped\n"), "{}", ran.err);
    assert!(ran.err.contains("In agreement"), "{}", ran.err);
    bench.kwo(&["plan", "--detailed-exitcode"]).expect(0);
}

#[test]
fn a_server_that_stands_still_in_the_middle_of_a_run_is_waited_for() {
    let Some((bench, server)) = bench(tenants(), &[]) else { return };
    let (run, rest) = begun(&bench, &["--timeout=5s", "--api-wait=2m"]);
    server.signal("STOP");
    pause(away() + 4);
    server.signal("CONT");
    let ran = rest(run).expect(0);
    assert!(ran.err.contains("the API server has not answered for "), "{}", ran.err);
    assert!(ran.err.contains(" done, 0 refused, 0 skipped\n"), "{}", ran.err);
    bench.kwo(&["plan", "--detailed-exitcode"]).expect(0);
}

#[test]
fn a_server_that_stays_away_is_told_once_and_the_next_run_goes_on() {
    let Some((bench, mut server)) = bench(60, &[]) else { return };
    let (run, rest) = begun(&bench, &["--api-wait=4s"]);
    server.kill();
    let ran = rest(run).expect(1);
    let said = |what: &str| ran.err.lines().filter(|line| line.contains(what)).count();
    assert_eq!(said("connection refused by "), 2, "one word of waiting, and one of giving up: {}", ran.err);
    assert!(ran.err.contains("Stopped: no answer from the API server within 4 s: "), "{}", ran.err);
    assert!(ran.err.contains(" got no answer, so the server may have done some of them."), "{}", ran.err);
    assert!(ran.err.contains(" 0 refused, 0 skipped, "), "{}", ran.err);
    assert!(!ran.err.contains("took the lock") && !ran.err.contains("In agreement"), "{}", ran.err);
    server.again();
    let ran = bench.apply(&[]).expect(0);
    let waited = "waiting up to 120 s for the lock of ";
    assert!(ran.err.contains(waited) && ran.err.contains("free after 3 s without a renewal"), "{}", ran.err);
    bench.kwo(&["plan", "--detailed-exitcode"]).expect(0);
}

#[test]
fn a_server_with_few_places_is_asked_less_at_a_time_until_all_is_done() {
    let few =
        ["enable-priority-and-fairness=false", "max-requests-inflight=2", "max-mutating-requests-inflight=1"];
    let Some((bench, server)) = bench(15, &few) else { return };
    // As an account like others: the admin is never told to wait.
    let kubectl = |args: &[&str]| {
        let mut kubectl = Command::new(&server.kubectl);
        let done = kubectl.arg("--kubeconfig").arg(&server.kubeconfig).args(args).output().unwrap();
        assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    };
    kubectl(&["-n", "kube-system", "create", "serviceaccount", "kwo"]);
    let bind = ["create", "clusterrolebinding", "kwo", "--clusterrole=cluster-admin"];
    kubectl(&[&bind[..], &["--serviceaccount=kube-system:kwo"]].concat());
    let token = kubectl(&["-n", "kube-system", "create", "token", "kwo"]);
    let shown = kubectl(&["config", "view", "--raw", "-o", "json"]);
    let mut config: serde_json::Value = serde_json::from_str(&shown).unwrap();
    config["users"][0]["user"] = serde_json::json!({"token": token.trim()});
    let own = bench.path("own.kubeconfig");
    std::fs::write(&own, config.to_string()).unwrap();
    let bench = bench.with_kubeconfig(&own);
    let ran = bench.kwo(&["apply", "--yes", "--concurrency=64", "-vv"]).expect(0);
    assert!(ran.err.contains("status=429"), "nothing was refused: {}", ran.err);
    assert!(ran.err.contains(" done, 0 refused, 0 skipped\n"), "{}", ran.err);
    bench.kwo(&["plan", "--detailed-exitcode"]).expect(0);
}
