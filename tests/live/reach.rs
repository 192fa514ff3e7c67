//! What tiers refuse to tenants, tried as an owner, as the deployer and by its real token: network policies of their
//! own, events, and the priority classes of the system.

use std::time::{Duration, Instant};

use testkit::apiserver::{kubectl, kubectl_ok, unique};
use testkit::run::{Bench, account, held, steps};

/// Tries to create this and says what came of it.
fn create(bench: &Bench, who: &[&str], manifest: &str) -> Result<(), String> {
    let file = bench.path(&format!("{}.yaml", unique("try")));
    std::fs::write(&file, manifest).unwrap();
    let output = kubectl(&[&["create", "-f", file.to_str().unwrap()], who].concat());
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

/// What opens everything, in the two groups that have had it.
fn policy(namespace: &str, spec: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{generateName: open-, namespace: {namespace}}}\nspec: {spec}\n"
    )
}

#[test]
fn a_tenant_does_not_widen_its_network_nor_write_events() {
    let name = unique("reach");
    let Some(bench) = Bench::with(
        &format!(
            "cluster: {{network: {{nodes: [203.0.114.7/32, '2a01:4f8::7/128'], dns: {{cidr: 169.254.20.10/32}}, \
         ingress: {{cidr: 203.0.114.7/32}}, reach: [{{cidr: 192.168.7.20/32, ports: [5432]}}]}}}}\n\
         tiers:\n  leave: {{networkPolicies: allow}}\n  loose: {{network: open, rest: unbounded}}\n\
         tenants:\n  {name}: {{owners: [{name}@example.com], members: [{{identity: {name}-d@example.com, access: deployer}}]}}\n  \
         {name}-leave: {{tier: leave, owners: [{name}@example.com]}}\n  {name}-loose: {{tier: loose, owners: [{name}@example.com]}}\n"
        ),
        true,
    ) else {
        return;
    };
    // The API server takes every policy, and nothing is left to do.
    bench.apply(&[]).expect(0);
    let again = bench.plan(&[]);
    assert!(steps(&again).is_empty() && held(&again).is_empty(), "{again:#}");

    let owner = format!("--as={name}@example.com");
    let deployer = format!("--as={name}-d@example.com");
    let folder = tempfile::tempdir().unwrap();
    let config = account("deployer", &name, folder.path());
    let token = format!("--kubeconfig={}", config.display());
    let everything = "{podSelector: {}, policyTypes: [Egress, Ingress], egress: [{}], ingress: [{}]}";
    let metadata = "{podSelector: {}, egress: [{to: [{ipBlock: {cidr: 169.254.169.254/32}}]}]}";
    let event = |group: &str| {
        let rest = if group == "v1" {
            format!("involvedObject: {{namespace: {name}}}\nreason: a\nmessage: a\ntype: Normal\n")
        } else {
            "regarding: {kind: Pod, name: a, namespace: NAMESPACE}\neventTime: 2026-01-01T00:00:00.000000Z\nreportingController: a.b/c\nreportingInstance: a\naction: a\n\
             reason: a\ntype: Normal\n"
                .replace("NAMESPACE", &name)
        };
        format!("apiVersion: {group}\nkind: Event\nmetadata: {{generateName: a-, namespace: {name}}}\n{rest}")
    };
    // A new policy is in force a moment after it is made.
    let end = Instant::now() + Duration::from_secs(30);
    while create(&bench, &[&owner], &policy(&name, everything)).is_ok() {
        assert!(Instant::now() < end, "an owner can write a network policy");
        std::thread::sleep(Duration::from_millis(200));
    }
    for who in [&owner, &deployer, &token] {
        for spec in [everything, metadata] {
            let said = create(&bench, &[who], &policy(&name, spec)).unwrap_err();
            assert!(said.contains("kwo-tiers") || said.contains("cannot create resource"), "{who}: {said}");
        }
        for group in ["v1", "events.k8s.io/v1"] {
            let said = create(&bench, &[who], &event(group)).unwrap_err();
            assert!(said.contains("kwo-tiers") || said.contains("cannot create resource"), "{who}: {said}");
        }
    }
    let said = create(&bench, &[&owner], &policy(&name, everything)).unwrap_err();
    assert!(said.contains("networkPolicies: allow"), "{said}");
    // A policy that is there already cannot be turned into another one.
    let there = kubectl_ok(&["get", "networkpolicy", "-n", &name, "-o", "name"]);
    for one in there.lines() {
        let patch = r#"{"spec":{"egress":[{}]}}"#;
        let output = kubectl(&["patch", one, "-n", &name, &owner, "--type=merge", "-p", patch]);
        assert!(!output.status.success(), "{one}");
    }
    // Where the tier says so, and where there is nothing to open.
    for tenant in ["leave", "loose"] {
        let its = policy(&format!("{name}-{tenant}"), everything);
        let end = Instant::now() + Duration::from_secs(60);
        while let Err(said) = create(&bench, &[&owner], &its) {
            assert!(said.contains("kwo-tiers") && Instant::now() < end, "{said}");
            bench.apply(&[]).expect(0);
        }
    }
    // Admins, and kwo with them, are no tenants.
    create(&bench, &[], &policy(&name, "{podSelector: {matchLabels: {a: b}}}")).unwrap();
    create(&bench, &[], &event("v1")).unwrap();
}

