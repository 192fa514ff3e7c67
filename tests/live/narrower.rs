//! That what becomes narrower is told, against what a real API server keeps of it, and that the next plan says nothing.

use serde_json::Value;

use crate::common::apiserver::{kubectl_ok, unique};
use crate::run::{Bench, steps};

/// What the plan says of the tenant's objects.
fn told(plan: &Value, tenant: &str) -> Vec<String> {
    let own = plan["steps"].as_array().unwrap().iter().filter(|step| step["tenant"] == tenant);
    own.flat_map(|step| {
        let changes = step["changes"].as_array().unwrap().iter().map(|change| &change["tightens"]);
        let kind = step["id"].as_str().unwrap().split('/').next().unwrap().to_owned();
        let parts =
            std::iter::once(&step["tightens"]).chain(changes).filter_map(|part| part["what"].as_str());
        parts.map(|what| format!("{kind}: {what}")).collect::<Vec<_>>()
    })
    .collect()
}

#[test]
fn all_that_becomes_narrower_is_told() {
    let name = unique("narrower");
    let roster = |level: &str, most: &str, pods: u32| {
        format!(
            "tiers: {{own: {{podSecurity: {level}, limits: {{max: {{memory: {most}}}}}}}}}\n\
             tenants: {{{name}: {{tier: own, quota: {{pods: {pods}}}}}}}\n"
        )
    };
    let Some(bench) = Bench::new(&roster("privileged", "8Gi", 20)) else { return };
    assert_eq!(told(&bench.plan(&[]), &name), Vec::<String>::new(), "a new tenant has nothing to lose");
    bench.apply(&[]).expect(0);
    kubectl_ok(&["-n", &name, "delete", "networkpolicy", &format!("{name}-isolation")]);
    bench.write(&roster("restricted", "2Gi", 5));
    let plan = bench.plan(&[]);
    let mut found = told(&plan, &name);
    found.sort();
    assert_eq!(
        found,
        [
            "kube:LimitRange: 2Gi of memory for one Container that states no limit",
            "kube:LimitRange: at most 2Gi of memory in one Container",
            "kube:Namespace: new pods keep to the Pod Security level restricted, before it was privileged",
            "kube:NetworkPolicy: its pods are reached only by what the rules name; its pods reach only what the rules name",
            "kube:ResourceQuota: at most 205 of count/pods",
            "kube:ResourceQuota: at most 5 of pods",
        ],
        "{plan:#}"
    );
    bench.apply(&[]).expect(0);
    assert_eq!(steps(&bench.plan(&[])), Vec::<String>::new());
    bench.write(&roster("privileged", "8Gi", 20));
    assert_eq!(told(&bench.plan(&[]), &name), Vec::<String>::new(), "what is wider does not tighten");
}
