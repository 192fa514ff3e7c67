//! What a run of `kwo sync` says while it is at work, as lines.

use std::borrow::Cow;

use super::diagnostic;
use super::failure;
use super::run::Lines;
use kwo_engine::sync::Said;

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
                format!("! the run that began at {began:.0} broke off; this one finishes it\n")
            }
            Said::Refused(refused) => diagnostic::text(refused),
            Said::Commit { branch, commit, newest } => {
                let to = if *newest { "" } else { "kwo goes on with what it applied last: " };
                format!(
                    "{to}{branch}: {} “{}” by {}, {:.0}\n",
                    commit.short(),
                    commit.subject,
                    commit.author,
                    commit.when
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