#[test]
fn no_pod_of_a_tenant_pushes_out_those_of_the_cluster() {
    let name = unique("class");
    let Some(bench) = Bench::new(&format!(
        "tiers: {{chosen: {{priorityClasses: [{name}-mine]}}, plain: {{priorityClasses: []}}}}\ntenants:\n  \
         {name}: {{owners: [{name}@example.com]}}\n  {name}-chosen: {{tier: chosen, owners: [{name}@example.com]}}\n  \
         {name}-plain: {{tier: plain, owners: [{name}@example.com]}}\n"
    )) else {
        return;
    };
    for class in ["mine", "other"] {
        kubectl_ok(&["create", "priorityclass", &format!("{name}-{class}"), "--value=10"]);
    }
    bench.apply(&[]).expect(0);
    let owner = format!("--as={name}@example.com");
    let (mine, other) = (format!("{name}-mine"), format!("{name}-other"));
    let pod = |tenant: &str, class: &str| {
        let class = if class.is_empty() { String::new() } else { format!("priorityClassName: {class}, ") };
        let text = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{generateName: a-, namespace: {name}{tenant}}}\n\
             spec: {{{class}containers: [{{name: a, image: a}}]}}\n"
        );
        create(&bench, &[&owner], &text)
    };
    for tenant in ["", "-chosen", "-plain"] {
        let end = Instant::now() + Duration::from_secs(60);
        while !pod(tenant, "system-node-critical").is_err_and(|said| said.contains("exceeded quota")) {
            assert!(Instant::now() < end, "a pod of {name}{tenant} may be critical to the system");
            std::thread::sleep(Duration::from_millis(100));
        }
        let said = pod(tenant, "system-cluster-critical").unwrap_err();
        assert!(said.contains(&format!("{name}{tenant}-priority")), "{said}");
        pod(tenant, "").unwrap();
    }
    for (tenant, class, taken) in [
        ("", &mine, true),
        ("", &other, true),
        ("-chosen", &mine, true),
        ("-chosen", &other, false),
        ("-plain", &mine, false),
    ] {
        assert_eq!(pod(tenant, class).is_ok(), taken, "{tenant} {class}");
    }
    // Beside the one policy that the rosters of other tests write as well.
    let mut open = steps(&bench.plan(&[]));
    open.retain(|id| id != "kube:ValidatingAdmissionPolicy/kwo-tiers");
    assert!(open.is_empty(), "{open:?}");
}
