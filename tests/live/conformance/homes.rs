//! The checks that a home passes, a cluster or a directory: every kind of object, who it is, its lock.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a check fails by panicking")]

use std::time::{Duration, Instant};

use kwo_engine::providers::LockRefusal;
use kwo_planner::change::Change;
use kwo_planner::compare::compare;
use kwo_planner::kinds::Kind;
use kwo_planner::observed::Sighting;
use serde_json::json;

use crate::conformance::world::{Homes, Wanted, extend, step, tree};

pub(crate) async fn an_object_of_the_whole_cluster_is_looked_at_alone(world: &Homes) {
    let wide = world.object(Kind::ClusterRole, &format!("kwo:{}", world.namespace), &json!({"rules": []}));
    world.create(&wide).await.unwrap();
    let all = world.look(std::slice::from_ref(&wide)).await;
    let one = world.one.look(&step(&wide, vec![Change::Create], None)).await;
    assert_eq!(Some(&one), all.get(&wide.0));
    assert!(matches!(one, Sighting::Present(_)));
    // What cannot be looked for is not absent.
    let unknown = ("kube:Pod/x/y".parse().unwrap(), tree(&json!({})));
    let one = world.one.look(&step(&unknown, vec![Change::Create], None)).await;
    assert!(matches!(one, Sighting::Unknown { .. }), "{one:?}");
}

pub(crate) async fn a_set_is_appended_to(world: &Homes) {
    let reads = json!({"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]});
    let lists = json!({"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]});
    let role = world.object(Kind::Role, "r", &json!({"rules": [reads]}));
    world.create(&role).await.unwrap();
    let wanted = world.object(Kind::Role, "r", &json!({"rules": [lists]}));
    let seen = world.present(&wanted).await;
    assert_eq!(seen.body.at("/rules"), Some(&tree(&json!([reads]))));
    world.one.write(&step(&wanted, vec![extend("/rules/-", &lists)], Some(&seen.version))).await.unwrap();
    let rules = world.present(&wanted).await.body;
    assert_eq!(rules.at("/rules"), Some(&tree(&json!([reads, lists]))));
}

pub(crate) async fn bindings_that_nobody_wants_are_seen_with_those_they_are_for(world: &Homes) {
    let binding = world.object(
        Kind::RoleBinding,
        "b",
        &json!({
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "eve"}],
        }),
    );
    world.create(&binding).await.unwrap();
    let observed = world.look(&[]).await;
    let Some(Sighting::Present(seen)) = observed.get(&binding.0) else { panic!("the binding is not seen") };
    assert_eq!(seen.label("kwo.dev/tenant").unwrap(), "alice");
    assert_eq!(seen.body.at("/subjects/0/name"), Some(&tree(&json!("eve"))));
    assert_eq!(seen.body.at("/roleRef/name"), Some(&tree(&json!("view"))));
}

pub(crate) async fn it_knows_which_one_it_is(world: &Homes) {
    let (one, other) = (world.one.identity().await.unwrap(), world.other.identity().await.unwrap());
    assert_eq!(one, other);
    assert!(!one.id.is_empty() && !one.address.is_empty());
}

pub(crate) async fn every_kind_goes_there_and_back(world: &Homes) {
    let wanted = all_kinds(world);
    for object in &wanted {
        world.create(object).await.unwrap_or_else(|error| panic!("{}: {error}", object.0));
    }
    let observed = world.look(&wanted).await;
    for (id, body) in &wanted {
        let Some(Sighting::Present(seen)) = observed.get(id) else { panic!("{id} is not seen") };
        let shape = id.known_kind().unwrap().shape();
        // What a server fills in beside is no difference, except where a value counts as a whole.
        let mut differences = compare(body, &seen.body, shape);
        differences.retain(|_| shape.whole.is_empty());
        assert_eq!(differences, [], "{id}");
    }
}

pub(crate) async fn the_lock_keeps_others_out(world: &Homes) {
    let lock = world.one.lock(Duration::from_secs(10)).await.unwrap_or_else(|why| panic!("{why:?}"));
    assert!(!*lock.lost.borrow());
    match world.other.lock(Duration::ZERO).await {
        Err(LockRefusal::Held { by }) => {
            assert!(by.contains(&std::process::id().to_string()) && by.contains("since"), "{by}");
        }
        Err(LockRefusal::Failed(why)) => panic!("{why}"),
        Ok(_) => panic!("two have the lock"),
    }
    // It is kept for longer than a silent holder would keep it.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert!(matches!(world.other.lock(Duration::ZERO).await, Err(LockRefusal::Held { .. })));
    assert!(!*lock.lost.borrow());
    lock.release.await;
    let next = world.other.lock(Duration::ZERO).await.unwrap_or_else(|why| panic!("{why:?}"));
    next.release.await;
}

pub(crate) async fn the_lock_is_waited_for(world: &Homes) {
    let lock = world.one.lock(Duration::from_secs(10)).await.unwrap_or_else(|why| panic!("{why:?}"));
    let started = Instant::now();
    let release = async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        lock.release.await;
    };
    let ((), next) = tokio::join!(release, world.other.lock(Duration::from_secs(20)));
    let next = next.unwrap_or_else(|why| panic!("{why:?}"));
    assert!(started.elapsed() >= Duration::from_millis(400));
    next.release.await;
}

fn all_kinds(world: &Homes) -> Vec<Wanted> {
    let name = world.namespace.as_str();
    let rules = json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}]);
    let user =
        json!([{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "alice@example.com"}]);
    let role =
        |kind: &str, name: &str| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name});
    let policy = json!({
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [{
            "apiGroups": ["example.com"], "apiVersions": ["v1"], "operations": ["DELETE"], "resources": ["things"],
        }]},
        "validations": [{"expression": "'no' == \"no\" && 1 < 2", "message": "on: off"}],
    });
    vec![
        world.object(
            Kind::LimitRange,
            "l",
            &json!({"spec": {"limits": [
                {"type": "Container", "default": {"cpu": "500m"}, "defaultRequest": {"cpu": "50m"}},
            ]}}),
        ),
        world.object(
            Kind::NetworkPolicy,
            "n",
            &json!({"spec": {
                "podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"from": [{"podSelector": {}}]}],
            }}),
        ),
        world.object(Kind::ServiceAccount, "deployer", &json!({})),
        world.object(Kind::Role, "r", &json!({"rules": rules})),
        world.object(Kind::RoleBinding, "b:c", &json!({"roleRef": role("Role", "r"), "subjects": user})),
        world.object(Kind::ClusterRole, &format!("kwo:{name}"), &json!({"rules": rules})),
        world.object(
            Kind::ClusterRoleBinding,
            &format!("kwo:{name}"),
            &json!({"roleRef": role("ClusterRole", &format!("kwo:{name}")), "subjects": user}),
        ),
        world.object(Kind::ValidatingAdmissionPolicy, name, &json!({"spec": policy})),
        world.object(
            Kind::ValidatingAdmissionPolicyBinding,
            name,
            &json!({"spec": {
                "policyName": name, "validationActions": ["Deny"],
            }}),
        ),
    ]
}
