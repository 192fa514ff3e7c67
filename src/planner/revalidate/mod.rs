//! Checks a plan when kwo applies it. A saved plan is compared with the plan that its roster gives now, and kwo
//! always runs the new one. A step whose object changed during the run is planned again, and stays only if the result
//! is the same.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::change::{Cause, Change, Held, Hold, Leftover, Step};
use crate::kinds::Kind;
use crate::observed::{Observed, Sighting};
use crate::plain::one_line;
use crate::plan::{Adopt, Plan, Provenance, plan};
use crate::resource::{Desired, Resource, ResourceId};
use crate::tree::{SmolStr, Tree};
use crate::verify::verify;

/// How much of a saved plan has to be as it is now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Demand {
    /// Its steps. Whoever made the plan is known, and what came to be needed since then is left for another one.
    Steps,
    /// All of it: its steps, what it holds and what it finds left over. Nobody knows who wrote the file, and what was cut
    /// out of it looks like what came to be needed since then.
    Whole,
}

/// What became of a saved plan.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Revalidated {
    /// What is to be done: steps of the plan as it is now, those that were saved.
    pub plan: Plan,
    /// What is another now than it was, with the reason. Where there is anything here, nothing is to be done.
    pub stale: Vec<(ResourceId, String)>,
    /// The steps whose outcome is there already.
    pub settled: Vec<ResourceId>,
    /// The steps that are needed by now and that the saved plan does not have.
    pub beyond: Vec<ResourceId>,
    /// What the saved plan asks for and its roster does not, or not like that. No kwo made this plan.
    pub strangers: Vec<ResourceId>,
}

/// Holds a saved plan against the plan that the same roster comes to now. What may differ: the versions of objects,
/// who wrote a value last and how much of a bound is in use; the fingerprints of secrets, where one of the two has none;
/// and what has been done or removed since.
#[must_use]
pub fn revalidate(saved: &Plan, now: Plan, wanted: &Desired, demand: Demand) -> Revalidated {
    let steps: BTreeMap<&ResourceId, &Step> = now.steps.iter().map(|step| (&step.id, &**step)).collect();
    let held = now.held.iter().filter(still).map(|held| (&held.id, held));
    let held: BTreeMap<&ResourceId, &Held> = held.collect();
    let mut strangers = Vec::new();
    let mut gone: BTreeSet<&ResourceId> = BTreeSet::new();
    for step in &saved.steps {
        match wanted.get(&step.id) {
            Some(own) if asks(own, step) => {
                if !steps.contains_key(&step.id) && !held.contains_key(&step.id) {
                    gone.insert(&step.id);
                }
            }
            _ => strangers.push(step.id.clone()),
        }
    }
    let mut stale: Vec<(ResourceId, String)> = Vec::new();
    let mut said: BTreeMap<&ResourceId, &Step> = BTreeMap::new();
    for step in &saved.steps {
        if said.insert(&step.id, step).is_some() {
            stale.push((step.id.clone(), "is in the saved plan twice".to_owned()));
        }
        match (steps.get(&step.id), held.get(&step.id)) {
            (Some(now), _) if same(step, now) && alike(step, now, &gone) => {}
            (Some(now), _) if same(step, now) => {
                stale.push((step.id.clone(), surroundings(step, now, &gone)));
            }
            (Some(now), _) => stale.push((step.id.clone(), format!("would now be: {}", outline(now)))),
            (None, Some(held)) => stale.push((step.id.clone(), held.hold.to_string())),
            (None, None) => {
                let own = wanted.get(&step.id);
                if own.is_some_and(|own| !agree(&own.body, &step.wanted)) {
                    let why = "its secret has changed since the plan was made";
                    stale.push((step.id.clone(), why.to_owned()));
                }
            }
        }
    }
    stale.extend(elsewhere(saved, &now));
    let beyond: Vec<ResourceId> =
        now.steps.iter().map(|step| &step.id).filter(|id| !said.contains_key(id)).cloned().collect();
    if demand == Demand::Whole {
        let unsaid = now.steps.iter().filter(|step| !said.contains_key(&step.id) && !waited(saved, step));
        stale.extend(unsaid.map(|step| {
            (step.id.clone(), format!("is not in the saved plan, and would now be: {}", outline(step)))
        }));
        stale.extend(beside(saved, &now));
    }
    let settled = gone.into_iter().cloned().collect();
    let kept = now.steps.iter().filter(|step| said.contains_key(&step.id)).cloned().collect();
    let plan = Plan { steps: kept, ..now }.sealed();
    Revalidated { plan, stale, settled, beyond, strangers }
}

/// What was planned for another system than the one that is there now. Of one that could not be asked nothing is said
/// here: what is in it was not seen, and is held.
fn elsewhere(saved: &Plan, now: &Plan) -> Vec<(ResourceId, String)> {
    let (was, is) = (&saved.provenance.systems, &now.provenance.systems);
    let other = |step: &Step| {
        let part = step.id.system.rules().part(&step.id)?;
        let is = is.get(&part)?;
        let why = match was.get(&part) {
            Some(was) if was == is => return None,
            Some(was) => format!("was planned for {}, and this is {}", one_line(was), one_line(is)),
            None => format!("is in {}, and the plan does not say for which one it was made", one_line(is)),
        };
        Some((step.id.clone(), why))
    };
    saved.steps.iter().filter_map(|step| other(step)).collect()
}

