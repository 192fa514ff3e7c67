//! Who puts back what kwo puts right. What a run wrote is looked at again, at once and after a pause, since a controller
//! needs a moment to write back; whoever did is named.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use kwo_planner::change::{Cause, Change, Held, Hold, Step};
use kwo_planner::kinds::Kind;
use kwo_planner::plan::Plan;
use kwo_planner::resource::ResourceId;
use kwo_planner::tree::SmolStr;

use crate::execute::{Outcome, Report};

/// One object that is no longer as kwo wrote it a moment ago.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fight {
    /// The step that would put it right once more.
    pub step: Arc<Step>,
}

/// What was written and differs again.
#[must_use]
pub fn fights(again: &Plan, report: &Report) -> Vec<Fight> {
    let written = |step: &&Arc<Step>| {
        report.results.iter().any(|result| result.outcome == Outcome::Done && result.step.id == step.id)
    };
    again.steps.iter().filter(written).map(|step| Fight { step: Arc::clone(step) }).collect()
}

/// How long to wait before a second look; nothing where none is called for: what is new nobody had changed before.
#[must_use]
pub fn pause(plan: &Plan, report: &Report, settle: Duration) -> Option<Duration> {
    let put_right = report.results.iter().any(|result| {
        let Step { disrupts, .. } = &*result.step;
        result.outcome == Outcome::Done && disrupts.is_none() && !is_new(plan, &result.step)
    });
    (put_right && !settle.is_zero()).then_some(settle)
}

/// Does it make what nobody can have deleted: all of a first run, a namespace and what comes with it? Of anything else that
/// is made, nobody can tell whether it was there before.
fn is_new(plan: &Plan, step: &Step) -> bool {
    let made = |namespace: &Step| {
        namespace.creates()
            && namespace.id.known_kind() == Some(Kind::Namespace)
            && (namespace.id.name == step.id.scope
                || (!step.tenant.is_empty() && namespace.tenant == step.tenant))
    };
    let namespace = step.id.known_kind() == Some(Kind::Namespace);
    step.creates() && (plan.settled == 0 || namespace || plan.steps.iter().any(|step| made(step)))
}

/// Why the look after a run saw less than the one before it.
#[must_use]
pub fn blind(plan: &Plan, again: &Plan) -> Option<SmolStr> {
    let unseen = |held: &Held| matches!(held.hold, Hold::NotObserved { .. });
    let before: BTreeSet<&ResourceId> =
        plan.held.iter().filter(|held| unseen(held)).map(|held| &held.id).collect();
    again.held.iter().find_map(|held| match &held.hold {
        Hold::NotObserved { why } if !before.contains(&held.id) => Some(why.clone()),
        _ => None,
    })
}

impl Fight {
    /// Who wrote it back, by the names that the writers gave themselves.
    #[must_use]
    pub fn writers(&self) -> BTreeSet<&str> {
        let causes = self.step.changes.iter().filter_map(|change| match change {
            Change::Revise { cause: Cause::Drift { manager, when: _ }, .. } => Some(manager.as_str()),
            Change::Revise { .. } | Change::Extend { .. } | Change::Create => None,
        });
        causes.collect()
    }
}

/// All writers of these, as the subject of a sentence.
#[must_use]
pub fn named(fights: &[Fight]) -> String {
    let writers: BTreeSet<&str> = fights.iter().flat_map(Fight::writers).collect();
    if writers.is_empty() {
        return "somebody".to_owned();
    }
    writers.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and ")
}
