//! What a run of `kwo sync` says while it is at work, as lines, and how it ended.

use std::borrow::Cow;

use kwo_planner::units::moment;

use super::diagnostic;
use super::failure;
use super::history::ENTRY;
use super::plan::{Detail, text};
use super::printed::Report;
use super::run::{Lines, objects};
use kwo_engine::history::{Entry, Outcome};
use kwo_engine::run::Extent;
use kwo_engine::sync::{Ran, Said};

/// The lines of one run.
#[derive(Debug, Default)]
pub struct Told {
    steps: Lines,
}

impl Told {
    /// What is said, with its end of line.
    #[must_use]
    pub fn text(&mut self, said: &Said<'_>) -> String {
        match said {
            Said::BrokeOff(began) => {
                format!("! the run that began at {} broke off; this one finishes it\n", moment(began))
            }
            Said::Refused(refused) => diagnostic::text(refused),
            Said::Commit { branch, commit, newest } => {
                let to = if *newest { "" } else { "kwo goes on with what it applied last: " };
                format!(
                    "{to}{branch}: {} “{}” by {}, {}\n",
                    commit.short(),
                    commit.subject,
                    commit.author,
                    moment(commit.when)
                )
            }
            Said::Keeper(note) => format!("warning: {note}\n"),
            Said::Drift(drift) => format!("drift: {}: {}\n", drift.id, drift.what),
            Said::Step(result) => format!("{}\n", self.steps.next(result)),
            Said::Problem(problem) => format!("! {}\n{}", problem.text, hint(&problem.hint)),
            Said::Failure(found) => failure::text(found),
            Said::Untold(untold) => format!("! {untold}\n{}", hint(&untold.hint)),
            Said::NotKept(why) => format!("! {why}; you may get notices of this run twice\n"),
        }
    }
}

fn hint(hint: &str) -> Cow<'static, str> {
    if hint.is_empty() { Cow::Borrowed("") } else { Cow::Owned(format!("  hint: {hint}\n")) }
}

/// How a run ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended<'r> {
    /// The run.
    pub ran: &'r Ran,
    /// It did nothing, and only said what it would do.
    pub dry_run: bool,
}

impl Report for Ended<'_> {
    const KIND: Option<&'static str> = Some(ENTRY);

    type Json<'a>
        = &'a Entry
    where
        Self: 'a;

    /// The last lines: the plan of a dry run, or how it ended.
    fn text(&self) -> String {
        let Ran { entry, before: _, departed: _, plan, certificates: _, fail_on: _ } = self.ran;
        match plan {
            Some(plan) if self.dry_run => text(plan, Detail::default()),
            _ => format!("{}\n", summary(entry)),
        }
    }

    fn json(&self) -> &Entry {
        &self.ran.entry
    }
}

/// One line that says it all.
fn summary(entry: &Entry) -> String {
    let done = entry.done().count();
    let not_done = entry.not_done().count();
    let word = match entry.outcome {
        Outcome::Converged if done == 0 && entry.remains().is_none() => "In agreement",
        Outcome::Converged | Outcome::AccessLeft => "Converged",
        Outcome::Held => "Held",
        Outcome::AccessDiffers => "Access differs",
        Outcome::Refused => "Refused",
        Outcome::Failed => "Failed",
    };
    let mut parts = vec![format!("{done} done")];
    if not_done > 0 {
        parts.push(format!("{not_done} not done"));
    }
    parts.push(format!("{} unchanged", entry.unchanged));
    for (count, what) in
        [(entry.held.len(), "held"), (entry.leftovers, "left over"), (entry.drift.len(), "drifted")]
    {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    let number =
        if entry.number == 0 { String::new() } else { format!("; entry {} of the history", entry.number) };
    let (but, left) = entry.remains_told();
    let others = entry.others().map_or_else(String::new, |others| format!("; {others}"));
    let looked = match entry.looked_again {
        Some(Extent::Objects(count)) => format!("; looked again at {}", objects(count)),
        Some(Extent::Everything) | None => String::new(),
    };
    format!("{word}{but}: {}{left}{others}{looked}{number}", parts.join(", "))
}
