//! Killed at any point of any write: the next run goes on, and nothing is there twice or half.

use std::process::Stdio;

use testkit::apiserver::{kubectl_ok, unique};
use testkit::gate::{self, Point};
use testkit::run::{Bench, steps};

/// A tenant with something of every kind to write.
fn roster(name: &str) -> String {
    format!(
        "tenants:\n  {name}:\n    owners: [a@example.com, group:team]\n    members: [{{identity: eve@example.com, access: viewer}}]\n"
    )
}

/// Makes what an earlier roster may have left of these tenants, so that there is something to change besides.
fn begin(bench: &Bench, names: &[String]) {
    let labels = |name: &str| {
        format!("{{app.kubernetes.io/managed-by: kwo, kwo.dev/managed: \"true\", kwo.dev/tenant: {name}}}")
    };
    let manifests = names.iter().map(|name| {
        let labels = labels(name);
        format!(
            "apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}, labels: {labels}}}\n---\n\
apiVersion: v1\nkind: ResourceQuota\nmetadata: {{name: {name}-quota, namespace: {name}, labels: {labels}}}\n\
spec: {{hard: {{pods: \"99\"}}}}\n---\n"
        )
    });
    std::fs::write(bench.path("earlier.yaml"), manifests.collect::<String>()).unwrap();
    kubectl_ok(&["create", "-f", bench.path("earlier.yaml").to_str().unwrap()]);
    // The quota's controller writes once to each; that must not be counted as kwo's doing.
    for name in names {
        let quota = format!("resourcequota/{name}-quota");
        kubectl_ok(&["wait", &quota, "-n", name, "--for=jsonpath={.status.hard.pods}=99", "--timeout=60s"]);
    }
}

/// The steps that are left for this tenant.
fn left(bench: &Bench, name: &str) -> Vec<String> {
    steps(&bench.plan(&[])).into_iter().filter(|id| id.contains(name)).collect()
}

/// How many of them are of these kinds.
fn of(steps: &[String], kinds: &[&str]) -> usize {
    steps.iter().filter(|id| kinds.iter().any(|kind| id.starts_with(&format!("kube:{kind}/")))).count()
}

/// Kills a run at this point of this write; gives how many writes the cluster has carried out by then.
fn kill(bench: &Bench, write: usize, point: Point, concurrency: usize) -> usize {
    gate::kill(write, point, |kubeconfig| {
        let concurrency = format!("--concurrency={concurrency}");
        let mut run =
            bench.command(&["apply", "--yes", "--lock-timeout=2m", "--lock-duration=1s", &concurrency]);
        run.env("KWO_KUBECONFIG", kubeconfig);
        run
    })
}

#[test]
fn killed_before_and_after_every_write_it_converges() {
    let first = unique("killed");
    let Some(bench) = Bench::new(&roster(&first)) else { return };
    begin(&bench, std::slice::from_ref(&first));
    let all = left(&bench, &first);
    let total = all.len();
    // What is there once in a cluster is there from now on.
    bench.apply(&[]).expect(0);
    assert!(total > 9, "{total} writes are no test");

    let one_by_one = (1..=total).flat_map(|write| [(write, Point::Before, 1), (write, Point::After, 1)]);
    let side_by_side = [2, total / 2, total].map(|write| (write, Point::After, 16));
    let kills: Vec<(usize, Point, usize)> = one_by_one.chain(side_by_side).collect();
    let names: Vec<String> = kills.iter().map(|_| unique("killed")).collect();
    begin(&bench, &names);
    for (name, (write, point, concurrency)) in names.iter().zip(kills) {
        bench.write(&roster(name));
        assert_eq!(left(&bench, name).len(), total);
        let done = kill(&bench, write, point, concurrency);
        let open = left(&bench, name);
        assert_eq!(open.len(), total - done, "{point:?} write {write}: {open:#?}");
        let unsafe_yet = of(&open, &["ResourceQuota", "LimitRange", "NetworkPolicy"]) > 0;
        let bindings = [&open, &all].map(|steps| of(steps, &["RoleBinding"]));
        assert!(!unsafe_yet || bindings[0] == bindings[1], "rights without isolation: {open:#?}");
        bench.apply(&[]).expect(0);
        bench.kwo(&["plan", "--detailed-exitcode"]).expect(0);
    }
}

#[test]
fn an_interrupted_run_ends_between_two_writes_says_so_and_gives_the_lock_back() {
    let name = unique("stopped");
    let Some(bench) = Bench::new(&format!("tenants:\n  {name}: {{owners: [a@example.com]}}\n")) else {
        return;
    };
    let mut run =
        bench.command(&["apply", "--yes", "--lock-timeout=2m", "--lock-duration=10m", "--concurrency=1"]);
    let mut run = run.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(run.stderr.take().unwrap()));
    assert!(lines.any(|line| line.is_ok_and(|line| line.contains("created"))));
    let pid = run.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let rest: Vec<String> = lines.map_while(Result::ok).collect();
    let code = run.wait().unwrap().code();
    let left = steps(&bench.plan(&[])).len();
    if left > 0 {
        assert_eq!(code, Some(1), "{rest:#?}");
        let steps = if left == 1 { "step was" } else { "steps were" };
        let said = format!("Stopped: interrupted. {left} {steps} not begun.");
        assert!(rest.contains(&said), "{said}: {rest:#?}");
    }
    // The lock would outlive this test by far if it had not been given back.
    bench.kwo(&["apply", "--yes", "--lock-timeout=2m"]).expect(0);
}
