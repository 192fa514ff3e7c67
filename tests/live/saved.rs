//! Saved plans, and two runs at once.

use std::sync::Arc;

use testkit::apiserver::{kubectl, kubectl_ok, unique};
use testkit::run::{Bench, Ran, get};

#[test]
fn a_saved_plan_is_applied_exactly_and_a_stale_step_is_refused() {
    let (name, other) = (unique("saved"), unique("later"));
    let Some(bench) = Bench::new(&format!("tenants:\n  {name}: {{}}\n  {other}: {{}}\n")) else { return };
    bench.apply(&[]).expect(0);
    bench.write(&format!("tenants:\n  {name}: {{quota: {{pods: 5}}}}\n  {other}: {{quota: {{pods: 5}}}}\n"));
    bench.kwo(&["plan", "--out", "plan.json"]).expect(0);
    // What was reviewed is done, whatever the roster says by now.
    bench
        .write(&format!("tenants:\n  {name}: {{quota: {{pods: 99}}}}\n  {other}: {{quota: {{pods: 99}}}}\n"));
    let patch = |name: &str, patch: &str| {
        kubectl_ok(&[
            "patch",
            "resourcequota",
            &format!("{name}-quota"),
            "-n",
            name,
            "--type=merge",
            "-p",
            patch,
        ])
    };
    patch(&name, r#"{"spec":{"hard":{"pods":"6"}}}"#);
    // Another version of the same object, for which the step comes out the same.
    patch(&other, r#"{"metadata":{"annotations":{"theirs":"x"}}}"#);
    let ran = bench.apply(&["--plan", "plan.json"]).expect(3);
    assert!(ran.err.contains(&format!("stale: kube:ResourceQuota/{name}/{name}-quota")), "{}", ran.err);
    let pods =
        |name: &str| get("resourcequota", name, &format!("{name}-quota"))["spec"]["hard"]["pods"].clone();
    // All or nothing: the other step holds, and is not done either.
    assert_eq!((pods(&name), pods(&other)), ("6".into(), "20".into()));
    patch(&name, r#"{"spec":{"hard":{"pods":"20"}}}"#);
    patch(&name, r#"{"metadata":{"annotations":{"theirs":"x"}}}"#);
    let ran = bench.apply(&["--plan", "plan.json", "-o", "json"]).expect(0);
    assert_eq!((pods(&name), pods(&other)), ("5".into(), "5".into()));
    // The look after it knows all that the roster wants.
    let report: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let left = report["leftovers"].as_array().unwrap();
    let own = |left: &serde_json::Value| {
        [&name, &other].iter().any(|name| left["command"].as_str().unwrap().contains(name.as_str()))
            || left["id"].as_str().unwrap().contains("kwo-guard")
    };
    assert!(!left.iter().any(own), "{left:#?}");
}

#[test]
fn a_plan_that_was_edited_or_is_for_another_cluster_is_refused() {
    let name = unique("edited");
    let Some(bench) = Bench::new(&format!("tenants:\n  {name}: {{}}\n")) else { return };
    bench.kwo(&["plan", "--out", "plan.json"]).expect(0);
    let text = std::fs::read_to_string(bench.path("plan.json")).unwrap();
    std::fs::write(bench.path("edited.json"), text.replace("\"20\"", "\"2000\"")).unwrap();
    let ran = bench.apply(&["--plan", "edited.json"]).expect(1);
    assert!(ran.err.contains("its digest does not match"), "{}", ran.err);
    let ran = bench.apply(&["--plan", "plan.json", "--target", "dir:elsewhere"]).expect(1);
    assert!(ran.err.contains("the plan was made for"), "{}", ran.err);
    // Whoever edits it can make the digest fit, and nobody vouches for it then.
    let mut forged: kwo_planner::saved::SavedPlan = serde_json::from_str(&text).unwrap();
    forged.plan.steps.retain(|step| !step.id.kind.starts_with("Validating"));
    forged.plan.steps.iter_mut().for_each(|step| Arc::make_mut(step).needs = Arc::default());
    forged.plan = forged.plan.sealed();
    std::fs::write(bench.path("forged.json"), serde_json::to_string(&forged).unwrap()).unwrap();
    let ran = bench.apply(&["--plan", "forged.json"]).expect(1);
    assert!(ran.err.contains("kwo cannot trust the plan forged.json"), "{}", ran.err);
    assert!(!kubectl(&["get", "namespace", &name]).status.success());
}

#[test]
fn of_two_runs_at_once_one_is_told_to_wait() {
    let names: Vec<String> = (0..40).map(|_| unique("two")).collect();
    let roster =
        names.iter().map(|name| format!("  {name}: {{owners: [a@example.com]}}\n")).collect::<String>();
    let Some(bench) = Bench::new(&format!("tenants:\n{roster}")) else { return };
    let mut first = bench.command(&["apply", "--yes", "--lock-timeout=2m", "--concurrency=1"]);
    let mut first =
        first.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
    // Once its first namespace is there it has the lock.
    while !kubectl(&["get", "namespace", &names[0]]).status.success() {
        assert!(first.try_wait().unwrap().is_none(), "the first run ended too early");
    }
    let second = bench.kwo(&["apply", "--yes"]).expect(4);
    assert!(second.err.contains("another run is at work"), "{}", second.err);
    let third: Ran = bench.apply(&[]).expect(0);
    assert!(third.out.contains("0 to create") || third.converged(), "{}", third.out);
    first.wait().unwrap();
}