/// What is held or left over now and was not, or not like that.
fn beside(saved: &Plan, now: &Plan) -> Vec<(ResourceId, String)> {
    let held: BTreeMap<&ResourceId, &Held> = saved.held.iter().map(|held| (&held.id, held)).collect();
    let stepped: BTreeSet<&ResourceId> = saved.steps.iter().map(|step| &step.id).collect();
    let left: BTreeSet<(&ResourceId, Option<&SmolStr>)> =
        saved.leftovers.iter().map(|Leftover { id, pointer, .. }| (id, pointer.as_ref())).collect();
    let other = now.held.iter().filter(still).filter(|now| !stepped.contains(&now.id)).filter(|now| {
        !held.get(&now.id).is_some_and(|was| {
            was.tenant == now.tenant && was.because == now.because && same_hold(&was.hold, &now.hold)
        })
    });
    let other = other.map(|held| (held.id.clone(), format!("is held now: {}", held.hold)));
    let new = now.leftovers.iter().filter(|now| !left.contains(&(&now.id, now.pointer.as_ref())));
    let new = new.map(|left| {
        let at = left.pointer.as_ref().map(|pointer| format!(" at {pointer}")).unwrap_or_default();
        (left.id.clone(), format!("is left over{at}, and the saved plan does not say so"))
    });
    other.chain(new).collect()
}

/// Was it a new certificate that the saved plan holds until there is room for it? The plan says that it does not make it, and
/// a day that passed makes nothing else of the plan.
fn waited(saved: &Plan, now: &Step) -> bool {
    let held = |held: &Held| held.id == now.id && matches!(held.hold, Hold::Refused { .. });
    now.creates() && now.id.known_kind() == Some(Kind::Certificate) && saved.held.iter().any(held)
}

/// Is it held by something that counts for an earlier plan? What is there and ceased to work is as that plan wants it.
fn still(held: &&Held) -> bool {
    !matches!(held.hold, Hold::Failing { .. })
}

/// Is it held for the same reason? What a system said about it may be put otherwise each time.
fn same_hold(was: &Hold, now: &Hold) -> bool {
    match (was, now) {
        (Hold::NotObserved { why: _ }, Hold::NotObserved { why: _ })
        | (Hold::LeftOut { .. }, Hold::LeftOut { .. })
        | (Hold::Drift { what: _ }, Hold::Drift { what: _ })
        | (Hold::Failing { why: _ }, Hold::Failing { why: _ })
        | (Hold::Refused { why: _ }, Hold::Refused { why: _ }) => true,
        (Hold::SecretMissing { secret: was, why: _ }, Hold::SecretMissing { secret: now, why: _ }) => {
            was == now
        }
        (was, now) => was == now,
    }
}

/// Does the roster ask for what this step wants?
fn asks(own: &Resource, step: &Step) -> bool {
    own.secrets == step.secrets && bare(&own.body) == bare(&step.wanted)
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
    let alone = Step { needs: Arc::default(), ..step.clone() };
    let desired = Desired::of(alone.resource());
    let observed = Observed::from_iter([(step.id.clone(), now)]);
    let ids = step.adopts.then(|| SmolStr::from(step.id.to_string()));
    let mut now = plan(&desired, &observed, &Adopt::Only(ids.into_iter().collect()), Provenance::default());
    // What was never shown is checked like what was.
    if let Some(violation) = verify(&now, &observed).first() {
        return Again::Stale { why: violation.to_string() };
    }
    match (now.steps.pop(), now.held.pop()) {
        (Some(now), _) if same(&alone, &now) => {
            Again::Same(Box::new(Step { seen: now.seen.clone(), ..alone }))
        }
        // Kubernetes was quicker to make it; the rest of what was to be made is added.
        (Some(now), _) if step.id.is_every_namespaces() && step.creates() && adds(&now) => {
            let Step { changes, seen, adopts, .. } = Arc::unwrap_or_clone(now);
            Again::Same(Box::new(Step { changes, seen, adopts, ..alone }))
        }
        (Some(now), _) => Again::Stale { why: format!("would now be: {}", outline(&now)) },
        (None, Some(held)) => Again::Stale { why: held.hold.to_string() },
        (None, None) => Again::Settled,
    }
}

/// Does it add, and change nothing?
fn adds(step: &Step) -> bool {
    step.changes.iter().all(|change| matches!(change, Change::Extend { .. }))
}

