//! An independent check that a plan only adds: it does each change by itself on what was seen and looks whether
//! anything is gone. It shares no code with the planner's own reasoning; the executor refuses a plan that fails.

use std::collections::BTreeSet;

use crate::change::{Change, Step};
use crate::kinds::{Shape, matches_any};
use crate::observed::{Observed, Present, Sighting};
use crate::plan::Plan;
use crate::resource::ResourceId;
use crate::tree::{Tree, join, tokens};

/// A way in which a plan breaks the rules. It means that kwo has a fault, or that the plan was tampered with.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the plan for {id} {what}")]
pub struct Violation {
    /// The object.
    pub id: ResourceId,
    /// What is wrong.
    pub what: String,
}

/// Checks every step against what was seen.
#[must_use]
pub fn verify(plan: &Plan, observed: &Observed) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut done: BTreeSet<&ResourceId> = BTreeSet::new();
    for step in &plan.steps {
        let mut broken = |what: String| violations.push(Violation { id: step.id.clone(), what });
        if let Some(late) = step.needs.iter().find(|need| !done.contains(need)) {
            broken(format!("comes before {late}, which it needs"));
        }
        if !done.insert(&step.id) {
            broken("is there twice".to_owned());
        }
        match (observed.get(&step.id), step.creates()) {
            (Some(Sighting::Absent), true) => {}
            (Some(Sighting::Present(present)), false) => check(step, present, &mut broken),
            (Some(Sighting::Absent), false) => broken("changes what is not there".to_owned()),
            (Some(Sighting::Present(_)), true) => broken("creates what is there already".to_owned()),
            (Some(Sighting::Unknown { .. } | Sighting::LeftOut { .. }) | None, _) => {
                broken("acts on what was not seen".to_owned());
            }
        }
    }
    violations
}

fn check(step: &Step, present: &Present, broken: &mut dyn FnMut(String)) {
    if step.seen.as_ref() != Some(&present.version) {
        broken("was made for another state of the object".to_owned());
    }
    if !present.is_marked() && !step.adopts {
        broken("changes an object that is not kwo's".to_owned());
    }
    let Some(shape) = step.id.shape() else { return broken("is of an unknown kind".to_owned()) };
    for change in step.changes.iter() {
        match change {
            Change::Create => broken("creates and changes at once".to_owned()),
            Change::Extend { pointer, value, tightens: _, because: _ } => {
                extend(shape, step, present, pointer, value, broken);
            }
            Change::Revise { pointer, from, to, cause: _, tightens: _, because: _ } => {
                if present.body.at(pointer) != Some(from) {
                    broken(format!("revises {pointer}, where something else was seen"));
                }
                let apart = apart(shape, pointer, &step.wanted, &present.body);
                if apart.or_else(|| counterpart(shape, pointer, &step.wanted, &present.body)) != Some(to) {
                    broken(format!("revises {pointer} to what is not wanted"));
                }
                if loses(from, to) && !is_one_value(shape, pointer, from) {
                    broken(format!("removes a part of {pointer}"));
                }
            }
        }
    }
}

fn extend(
    shape: &Shape,
    step: &Step,
    present: &Present,
    pointer: &str,
    value: &Tree,
    broken: &mut dyn FnMut(String),
) {
    let wanted = |pointer: &str| counterpart(shape, pointer, &step.wanted, &present.body);
    match pointer.strip_suffix("/-") {
        Some(set) => {
            if !wanted(set).is_some_and(|wanted| wanted.items().contains(value)) {
                broken(format!("adds an entry to {set} that is not wanted"));
            }
            if present.body.at(set).is_some_and(|found| found.items().contains(value)) {
                broken(format!("adds an entry to {set} that is there"));
            }
        }
        None => {
            if present.body.at(pointer).is_some() {
                broken(format!("adds {pointer}, which is there"));
            }
            if wanted(pointer) != Some(value) {
                broken(format!("adds {pointer}, which is not wanted"));
            }
        }
    }
}

/// What is wanted at a place of what was seen: entries with a key may stand at another index.
fn counterpart<'w>(shape: &Shape, pointer: &str, wanted: &'w Tree, seen: &Tree) -> Option<&'w Tree> {
    let (mut wanted, mut seen, mut here) = (wanted, Some(seen), String::new());
    for token in tokens(pointer) {
        let entry = seen.and_then(|seen| seen.at(&join("", &token)));
        wanted = match (shape.key(&here), entry) {
            (Some(key), Some(entry)) => wanted.items().iter().find(|wanted| key.same(wanted, entry))?,
            _ => wanted.at(&join("", &token))?,
        };
        here = join(&here, &token);
        seen = entry;
    }
    Some(wanted)
}

/// What is wanted in the place of an entry that was meant for the value of the flag before it.
fn apart<'w>(shape: &Shape, pointer: &str, wanted: &'w Tree, seen: &Tree) -> Option<&'w Tree> {
    let (list, index) = pointer.rsplit_once('/')?;
    let (key, before) = (shape.key(list)?, index.parse::<usize>().ok()?.checked_sub(1)?);
    let found = seen.at(list)?.items();
    let wanted = wanted
        .at(list)?
        .items()
        .iter()
        .find(|wanted| found.get(before).is_some_and(|flag| key.same(wanted, flag)))?;
    key.apart(wanted, found, before).map(|_| wanted)
}

/// Would a leaf that is there be gone?
fn loses(from: &Tree, to: &Tree) -> bool {
    let kept: BTreeSet<String> = to.leaves().into_iter().map(|(pointer, _)| pointer).collect();
    from.leaves().into_iter().any(|(pointer, _)| !kept.contains(&pointer))
}

/// Lists count as one value unless the kind says that they are sets; maps only where it says so, or inside one.
fn is_one_value(shape: &Shape, pointer: &str, from: &Tree) -> bool {
    let inside = |patterns: &[&str]| {
        let ends = pointer.char_indices().filter(|(_, char)| *char == '/').map(|(at, _)| at).skip(1);
        ends.chain([pointer.len()]).any(|end| matches_any(patterns, &pointer[..end]))
    };
    let in_a_list = || {
        let places = pointer.char_indices().filter(|(_, char)| *char == '/').map(|(at, _)| at).skip(1);
        let index = |at: usize| {
            pointer[at + 1..].split('/').next().is_some_and(|token| token.parse::<usize>().is_ok())
        };
        // An entry with a key is compared field by field, as a map is.
        places.filter(|at| index(*at)).any(|at| shape.key(&pointer[..at]).is_none())
    };
    let listed = matches!(from, Tree::List(_)) && shape.key(pointer).is_none() || in_a_list();
    !inside(shape.sets) && (listed || inside(shape.whole))
}
