//! What counts of nodes, pods and quotas, and what comes of it.

use super::{Capacity, Gather, Resource};
use crate::domains::compile;
use crate::domains::parse;
use crate::hits::Beside;

use crate::roster::{SourceFile, Sources};
use crate::tree::Tree;

const NODE: &str = r#"{"metadata":{"name":"a"},"status":{"allocatable":
    {"cpu":"4","memory":"16Gi","pods":"110","example.com/gpu":"2"}}}"#;

fn gathered(roster: &str, seen: &[(Beside, &str)], missing: &[Beside]) -> Capacity {
    let text = format!("{{apiVersion: kwo/v1, kind: Roster, {roster}}}");
    let roster = parse(Sources::new(vec![SourceFile { name: String::new(), text }])).unwrap();
    let mut gather = Gather::new(&roster, &compile(&roster).unwrap());
    for (kind, object) in seen {
        gather.see(*kind, &serde_json::from_str::<Tree>(object).unwrap());
    }
    missing.iter().for_each(|kind| gather.could_not(*kind, "forbidden".into()));
    gather.capacity()
}

fn of<'c>(capacity: &'c Capacity, name: &str) -> &'c Resource {
    capacity.resources.iter().find(|resource| resource.resource == name).unwrap()
}

/// Available, before, after.
fn amounts(capacity: &Capacity, name: &str) -> (Option<String>, Option<String>, String) {
    let resource = of(capacity, name);
    let text = |amount: &super::Amount| amount.0.canonical().to_string();
    (resource.available.as_ref().map(text), resource.before.as_ref().map(text), text(&resource.after))
}

fn some(available: &str, before: &str, after: &str) -> (Option<String>, Option<String>, String) {
    (Some(available.to_owned()), Some(before.to_owned()), after.to_owned())
}

fn quota(namespace: &str, name: &str, hard: &str, used: &str, tenant: &str) -> String {
    let labels = if tenant.is_empty() {
        "{}".to_owned()
    } else {
        format!(r#"{{"kwo.dev/managed":"true","kwo.dev/tenant":"{tenant}"}}"#)
    };
    format!(
        r#"{{"metadata":{{"name":"{name}","namespace":"{namespace}","labels":{labels}}},
        "spec":{{"hard":{hard}}},"status":{{"used":{used}}}}}"#
    )
}

#[test]
fn nodes_that_take_no_pods_of_tenants_are_left_out_with_what_runs_there() {
    let cordoned = NODE.replace(r#""name":"a"}"#, r#""name":"b"},"spec":{"unschedulable":true}"#);
    let tainted = NODE
        .replace(r#""name":"a"}"#, r#""name":"c"},"spec":{"taints":[{"key":"own","effect":"NoSchedule"}]}"#);
    let asks_only = NODE.replace(
        r#""name":"a"}"#,
        r#""name":"d"},"spec":{"taints":[{"key":"own","effect":"PreferNoSchedule"}]}"#,
    );
    let pod = |node: &str| {
        format!(
            r#"{{"metadata":{{"namespace":"kube-system"}},"spec":{{"nodeName":"{node}",
            "containers":[{{"resources":{{"requests":{{"cpu":"500m"}}}}}}]}}}}"#
        )
    };
    let pods = ["a", "b", ""].map(pod);
    let nodes = [NODE, &cordoned, &tainted, &asks_only].map(|node| (Beside::Node, node));
    let pods = pods.each_ref().map(|pod| (Beside::Pod, pod.as_str()));
    let capacity = gathered("tenants: {}", &[&nodes[..], &pods[..]].concat(), &[]);
    assert_eq!(capacity.nodes.counted, ["a", "d"]);
    let left: Vec<String> =
        capacity.nodes.left_out.iter().map(|left| format!("{} {}", left.name, left.why)).collect();
    assert_eq!(left, ["b cordoned", "c taint own:NoSchedule"]);
    assert_eq!(amounts(&capacity, "cpu"), some("7", "0", "0"));
    assert_eq!(amounts(&capacity, "pods"), some("218", "0", "0"));
    assert_eq!(of(&capacity, "memory").allocatable.as_ref().unwrap().0.canonical(), "32Gi");
}

