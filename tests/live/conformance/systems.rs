//! The checks that every system passes. Each says what a provider promises, by the name it has; none knows which system it
//! speaks to.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a check fails by panicking")]

use kwo_engine::providers::Refusal;
use kwo_planner::change::Change;
use kwo_planner::observed::{FIELD_MANAGER, Sighting};
use serde_json::json;

use crate::conformance::world::{World, extend, revise, step, tree};

pub(crate) async fn what_is_created_is_observed(world: &World) {
    let thing = world.thing("q", &json!({"pods": "3", "size": "2"}));
    world.create(&thing).await.unwrap();
    let seen = world.present(&thing).await;
    assert_eq!(seen.body, thing.1);
    assert!(seen.is_marked());
    assert!(!seen.version.0.is_empty());
    assert_eq!(seen.deleting, None);
    // Where records are kept they name kwo.
    assert!(seen.owners.is_empty() || seen.writer(&world.at("pods")).unwrap().manager == FIELD_MANAGER);
}

pub(crate) async fn names_that_nobody_made_are_absent(world: &World) {
    let thing = world.thing("nobody", &json!({"pods": "3"}));
    assert_eq!(world.look(std::slice::from_ref(&thing)).await.get(&thing.0), Some(&Sighting::Absent));
}

pub(crate) async fn a_look_at_one_object_sees_what_a_look_at_all_sees(world: &World) {
    let marked = world.thing("marked", &json!({"pods": "3"}));
    let plain = world.thing("plain", &json!({"pods": "3"}));
    let gone = world.thing("gone", &json!({"pods": "3"}));
    world.create(&marked).await.unwrap();
    world.others("plain", &json!({"pods": "3", "secrets": "1"})).await;
    let wanted = [marked, plain, gone];
    let all = world.look(&wanted).await;
    for thing in &wanted {
        let one = world.one.look(&step(thing, vec![Change::Create], None)).await;
        assert_eq!(Some(&one), all.get(&thing.0), "{}", thing.0);
    }
    assert!(matches!(all.get(&wanted[0].0), Some(Sighting::Present(seen)) if seen.is_marked()));
    assert!(matches!(all.get(&wanted[1].0), Some(Sighting::Present(seen)) if !seen.is_marked()));
    assert_eq!(all.get(&wanted[2].0), Some(&Sighting::Absent));
}

pub(crate) async fn creating_what_exists_changes_nothing(world: &World) {
    let thing = world.thing("q", &json!({"pods": "3"}));
    world.create(&thing).await.unwrap();
    let before = world.present(&thing).await;
    let again = world.thing("q", &json!({"pods": "9", "secrets": "1"}));
    assert_changed(world.create(&again).await);
    assert_eq!(world.present(&thing).await, before);
}

pub(crate) async fn extending_keeps_everything_else(world: &World) {
    // It has keys that the roster does not speak of.
    world.others("q", &json!({"secrets": "7"})).await;
    let wanted = world.thing("q", &json!({"pods": "3"}));
    let seen = world.present(&wanted).await;
    assert!(!seen.is_marked());
    // The map is seen, though nothing that is wanted is in it: it must not be taken for missing.
    assert_eq!(seen.body.at(world.map()), Some(&tree(&json!({}))));
    let labels = wanted.1.at("/metadata/labels").unwrap().entries().iter();
    let marks = labels.map(|(label, value)| {
        let at = format!("/metadata/labels/{}", label.replace('/', "~1"));
        extend(&at, &serde_json::to_value(value).unwrap())
    });
    let changes = marks.chain([extend(&world.at("pods"), &json!("3"))]).collect();
    world.one.write(&step(&wanted, changes, Some(&seen.version))).await.unwrap();
    assert_eq!(world.present(&wanted).await.body, wanted.1);
    let all = world.thing("q", &json!({"pods": "3", "secrets": "7"}));
    assert_eq!(world.present(&all).await.body, all.1);
}

pub(crate) async fn extending_a_stale_version_changes_nothing(world: &World) {
    let thing = world.thing("q", &json!({"pods": "3"}));
    world.create(&thing).await.unwrap();
    let stale = world.present(&thing).await.version;
    let first = vec![extend(&world.at("secrets"), &json!("1"))];
    world.one.write(&step(&thing, first, Some(&stale))).await.unwrap();
    let second = vec![extend(&world.at("configmaps"), &json!("1"))];
    assert_changed(world.one.write(&step(&thing, second, Some(&stale))).await);
    let wider = world.thing("q", &json!({"configmaps": "1", "secrets": "1"}));
    let body = world.present(&wider).await.body;
    assert_eq!(body.at(world.map()), Some(&tree(&json!({"secrets": "1"}))));
}

pub(crate) async fn revising_replaces_just_that(world: &World) {
    let before = world.thing("q", &json!({"pods": "3", "secrets": "7"}));
    world.create(&before).await.unwrap();
    let wanted = world.thing("q", &json!({"pods": "5"}));
    let seen = world.present(&wanted).await;
    assert_eq!(seen.body.at(&world.at("pods")), Some(&tree(&json!("3"))));
    let change = revise(&world.at("pods"), &tree(&json!("3")), "5");
    world.one.write(&step(&wanted, vec![change], Some(&seen.version))).await.unwrap();
    let after = world.thing("q", &json!({"pods": "5", "secrets": "7"}));
    assert_eq!(world.present(&after).await.body, after.1);
}

pub(crate) async fn what_has_no_place_is_not_added(world: &World) {
    let thing = world.thing("q", &json!({"pods": "3"}));
    world.create(&thing).await.unwrap();
    let seen = world.present(&thing).await;
    for change in [
        extend("/spec/nothing/here", &json!("1")),
        extend(&format!("{}/below", world.at("pods")), &json!("1")),
    ] {
        let refused = world.one.write(&step(&thing, vec![change.clone()], Some(&seen.version))).await;
        assert!(matches!(refused, Err(Refusal::Refused { .. })), "{change:?}: {refused:?}");
    }
    let gone = world.thing("gone", &json!({"pods": "3"}));
    let change = vec![extend(&world.at("pods"), &json!("3"))];
    assert_changed(world.one.write(&step(&gone, change, Some(&seen.version))).await);
    assert_eq!(world.present(&thing).await, seen);
}

pub(crate) async fn marked_objects_are_seen_though_nobody_wants_them(world: &World) {
    let marked = world.thing("marked", &json!({"pods": "3"}));
    world.create(&marked).await.unwrap();
    world.others("plain", &json!({"pods": "3"})).await;
    let plain = world.thing("plain", &json!({}));
    let observed = world.look(&[]).await;
    let Some(Sighting::Present(seen)) = observed.get(&marked.0) else { panic!("the marked one is not seen") };
    assert!(seen.is_marked());
    assert_eq!(observed.get(&plain.0), None);
}

pub(crate) async fn of_two_writers_one_wins(world: &World) {
    let thing = world.thing("q", &json!({"pods": "3"}));
    let create = step(&thing, vec![Change::Create], None);
    let both = tokio::join!(world.one.write(&create), world.other.write(&create));
    assert_one_wins(both.0, both.1);
    let seen = world.present(&thing).await.version;
    let one = step(&thing, vec![extend(&world.at("secrets"), &json!("1"))], Some(&seen));
    let other = step(&thing, vec![extend(&world.at("configmaps"), &json!("1"))], Some(&seen));
    let both = tokio::join!(world.one.write(&one), world.other.write(&other));
    assert_one_wins(both.0, both.1);
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
