//! A plan when it is carried out: which of its steps still hold, which are done already, which are stale. All of a
//! saved plan, or one step whose object changed during the run: it is planned anew, and stays only if it comes out
//! the same.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::change::{Change, Step};
use crate::observed::{Observed, Sighting};
use crate::plan::{Adopt, FORMAT_VERSION, Plan, Provenance, plan};
use crate::resource::{Clash, Desired, Resource, ResourceId};
use crate::roster::Sources;
use crate::secrets::Found;
use crate::tree::SmolStr;
use crate::verify::verify;

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
    Desired::new(saved.steps.iter().map(Step::resource).collect(), Arc::new(Sources::default()))
}

/// The steps of a saved plan that this roster does not ask for, or not like that.
///
/// # Errors
/// When the plan has two steps for one object.
pub fn strangers(saved: &Plan, roster: &Desired) -> Result<Vec<ResourceId>, Clash> {
    // What the secrets were is not known to the roster, only where they come from.
    let alike = |desired: Desired| desired.with_secrets(|_, _| Found::Made);
    let (saved, roster) = (alike(wanted(saved)?), alike(roster.clone()));
    let asked = |resource: &&Resource| {
        roster
            .get(&resource.id)
            .is_some_and(|own| own.body == resource.body && own.secrets == resource.secrets)
    };
    Ok(saved
        .resources()
        .iter()
        .filter(|resource| !asked(resource))
        .map(|resource| resource.id.clone())
        .collect())
}

/// Holds a saved plan against what is seen now, and against what its references to secrets lead to now.
#[must_use]
pub fn refresh(saved: &Plan, desired: &Desired, observed: &Observed) -> Refreshed {
    hold_against(saved, desired, observed)
}

/// What is to become of a step whose object has changed since it was planned.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Again {
    /// It comes to the same changes: this is the step for the object as it is now.
    Same(Box<Step>),
    /// Its outcome is there already.
    Settled,
    /// It would do something else now, or nothing that can be done.
    Stale {
        /// What that is.
        why: String,
    },
}

/// Plans one step anew, for its object as it is seen now. All that it needs is done.
#[must_use]
pub fn again(step: &Step, now: Sighting) -> Again {
    let step = Step { needs: Vec::new(), ..step.clone() };
    let desired = Desired::of(step.resource());
    let observed = Observed::from_iter([(step.id.clone(), now)]);
    let alone = Plan {
        format_version: FORMAT_VERSION.into(),
        provenance: Provenance::default(),
        steps: vec![step],
        held: Vec::new(),
        leftovers: Vec::new(),
        settled: 0,
        digest: SmolStr::default(),
    };
    let Refreshed { mut plan, mut stale, settled: _ } = hold_against(&alone, &desired, &observed);
    // What was never shown is checked like what was.
    if let Some(violation) = verify(&plan, &observed).first() {
        return Again::Stale { why: violation.to_string() };
    }
    match (plan.steps.pop(), stale.pop()) {
        (Some(step), _) => Again::Same(Box::new(step)),
        (None, Some((_, why))) => Again::Stale { why },
        (None, None) => Again::Settled,
    }
}

fn hold_against(saved: &Plan, wanted: &Desired, observed: &Observed) -> Refreshed {
    let adopt = Adopt::Only(
        saved
            .steps
            .iter()
            .filter(|step| step.adopts)
            .map(|step| SmolStr::from(step.id.to_string()))
            .collect(),
    );
    let now = plan(wanted, observed, &adopt, saved.provenance.clone());
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
            (None, None) if wanted.get(&step.id).is_some_and(|now| now.body != step.wanted) => {
                "its secret is another one than when the plan was made".to_owned()
            }
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
