//! `kwo offboard --undo`: what a record brings back, who has to be named for it, and which rules it has to keep.

use std::sync::Arc;

use kwo_engine::execute::{Brakes, execute};
use kwo_engine::failure::{Exit, Failure};
use kwo_engine::offboard::{Carried, Record, undo};
use kwo_engine::policy::{judge, judge_with};
use kwo_engine::providers::Restored;
use kwo_planner::named::auth_id;
use kwo_planner::observed::Observed;
use kwo_planner::offboard::{Brought, Offboarding, spaces};
use kwo_planner::plan::Plan;
use kwo_planner::policy::Judged;
use kwo_planner::resource::ResourceId;

use super::typed::{agreed, count};
use super::{Scene, ended, unrecorded};
use crate::commands::load::rules;
use crate::commands::print::{report, talk};
use crate::report::policy;

impl Scene<'_> {
    /// Takes the cut back.
    pub(super) async fn undo(&self, brakes: &Brakes) -> Result<Exit, Failure> {
        let (record, stored) = self.record().await?;
        let (Some(record), Some(stored)) = (record, stored) else {
            return Err(Failure::new(format!("nothing was ever cut of {}", self.leaving.words())));
        };
        if let Some(kept) = record.archive.as_ref().filter(|_| record.is_destroyed()) {
            let failure = Failure::new(format!("the namespaces of {} are destroyed", self.leaving.words()));
            let command = kept.import() + &self.args.cluster.kube.again();
            let failure = failure.hint(format!("`{command}` makes what the archive holds again"));
            return Err(match kept.file.exists() {
                true => failure,
                false => {
                    failure.hint(format!("the archive is not at {} on this machine", kept.file.display()))
                }
            });
        }
        if record.cuts.is_empty() {
            talk("There is nothing to take back.\n");
            return Ok(Exit::Done);
        }
        let sentence = format!("undo {} ({})", self.leaving.words(), count(record.cuts.len(), "cut"));
        talk(&crate::report::printed::Report::text(&self.shown(&record).await));
        talk(&crate::report::offboard::given_back(&record));
        let (plan, observed, _) = self.seen(self.loaded.desired.clone()).await?;
        self.entitled(&record, &observed)?;
        self.allowed(&record, &plan, &observed).await?;
        agreed(self.args, &sentence, brakes).await?;
        let ids: Vec<ResourceId> = record.cuts.iter().map(|entry| entry.cut.id().clone()).collect();
        let (actor, cut) = (self.actor().await, record.logins().cloned());
        let told = |id: &ResourceId, result: &Result<Restored, _>| match result {
            Ok(Restored::Back) => talk(&format!("back    {id}\n")),
            Ok(Restored::ByRoster) => {}
            Err(refusal) => talk(&format!("failed  {id}: {refusal}\n")),
        };
        let undone = undo(&self.open.cutters, (record, stored), &actor, brakes, told).await;
        let (carried, record) = undone.map_err(|error| unrecorded(&error))?;
        if self.is_host() {
            let rest = self.back_of_host(&ids, &carried, brakes).await?;
            report(&self.shown(&record).await, self.args.output)?;
            return Ok(ended(&carried, &Offboarding::default(), rest));
        }
        let mut rest =
            if carried.failed.is_empty() { self.anew(&ids, &carried, brakes).await? } else { true };
        if carried.by_roster.contains(&auth_id()) {
            rest &= !self.not_back(&cut).await?;
        }
        self.announce(
            &record,
            "AccessRestored",
            &format!("kwo brought back the access of {}", self.leaving.words()),
        )
        .await;
        report(&self.shown(&record).await, self.args.output)?;
        Ok(ended(&carried, &Offboarding::default(), !rest))
    }

    /// What no record holds, made anew as the roster says; true where nothing of it is missing.
    async fn anew(&self, ids: &[ResourceId], carried: &Carried, brakes: &Brakes) -> Result<bool, Failure> {
        let (mut plan, _, wanted) = self.seen(self.loaded.desired.clone()).await?;
        // Who is let in again needs nothing of the roster, and the others are none of this.
        let back = |id: &ResourceId| *id == auth_id() && !carried.by_roster.contains(id);
        plan.steps.retain(|step| ids.contains(&step.id) && !back(&step.id));
        let missing = carried.by_roster.iter().filter(|id| wanted.get(id).is_none());
        for id in missing {
            talk(&format!("{id} does not come back: the roster does not ask for it any more\n"));
        }
        if plan.steps.is_empty() {
            return Ok(true);
        }
        let home = Arc::clone(&self.open.home);
        let done = execute(&plan, &home, usize::from(self.args.cluster.concurrency), brakes, |result| {
            talk(&format!("made    {}\n", result.step.id));
        })
        .await;
        Ok(done.complete())
    }

    /// What a record brings back beyond the namespaces of the tenant is brought back only by name: whoever can write to the
    /// record could have put it there. Which namespaces those are, the cluster says.
    fn entitled(&self, record: &Record, observed: &Observed) -> Result<(), Failure> {
        let spaces = spaces(&self.leaving, observed);
        let vault = self.loaded.roster.vault().map(|(_, vault)| vault);
        for cut in record.cuts.iter().map(|entry| &entry.cut) {
            for who in cut.beyond(&spaces, vault) {
                if self.args.admin.iter().any(|name| name == who.as_str()) {
                    continue;
                }
                let id = cut.id();
                if cut.leads_as_wanted(&self.loaded.desired) {
                    continue;
                }
                let what = match () {
                    () if id.to_string() == who.as_str() && !id.system.rules().is_reviewed() => {
                        "differs from the roster, or from what kwo writes for a namespace of this tenant or person"
                            .to_owned()
                    }
                    () if id.to_string() == who.as_str() => {
                        "gives rights outside the namespaces of this tenant or person, by the labels in the cluster"
                            .to_owned()
                    }
                    () if !id.system.rules().is_reviewed() => {
                        format!(
                            "would be in {} again, which belongs to no namespace of this tenant or person",
                            id.scope
                        )
                    }
                    () if id.scope.is_empty() => "would have rights in the whole cluster again".to_owned(),
                    () => {
                        format!("would have rights again in the namespace {}, which is another's", id.scope)
                    }
                };
                return Err(Failure::usage(format!("{who} {what}; nothing was changed"))
                    .hint(format!("if you mean it, add `--admin {}`", kwo_planner::endings::word(&who))));
            }
        }
        Ok(())
    }

    /// Nothing comes back by a record that no plan may bring: what it brings is checked against the rules of the roster and of the
    /// settings, beside what the roster wants.
    async fn allowed(&self, record: &Record, plan: &Plan, observed: &Observed) -> Result<(), Failure> {
        let (rules, home) = (rules(&self.loaded, &self.options)?, &*self.open.home);
        let desired = &self.loaded.desired;
        let brought = Brought::by(desired, record.cuts.iter().map(|entry| &entry.cut), observed);
        let brought =
            brought.map_err(|clash| Failure::new("the record has one object twice").because(&clash))?;
        let before = judge(home, desired, plan, &rules).await;
        let judged = judge_with(home, (&brought.desired, &brought.roles), plan, &rules).await;
        let mut judged = judged.beyond(&before);
        for violation in &mut judged.violations {
            // No line of the roster asks for it.
            let own = violation.id.as_ref().is_some_and(|id| desired.get(id).is_some());
            violation.because = violation.because.take().filter(|_| own);
        }
        talk(&policy::text(Some(&Judged { violations: Vec::new(), ..judged.clone() })));
        policy::refused_to_bring("the undo", &judged).map_or(Ok(()), Err)
    }
}
