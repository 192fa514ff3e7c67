//! Somebody else changes an object between kwo's look at it and kwo's write.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;
use testkit::apiserver::{kubectl_ok, unique};
use testkit::gate::{Gate, Point};
use testkit::run::{Bench, Ran, get};

/// Lowers a tenant's quota from 20 pods to 5, by `apply` and by a saved plan. Just before the first write to the
/// quota arrives somebody does this to it.
fn meddled(patch: &'static str, code: i32) -> Vec<(Ran, Value)> {
    let mut runs = Vec::new();
    for saved in [false, true] {
        let name = unique("busy");
        let Some(bench) = Bench::new(&format!("tenants:\n  {name}: {{}}\n")) else { continue };
        bench.apply(&[]).expect(0);
        bench.write(&format!("tenants:\n  {name}: {{quota: {{pods: 5}}}}\n"));
        let quota = format!("{name}-quota");
        let args = if saved { vec!["--plan", "plan.json"] } else { vec![] };
        bench.kwo(&["plan", "--out", "plan.json"]).expect(0);
        let (tenant, object) = (name.clone(), quota.clone());
        let seen = AtomicUsize::new(0);
        let gate = Gate::open(move |_, point, asked| {
            let first = point == Point::Before
                && asked.path.contains(&format!("/resourcequotas/{object}?"))
                && seen.fetch_add(1, Ordering::SeqCst) == 0;
            if first {
                let args = [
                    "patch",
                    "resourcequota",
                    &object,
                    "-n",
                    &tenant,
                    "--type=merge",
                    "--field-manager=mallory",
                ];
                kubectl_ok(&[&args[..], &["-p", patch]].concat());
            }
            true
        });
        let bench = bench.with_kubeconfig(gate.kubeconfig());
        let ran = bench.apply(&args).expect(code);
        let found = get("resourcequota", &name, &quota);
        runs.push((ran, found));
    }
    runs
}

#[test]
fn a_label_from_somebody_else_does_not_stop_a_run() {
    for (ran, found) in meddled(r#"{"metadata":{"labels":{"theirs":"x"}}}"#, 0) {
        assert_eq!(found["spec"]["hard"]["pods"], "5", "{}", ran.err);
        assert_eq!(found["metadata"]["labels"]["theirs"], "x");
        assert!(ran.err.contains("1 done, 0 refused, 0 skipped"), "{}", ran.err);
    }
}

#[test]
fn a_value_from_somebody_else_is_not_overwritten() {
    for (ran, found) in meddled(r#"{"spec":{"hard":{"pods":"9"}}}"#, 1) {
        assert_eq!(found["spec"]["hard"]["pods"], "9", "{}", ran.err);
        for why in
            ["changed since it was looked at: would now be: ", "change /spec/hard/pods from \"9\" to \"5\""]
        {
            assert!(ran.err.contains(why), "{}", ran.err);
        }
    }
}

#[test]
fn what_somebody_else_has_done_already_is_not_done_again() {
    for (ran, found) in meddled(r#"{"spec":{"hard":{"pods":"5","count/pods":"85"}}}"#, 0) {
        assert_eq!(found["spec"]["hard"]["pods"], "5");
        assert!(ran.err.contains("-quota is as the plan wants it already"), "{}", ran.err);
        assert!(ran.converged(), "{}", ran.err);
    }
}
