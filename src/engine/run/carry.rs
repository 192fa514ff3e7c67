//! Carry a plan out and look again: did all of it come to be, and does somebody put it back?

use std::sync::Arc;
use std::time::Duration;

use kwo_planner::plan::{Adopt, Plan};
use kwo_planner::resource::Desired;
use smol_str::SmolStr;
use tokio::time::sleep;

use super::again::{Before, Extent, look_again};
use super::cancellation::unless_told;
use super::lock::Locked;
use super::look::NoPlan;
use crate::execute::{Report, StepResult, execute};
use crate::fight::{Fight, blind, fights, pause};
use crate::providers::Home;

/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub struct Work<'w> {
    /// The plan.
    pub plan: &'w Plan,
    /// What it was made from, for the look after it.
    pub desired: &'w Desired,
    /// What it takes over.
    pub adopt: &'w Adopt,
    /// How many steps are done at a time.
    pub concurrency: usize,
    /// How long to wait before what was put right is looked at once more; zero where it is not.
    pub settle: Duration,
}

/// What happens meanwhile, as it happens.
#[derive(Clone, Copy, Debug)]
pub enum Event<'e> {
    /// A step ended.
    Step(&'e StepResult),
    /// No step is left to be done; the look comes now.
    Ended(&'e Report),
    /// Something was put right: after this time kwo looks once more.
    LooksOnceMore(Duration),
}

/// What came of it.
#[derive(Debug)]
pub struct Carried {
    /// What became of each step.
    pub report: Report,
    /// The plan of what was there afterwards; nothing where the run was stopped.
    pub again: Option<Result<Plan, NoPlan>>,
    /// What was looked at for it.
    pub extent: Extent,
    /// What differs again although it was written.
    pub fights: Vec<Fight>,
    /// Why the look afterwards saw less than the one before.
    pub blind: Option<SmolStr>,
}

impl Carried {
    /// The plan of what was there afterwards, where there is one.
    #[must_use]
    pub fn now(&self) -> Option<&Plan> {
        self.again.as_ref()?.as_ref().ok()
    }
}

/// Does the steps, and looks at what came of them. What was seen before goes on to that look, if it is kept.
pub async fn carry(
    home: &Arc<dyn Home>,
    work: Work<'_>,
    mut before: Option<Before>,
    lock: &Locked,
    mut told: impl FnMut(Event<'_>),
) -> Carried {
    let Work { plan, desired, adopt, concurrency, settle } = work;
    let brakes = lock.brakes();
    let report = execute(plan, home, concurrency, brakes, |result| told(Event::Step(result))).await;
    told(Event::Ended(&report));
    if report.stopped.is_some() {
        let extent = Extent::Everything;
        return Carried { report, again: None, extent, fights: Vec::new(), blind: None };
    }
    let wanted = (desired, adopt);
    let found =
        |again: &Result<Plan, NoPlan>| again.as_ref().map(|again| fights(again, &report)).unwrap_or_default();
    let (mut again, mut extent) = look_again(&**home, plan, wanted, &mut before).await;
    if again.is_ok()
        && found(&again).is_empty()
        && let Some(pause) = pause(plan, &report, settle)
    {
        told(Event::LooksOnceMore(pause));
        // Where the run is told to end meanwhile, what was seen has to do.
        if unless_told(&brakes.interrupted, sleep(pause)).await.is_ok() {
            (again, extent) = look_again(&**home, plan, wanted, &mut before).await;
        }
    }
    let fights = found(&again);
    let blind = again.as_ref().ok().and_then(|again| blind(plan, again));
    Carried { report, again: Some(again), extent, fights, blind }
}
