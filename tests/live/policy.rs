//! A policy is asked before the first write: the API server gets no request that changes an object.

use std::fs;

use serde_json::Value;
use testkit::apiserver::{audit_log, kubectl, kubectl_ok, unique};
use testkit::run::Bench;

/// The requests that changed something under names with this in them.
fn writes(name: &str) -> Vec<String> {
    let Some(log) = audit_log() else { return Vec::new() };
    let text = fs::read_to_string(log).unwrap();
    let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let changing = events.filter(|event| {
        let verb = event["verb"].as_str().unwrap_or_default();
        let uri = event["requestURI"].as_str().unwrap_or_default();
        let of_kwo = event["userAgent"].as_str().is_some_and(|agent| agent.starts_with("kwo"));
        of_kwo && ["create", "patch", "update", "delete"].contains(&verb) && uri.contains(name)
    });
    changing.map(|event| format!("{} {}", event["verb"], event["requestURI"])).collect()
}

#[test]
fn a_plan_against_the_policy_writes_nothing() {
    let name = unique("ruled");
    let tenant = |policy: &str| {
        format!(
            "tenants:\n  {name}: {{owners: [{name}@example.com], domains: [{name}.example.org]}}\n{policy}"
        )
    };
    let Some(bench) = Bench::new(&tenant("policy: {hostZones: [example.com]}\n")) else { return };
    let refused = bench.apply(&[]).expect(5);
    assert!(refused.err.contains("the plan is against the policy; nothing was changed"), "{}", refused.err);
    assert!(
        refused.err.contains(&format!("hostZones: kube:Namespace/{name}: the host {name}.example.org")),
        "{}",
        refused.err
    );
    assert!(!kubectl(&["get", "namespace", &name]).status.success());
    assert_eq!(writes(&name), [""; 0]);
    // The same in settings that the roster knows nothing of.
    bench.write(&tenant(""));
    let settings = bench.path("kwo.yaml");
    let text = "apiVersion: kwo/v1\nkind: Settings\nrepository: {url: /srv/r.git}\npolicy: {hostZones: [example.com]}\n";
    fs::write(&settings, text).unwrap();
    let refused = bench.apply(&["--settings", settings.to_str().unwrap()]).expect(5);
    assert!(refused.err.contains("the rule stands in the settings, "), "{}", refused.err);
    assert_eq!(writes(&name), [""; 0]);
    bench.apply(&[]).expect(0);
    assert!(!writes(&name).is_empty() || audit_log().is_none());
}

#[test]
fn an_own_role_with_every_verb_is_found_in_the_cluster() {
    let (name, role) = (unique("wild"), unique("role"));
    let Some(bench) = Bench::new(&format!(
        "tenants:\n  {name}: {{members: [{{identity: {name}@example.com, access: {{clusterRole: {role}}}}}]}}\npolicy: {{noWildcardVerbs: true}}\n"
    )) else {
        return;
    };
    kubectl_ok(&["create", "clusterrole", &role, "--verb=get,list", "--resource=configmaps"]);
    bench.apply(&[]).expect(0);
    kubectl_ok(&["delete", "clusterrole", &role]);
    kubectl_ok(&["create", "clusterrole", &role, "--verb=*", "--resource=configmaps"]);
    let refused = bench.apply(&[]).expect(5);
    let said = format!("{name}@example.com gets the ClusterRole `{role}`, which allows every verb (`*`)");
    assert!(refused.err.contains(&said), "{}", refused.err);
    kubectl(&["delete", "clusterrole", &role]);
}
