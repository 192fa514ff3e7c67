//! What kwo could not look at, once for each cause: a missing right hides every object of its kinds, and every object
//! that waits for one of them.

use kwo_planner::plain::counted;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anstyle::Style;
use kwo_planner::change::{Held, Hold};
use kwo_planner::plain::{OneLine, one_line};
use kwo_planner::refused::Refused;
use kwo_planner::resource::ResourceId;

use super::style::HOLD;

const QUIET: Style = Style::new().dimmed();

/// From how many objects on a cause is told once and not at each of them.
const SEVERAL: usize = 3;

/// How many of the objects are named.
const NAMED: usize = 3;

/// One cause, and what it hides.
#[derive(Default)]
struct Hidden<'p> {
    /// What came of it, in the words of the first kind.
    cause: &'p str,
    /// What was tried, as each kind has it.
    tried: BTreeSet<&'p str>,
    unseen: Vec<&'p ResourceId>,
    waiting: Vec<&'p ResourceId>,
}

/// The causes that hide several objects, as text, and the objects that are told of with it.
pub(super) fn causes(held: &[Held]) -> (String, BTreeSet<&ResourceId>) {
    let holds: BTreeMap<&ResourceId, &Hold> = held.iter().map(|held| (&held.id, &held.hold)).collect();
    let mut causes: BTreeMap<String, Hidden<'_>> = BTreeMap::new();
    for id in held.iter().map(|held| &held.id) {
        let Some(why) = root(id, &holds) else { continue };
        let refused = Refused::of(why);
        let (tried, cause) =
            (refused.map(|refused| refused.tried), refused.map_or(why, |refused| refused.cause));
        let hidden = causes.entry(alike(tried, cause)).or_default();
        if hidden.cause.is_empty() {
            hidden.cause = cause;
        }
        let waits = matches!(holds.get(id), Some(Hold::WaitsOn { .. }));
        if waits { &mut hidden.waiting } else { &mut hidden.unseen }.push(id);
        hidden.tried.extend(tried);
    }
    causes.retain(|_, hidden| hidden.unseen.len() + hidden.waiting.len() >= SEVERAL);
    let mut out = String::new();
    for Hidden { cause, tried, unseen, waiting } in causes.values() {
        let what = match unseen.as_slice() {
            [one] => format!("{one} was"),
            several => counted(several.len(), "object was", "objects were"),
        };
        let _ = writeln!(out, "  {HOLD}!{HOLD:#} {what} not observed: {}", one_line(cause));
        if !tried.is_empty() {
            let tried: Vec<&str> = tried.iter().copied().collect();
            let _ = writeln!(out, "      {QUIET}{}{QUIET:#}", OneLine(tried.join(", ")));
        }
        if unseen.len() > 1 {
            let _ = writeln!(out, "      {QUIET}{}{QUIET:#}", named(unseen));
        }
        if !waiting.is_empty() {
            let wait = if waiting.len() == 1 { "waits" } else { "wait" };
            let (count, on) = (waiting.len(), if unseen.len() == 1 { "it" } else { "them" });
            let _ = writeln!(out, "      {QUIET}{count} more {wait} on {on}: {}{QUIET:#}", named(waiting));
        }
    }
    let told = causes.into_values().flat_map(|hidden| hidden.unseen.into_iter().chain(hidden.waiting));
    (out, told.collect())
}

/// Why the object could not be looked at, or that on which it waits.
fn root<'p>(id: &ResourceId, holds: &BTreeMap<&ResourceId, &'p Hold>) -> Option<&'p str> {
    let mut at = id;
    // A circle of needs is a hold of its own, so this ends; the bound is for plans of strangers.
    for _ in 0..holds.len() {
        match holds.get(at)? {
            Hold::NotObserved { why } => return Some(why),
            Hold::WaitsOn { id } => at = id,
            _ => return None,
        }
    }
    None
}

/// The cause without the words that stand for one kind in it, so that all kinds which one missing right hides are alike.
fn alike(tried: Option<&str>, cause: &str) -> String {
    let Some(kind) = tried.and_then(|tried| tried.strip_prefix("list ")) else { return cause.to_owned() };
    let (plural, group) = kind.split_once('.').unwrap_or((kind, ""));
    cause
        .replace(&format!("\"{plural}\" in API group \"{group}\""), "KIND")
        .replace(&format!("{kind} is forbidden"), "KIND is forbidden")
}

fn named(ids: &[&ResourceId]) -> String {
    let first: Vec<String> = ids.iter().take(NAMED).map(ToString::to_string).collect();
    match ids.len().saturating_sub(NAMED) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}
