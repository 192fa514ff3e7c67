//! What begins when: a step that disturbs others when nothing else is on its way, because its API would be away for them,
//! and steps that a system writes together beside all others.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kwo_engine::execute::{Brakes, execute};
use kwo_engine::providers::{Promise, Provider, Refusal, Together};
use kwo_engine::secrets::Vault;
use kwo_planner::change::Step;
use kwo_planner::domains::node::ALLOW_RESTART;
use kwo_planner::observed::{Observed, Sighting};
use kwo_planner::plan::{Adopt, Plan};
use kwo_planner::resource::{Desired, ResourceId};
use kwo_planner::systems::System;
use tokio::sync::watch;

use crate::node::world::World;

/// Takes its time for every write, and remembers when each began and ended.
struct Slow {
    told: Mutex<Vec<String>>,
    /// Turns true when a restart begins, as a lock is lost when the API that holds it is away for long.
    lost: watch::Sender<bool>,
    /// How many writes are under way, and how many there were at most.
    under_way: Mutex<(isize, isize)>,
    /// How many steps were written together, each time.
    together: Mutex<Vec<usize>>,
}

impl Slow {
    fn new(lost: watch::Sender<bool>) -> Arc<Slow> {
        Arc::new(Slow {
            told: Mutex::default(),
            lost,
            under_way: Mutex::default(),
            together: Mutex::default(),
        })
    }

    fn tell(&self, what: &str, step: &Step) {
        self.told.lock().unwrap().push(format!("{what} {}", step.id));
    }

