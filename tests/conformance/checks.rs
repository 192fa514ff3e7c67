//! The checks. Each says what a provider promises, by the name it has; none knows which system it speaks to.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a check fails by panicking")]

use std::time::{Duration, Instant};

use kwo_engine::providers::{LockRefusal, Refusal};
use kwo_planner::change::Change;
use kwo_planner::compare::compare;
use kwo_planner::kinds::Kind;
use kwo_planner::observed::{FIELD_MANAGER, Sighting};
use serde_json::json;

use crate::world::{Wanted, World, extend, revise, step, tree};

pub(crate) async fn what_is_created_is_observed(world: &World) {
    let account = world.account("q", &json!({"pods": "3", "size": "2"}));
    world.create(&account).await.unwrap();
    let seen = world.present(&account).await;
    assert_eq!(seen.body, account.1);
    assert!(seen.is_marked());
    assert!(!seen.version.0.is_empty());
    assert_eq!(seen.deleting, None);
    // Where records are kept they name kwo.
    assert!(seen.owners.iter().all(|owner| owner.when.is_some()));
    assert!(
        seen.owners.is_empty() || seen.writer("/metadata/annotations/pods").unwrap().manager == FIELD_MANAGER
    );
}

pub(crate) async fn names_that_nobody_made_are_absent(world: &World) {
    let account = world.account("nobody", &json!({"pods": "3"}));
    assert_eq!(world.look(std::slice::from_ref(&account)).await.get(&account.0), Some(&Sighting::Absent));
}

pub(crate) async fn a_look_at_one_object_sees_what_a_look_at_all_sees(world: &World) {
    let marked = world.account("marked", &json!({"pods": "3"}));
    let plain = world.labelled(Kind::ServiceAccount, "plain", &json!({"team": "x"}), &json!({}));
    let gone = world.account("gone", &json!({"pods": "3"}));
    let wide = world.object(Kind::ClusterRole, &format!("kwo:{}", world.namespace), &json!({"rules": []}));
    for object in [&marked, &plain, &wide] {
        world.create(object).await.unwrap();
    }
    let wanted = [marked, plain, gone, wide];
    let all = world.look(&wanted).await;
    for object in &wanted {
        let one = world.one.look(&step(object, vec![Change::Create], None)).await;
        assert_eq!(Some(&one), all.get(&object.0), "{}", object.0);
    }
    assert!(matches!(all.get(&wanted[3].0), Some(Sighting::Present(_))));
    // What cannot be looked for is not absent.
    let unknown = ("kube:Pod/x/y".parse().unwrap(), tree(&json!({})));
    let one = world.one.look(&step(&unknown, vec![Change::Create], None)).await;
    assert!(matches!(one, Sighting::Unknown { .. }), "{one:?}");
}

pub(crate) async fn creating_what_exists_changes_nothing(world: &World) {
    let account = world.account("q", &json!({"pods": "3"}));
    world.create(&account).await.unwrap();
    let before = world.present(&account).await;
    let again = world.account("q", &json!({"pods": "9", "secrets": "1"}));
    assert_changed(world.create(&again).await);
    assert_eq!(world.present(&account).await, before);
}

pub(crate) async fn extending_keeps_everything_else(world: &World) {
    // The object has labels and annotations that the roster does not speak of.
    let others = json!({"team": "blue"});
    let fields = json!({"metadata": {"annotations": {"secrets": "7"}}});
    let all = world.labelled(Kind::ServiceAccount, "q", &others, &fields);
    world.create(&all).await.unwrap();
    let wanted = world.account("q", &json!({"pods": "3"}));
    let seen = world.present(&wanted).await;
    assert!(!seen.is_marked());
    // The maps are seen, though nothing that is wanted is in them: they must not be taken for missing.
    assert_eq!(seen.body.at("/metadata/labels"), Some(&tree(&json!({}))));
    assert_eq!(seen.body.at("/metadata/annotations"), Some(&tree(&json!({}))));
    let changes = vec![
        extend("/metadata/labels/kwo.dev~1managed", &json!("true")),
        extend("/metadata/labels/kwo.dev~1tenant", &json!("alice")),
        extend("/metadata/annotations/pods", &json!("3")),
    ];
    world.one.write(&step(&wanted, changes, Some(&seen.version))).await.unwrap();
    assert_eq!(world.present(&wanted).await.body, wanted.1);
    assert_eq!(world.present(&all).await.body.at("/metadata/annotations/secrets"), Some(&tree(&json!("7"))));
    assert_eq!(world.present(&all).await.body.at("/metadata/labels/team"), Some(&tree(&json!("blue"))));
}

pub(crate) async fn extending_a_stale_version_changes_nothing(world: &World) {
    let account = world.account("q", &json!({"pods": "3"}));
    world.create(&account).await.unwrap();
    let stale = world.present(&account).await.version;
    let first = vec![extend("/metadata/annotations/secrets", &json!("1"))];
    world.one.write(&step(&account, first, Some(&stale))).await.unwrap();
    let second = vec![extend("/metadata/annotations/configmaps", &json!("1"))];
    assert_changed(world.one.write(&step(&account, second, Some(&stale))).await);
    let wider = world.account("q", &json!({"configmaps": "1", "secrets": "1"}));
    let body = world.present(&wider).await.body;
    assert_eq!(body.at("/metadata/annotations"), Some(&tree(&json!({"secrets": "1"}))));
}

