//! A saved plan on the day it is applied: which of its steps still hold, which are done already, which are stale.
//! A step whose object has changed is planned anew, and stays only if it comes out the same.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::change::{Change, Step};
use crate::observed::Observed;
use crate::plan::{Adopt, Plan, plan};
use crate::resource::{Clash, Desired, Disruption, Reason, Resource, ResourceId};
use crate::roster::Sources;
use crate::tree::SmolStr;

/// What became of a saved plan.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refreshed {
    /// The steps that can be done as they were reviewed.
    pub plan: Plan,
    /// The steps that would do something else now, or nothing that can be done, with the reason.
    pub stale: Vec<(ResourceId, String)>,
    /// The steps whose outcome is there already.
    pub settled: Vec<ResourceId>,
}

/// The objects that a saved plan wants, so that they can be looked at.
///
/// # Errors
/// When the plan has two steps for one object.
pub fn wanted(saved: &Plan) -> Result<Desired, Clash> {
    let resource = |step: &Step| {
        let needs = step.needs.iter().cloned().collect();
        let resource = Resource::new(step.id.clone(), step.wanted.clone(), needs, Reason::Always);
        // Who saved the plan had leave for what is in it.
        let disrupts = step.disrupts.clone();
        let disrupts = disrupts.map(|what| Disruption { what, option: SmolStr::default(), allowed: true });
        let follows = step.follows.iter().cloned().collect();
        Resource { secrets: step.secrets.clone(), follows, disrupts, ..resource }
    };
    Desired::new(saved.steps.iter().map(resource).collect(), Arc::new(Sources::default()))
}

/// Holds a saved plan against what is seen now, and against what its references to secrets lead to now.
#[must_use]
pub fn refresh(saved: &Plan, desired: &Desired, observed: &Observed) -> Refreshed {
    let adopt = Adopt::Only(
        saved
            .steps
            .iter()
            .filter(|step| step.adopts)
            .map(|step| SmolStr::from(step.id.to_string()))
            .collect(),
    );
    let now = plan(desired, observed, &adopt, saved.provenance.clone());
    let steps: BTreeMap<&ResourceId, &Step> = now.steps.iter().map(|step| (&step.id, step)).collect();
    let held: BTreeMap<&ResourceId, String> =
        now.held.iter().map(|held| (&held.id, held.hold.to_string())).collect();
    let mut kept = Vec::new();
    let mut stale: Vec<(ResourceId, String)> = Vec::new();
    let mut settled: Vec<ResourceId> = Vec::new();
    let mut lost: BTreeSet<&ResourceId> = BTreeSet::new();
    for step in &saved.steps {
        let why = match (steps.get(&step.id), held.get(&step.id)) {
            (Some(now), _) if same(step, now) => match step.needs.iter().find(|need| lost.contains(need)) {
                Some(need) => format!("needs {need}, which is stale"),
                None => {
                    let needs = now.needs.clone();
                    kept.push(Step { seen: now.seen.clone(), needs, ..step.clone() });
                    continue;
                }
            },
            (Some(now), _) => format!("would now be: {}", outline(now)),
            (None, Some(hold)) => hold.clone(),
            (None, None) => {
                settled.push(step.id.clone());
                continue;
            }
        };
        lost.insert(&step.id);
        stale.push((step.id.clone(), why));
    }
    let plan = Plan { steps: kept, ..saved.clone() }.sealed();
    Refreshed { plan, stale, settled }
}

/// Would the two write the same? Reasons and causes are words about it and may differ.
fn same(saved: &Step, now: &Step) -> bool {
    saved.changes.len() == now.changes.len()
        && saved.changes.iter().zip(&now.changes).all(|pair| match pair {
            (Change::Create, Change::Create) => saved.wanted == now.wanted,
            (
                Change::Extend { pointer, value, because: _ },
                Change::Extend { pointer: at, value: other, because: _ },
            ) => pointer == at && value == other,
            (
                Change::Revise { pointer, from, to, cause: _, tightens: _, because: _ },
                Change::Revise { pointer: at, from: found, to: other, cause: _, tightens: _, because: _ },
            ) => pointer == at && from == found && to == other,
            _ => false,
        })
}

fn outline(step: &Step) -> String {
    let words: Vec<String> = step
        .changes
        .iter()
        .map(|change| match change {
            Change::Create => "create, with another secret".to_owned(),
            Change::Extend { pointer, value, because: _ } => format!("add {pointer} {value}"),
            Change::Revise { pointer, from, to, cause: _, tightens: _, because: _ } => {
                format!("change {pointer} from {from} to {to}")
            }
        })
        .collect();
    words.join(", ")
}