    fn under_way(&self, more: isize) {
        let (now, most) = &mut *self.under_way.lock().unwrap();
        *now += more;
        *most = (*most).max(*now);
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

    fn set_secrets(&self, _: Arc<Vault>) {}

    fn write<'a>(&'a self, step: &'a Step) -> Promise<'a, Result<(), Refusal>> {
        Box::pin(async {
            self.under_way(1);
            self.take_time(step).await;
            self.under_way(-1);
            if step.id.name.contains("held") {
                return Err(Refusal::Refused { why: "no".to_owned() });
            }
            // It answers the second time.
            let begun = format!("begin {}", step.id);
            let begun = self.told.lock().unwrap().iter().filter(|told| **told == begun).count();
            if step.id.name.contains("late") && begun == 1 {
                return Err(Refusal::Unreachable { why: "no answer".to_owned() });
            }
            Ok(())
        })
    }

    fn transaction(&self, steps: &[Arc<Step>]) -> BTreeSet<usize> {
        (0..steps.len().min(1000)).collect()
    }

    fn write_together<'a>(&'a self, steps: &'a [Arc<Step>]) -> Promise<'a, Together> {
        self.together.lock().unwrap().push(steps.len());
        Box::pin(async {
            self.under_way(1);
            self.take_time(&steps[0]).await;
            self.under_way(-1);
            let has = |step: &Step, word: &str| step.id.name.contains(word);
            if steps.iter().any(|step| has(step, "held")) {
                return Together::Divided((0..steps.len()).map(|at| at < steps.len() / 2).collect());
            }
            let became = |step: &Step| match () {
                // Nobody can look at it.
                () if has(step, "changed") => Err(Refusal::Changed { why: "it has changed".to_owned() }),
                () if has(step, "silent") => Err(Refusal::Unreachable { why: "no answer".to_owned() }),
                () => Ok(()),
            };
            Together::Each(steps.iter().map(|step| became(step)).collect())
        })
    }

    fn gathers(&self, id: &ResourceId) -> bool {
        id.system == System::Dns
    }
}

/// A plan, and a step of it to make others of.
async fn some_plan() -> (Plan, Arc<Step>) {
    let world = World::running();
    let wanted = world.wanted("{api: {hosts: [api.example.com]}}").allowing(ALLOW_RESTART);
    let plan = world.plan(&wanted, &Adopt::Nothing).await;
    let like = Arc::clone(&plan.steps[0]);
    (plan, like)
}

/// The same step for another object.
fn copy(step: &Step, id: &str, needs: &[&str]) -> Arc<Step> {
    let needs = needs.iter().map(|id| id.parse().unwrap()).collect();
    Arc::new(Step { id: id.parse().unwrap(), needs, ..step.clone() })
}

#[tokio::test]
async fn a_restart_is_done_alone_and_last() {
    let world = World::running();
    let wanted = world.wanted("{api: {hosts: [api.example.com]}}").allowing(ALLOW_RESTART);
    let mut plan = world.plan(&wanted, &Adopt::Nothing).await;
    // Two more steps, of which the second can begin only after the restart could have.
    plan.steps.push(copy(&plan.steps[0], "kube:Namespace/a", &[]));
    plan.steps.push(copy(&plan.steps[0], "kube:Namespace/b", &["kube:Namespace/a"]));
    let (lost, lock_lost) = watch::channel(false);
    let (_keep, interrupted) = watch::channel(false);
    let slow = Slow::new(lost);
    let brakes = Brakes { interrupted, lock_lost };
    let report = execute(&plan, &slow, 8, &brakes, |_| {}).await;
    assert!(report.complete() && report.done() == 4, "{report:#?}");
    let told = slow.told.lock().unwrap().clone();
    assert_eq!(told[6..], ["begin node:Restart/k3s", "end node:Restart/k3s"], "{told:#?}");
    assert!(told[..4].contains(&"begin kube:Namespace/a".to_owned()));
}

#[tokio::test]
async fn what_a_system_writes_together_is_one_write_and_holds_nothing_else() {
    let (mut plan, like) = some_plan().await;
    let of = |id: String| copy(&like, &id, &[]);
    let names = (0..1200).map(|at| format!("h{at}")).chain(["changed", "silent"].map(str::to_owned));
    let names = names.map(|name| of(format!("dns:Record/example.com/A:{name}.example.com")));
    let elsewhere =
        ["a", "b", "held", "c"].map(|name| of(format!("dns:Record/example.org/A:{name}.example.org")));
    let namespaces = (0..6).map(|at| of(format!("kube:Namespace/n{at}")));
    plan.steps = names.chain(elsewhere).chain(namespaces).collect();
    let (lost, lock_lost) = watch::channel(false);
    let (_keep, interrupted) = watch::channel(false);
    let slow = Slow::new(lost);
    let brakes = Brakes { interrupted, lock_lost };
    let report = execute(&plan, &slow, 2, &brakes, |_| {}).await;
    assert_eq!(report.results.len(), plan.steps.len());
    let undone = report.results.iter().filter(|result| !result.outcome.is_done());
    let undone: BTreeSet<&str> = undone.map(|result| &*result.step.id.name).collect();
    assert_eq!(undone, BTreeSet::from(["A:changed.example.com", "A:held.example.org"]));
    assert_eq!(*slow.under_way.lock().unwrap(), (0, 2));
    let mut together = slow.together.lock().unwrap().clone();
    together.sort_unstable();
    // What was divided goes on as it was divided; what got no answer goes on by itself.
    assert_eq!(together, [2, 2, 4, 202, 1000]);
    let told = slow.told.lock().unwrap().clone();
    assert!(told.contains(&"begin dns:Record/example.com/A:silent.example.com".to_owned()));
}

#[tokio::test]
async fn a_run_that_is_told_to_stop_begins_no_further_transaction() {
    let (mut plan, like) = some_plan().await;
    let of = |id: String| copy(&like, &id, &[]);
    let names = (0..3000).map(|at| of(format!("dns:Record/example.com/A:h{at}.example.com")));
    let held = ["held", "a", "b"].map(|name| of(format!("dns:Record/example.org/A:{name}.example.org")));
    plan.steps = held.into_iter().chain(names).collect();
    let (lost, lock_lost) = watch::channel(false);
    let (stop, interrupted) = watch::channel(false);
    let slow = Slow::new(lost);
    let brakes = Brakes { interrupted, lock_lost };
    let mut told = 0;
    let report = execute(&plan, &slow, 2, &brakes, |_| {
        told += 1;
        stop.send_replace(true);
    })
    .await;
    // What is divided is not begun, and neither is what waits.
    assert_eq!(
        (report.results.len() + report.not_begun.len(), told),
        (plan.steps.len(), report.results.len())
    );
    assert!(report.not_begun.len() >= 2000, "{}", report.not_begun.len());
    assert_eq!(report.stopped.as_deref(), Some("interrupted"));
}

#[tokio::test]
async fn what_goes_together_only_at_the_end_of_a_run_is_tried_alone_there_too() {
    let (mut plan, like) = some_plan().await;
    let names = ["a", "silent", "b"].map(|name| format!("dns:Record/example.com/A:{name}.example.com"));
    let names = names.map(|id| copy(&like, &id, &["kube:Namespace/late"]));
    plan.steps = [copy(&like, "kube:Namespace/late", &[])].into_iter().chain(names).collect();
    let (lost, lock_lost) = watch::channel(false);
    let (_keep, interrupted) = watch::channel(false);
    let slow = Slow::new(lost);
    let report = execute(&plan, &slow, 2, &Brakes { interrupted, lock_lost }, |_| {}).await;
    assert!(report.complete() && report.done() == 4, "{report:#?}");
    assert_eq!(*slow.together.lock().unwrap(), [3]);
}
