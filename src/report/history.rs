//! The history as text: a line an entry, or one entry with all that it holds.

use std::fmt::Write as _;
use std::time::Duration;

use kwo_planner::plain::{OneLine, one_line};
use kwo_planner::plan::FORMAT_VERSION;
use kwo_planner::units::{lasted, moment};
use schemars::JsonSchema;
use serde::Serialize;

use super::printed::Report;
use super::{reviews, run};
use kwo_engine::departed::{Departed, Offboarded};
use kwo_engine::history::{Commit, Entry, Left, Retained};
use kwo_engine::run::Extent;

/// What an entry is called where programs read it.
pub(super) const ENTRY: &str = "HistoryEntry";

/// Some of the entries.
pub struct Entries(pub Vec<Entry>);

impl Report for Entries {
    const KIND: Option<&'static str> = Some("History");

    type Json<'a> = List<'a>;

    fn text(&self) -> String {
        list(&self.0)
    }

    fn json(&self) -> List<'_> {
        List { format_version: FORMAT_VERSION, entries: &self.0 }
    }
}

/// Some of the entries of the history, the newest first.
#[derive(Debug, Serialize, JsonSchema)]
pub struct List<'h> {
    /// The version of this form. Minor versions only add.
    format_version: &'static str,
    /// Each of them.
    entries: &'h [Entry],
}

impl Report for Entry {
    const KIND: Option<&'static str> = Some(ENTRY);

    type Json<'a> = &'a Entry;

    fn text(&self) -> String {
        show(self)
    }

    fn json(&self) -> &Entry {
        self
    }
}

/// A line an entry.
#[must_use]
pub fn list(entries: &[Entry]) -> String {
    let mut out = String::new();
    for entry in entries {
        let commit = entry.commit.as_ref().map_or("-", |commit| short(&commit.id));
        let commit = one_line(commit);
        let mut what: Vec<String> = entry.offboarded.iter().map(Offboarded::told).collect();
        let done = entry.done().count();
        if done > 0 {
            what.push(format!("{done} done"));
        }
        for (count, word) in [(entry.held.len(), "held"), (entry.drift.len(), "drifted")] {
            if count > 0 {
                what.push(format!("{count} {word}"));
            }
        }
        what.extend(entry.remains());
        what.extend(entry.others());
        what.extend(entry.problems.iter().map(|problem| problem.text.clone()));
        let _ = writeln!(
            out,
            "{:>6}  {}  {:<11}  {commit:<12}  {}",
            entry.number,
            moment(entry.began),
            word(entry),
            OneLine(what.join("; "))
        );
    }
    out
}

/// How a run ended, or that it is no run.
fn word(entry: &Entry) -> &'static str {
    if entry.offboarded.is_some() { "offboard" } else { entry.outcome.word() }
}

/// One entry.
#[must_use]
pub fn show(entry: &Entry) -> String {
    let Entry {
        format_version: _,
        number,
        previous,
        began,
        took_ms,
        host,
        target,
        commit,
        refused,
        roster_digest,
        plan_digest,
        outcome,
        problems,
        steps,
        looked_again,
        held,
        drift,
        leftovers,
        access_left,
        in_force,
        foreign_access,
        unseen_access,
        // Each is told among the problems.
        fights: _,
        unchanged,
        access,
        offboarded,
        retained,
    } = entry;
    if let Some(offboarded) = offboarded {
        let told = OneLine(offboarded.told());
        return format!(
            "entry {number}: {told}\n  at          {}\n  on          {}\n  target      {}\n  previous    {previous}\n",
            moment(began),
            OneLine(host),
            OneLine(target)
        );
    }
    let mut out = format!("entry {number}: {}\n", outcome.word());
    let mut line = |name: &str, text: &str| {
        if !text.is_empty() {
            let _ = writeln!(out, "  {name:<10}  {}", OneLine(text));
        }
    };
    line("began", &format!("{}, took {}", moment(began), lasted(Duration::from_millis(*took_ms))));
    line("on", host);
    line("target", target);
    line("commit", &commit.as_ref().map(told).unwrap_or_default());
    line("refused", &refused.as_ref().map(told).unwrap_or_default());
    line("roster", roster_digest);
    line("plan", plan_digest);
    line("previous", previous);
    line("objects", &format!("{unchanged} unchanged, {leftovers} left over"));
    // The answers that are not as promised stand among the problems.
    line("asked", &access.as_ref().map(reviews::asked).unwrap_or_default());
    line("looked", &looked_again.as_ref().map(again).unwrap_or_default());
    for Retained { who, until, archived } in retained {
        let archived = match archived {
            true => ", archived",
            false if Departed::can_be_archived(who) => ", no archive yet",
            false => "",
        };
        let _ = writeln!(out, "left: {}: kept until {} at least{archived}", OneLine(who), moment(until));
    }
    for problem in problems {
        let _ = writeln!(out, "! {}", OneLine(&problem.text));
        if !problem.hint.is_empty() {
            let _ = writeln!(out, "  hint: {}", OneLine(&problem.hint));
        }
    }
    for drift in drift {
        let _ = writeln!(out, "drift: {}: {}", OneLine(&drift.id), OneLine(&drift.what));
    }
    for Left { id, tenant: _, what, command } in access_left.iter().chain(in_force) {
        let _ = writeln!(out, "left: {id}: {what}\n  to end it: {command}");
    }
    for Left { id, tenant: _, what, command } in foreign_access {
        let _ = writeln!(
            out,
            "not kwo's: {}: {}\n  to look at it: {}",
            OneLine(id),
            OneLine(what),
            OneLine(command)
        );
    }
    for why in unseen_access {
        let _ = writeln!(out, "kwo does not know what others gave: {}", OneLine(why));
    }
    for step in steps {
        let why = if step.why.is_empty() { String::new() } else { format!(": {}", step.why) };
        let _ = writeln!(out, "{}", OneLine(format!("{}: {} ({}){why}", step.outcome, step.id, step.action)));
        for what in &step.tightens {
            let _ = writeln!(out, "    tightens: {}", OneLine(what));
        }
        for warning in &step.warnings {
            let _ = writeln!(out, "    warning: {}", OneLine(warning));
        }
    }
    for held in held {
        let _ = writeln!(out, "held: {}: {}", OneLine(&held.id), OneLine(&held.why));
    }
    out
}

/// What was looked at again after the steps.
fn again(extent: &Extent) -> String {
    match extent {
        Extent::Everything => "again at everything".to_owned(),
        Extent::Objects(count) => format!("again at {}", run::objects(*count)),
    }
}

fn told(commit: &Commit) -> String {
    let Commit { id, author, when, subject } = commit;
    format!("{id} “{subject}” by {author}, {}", moment(when))
}

fn short(commit: &str) -> &str {
    commit.get(..12).unwrap_or(commit)
}
