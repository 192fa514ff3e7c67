//! From what is to become of each resource by itself to steps in an order in which they can be done: what waits on
//! something held is held, what follows something that changes is done anew, what disturbs others needs leave.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::change::{Cause, Change, Held, Hold, Step};
use crate::order::order;
use crate::origin::Origin;
use crate::plan::tenant;
use crate::resource::{Desired, Disruption, Resource, ResourceId};
use crate::tree::{SmolStr, is_below};

/// What is to become of one resource.
pub(crate) enum Verdict {
    /// It is as it should be; of what hands on what it needs that is to be seen.
    Settled,
    /// This is to be done.
    Do(Arc<Step>),
    /// Settled, unless something that it follows changes.
    Follow(Arc<Step>),
    /// It is left alone.
    Hold(Hold),
}

/// Puts what can be done in order and holds what waits on something held, or hands it on; the last one counts what stays as it
/// is.
pub(crate) fn schedule(
    desired: &Desired,
    mut verdicts: BTreeMap<usize, Verdict>,
) -> (Vec<Arc<Step>>, Vec<Held>, usize) {
    let resources = desired.resources();
    let mut needs: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let mut unmet: BTreeMap<usize, ResourceId> = BTreeMap::new();
    for &at in verdicts.keys() {
        let mut found = Vec::with_capacity(resources[at].needs.len());
        for need in resources[at].needs.iter() {
            match desired.position(need) {
                Some(position) => found.push(position),
                None => {
                    unmet.entry(at).or_insert_with(|| need.clone());
                }
            }
        }
        let follows = resources[at].follows.iter().filter(|id| !resources[at].needs.contains(id));
        found.extend(follows.filter_map(|id| desired.position(id)));
        needs.insert(at, found);
    }
    let mut idle: BTreeSet<usize> = BTreeSet::new();
    let order = order(&needs);
    let mut steps = Vec::new();
    // What stands in one namespace needs the same.
    let mut befores: BTreeMap<Vec<usize>, Arc<[ResourceId]>> = BTreeMap::new();
    let mut held: BTreeMap<usize, Hold> = BTreeMap::new();
    // What is there and hands on something held.
    let mut leading: BTreeSet<usize> = BTreeSet::new();
    for (at, path) in order.circles {
        let path = path.into_iter().map(|at| resources[at].id.clone()).collect();
        held.insert(at, Hold::Cycle { path });
    }
    for (at, need) in order.behind {
        held.insert(at, Hold::WaitsOn { id: resources[need].id.clone() });
    }
    for at in order.sequence {
        let verdict = match verdicts.remove(&at) {
            Some(Verdict::Follow(step)) => match anew(step, &steps) {
                Some(step) => Some(Verdict::Do(step)),
                None => {
                    idle.insert(at);
                    continue;
                }
            },
            verdict => verdict,
        };
        match verdict {
            Some(Verdict::Do(mut step)) => {
                let open = needs.get(&at).into_iter().flatten();
                let stops = |need: &&usize| {
                    held.get(need).is_some_and(Hold::stops)
                        && resources[at].needs.contains(&resources[**need].id)
                };
                let blocked = open.clone().find(stops).map(|&need| &resources[need].id);
                match (unmet.get(&at).or(blocked), resources[at].disrupts.as_deref()) {
                    (Some(id), _) => {
                        held.insert(at, Hold::WaitsOn { id: id.clone() });
                    }
                    (None, Some(Disruption { what, option, allowed: false })) => {
                        held.insert(at, Hold::NeedsLeave { disrupts: what.clone(), option: option.clone() });
                    }
                    (None, _) => {
                        // Every need that is no key of `needs` is settled; the others are steps before this one.
                        let before = open.copied().filter(|need| {
                            needs.contains_key(need) && !held.contains_key(need) && !idle.contains(need)
                        });
                        let before: Vec<usize> = before.collect();
                        let Resource { needs: all, follows, .. } = &resources[at];
                        let shared = if follows.is_empty() && before.len() == all.len() {
                            all
                        } else {
                            befores.entry(before).or_insert_with_key(|before| {
                                before.iter().map(|&need| resources[need].id.clone()).collect()
                            })
                        };
                        Arc::make_mut(&mut step).needs = Arc::clone(shared);
                        steps.push(step);
                    }
                }
            }
            Some(Verdict::Hold(hold)) => {
                held.insert(at, hold);
            }
            Some(Verdict::Settled) => {
                // A policy that is not as it should be gives what it gave; one that leads to a role of others does not.
                let hands_on = |need: usize| resources[need].id.system.rules().hands_on(&resources[need].id);
                let leads = |need: &&usize| {
                    leading.contains(need) || (held.get(need).is_some_and(Hold::stops) && !hands_on(**need))
                };
                match needs.get(&at).into_iter().flatten().find(leads) {
                    Some(&need) => {
                        held.insert(at, Hold::Refused { why: gives(&resources[need].id) });
                        leading.insert(at);
                    }
                    None => drop(idle.insert(at)),
                }
            }
            Some(Verdict::Follow(_)) | None => {}
        }
    }
    let held = held
        .into_iter()
        .map(|(at, hold)| Held {
            id: resources[at].id.clone(),
            tenant: tenant(&resources[at].body),
            hold,
            because: Origin::of(&resources[at].because, desired.sources()),
        })
        .collect();
    (steps, held, idle.len())
}

/// Why something is held that is as the roster wants it.
fn gives(need: &ResourceId) -> SmolStr {
    smol_str::format_smolstr!(
        "already matches the roster, but it grants {need}, which is held. Its users may get access that kwo does not manage"
    )
}

/// The step with its cause, if one of the steps changes something that it has to follow.
fn anew(mut step: Arc<Step>, steps: &[Arc<Step>]) -> Option<Arc<Step>> {
    let loud = |other: &Step| {
        let quiet = other.id.shape().map(|shape| shape.quiet).unwrap_or_default();
        let heard = |pointer: &str| !quiet.iter().any(|part| is_below(pointer, part));
        other.changes.iter().any(|change| change.pointer().is_none_or(heard))
    };
    let moved = steps.iter().filter(|other| step.follows.contains(&other.id) && loud(other));
    let moved: Vec<ResourceId> = moved.map(|other| other.id.clone()).collect();
    for change in Arc::make_mut(&mut Arc::make_mut(&mut step).changes) {
        if let Change::Revise { cause: Cause::Anew { after }, .. } = change {
            after.clone_from(&moved);
        }
    }
    (!moved.is_empty()).then_some(step)
}