#[test]
fn a_pod_asks_for_what_the_scheduler_counts() {
    let cpu = |spec: &str, phase: &str| {
        let pod =
            format!(r#"{{"metadata":{{"namespace":"other"}},"spec":{spec},"status":{{"phase":"{phase}"}}}}"#);
        let capacity = gathered("tenants: {alice: }", &[(Beside::Node, NODE), (Beside::Pod, &pod)], &[]);
        of(&capacity, "cpu").system.as_ref().unwrap().0.canonical().to_string()
    };
    let asks = |cpu: &str, more: &str| format!(r#"{{"resources":{{"requests":{{"cpu":"{cpu}"}}}}{more}}}"#);
    let (one, half) = (asks("1", ""), asks("500m", ""));
    let sidecar = asks("250m", r#","restartPolicy":"Always""#);
    let two = format!(r#"{{"containers":[{one},{half}]}}"#);
    assert_eq!(cpu(&two, "Running"), "1500m");
    assert_eq!(cpu(&two, "Pending"), "1500m");
    assert_eq!((cpu(&two, "Succeeded"), cpu(&two, "Failed")), ("0".into(), "0".into()));
    let start = |init: &str| format!(r#"{{"initContainers":[{init}],"containers":[{half}]}}"#);
    assert_eq!(cpu(&start(&one), "Running"), "1", "the largest step counts");
    assert_eq!(cpu(&start(&sidecar), "Running"), "750m", "a sidecar stays");
    assert_eq!(cpu(&start(&format!("{sidecar},{one}")), "Running"), "1250m");
    assert_eq!(cpu(&start(&format!("{one},{sidecar}")), "Running"), "1");
    let over = format!(r#"{{"overhead":{{"cpu":"100m"}},"containers":[{half}]}}"#);
    assert_eq!(cpu(&over, "Running"), "600m");
    let whole = format!(r#"{{"resources":{{"requests":{{"cpu":"2"}}}},"containers":[{half}]}}"#);
    assert_eq!(cpu(&whole, "Running"), "2");
    let odd = r#"{"containers":[{"resources":{"requests":{"cpu":"-1","memory":["1Gi"]}}}]}"#;
    assert_eq!(cpu(odd, "Running"), "0");
}

#[test]
fn pods_of_tenants_are_theirs_also_of_one_who_left_the_roster() {
    let pod = |namespace: &str| {
        format!(
            r#"{{"metadata":{{"namespace":"{namespace}"}},"spec":{{"nodeName":"a",
            "containers":[{{"resources":{{"requests":{{"cpu":"1"}}}}}}]}}}}"#
        )
    };
    let (alice, bob, other) = (pod("alice"), pod("bob"), pod("other"));
    let left = quota("bob", "bob-quota", r#"{"requests.cpu":"3"}"#, "{}", "bob");
    let foreign = quota("other", "q", r#"{"requests.cpu":"3"}"#, "{}", "");
    // Whichever comes first.
    let mut seen = vec![
        (Beside::Pod, alice.as_str()),
        (Beside::Pod, &bob),
        (Beside::Pod, &other),
        (Beside::Node, NODE),
        (Beside::ResourceQuota, &left),
        (Beside::ResourceQuota, &foreign),
    ];
    for _ in 0..2 {
        let capacity = gathered("tenants: {alice: {tier: small}}", &seen, &[]);
        assert_eq!(amounts(&capacity, "cpu"), some("3", "3", "4"));
        let tiers = &of(&capacity, "cpu").tiers;
        let told: Vec<(Option<&str>, String)> =
            tiers.iter().map(|tier| (tier.tier.as_deref(), tier.after.0.canonical().to_string())).collect();
        assert_eq!(told, [(None, "3".to_owned()), (Some("small"), "1".to_owned())]);
        seen.reverse();
    }
}

#[test]
fn the_smallest_quota_of_a_namespace_counts_and_kwo_only_adds() {
    let own = quota(
        "alice",
        "alice-quota",
        r#"{"requests.cpu":"8","requests.memory":"1Gi","limits.cpu":"99","requests.example.com/gpu":"1"}"#,
        r#"{"requests.cpu":"3"}"#,
        "alice",
    );
    let theirs = quota("alice", "own", r#"{"cpu":"1500m"}"#, "{}", "");
    let scoped = r#"{"metadata":{"name":"s","namespace":"alice"},
        "spec":{"hard":{"cpu":"1m"},"scopes":["BestEffort"]}}"#;
    let seen = [
        (Beside::Node, NODE),
        (Beside::ResourceQuota, own.as_str()),
        (Beside::ResourceQuota, &theirs),
        (Beside::ResourceQuota, scoped),
    ];
    let capacity = gathered("tenants: {alice: {quota: {cpu: 1, memory: 4Gi}}}", &seen, &[]);
    assert_eq!(amounts(&capacity, "cpu"), some("4", "1500m", "1"));
    assert_eq!(amounts(&capacity, "memory"), some("16Gi", "1Gi", "4Gi"));
    assert_eq!(amounts(&capacity, "example.com/gpu"), some("2", "1", "1"), "what kwo no longer says stays");
    let above: Vec<String> = capacity
        .above
        .iter()
        .map(|above| format!("{} {} {} > {}", above.namespace, above.resource, above.used, above.allowed))
        .collect();
    assert_eq!(above, ["alice requests.cpu 3 > 1"]);
}

#[test]
fn a_parked_tenant_is_promised_no_room() {
    let capacity = gathered("tenants: {alice: {parked: true}}", &[(Beside::Node, NODE)], &[]);
    assert_eq!(amounts(&capacity, "cpu"), some("4", "0", "0"));
    assert_ne!(of(&capacity, "storage").after.0.canonical(), "0", "its claims stay");
}

#[test]
fn more_than_the_roster_allows_is_too_much() {
    let over = |roster: &str| -> Vec<String> {
        let capacity = gathered(roster, &[(Beside::Node, NODE)], &[]);
        capacity.overcommitted().over.iter().map(|over| over.resource.to_string()).collect()
    };
    let tenant =
        |cpu: &str, memory: &str| format!("tenants: {{a: {{quota: {{cpu: {cpu}, memory: {memory}}}}}}}");
    assert_eq!(over(&tenant("16", "24Gi")), [""; 0], "the usual ratios are 4 and 1.5");
    assert_eq!(over(&tenant("16001m", "24577Mi")), ["cpu", "memory"]);
    let ratio = "cluster: {overcommit: {cpu: 1, memory: 0.5, pods: 0.1}}";
    assert_eq!(over(&format!("{ratio}, {}", tenant("4", "8Gi"))), ["pods"]);
    assert_eq!(over(&format!("{ratio}, {}", tenant("4001m", "8193Mi"))), ["cpu", "memory", "pods"]);
    let gpu = "tenants: {a: {quota: {hard: {requests.example.com/gpu: 3}}}}";
    assert_eq!(over(gpu), ["example.com/gpu"]);
}

#[test]
fn what_nobody_could_look_at_is_unknown_and_never_enough() {
    let kinds = Beside::OF_CAPACITY;
    for missing in kinds {
        let capacity = gathered("tenants: {a: {quota: {cpu: 1000}}}", &[], &[missing]);
        let cpu = of(&capacity, "cpu");
        assert_eq!(cpu.allocatable.is_none(), missing == Beside::Node);
        assert_eq!(cpu.available.is_none(), missing != Beside::ResourceQuota);
        assert_eq!(cpu.before.is_none(), missing == Beside::ResourceQuota);
        assert_eq!(cpu.over, missing == Beside::ResourceQuota, "no node is known not to be enough");
        assert_eq!(capacity.unseen.len(), 1);
        assert_eq!(capacity.overcommitted().unseen.len(), 1);
    }
}

#[test]
fn a_namespace_without_a_bound_is_counted() {
    let capacity = gathered("tiers: {own: {}}, tenants: {a: {tier: own, namespaces: [x, y]}, b: }", &[], &[]);
    assert_eq!(of(&capacity, "cpu").unbounded, 2);
    let tiers = &of(&capacity, "cpu").tiers;
    let told: Vec<(Option<&str>, usize, usize)> =
        tiers.iter().map(|tier| (tier.tier.as_deref(), tier.tenants, tier.namespaces)).collect();
    assert_eq!(told, [(Some("own"), 1, 2), (Some("standard"), 1, 1)]);
}
