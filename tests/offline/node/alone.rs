//! A step that disturbs others is done when nothing else is on its way: its API would be away for them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use kwo_engine::execute::{Brakes, execute};
use kwo_engine::providers::{Promise, Provider, Refusal};
use kwo_engine::secrets::Vault;
use kwo_planner::change::Step;
use kwo_planner::domains::node::ALLOW_RESTART;
use kwo_planner::observed::{Observed, Sighting};
use kwo_planner::plan::Adopt;
use kwo_planner::resource::Desired;
use tokio::sync::watch;

use crate::node::world::World;

/// Takes its time for every write, and remembers when each began and ended.
struct Slow {
    told: Mutex<Vec<String>>,
    /// Turns true when a restart begins, as a lock is lost when the API that holds it is away for long.
    lost: watch::Sender<bool>,
}

impl Slow {
    fn tell(&self, what: &str, step: &Step) {
        self.told.lock().unwrap().push(format!("{what} {}", step.id));
    }

    async fn take_time(&self, step: &Step) {
        self.tell("begin", step);
        if step.disrupts.is_some() {
            self.lost.send_replace(true);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        self.tell("end", step);
    }
}

impl Provider for Slow {
    fn look<'a>(&'a self, step: &'a Step) -> Promise<'a, Sighting> {
        Box::pin(async { Sighting::Unknown { why: format!("{} is not looked at again", step.id).into() } })
    }

    fn observe<'a>(&'a self, _: &'a Desired) -> Promise<'a, Observed> {
        Box::pin(async { Observed::default() })
    }

    fn entrust(&self, _: Arc<Vault>) {}

    fn write<'a>(&'a self, step: &'a Step) -> Promise<'a, Result<(), Refusal>> {
        Box::pin(async {
            self.take_time(step).await;
            Ok(())
        })
    }
}

#[tokio::test]
async fn a_restart_is_done_alone_and_last() {
    let world = World::running();
    let wanted = world.wanted("{api: {hosts: [api.example.com]}}").allowing(ALLOW_RESTART);
    let mut plan = world.plan(&wanted, &Adopt::Nothing).await;
    // Two more steps, of which the second can begin only after the restart could have.
    let copy = |step: &Step, id: &str, needs: &[&str]| {
        Arc::new(Step {
            id: id.parse().unwrap(),
            needs: needs.iter().map(|id| id.parse().unwrap()).collect(),
            ..step.clone()
        })
    };
    plan.steps.push(copy(&plan.steps[0], "kube:Namespace/a", &[]));
    plan.steps.push(copy(&plan.steps[0], "kube:Namespace/b", &["kube:Namespace/a"]));
    let (lost, lock_lost) = watch::channel(false);
    let (_keep, interrupted) = watch::channel(false);
    let slow = Arc::new(Slow { told: Mutex::default(), lost });
    let brakes = Brakes { interrupted, lock_lost };
    let report = execute(&plan, &slow, 8, &brakes, |_| {}).await;
    assert!(report.complete() && report.done() == 4, "{report:#?}");
    let told = slow.told.lock().unwrap().clone();
    assert_eq!(told[6..], ["begin node:Restart/k3s", "end node:Restart/k3s"], "{told:#?}");
    assert!(told[..4].contains(&"begin kube:Namespace/a".to_owned()));
}
