//! How a run gets into the history: with its own end, or, where it broke off, with the word of the run after it.

use super::choose::problem;
use super::converge::FULL;
use super::options::Ran;
use super::outcome::outcome;
use super::run::Run;
use super::said::Said;
use crate::history::{Entry, Head, Outcome, Problem, ProblemKind};
use crate::strict::FailOn;

impl Run<'_> {
    /// A run that never said how it ended gets an entry of its own.
    ///
    /// # Errors
    /// When it cannot be written; then nothing new may be begun.
    pub(super) fn tell_of_broken_run(&mut self, mut entry: Entry) -> Result<(), Problem> {
        let history = self.state.history();
        let unwritten = |error: &dyn std::fmt::Display| {
            problem(
                ProblemKind::Step,
                format!("the history cannot be kept: {error}; nothing was changed"),
                FULL,
            )
        };
        // It may have been killed between its end in the history and the end of its intent.
        let newest = history.last(1).map_err(|error| unwritten(&error))?;
        if newest.iter().all(|newest| newest.began != entry.began) {
            entry.outcome = Outcome::Failed;
            let text = "the run broke off, or could not record its end; it may have begun these steps";
            entry.problems.push(problem(ProblemKind::Step, text, "the next run finishes what it left"));
            (self.said)(Said::BrokeOff(entry.began));
            history.append(entry).map_err(|error| unwritten(&error))?;
        }
        self.state.drop_intent();
        Ok(())
    }

    /// Adds the entry to the history where it is news.
    pub(super) fn record(&mut self) -> Option<Head> {
        self.entry.outcome = outcome(&self.entry);
        self.entry.took_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        if self.options.dry_run || self.entry.number > 0 {
            return None;
        }
        if !self.entry.is_news(self.before.as_ref()) {
            self.drop_intent();
            return None;
        }
        match self.state.history().append(self.entry.clone()) {
            Ok((entry, head)) => {
                self.entry = entry;
                self.drop_intent();
                Some(head)
            }
            Err(error) => {
                self.unrecorded = true;
                // What was begun stays written down as begun, and the next run puts it into the history.
                self.problem(problem(
                    ProblemKind::Step,
                    format!("the run is not in the history: {error}"),
                    FULL,
                ));
                None
            }
        }
    }

    /// What this run was about to do is in the history now, or not worth it. That of another run stays.
    fn drop_intent(&mut self) {
        if std::mem::take(&mut self.begun) {
            self.state.drop_intent();
        }
    }

    /// Ends the run. Whatever cannot be kept of it is told at least.
    pub(super) fn end(mut self) -> Ran {
        if !self.unrecorded {
            self.record();
        }
        self.entry.outcome = outcome(&self.entry);
        if !self.options.dry_run
            && let Err(error) = self.state.keep_last(&self.entry)
        {
            self.problem(problem(ProblemKind::Step, error.to_string(), FULL));
            self.entry.outcome = outcome(&self.entry);
        }
        let mut fail_on = self.options.fail_on.clone();
        fail_on.extend(self.settings.fails_on_leftover_access().then_some(FailOn::LeftoverAccess));
        fail_on.extend(self.settings.fails_on_foreign_access().then_some(FailOn::ForeignAccess));
        Ran { entry: self.entry, before: self.before, plan: self.plan, fail_on }
    }
}