/// Would the two write the same? Reasons and causes are words about it and may differ.
fn same(saved: &Step, now: &Step) -> bool {
    saved.changes.len() == now.changes.len()
        && saved.changes.iter().zip(&*now.changes).all(|pair| match pair {
            (Change::Create, Change::Create) => agree(&saved.wanted, &now.wanted),
            (
                Change::Extend { pointer, value, tightens: _, because: _ },
                Change::Extend { pointer: at, value: other, tightens: _, because: _ },
            ) => pointer == at && agree(value, other),
            (
                Change::Revise { pointer, from, to, cause: _, tightens: _, because: _ },
                Change::Revise { pointer: at, from: found, to: other, cause: _, tightens: _, because: _ },
            ) => pointer == at && agree(from, found) && agree(to, other),
            _ => false,
        })
}

/// Is all else that a step says the same, what has been done since aside?
fn alike(saved: &Step, now: &Step, gone: &BTreeSet<&ResourceId>) -> bool {
    let open = |ids: &[ResourceId]| ids.iter().filter(|id| !gone.contains(id)).cloned().collect::<Vec<_>>();
    let change = |change: &Change| match change {
        Change::Create => (None, None),
        Change::Extend { pointer: _, value: _, tightens: _, because } => (None, Some(because.clone())),
        Change::Revise { pointer: _, from: _, to: _, cause, tightens: _, because } => {
            let cause = match cause {
                Cause::Anew { after } => Cause::Anew { after: open(after) },
                // Who wrote last may be another by now.
                Cause::RosterChanged | Cause::Drift { .. } | Cause::Unrecorded | Cause::Passed => {
                    Cause::Unrecorded
                }
            };
            (Some(cause), Some(because.clone()))
        }
    };
    let rest = |step: &Step| {
        let Step {
            id,
            changes,
            seen: _,
            wanted: _,
            secrets,
            needs,
            follows,
            disrupts,
            tightens: _,
            adopts,
            tenant,
            because,
        } = step;
        let changes: Vec<_> = changes.iter().map(change).collect();
        let (id, secrets, disrupts) = (id.clone(), secrets.clone(), disrupts.clone());
        (
            id,
            changes,
            secrets,
            open(needs),
            follows.clone(),
            disrupts,
            *adopts,
            tenant.clone(),
            because.clone(),
        )
    };
    rest(saved) == rest(now) && agree(&saved.wanted, &now.wanted)
}

/// What of a step differs that writes the same.
fn surroundings(saved: &Step, now: &Step, gone: &BTreeSet<&ResourceId>) -> String {
    let unmet = now.needs.iter().find(|need| !saved.needs.contains(need));
    let lacking = saved.needs.iter().find(|need| !gone.contains(need) && !now.needs.contains(need));
    match (unmet, lacking) {
        (Some(need), _) => format!("needs {need} first, and the saved plan does not say so"),
        (None, Some(_)) => "does not need what the saved plan says it does".to_owned(),
        (None, None) if now.adopts != saved.adopts => {
            let now = if now.adopts { "would now take the object over" } else { "is kwo's own now" };
            format!("{now}, and the saved plan says otherwise")
        }
        (None, None) => "has other reasons or surroundings than the saved plan says".to_owned(),
    }
}

/// The length of a fingerprint in hexadecimal digits.
const FINGERPRINT: usize = 32;

/// A text without the fingerprint at its end.
fn unmarked(text: &str) -> &str {
    match text.rsplit_once(" #") {
        Some((text, mark))
            if mark.len() == FINGERPRINT && mark.bytes().all(|byte| byte.is_ascii_hexdigit()) =>
        {
            text
        }
        _ => text,
    }
}

/// A value without fingerprints.
fn bare(value: &Tree) -> Tree {
    match value {
        Tree::Text(text) => Tree::from(SmolStr::from(unmarked(text))),
        Tree::List(items) => Tree::list(items.iter().map(bare)),
        Tree::Map(entries) => Tree::map(entries.iter().map(|(key, value)| (key.clone(), bare(value)))),
        Tree::Null | Tree::Bool(_) | Tree::Number(_) => value.clone(),
    }
}

/// Are two values the same? Who cannot look at the key of the fingerprints has none to compare.
fn agree(one: &Tree, other: &Tree) -> bool {
    match (one, other) {
        (Tree::Text(one), Tree::Text(other)) => {
            let marks = [one, other].iter().filter(|text| unmarked(text).len() < text.len()).count();
            one == other || marks == 1 && unmarked(one) == unmarked(other)
        }
        (Tree::List(one), Tree::List(other)) => {
            one.len() == other.len() && one.iter().zip(other.iter()).all(|(one, other)| agree(one, other))
        }
        (Tree::Map(one), Tree::Map(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .zip(other.iter())
                    .all(|((key, one), (name, other))| key == name && agree(one, other))
        }
        (one, other) => one == other,
    }
}

fn outline(step: &Step) -> String {
    let words: Vec<String> = step
        .changes
        .iter()
        .map(|change| match change {
            Change::Create => "create".to_owned(),
            Change::Extend { pointer, value, tightens: _, because: _ } => format!("add {pointer} {value}"),
            Change::Revise { pointer, from, to, cause: _, tightens: _, because: _ } => {
                format!("change {pointer} from {from} to {to}")
            }
        })
        .collect();
    words.join(", ")
}

#[cfg(test)]
mod tests;
