//! How a run gets into the history: with its own end, or, where it broke off, with the word of the run after it.

use super::checkpoint::Checkpoint;
use super::commit_selection::problem;
use super::converge::FULL;
use super::options::Ran;
use super::outcome::outcome;
use super::run::Run;
use super::said::Said;
use crate::departed::{Departed, Offboarded};
use crate::history::{Entry, Head, Outcome, Problem, ProblemKind, Retained};
use crate::issued;
use crate::providers::Home;
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

    /// Every stage of `kwo offboard` that was done since the last run gets an entry of its own; the run's has who is still
    /// waited for. Where nobody may look, that is said, and the run goes on.
    pub(super) async fn departed(&mut self, provider: &dyn Home, checkpoint: &mut Checkpoint) {
        let all = match provider.departed().await {
            Ok(all) => all,
            Err(refusal) => {
                let text =
                    format!("kwo cannot see who left: {refusal}; `kwo rbac --for sync` prints the rights");
                return (self.said)(Said::Keeper(&text));
            }
        };
        self.entry.retained = all.iter().filter_map(retained).collect();
        for why in all.iter().filter_map(|departed| departed.unreadable.as_ref()) {
            (self.said)(Said::Keeper(&format!("kwo cannot see what became of somebody who left: {why}")));
        }
        for departed in &all {
            let told = checkpoint.departed.get(&departed.who).copied();
            for stage in departed.after(told) {
                let entry = Entry::of_stage(&departed.who, stage, self.entry.target.clone());
                match self.state.history().append(entry) {
                    Ok((entry, head)) => {
                        checkpoint.add(
                            &entry,
                            &head,
                            entry.offboarded.as_ref().map(Offboarded::told).unwrap_or_default(),
                        );
                        checkpoint.departed.insert(departed.who.clone(), stage.at);
                        self.departed.push(entry);
                    }
                    Err(error) => {
                        let text = format!("a stage of `kwo offboard` is not in the history: {error}");
                        return self.problem(problem(ProblemKind::Step, text, FULL));
                    }
                }
            }
        }
    }

    /// How the Certificates are that the roster asks for. Where nobody could look, that is said, and the run goes on.
    pub(super) async fn issued(&mut self, provider: &dyn Home) {
        let Some((cluster, ids)) = provider.surroundings().zip(self.asked.as_deref()) else { return };
        match issued::look(cluster, ids).await {
            Ok(found) => self.certificates = Some(found),
            Err(why) => {
                (self.said)(Said::Keeper(&format!("kwo cannot see how the certificates are: {why}")));
            }
        }
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
        let (departed, certificates) = (self.departed, self.certificates);
        Ran { entry: self.entry, before: self.before, departed, plan: self.plan, certificates, fail_on }
    }
}

/// Whoever left and is still kept.
fn retained(departed: &Departed) -> Option<Retained> {
    let Departed { who, stages: _, kept_until, archived, unreadable: _ } = departed;
    Some(Retained { who: who.clone(), until: (*kept_until)?, archived: *archived })
}