pub(crate) async fn revising_replaces_just_that(world: &World) {
    let before = world.account("q", &json!({"pods": "3", "secrets": "7"}));
    world.create(&before).await.unwrap();
    let wanted = world.account("q", &json!({"pods": "5"}));
    let seen = world.present(&wanted).await;
    assert_eq!(seen.body.at("/metadata/annotations/pods"), Some(&tree(&json!("3"))));
    let change = revise("/metadata/annotations/pods", &json!("3"), &json!("5"));
    world.one.write(&step(&wanted, vec![change], Some(&seen.version))).await.unwrap();
    let after = world.account("q", &json!({"pods": "5", "secrets": "7"}));
    assert_eq!(world.present(&after).await.body, after.1);
}

pub(crate) async fn a_set_is_appended_to(world: &World) {
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

pub(crate) async fn what_has_no_place_is_not_added(world: &World) {
    let account = world.account("q", &json!({"pods": "3"}));
    world.create(&account).await.unwrap();
    let seen = world.present(&account).await;
    for change in
        [extend("/spec/nothing/here", &json!("1")), extend("/metadata/annotations/pods/-", &json!("1"))]
    {
        let refused = world.one.write(&step(&account, vec![change.clone()], Some(&seen.version))).await;
        assert!(matches!(refused, Err(Refusal::Refused { .. })), "{change:?}: {refused:?}");
    }
    let gone = world.account("gone", &json!({"pods": "3"}));
    let change = vec![extend("/metadata/annotations/pods", &json!("3"))];
    assert_changed(world.one.write(&step(&gone, change, Some(&seen.version))).await);
    assert_eq!(world.present(&account).await, seen);
}

pub(crate) async fn marked_objects_are_seen_though_nobody_wants_them(world: &World) {
    let marked = world.account("marked", &json!({"pods": "3"}));
    let plain = world.labelled(Kind::ServiceAccount, "plain", &json!({"team": "x"}), &json!({}));
    let binding = world.object(
        Kind::RoleBinding,
        "b",
        &json!({
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "eve"}],
        }),
    );
    for object in [&marked, &plain, &binding] {
        world.create(object).await.unwrap();
    }
    let observed = world.look(&[]).await;
    let Some(Sighting::Present(seen)) = observed.get(&marked.0) else { panic!("the marked one is not seen") };
    assert!(seen.is_marked());
    assert_eq!(seen.label("kwo.dev/tenant").unwrap(), "alice");
    assert_eq!(seen.body.at("/metadata/annotations"), None);
    assert_eq!(observed.get(&plain.0), None);
    let Some(Sighting::Present(seen)) = observed.get(&binding.0) else { panic!("the binding is not seen") };
    assert_eq!(seen.body.at("/subjects/0/name"), Some(&tree(&json!("eve"))));
    assert_eq!(seen.body.at("/roleRef/name"), Some(&tree(&json!("view"))));
}

pub(crate) async fn of_two_writers_one_wins(world: &World) {
    let account = world.account("q", &json!({"pods": "3"}));
    let create = step(&account, vec![Change::Create], None);
    let both = tokio::join!(world.one.write(&create), world.other.write(&create));
    assert_one_wins(both.0, both.1);
    let seen = world.present(&account).await.version;
    let one = step(&account, vec![extend("/metadata/annotations/secrets", &json!("1"))], Some(&seen));
    let other = step(&account, vec![extend("/metadata/annotations/configmaps", &json!("1"))], Some(&seen));
    let both = tokio::join!(world.one.write(&one), world.other.write(&other));
    assert_one_wins(both.0, both.1);
}

pub(crate) async fn it_knows_which_one_it_is(world: &World) {
    let (one, other) = (world.one.identity().await.unwrap(), world.other.identity().await.unwrap());
    assert_eq!(one, other);
    assert!(!one.id.is_empty() && !one.address.is_empty());
}

pub(crate) async fn every_kind_goes_there_and_back(world: &World) {
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

pub(crate) async fn the_lock_keeps_others_out(world: &World) {
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

pub(crate) async fn the_lock_is_waited_for(world: &World) {
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

fn all_kinds(world: &World) -> Vec<Wanted> {
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

#[expect(clippy::needless_pass_by_value, reason = "it is what a write gave")]
fn assert_changed(outcome: Result<(), Refusal>) {
    assert!(matches!(outcome, Err(Refusal::Changed { .. })), "{outcome:?}");
}

fn assert_one_wins(one: Result<(), Refusal>, other: Result<(), Refusal>) {
    match (one, other) {
        (Ok(()), Err(Refusal::Changed { .. })) | (Err(Refusal::Changed { .. }), Ok(())) => {}
        both => panic!("{both:?}"),
    }
}
