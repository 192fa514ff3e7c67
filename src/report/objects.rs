//! One object of a plan as text: what changes in it and why, why it is held, what of it is left over.

use kwo_planner::plain::counted;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use kwo_planner::change::{Cause, Change, Held, Hold, Leftover, Step};
use kwo_planner::kinds::Kind;
use kwo_planner::origin::Origin;
use kwo_planner::plain::OneLine;
use kwo_planner::secrets::STILL_ADMITS;
use kwo_planner::tree::{SmolStr, tokens};

use super::lines;
use super::style::{CHANGE, CREATE, HOLD, LEFT, QUIET, shown};
use super::tenants::{count, first};
use super::tightens;

/// From how many new bounds of one reason on they are one line.
const SEVERAL: usize = 4;

/// How an object is shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum How {
    /// Each field of a new object, and each bound by itself.
    Full,
    /// New bounds of one reason together.
    Folded,
    /// The same without reasons: for objects that change alike, each for a reason of its own.
    Bare,
}

/// One step, with the reasons of its changes.
pub(super) fn step(out: &mut String, step: &Step, how: How) {
    let _ = writeln!(out, "  {}", title(step));
    changes(out, step, how);
}

/// The line that names the object.
fn title(step: &Step) -> String {
    format!("{} {}", sign(step), named(step, &step.id.to_string()))
}

/// The sign of a step, in its colour.
pub(super) fn sign(step: &Step) -> String {
    if step.creates() { format!("{CREATE}+{CREATE:#}") } else { format!("{CHANGE}~{CHANGE:#}") }
}

/// The objects, and that they are taken over.
pub(super) fn named(step: &Step, ids: &str) -> String {
    let adopts = if step.adopts { " (taken over: it exists without kwo's mark)" } else { "" };
    format!("{ids}{adopts}")
}

/// All that stands below the line that names the object.
pub(super) fn changes(out: &mut String, step: &Step, how: How) {
    if step.creates() {
        reason(out, "      ", &step.because, how);
        tightens::told(out, "      ", step.tightens.as_ref());
        if how == How::Full {
            for (pointer, value) in step.wanted.leaves() {
                let lines = lines::new(&value, true).filter(|_| secret(step, &pointer).is_none());
                added(out, &pointer, lines, || shown(&value));
            }
        }
        return;
    }
    if let Some(disrupts) = step.disrupts.as_ref().map(OneLine) {
        let _ = writeln!(out, "      {HOLD}disruptive: {disrupts}{HOLD:#}");
    }
    if let Some(kept) = step.id.system.rules().kept(step) {
        let _ = writeln!(out, "      {QUIET}{kept}{QUIET:#}");
    }
    let mut together: BTreeMap<(&str, &SmolStr, &SmolStr), Vec<&Change>> = BTreeMap::new();
    let bound = |change| bound(step, change).filter(|_| how != How::Full);
    for (change, key) in step.changes.iter().filter_map(|change| Some((change, bound(change)?))) {
        together.entry(key).or_default().push(change);
    }
    for change in step.changes.iter() {
        let alike = bound(change).and_then(|key| Some((key.0, together.get(&key)?)));
        match alike.filter(|(_, alike)| alike.len() >= SEVERAL) {
            None => one(out, step, change, how),
            Some((place, alike)) if alike.first().is_some_and(|first| std::ptr::eq(*first, change)) => {
                bounds(out, place, alike);
                if let Change::Extend { because, .. } = change {
                    reason(out, "          ", because, how);
                }
            }
            Some(_) => {}
        }
    }
}

/// The list of bounds that a change adds one to, and its reason. One that is exceeded by use already is told by itself.
fn bound<'s>(step: &Step, change: &'s Change) -> Option<(&'static str, &'s SmolStr, &'s SmolStr)> {
    let place = match step.id.known_kind()? {
        Kind::ResourceQuota => "/spec/hard",
        Kind::LimitRange => "/spec/limits",
        _ => return None,
    };
    match change {
        Change::Extend {
            pointer,
            value: _,
            tightens: Some(tightening),
            because: Origin { place: at, line },
        } if tightening.exceeded_by_use.is_none()
            && pointer.strip_prefix(place).is_some_and(|rest| rest.starts_with('/')) =>
        {
            Some((place, at, line))
        }
        _ => None,
    }
}

/// Several new bounds on one line.
fn bounds(out: &mut String, place: &str, alike: &[&Change]) {
    let told = if place == "/spec/hard" { amounts(place, alike) } else { narrower(alike) };
    let _ = writeln!(out, "      {CREATE}+{CREATE:#} {place}: {CHANGE}tightens: {}{CHANGE:#}", OneLine(told));
}

/// What a quota bounds anew.
fn amounts(place: &str, alike: &[&Change]) -> String {
    let bound = |change: &&Change| {
        let Change::Extend { pointer, value, .. } = change else { return None };
        let name = tokens(pointer.strip_prefix(place)?).collect::<Vec<_>>().join("/");
        Some(format!("{name} {}", shown(value)))
    };
    let mut told: Vec<String> = alike.iter().filter_map(bound).collect();
    let is_kind = |told: &String| told.starts_with("count/");
    let kinds = told.iter().filter(|told| is_kind(told)).count();
    // What a person looks for first is not a number of objects.
    told.sort_by_key(is_kind);
    let what = match (kinds, told.len() - kinds) {
        (kinds, 0) => counted(kinds, "kind of objects", "kinds of objects"),
        (0, amounts) => count(amounts, "amount"),
        (kinds, amounts) => format!(
            "{} and {}",
            count(amounts, "amount"),
            counted(kinds, "kind of objects", "kinds of objects")
        ),
    };
    format!("bounds {what} that were not bounded: {}", first(&told))
}

