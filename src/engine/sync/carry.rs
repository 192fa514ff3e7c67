//! What a plan needs to be done: first what must not be lost is written down, then the steps are done, then it is looked
//! again.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use kwo_planner::change::Hold;
use kwo_planner::plan::{Adopt, Plan};

use super::checkpoint::Checkpoint;
use super::commit_selection::problem;
use super::converge::{FULL, no_plan, tenants};
use super::outcome::{access_problems, planned, problems, quarrel, steps};
use super::quarrel::fought;
use super::run::{Ready, Run, Stop};
use super::said::Said;
use super::state::{Applied, Intent};
use crate::git::Clone;
use crate::history::{Entry, ProblemKind};
use crate::k3s::forget_plan;
use crate::providers::{Home, VersionedText};
use crate::run::{Access, Event, Interrupted, Locked, Promised, Work, carry, unless_told, verify_access};

/// So many of the last runs tell whether something is put right time and again.
const RUNS: usize = 50;

/// So many answers that are not as promised stand in an entry of the history.
const KEPT: usize = 100;

/// Is there nothing left to do but what the settings leave to others?
fn agrees(plan: &Plan) -> bool {
    let left = |hold: &Hold| matches!(hold, Hold::LeftOut { .. } | Hold::Drift { .. } | Hold::WaitsOn { .. });
    plan.steps.is_empty() && plan.held.iter().all(|held| left(&held.hold))
}

impl Run<'_> {
    /// Writes down, on this node and in the cluster, that this commit is applied and what is about to be done.
    pub(super) async fn mark(
        &mut self,
        ready: &Ready,
        clone: &Clone,
        was_fetched: bool,
        provider: &dyn Home,
        checkpoint: &mut Checkpoint,
        note: &mut Option<VersionedText>,
    ) -> Result<(), Stop> {
        let Ready { checked, desired: _, plan, before: _, was: _, reach: _ } = ready;
        let kept = |error: &dyn fmt::Display| {
            problem(ProblemKind::Step, format!("{error}; nothing was changed"), FULL)
        };
        let tenants = tenants(&checked.roster);
        if let Some(root) = &self.target.node {
            // A commit goes before the saved plan of an installation that still waits for its apply.
            forget_plan(root).map_err(|failure| kept(&failure))?;
        }
        // What can be lost by this node comes first: where it cannot be kept, nothing is begun.
        if !plan.steps.is_empty() {
            let intent = Entry { steps: planned(plan), ..self.entry.clone() };
            self.state.keep_intent(&Intent { entry: intent }).map_err(|error| kept(&error))?;
            self.begun = true;
        }
        let fetched = match self.state.applied() {
            Some(applied) if !was_fetched => applied.fetched,
            _ => Timestamp::now(),
        };
        let applied = Applied { commit: checked.commit.clone(), fetched, tenants: tenants.clone() };
        let left = async {
            clone.keep(&checked.commit).await.map_err(|error| kept(&error))?;
            self.state.keep_applied(&applied).map_err(|error| kept(&error))?;
            // From here on no run may fall behind this commit, whatever becomes of this one.
            checkpoint.commit.clone_from(&checked.commit);
            checkpoint.tenants = tenants;
            if !plan.steps.is_empty() {
                checkpoint.agreed.clear();
            }
            checkpoint.save(provider, note.as_ref()).await.map_err(|refusal| {
                let text =
                    format!("kwo cannot note in the cluster what it applies: {refusal}; nothing was changed");
                let hint = "kwo notes it first, so that no later run goes back to an older commit";
                problem(ProblemKind::Target, text, hint)
            })
        };
        match left.await {
            Ok(left) => *note = left,
            Err(problem) => {
                self.begun = false;
                self.state.drop_intent();
                return Err(problem.into());
            }
        }
        Ok(())
    }

    /// Is the API server asked who may do what?
    pub(super) fn verifies_access(&self) -> bool {
        self.options.verify_access || self.settings.verifies_access()
    }

    /// Asks it, and says where its answers are not what the roster promises.
    async fn verify(&mut self, provider: &dyn Home, promised: Promised<'_>) {
        let asked = verify_access(provider, promised, self.target.concurrency);
        let access = match unless_told(&self.options.interrupted, asked).await {
            Ok(access) => access.clipped(KEPT),
            Err(Interrupted) => {
                Access { unverified: vec!["the run was interrupted".into()], ..Access::default() }
            }
        };
        access_problems(&access).into_iter().for_each(|problem| self.problem(problem));
        self.entry.access = Some(access);
    }

    /// Does the steps and looks again.
    pub(super) async fn carry_out(
        &mut self,
        ready: Ready,
        provider: &Arc<dyn Home>,
        lock: &Locked,
        checkpoint: &mut Checkpoint,
    ) -> Result<(), Stop> {
        let Ready { checked, desired, plan, before, was, reach } = ready;
        let mut last = plan.clone();
        let wrote = !plan.steps.is_empty();
        if !plan.steps.is_empty() {
            let said = &mut *self.said;
            let work = Work {
                plan: &plan,
                desired: &desired,
                adopt: &Adopt::Nothing,
                concurrency: self.target.concurrency,
                settle: self.options.settle,
            };
            let carried = carry(provider, work, before, lock, |event| match event {
                Event::Step(result) => said(Said::Step(result)),
                // What comes of it stands in the entry.
                Event::Ended(_) | Event::LooksOnceMore(_) => {}
            });
            let carried = carried.await;
            self.entry.steps = steps(&carried.report);
            self.entry.looked_again = carried.again.as_ref().map(|_| carried.extent);
            let entries = self.state.history().last(RUNS).unwrap_or_default();
            self.entry.fights = fought(&self.entry, &entries);
            for fight in &self.entry.fights.clone() {
                self.problem(quarrel(fight));
            }
            problems(&carried).into_iter().for_each(|problem| self.problem(problem));
            match carried.again {
                Some(Ok(again)) => last = self.as_drift_goes(again, was.as_deref()),
                Some(Err(none)) => {
                    self.problem(no_plan(&none, &plan.provenance.address));
                    return Ok(());
                }
                None => return Ok(()),
            }
            self.counted(&last);
        }
        if self.verifies_access() {
            let promised = Promised { desired: &desired, plan: &last, reach: &reach, wrote };
            self.verify(&**provider, promised).await;
        }
        if agrees(&last) {
            checkpoint.agreed.clone_from(&checked.digest);
        }
        Ok(())
    }
}
