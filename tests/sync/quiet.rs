//! What a run costs that finds nothing to do: counted by the API server.

use std::fs;

use kwo_planner::kinds::Kind;
use serde_json::Value;

use crate::cluster::{Cluster, target};
use crate::common::apiserver::{audit_log, kubectl_ok, unique};
use crate::world::World;

#[test]
fn a_quiet_run_asks_little_and_writes_nothing_but_the_lock() {
    let Some(cluster) = Cluster::alone() else { return };
    let Some(audit) = audit_log() else { return };
    let name = unique("quiet");
    let world = World::new(&format!("tenants:\n  {name}: {{owners: [a@example.com]}}\n"));
    cluster.settings(&world, "");
    world.sync(&[]).expect(0);
    let account = cluster.account(&world, &name);
    world.settings(&target(&account));
    let version =
        ["-n", "kube-system", "get", "configmap", "kwo-sync", "-o", "jsonpath={.metadata.resourceVersion}"];
    let before = kubectl_ok(&version);

    for _ in 0..2 {
        let skip = fs::read_to_string(audit).unwrap().lines().count();
        world.sync(&[]).expect(0).says("In agreement: 0 done, ");
        let text = fs::read_to_string(audit).unwrap();
        let user = format!("system:serviceaccount:kube-system:{name}");
        let requests: Vec<(String, String)> = text
            .lines()
            .skip(skip)
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter(|event| event["user"]["username"] == user)
            .map(|event| {
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                (text(&event["verb"]), text(&event["objectRef"]["resource"]))
            })
            .collect();
        let count = |verb: &str| requests.iter().filter(|(have, _)| have == verb).count();
        let kinds = Kind::listed();
        assert_eq!(count("list"), kinds, "one a kind: {requests:#?}");
        // Which cluster it is, the lock, and what was applied last.
        let got: Vec<&str> =
            requests.iter().filter(|(verb, _)| verb == "get").map(|(_, what)| &**what).collect();
        assert_eq!(got, ["namespaces", "leases", "configmaps"]);
        let written: Vec<&(String, String)> =
            requests.iter().filter(|(verb, _)| !matches!(verb.as_str(), "list" | "get")).collect();
        let lock = ("patch".to_owned(), "leases".to_owned());
        assert_eq!(written, [&lock, &lock], "the lock is taken and given back");
        assert_eq!(requests.len(), kinds + 5);
    }
    assert_eq!(kubectl_ok(&version), before);
    assert_eq!(world.history().len(), 1);
}

#[test]
fn drift_in_a_cluster_is_told_with_its_author() {
    let Some(cluster) = Cluster::alone() else { return };
    let name = unique("drift");
    let world = World::new(&format!("tenants:\n  {name}: {{quota: {{pods: 20}}}}\n"));
    cluster.settings(&world, "drift: report\n");
    world.sync(&[]).expect(0);
    let quota = format!("{name}-quota");
    let patch = "{\"spec\":{\"hard\":{\"pods\":\"99\"}}}";
    kubectl_ok(&["-n", &name, "patch", "resourcequota", &quota, "--type=merge", "-p", patch]);
    kubectl_ok(&["-n", &name, "delete", "limitrange", &format!("{name}-limits")]);
    let hard =
        || kubectl_ok(&["-n", &name, "get", "resourcequota", &quota, "-o", "jsonpath={.spec.hard.pods}"]);
    let said = format!(
        "drift: kube:ResourceQuota/{name}/{quota}: /spec/hard/pods was changed from 20 to 99 by `kubectl-patch` at 20"
    );
    let deleted = format!("drift: kube:LimitRange/{name}/{name}-limits: it was deleted");
    for _ in 0..2 {
        world.sync(&[]).expect(5).says(&said).says(&deleted).says("Held: 0 done");
    }
    // Beside another change, and in the run after it.
    let other = unique("drift");
    world.commit(&format!("tenants:\n  {name}: {{quota: {{pods: 20}}}}\n  {other}:\n"));
    world.sync(&[]).expect(5).says(&said).says(&deleted).says(&format!("created kube:Namespace/{other}"));
    world.sync(&[]).expect(5).says("Held: 0 done");
    assert_eq!(hard(), "99");

    cluster.settings(&world, "");
    world.sync(&[]).expect(0).says(&said).says("2 done").says("2 drifted");
    assert_eq!(hard(), "20");
    world.sync(&[]).expect(0).says("In agreement").conceals("drift");
}

#[test]
fn the_roles_of_the_readme_are_enough() {
    let Some(cluster) = Cluster::alone() else { return };
    let (name, plain) = (unique("roles"), unique("kwo-plain"));
    let world = World::new(&format!("tenants:\n  {name}: {{owners: [a@example.com]}}\n"));
    let readme = fs::read_to_string("README.md").unwrap();
    let blocks = readme.split("```yaml\n").skip(1).filter_map(|block| block.split("```").next());
    let roles: Vec<&str> = blocks
        .filter(|block| ["kwo-plan", "kwo-apply", "kwo-sync,"].iter().any(|name| block.contains(name)))
        .collect();
    assert_eq!(roles.len(), 3);
    fs::write(world.path("roles.yaml"), roles.join("---\n")).unwrap();
    kubectl_ok(&["apply", "-f", &world.path("roles.yaml").display().to_string()]);
    let account = cluster.account_with(&world, &plain, &[]);
    let subject = format!("--serviceaccount=kube-system:{plain}");
    for role in ["kwo-plan", "kwo-apply"] {
        kubectl_ok(&[
            "create",
            "clusterrolebinding",
            &format!("{plain}-{role}"),
            "--clusterrole",
            role,
            &subject,
        ]);
    }
    let bind = |role: &str| {
        kubectl_ok(&[
            "create",
            "rolebinding",
            &format!("{plain}-{role}"),
            "-n",
            "kube-system",
            "--role",
            role,
            &subject,
        ]);
    };
    bind("kwo-lock");
    world.settings(&target(&account));
    // Without the right to keep what is applied, nothing is.
    world.sync(&[]).expect(1).says("what was applied last cannot be read").says("forbidden");
    bind("kwo-sync");
    world.sync(&[]).expect(0).says(&format!("created kube:Namespace/{name}"));
    world.sync(&[]).expect(0).says("In agreement");
}
