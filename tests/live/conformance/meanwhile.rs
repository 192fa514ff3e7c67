//! What becomes of a step whose object somebody else changes between the plan and the write: planner, executor and
//! provider together, on every target.
#![expect(clippy::panic, reason = "a check fails by panicking")]

use kwo_engine::execute::{Brakes, Outcome, execute};
use kwo_engine::providers::Refusal;
use kwo_planner::plan::{Adopt, Plan, Provenance, plan};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::conformance::world::{Wanted, World, desired, tree};

pub(crate) async fn a_change_elsewhere_in_the_object_does_not_stop_a_step(world: &World) {
    let (wanted, plan) = planned(world).await;
    world.meddle(&wanted, "secrets", "1").await;
    assert_eq!(done(world, &plan).await, Outcome::Done);
    assert_eq!(notes(world).await, json!({"pods": "5", "secrets": "1"}));
}

pub(crate) async fn a_value_that_somebody_else_changed_is_not_overwritten(world: &World) {
    let (wanted, plan) = planned(world).await;
    world.meddle(&wanted, "pods", "9").await;
    let why = format!("would now be: change {} from \"9\" to \"5\"", world.at("pods"));
    assert_eq!(done(world, &plan).await, Outcome::Refused(Refusal::Changed { why }));
    assert_eq!(notes(world).await, json!({"pods": "9"}));
}

pub(crate) async fn what_somebody_else_has_done_already_is_settled(world: &World) {
    let (wanted, plan) = planned(world).await;
    world.meddle(&wanted, "pods", "5").await;
    let before = world.present(&wanted).await;
    assert_eq!(done(world, &plan).await, Outcome::Settled);
    assert_eq!(world.present(&wanted).await, before);

    let new = world.thing("new", &json!({"pods": "5"}));
    let plan = made(world, &new).await;
    world.create(&new).await.unwrap_or_else(|why| panic!("{why}"));
    assert_eq!(done(world, &plan).await, Outcome::Settled);
}

pub(crate) async fn what_somebody_else_made_is_not_taken_over(world: &World) {
    let wanted = world.thing("q", &json!({"pods": "5"}));
    let plan = made(world, &wanted).await;
    world.others("q", &json!({})).await;
    let before = world.present(&wanted).await;
    match done(world, &plan).await {
        Outcome::Refused(Refusal::Changed { why }) => {
            assert!(why.starts_with("exists without kwo's mark"), "{why}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(world.present(&wanted).await, before);
}

/// An object that has `pods: 3` and is to have `pods: 5`, and the plan for that.
async fn planned(world: &World) -> (Wanted, Plan) {
    world.create(&world.thing("q", &json!({"pods": "3"}))).await.unwrap_or_else(|why| panic!("{why}"));
    let wanted = world.thing("q", &json!({"pods": "5"}));
    let plan = made(world, &wanted).await;
    (wanted, plan)
}

/// The plan for one object.
async fn made(world: &World, wanted: &Wanted) -> Plan {
    let all = std::slice::from_ref(wanted);
    plan(&desired(all), &world.look(all).await, &Adopt::Nothing, Provenance::default())
}

/// What became of a plan of one step.
async fn done(world: &World, plan: &Plan) -> Outcome {
    let (_go, still) = watch::channel(false);
    let brakes = Brakes { interrupted: still.clone(), lock_lost: still };
    let report = execute(plan, &world.one, 4, &brakes, |_| {}).await;
    let [result] = report.results.as_slice() else { panic!("{report:?}") };
    assert_eq!(report.complete(), result.outcome.is_done());
    result.outcome.clone()
}

/// The annotations of the object, as far as these checks know them.
async fn notes(world: &World) -> Value {
    let all = world.thing("q", &json!({"pods": "", "secrets": ""}));
    let body = world.present(&all).await.body;
    let notes = body.at(world.map()).cloned().unwrap_or_else(|| tree(&json!({})));
    serde_json::to_value(notes).unwrap_or_default()
}
