//! What a run costs that finds nothing to do: counted by the API server.

use std::fs;

use kwo_planner::kinds::Kind;
use serde_json::Value;
use testkit::apiserver::{audit_log, kubectl_ok, unique};
use testkit::peers::zones::{PowerDns, SECRET};

use crate::sync::cluster::{Cluster, target};
use crate::sync::world::World;

#[test]
fn a_quiet_run_asks_little_and_writes_nothing_but_the_lock() {
    let Some(cluster) = Cluster::alone() else { return };
    let Some(audit) = audit_log() else { return };
    let name = unique("quiet");
    let zone = format!("{name}.example.com");
    // A system beside the cluster costs no request of the cluster.
    let Some(server) = PowerDns::start(&zone) else { return };
    let world = World::new("tenants: {}\n");
    fs::write(world.path("key"), SECRET).unwrap();
    world.commit(&format!(
        "dns:\n  zones:\n    {zone}: {{provider: powerdns, url: '{}', key: {{file: {}}}, target: {{addresses: [192.0.2.10]}}}}\n\
         tenants:\n  {name}: {{owners: [a@example.com], domains: [www.{zone}]}}\n",
        server.url(),
        world.path("key").display()
    ));
    cluster.settings(&world, "");
    world.sync(&[]).expect(0);
    let account = cluster.account(&world, &name);
    world.settings(&target(&account));
    let version =
        ["-n", "kube-system", "get", "configmap", "kwo-sync", "-o", "jsonpath={.metadata.resourceVersion}"];
    let before = kubectl_ok(&version);

    for _ in 0..2 {
        let skip = fs::read_to_string(audit).unwrap().lines().count();
        world.sync(&[]).expect(0).says(": 0 done, ");
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
        assert_eq!(count("list"), kinds + 1, "one a kind, and one for who left: {requests:#?}");
        // Which cluster it is, the lock, and what was applied last.
        let got: Vec<&str> =
            requests.iter().filter(|(verb, _)| verb == "get").map(|(_, what)| &**what).collect();
        assert_eq!(got, ["namespaces", "leases", "configmaps"]);
        let written: Vec<&(String, String)> =
            requests.iter().filter(|(verb, _)| !matches!(verb.as_str(), "list" | "get")).collect();
        let lock = ("patch".to_owned(), "leases".to_owned());
        assert_eq!(written, [&lock, &lock], "the lock is taken and given back");
        assert_eq!(requests.len(), kinds + 6);
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
        world.sync(&[]).expect(5).says(&said).says(&deleted).says(": 0 done");
    }
    // Beside another change, and in the run after it.
    let other = unique("drift");
    world.commit(&format!("tenants:\n  {name}: {{quota: {{pods: 20}}}}\n  {other}:\n"));
    world.sync(&[]).expect(5).says(&said).says(&deleted).says(&format!("created kube:Namespace/{other}"));
    world.sync(&[]).expect(5).says(": 0 done");
    assert_eq!(hard(), "99");

    cluster.settings(&world, "");
    world.sync(&[]).expect(0).says(&said).says("2 done").says("2 drifted");
    assert_eq!(hard(), "20");
    world.sync(&[]).expect(0).says(": 0 done, ").conceals("drift");
}

#[test]
fn with_what_is_printed_for_it_it_runs_and_without_any_of_it_it_says_what_it_lacks() {
    let Some(cluster) = Cluster::alone() else { return };
    let name = unique("roles");
    let world = World::new(&format!("tenants:\n  {name}: {{owners: [a@example.com]}}\n"));
    // One account each, so that no right of an earlier one is still known.
    let grant = |less: Option<(&str, &str)>| {
        let plain = unique("kwo-plain");
        let account = cluster.account_with(&world, &plain, &[]);
        let roster = world.path("work/roster.yaml").display().to_string();
        let of = ["rbac", &roster, "--for=sync", "--account", &plain, "--namespace=kube-system", "-o=json"];
        let mut printed = world.kwo(&of).expect(0).json();
        for rule in printed["items"].as_array_mut().unwrap().iter_mut().flat_map(|item| {
            item.get_mut("rules").and_then(Value::as_array_mut).map(Vec::as_mut_slice).unwrap_or_default()
        }) {
            let Some((resource, verb)) = less else { continue };
            if rule["resources"].as_array().unwrap().iter().any(|have| have == resource) {
                let verbs = rule["verbs"].as_array_mut().unwrap();
                verbs.retain(|have| have != verb);
                if verbs.is_empty() {
                    // A rule needs a verb; nothing in the API has this one.
                    verbs.push("nothing".into());
                }
            }
        }
        fs::write(world.path("roles.json"), printed.to_string()).unwrap();
        kubectl_ok(&["apply", "-f", &world.path("roles.json").display().to_string()]);
        world.settings(&target(&account));
    };
    let change = |pods: usize| {
        world.commit(&format!("tenants:\n  {name}: {{owners: [a@example.com], quota: {{pods: {pods}}}}}\n"));
    };
    grant(Some(("configmaps", "create")));
    world.sync(&[]).expect(1).says("forbidden").says("nothing was changed");
    grant(None);
    world
        .sync(&[])
        .expect(0)
        .says(&format!("created kube:Namespace/{name}"))
        .conceals("kwo could not notify");
    world.sync(&[]).expect(0).says(": 0 done, ");
    change(7);
    grant(Some(("configmaps", "get")));
    world.sync(&[]).expect(1).says("kwo cannot read what it applied last").says("forbidden");
    grant(Some(("configmaps", "patch")));
    world.sync(&[]).expect(1).says("forbidden").says("nothing was changed");
    grant(Some(("events", "create")));
    world
        .sync(&[])
        .expect(0)
        .says("revised kube:ResourceQuota")
        .says("kwo could not notify the cluster's event log");
    change(8);
    grant(None);
    world.sync(&[]).expect(0).says("revised kube:ResourceQuota").conceals("kwo could not notify");
}

#[test]
fn an_api_server_that_is_away_is_waited_for_as_long_as_asked() {
    let world = World::new("tenants:\n  alice:\n");
    // Nobody listens on a port that was let go.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let kubeconfig = format!(
        "apiVersion: v1\nkind: Config\nclusters: [{{name: c, cluster: {{server: 'http://127.0.0.1:{port}'}}}}]\n\
         users: [{{name: u}}]\ncontexts: [{{name: c, context: {{cluster: c, user: u}}}}]\ncurrent-context: c\n"
    );
    fs::write(world.path("away"), kubeconfig).unwrap();
    world.settings(&format!("target: {{kubeconfig: {}}}\n", world.path("away").display()));
    world.sync(&["--api-wait", "1s"]).expect(1).says("no answer from the API server within 1 s: ");
}