/// What a LimitRange lets less through of, in the words for it. There are few.
fn narrower(alike: &[&Change]) -> String {
    let told: Vec<&str> =
        alike.iter().filter_map(|change| change.tightens()).map(|it| it.what.as_str()).collect();
    told.join("; ")
}

/// One change.
fn one(out: &mut String, step: &Step, change: &Change, how: How) {
    match change {
        Change::Create => {}
        Change::Extend { pointer, value, tightens, because } => {
            let place = pointer.strip_suffix("/-").unwrap_or(pointer);
            match secret(step, pointer) {
                Some(from) => added(out, place, None, || format!("set ({from})")),
                None => added(out, place, lines::new(value, how == How::Full), || shown(value)),
            }
            reason(out, "          ", because, how);
            tightens::told(out, "          ", tightens.as_ref());
        }
        Change::Revise { pointer, from, to, cause, tightens, because } => {
            let mut by_line = Vec::new();
            let values = match secret(step, pointer).map(OneLine) {
                Some(content) if matches!(cause, Cause::Drift { .. }) => {
                    format!("changed ({content}), {cause}")
                }
                // Whether the roster or the secret itself is another one nobody can tell.
                Some(content) => match from.as_text() {
                    Some(from) if from.starts_with(STILL_ADMITS) => format!("changed ({content}): it {from}"),
                    _ => format!("changed ({content})"),
                },
                None => match lines::revised(from, to) {
                    Some((what, lines)) => {
                        by_line = lines;
                        format!("{what} ({cause})")
                    }
                    None => format!("{} → {} ({cause})", shown(from), shown(to)),
                },
            };
            let (pointer, values) = (OneLine(pointer), OneLine(values));
            let _ = writeln!(out, "      {CHANGE}~{CHANGE:#} {pointer}: {values}");
            for line in by_line {
                let _ = writeln!(out, "          {line}");
            }
            reason(out, "          ", because, how);
            tightens::told(out, "          ", tightens.as_ref());
        }
    }
}

/// A new value: below its place where it has several lines.
fn added(out: &mut String, place: &str, lines: Option<Vec<String>>, value: impl FnOnce() -> String) {
    let rest = if lines.is_some() { String::new() } else { format!(" {}", value()) };
    let _ = writeln!(out, "      {CREATE}+{CREATE:#} {}:{rest}", OneLine(place));
    for line in lines.into_iter().flatten() {
        let _ = writeln!(out, "          {line}");
    }
}

fn reason(out: &mut String, indent: &str, because: &Origin, how: How) {
    if how != How::Bare {
        let _ = writeln!(out, "{indent}{QUIET}{}{QUIET:#}", OneLine(because));
    }
}

/// What is held for one reason, and why.
pub(super) fn held(out: &mut String, held: &[&Held]) {
    for Held { id, .. } in held {
        let _ = writeln!(out, "  {HOLD}!{HOLD:#} {id}");
    }
    let Some(Held { id, tenant: _, hold, because }) = held.first() else { return };
    let (text, because) = (OneLine(hold), OneLine(because));
    let _ = writeln!(out, "      {text}\n      {QUIET}{because}{QUIET:#}");
    if let Some(again) = id.system.rules().anew(id).filter(|_| matches!(hold, Hold::Foreign { .. })) {
        let _ = writeln!(out, "      {QUIET}{again}{QUIET:#}");
    }
}

/// What is left over, and the command that removes it.
pub(super) fn leftover(out: &mut String, leftover: &Leftover, all: &[&Leftover]) {
    let Leftover { id, pointer, value, tenant: _, grants, in_force, within: _, command, rights_command } =
        leftover;
    let field = pointer.as_ref().map_or_else(String::new, |pointer| format!(" {}", OneLine(pointer)));
    let command = OneLine(command);
    let value = value.as_ref().map_or_else(String::new, |value| format!(": {}", shown(value)));
    let inside: Vec<&&Leftover> = all.iter().filter(|left| left.within.as_ref() == Some(id)).collect();
    let with = match inside.len() {
        0 => String::new(),
        some => format!(" and {} in it", counted(some, "object", "objects")),
    };
    let _ = writeln!(out, "  {LEFT}?{LEFT:#} {id}{field}{value}{with}");
    let grants: Vec<&str> = grants
        .iter()
        .chain(inside.iter().filter_map(|left| left.grants.as_ref()))
        .map(SmolStr::as_str)
        .collect();
    if !grants.is_empty() {
        let _ = writeln!(out, "      {LEFT}{}{LEFT:#}", OneLine(grants.join("; ")));
    }
    if let Some(in_force) = in_force.as_ref().map(OneLine) {
        let _ = writeln!(out, "      {LEFT}{in_force}{LEFT:#}");
    }
    let lost = id.system.rules().lost_with(id).filter(|_| pointer.is_none());
    let warning = lost.map_or_else(String::new, |lost| format!(" ({lost})"));
    // Of a system that nobody looked at there is no command.
    let removes = if leftover.command.is_empty() {
        String::new()
    } else {
        format!("; to remove it{warning}: {command}")
    };
    let _ = writeln!(out, "      {QUIET}the roster does not ask for it{removes}{QUIET:#}");
    if let Some(command) = rights_command.as_ref().map(OneLine) {
        let _ = writeln!(out, "      {QUIET}to end the rights in it and keep the rest: {command}{QUIET:#}");
    }
}

/// Where the secret at this place comes from, if there is one.
fn secret(step: &Step, pointer: &str) -> Option<String> {
    let found = step.secrets.iter().find(|secret| secret.pointer == pointer)?;
    Some(found.content.to_string())
}
