//! The restart that makes k3s read its files: shown, held without leave, done with it, and done once.

use std::fs;

use kwo_planner::change::{Change, Hold};
use kwo_planner::domains::node::ALLOW_RESTART;
use kwo_planner::plan::{Adopt, Plan};
use kwo_planner::resource::Desired;
use kwo_planner::revalidate::{Demand, revalidate};

use crate::node::world::{CONFIG, World, held, shown};

const ONE: &str = "{api: {hosts: [api.example.com]}}";
const ANOTHER: &str = "{api: {hosts: [api.example.com, b.example.com]}}";

fn with_leave(desired: Desired) -> Desired {
    desired.allowing(ALLOW_RESTART)
}

fn needs_leave(plan: &Plan) -> bool {
    matches!(held(plan), Hold::NeedsLeave { option, .. } if option == ALLOW_RESTART)
}

#[tokio::test]
async fn a_restart_waits_for_leave_and_is_done_once() {
    let world = World::running();
    let wanted = world.wanted(ONE);
    let plan = world.apply(&wanted, &Adopt::Nothing).await;
    assert!(needs_leave(&plan) && plan.steps.len() == 1, "{plan:#?}");
    assert!(shown(&plan).contains("disruptive: k3s is restarted"), "{}", shown(&plan));
    // The file is settled by now, and the service has not read it.
    assert!(needs_leave(&world.plan(&wanted, &Adopt::Nothing).await));
    assert!(world.restarts().is_empty());

    let wanted = with_leave(wanted);
    let plan = world.apply(&wanted, &Adopt::Nothing).await;
    let text = shown(&plan);
    assert!(
        text.contains("/running: since 2026-01-01T08:00:00Z → restarted (what it reads has changed since)"),
        "{text}"
    );
    assert_eq!(world.restarts(), ["restart k3s.service"]);
    assert!(world.plan(&wanted, &Adopt::Nothing).await.is_settled());
}

#[tokio::test]
async fn a_restart_comes_after_the_file_in_the_same_plan() {
    let world = World::running();
    world.apply(&with_leave(world.wanted(ONE)), &Adopt::Nothing).await;
    let plan = world.apply(&with_leave(world.wanted(ANOTHER)), &Adopt::Nothing).await;
    let ids: Vec<String> = plan.steps.iter().map(|step| step.id.to_string()).collect();
    assert_eq!(ids, ["node:File/etc/rancher/k3s/config.yaml", "node:Restart/k3s"]);
    assert_eq!(*plan.steps[1].needs, [plan.steps[0].id.clone()]);
    assert!(shown(&plan).contains("(after node:File/etc/rancher/k3s/config.yaml)"), "{}", shown(&plan));
    assert_eq!(world.restarts().len(), 2);
}

#[tokio::test]
async fn a_mode_and_an_adoption_restart_nothing() {
    let world = World::running();
    world.put(CONFIG, "tls-san: [api.example.com]\n", 0o600);
    fs::File::options()
        .write(true)
        .open(world.path(CONFIG))
        .unwrap()
        .set_modified(std::time::UNIX_EPOCH)
        .unwrap();
    let plan = world.apply(&with_leave(world.wanted(ONE)), &Adopt::Everything).await;
    assert_eq!((plan.steps.len(), plan.settled), (1, 1));
    assert!(world.restarts().is_empty());
}

#[tokio::test]
async fn a_saved_plan_restarts_as_it_was_reviewed() {
    let world = World::running();
    let wanted = with_leave(world.wanted(ONE));
    let plan = world.plan(&wanted, &Adopt::Nothing).await;
    let saved: Plan = serde_json::from_str(&serde_json::to_string(&plan).unwrap()).unwrap();
    let now = world.plan(&wanted, &Adopt::Nothing).await;
    let fresh = revalidate(&saved, now, &wanted, Demand::Steps);
    assert_eq!((fresh.stale, fresh.settled, fresh.plan.steps.len()), (vec![], vec![], 2));
    // Somebody else restarts it in the meantime: the step was for another state.
    fs::write(world.folder.path().join("bin/since"), "Fri 2026-01-02 08:00:00 UTC\n").unwrap();
    let now = world.plan(&wanted, &Adopt::Nothing).await;
    let stale = revalidate(&saved, now, &wanted, Demand::Steps).stale;
    assert_eq!(stale.len(), 1);
    let restart = saved.steps.iter().find(|step| step.disrupts.is_some()).unwrap();
    assert!(matches!(&*restart.changes, [Change::Revise { .. }]));
    assert!(world.write(restart).await.is_err());
    assert!(world.restarts().is_empty());
}

#[tokio::test]
async fn a_service_that_does_not_run_is_not_started() {
    let world = World::running();
    fs::write(world.folder.path().join("bin/state"), "inactive\n").unwrap();
    let plan = world.apply(&with_leave(world.wanted(ONE)), &Adopt::Nothing).await;
    assert!(plan.held.is_empty() && plan.settled == 1, "{plan:#?}");
    assert!(world.restarts().is_empty());
}

#[tokio::test]
async fn without_systemd_the_restart_is_held_with_the_reason() {
    let world = World::running();
    fs::write(world.folder.path().join("bin/broken"), "").unwrap();
    let plan = world.plan(&with_leave(world.wanted(ONE)), &Adopt::Nothing).await;
    let Hold::NotObserved { why } = held(&plan) else { panic!("{plan:#?}") };
    assert!(why.contains("failed: cannot connect to the bus"), "{why}");
    fs::remove_file(world.folder.path().join("bin/systemctl")).unwrap();
    let plan = world.plan(&with_leave(world.wanted(ONE)), &Adopt::Nothing).await;
    let Hold::NotObserved { why } = held(&plan) else { panic!("{plan:#?}") };
    assert!(why.contains("cannot be run"), "{why}");
    // The file does not wait for it.
    assert_eq!(plan.steps.len(), 1);
}

#[tokio::test]
async fn the_services_of_another_root_are_left_alone() {
    let world = World::new();
    let plan = world.plan(&with_leave(world.wanted(ONE)), &Adopt::Nothing).await;
    assert_eq!(plan.held.len(), 1);
    assert!(plan.held[0].is_left_out() && !plan.holds());
    let mut restart = (*plan.steps[0]).clone();
    restart.id = "node:Restart/k3s".parse().unwrap();
    assert!(world.write(&restart).await.is_err());
}
