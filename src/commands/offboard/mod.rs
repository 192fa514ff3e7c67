//! `kwo offboard`: look, show, ask for a sentence, cut, and prove it; or take it back.

mod host;
mod last;
mod next;
mod registry;
mod typed;
mod undo;

use std::sync::Arc;

use jiff::Timestamp;
use kwo_engine::execute::Brakes;
use kwo_engine::failure::{Exit, Failure};
use kwo_engine::marks::Milestone;
use kwo_engine::offboard::{
    Actor, Answer, Carried, Door, Prepared, Record, RecordError, Stage, carry_out, everything_of, prepare,
    prove,
};
use kwo_engine::providers::{Event, Identity, Kube, VersionedText, hostname};
use kwo_engine::run::{Guard, Locked, Looked, NoPlan, given, look};
use kwo_engine::target::{self, Leavable, TargetOptions};
use kwo_planner::domains::compile;
use kwo_planner::observed::Observed;
use kwo_planner::offboard::{Leaving, Offboarding, Others, select, stored};
use kwo_planner::plain::one_line;
use kwo_planner::plan::{Adopt, Plan};
use kwo_planner::resource::{Desired, ResourceId};
use kwo_planner::roster;
use kwo_planner::tree::SmolStr;

use self::typed::{agreed, count, fits, leaving, phrase, unattended};
use crate::cli::{Offboard, OffboardStage, folder};
use crate::commands::consent::lock;
use crate::commands::load::{Loaded, load};
use crate::commands::look::{identity, no_plan};
use crate::commands::print::{report, talk};
use crate::commands::signals;
use crate::report::offboard::{Certificate, Plan as Page, Shown, still_in};

/// All that a stage works with.
struct Scene<'s> {
    args: &'s Offboard,
    options: TargetOptions,
    leaving: Leaving,
    loaded: Loaded,
    open: Leavable,
    identity: Identity,
}

pub(crate) async fn offboard(args: &Offboard) -> Result<Exit, Failure> {
    let acts = args.stage.is_some() || args.undo;
    if acts && unattended() {
        return Err(Failure::usage("a pipeline may not offboard anybody: a person has to type it")
            .hint("run the command at a terminal"));
    }
    fits(args)?;
    let leaving = leaving(args)?;
    let options = args.target().options()?;
    let loaded = load(&args.file)?;
    if let Leaving::Host(host) = &leaving
        && !(args.status || args.certificate || args.undo)
    {
        host::unnamed(&loaded, args, host)?;
    }
    let open = target::open_to_leave(&options, args.lock_duration).await?;
    let identity = identity(&*open.home).await?;
    let scene = Scene { args, options, leaving, loaded, open, identity };
    if args.status || args.certificate {
        return scene.told().await;
    }
    if !acts {
        let offboarding = scene.look().await?;
        return scene.show(&offboarding).await.map(|()| Exit::Done);
    }
    let interrupted = signals::on_signal()?;
    let lock = lock(&*scene.open.home, args.lock_timeout, &interrupted).await?;
    let result = match args.stage {
        Some(OffboardStage::Cut) => scene.cut(&lock).await,
        Some(OffboardStage::Archive) => scene.archive().await,
        Some(OffboardStage::Destroy) => scene.destroy(&lock).await,
        None => scene.undo(lock.brakes()).await,
    };
    lock.release().await;
    result
}

impl Scene<'_> {
    /// What leaves. Of a tenant or a person something has to be there, or have been; that nothing is left over is good.
    async fn look(&self) -> Result<Offboarding, Failure> {
        let found = self.seek().await?;
        if self.is_host() {
            return self.found_of_host(found).await;
        }
        let nothing = found.is_empty() && found.lines.is_empty() && found.unseen.is_empty();
        if !nothing || !self.known().await?.is_empty() {
            return Ok(found);
        }
        let who = match &self.leaving {
            Leaving::Person { name, .. } => format!("the person {}", one_line(name)),
            leaving => leaving.words(),
        };
        let failure = Failure::new(format!("nothing is there of {who}"));
        let tenants: Vec<&str> =
            self.loaded.roster.tenants().keys().take(20).map(|name| name.as_str()).collect();
        let known = format!("the tenants of the roster are: {}", tenants.join(", "));
        let status = format!("`{} --status` shows what was done earlier", self.args.again());
        match &self.leaving {
            Leaving::Tenant(_) => Err(failure.hint(known).hint(status)),
            Leaving::Person { .. } => {
                Err(failure.hint("a group is written as in the roster: `group:NAME`").hint(status))
            }
            Leaving::Leftovers { .. } | Leaving::Host(_) => Ok(found),
        }
    }

    /// What leaves, as far as it is there.
    async fn seek(&self) -> Result<Offboarding, Failure> {
        let Scene { leaving, loaded, .. } = self;
        let roster = match leaving {
            Leaving::Tenant(name) => loaded.roster.without(name),
            _ => loaded.roster.clone(),
        };
        let without = compile(&roster).map_err(|clash| {
            Failure::new("the roster without the tenant asks for one object twice").because(&clash)
        })?;
        let (_, observed, without) = self.seen(without).await?;
        let known = self.known().await?;
        let others = Others {
            // To destroy takes the rest with the namespaces.
            cut: self.args.with_foreign && self.args.stage != Some(OffboardStage::Destroy),
            command: format!("{} --stage cut", self.args.again_with_foreign()).into(),
        };
        let mut found =
            select(leaving, (&loaded.roster, &loaded.desired), &without, &observed, &known, &others);
        self.logins(&mut found, &observed.reach).await;
        self.measure(&mut found).await;
        Ok(found)
    }

    /// Whom an earlier run cut. Whoever only looks can do without.
    async fn known(&self) -> Result<Vec<SmolStr>, Failure> {
        match self.record().await {
            Ok((Some(record), _)) if !record.is_destroyed() => {
                Ok(record.cuts.iter().flat_map(|entry| entry.cut.people()).collect())
            }
            Err(failure) if self.args.stage.is_some() || self.args.undo => Err(failure),
            Ok(_) | Err(_) => Ok(Vec::new()),
        }
    }

    /// How much the volumes of the tenant hold.
    async fn measure(&self, found: &mut Offboarding) {
        let Some(kube) = &self.open.kube else { return };
        for namespace in &found.namespaces {
            match kube.claims_in(namespace).await {
                Ok(claims) => {
                    found.storage = claims.iter().map(stored).fold(found.storage, u64::saturating_add);
                }
                Err(refusal) => found.unseen.push(format!("the volumes of {namespace}: {refusal}").into()),
            }
        }
    }

    /// The plan of what is wanted, the world, and what is wanted with its secrets known.
    async fn seen(&self, wanted: Desired) -> Result<(Plan, Observed, Desired), Failure> {
        let Scene { args, options, leaving: _, loaded, open, identity } = self;
        let keeper = loaded.keeper(&args.file, options);
        let wanted = wanted.kept_by(&keeper, false);
        let wanted = given(wanted, &folder(&args.file), options, &*open.home).await;
        let mut provenance = loaded.provenance(&args.file);
        provenance.target = identity.id.clone();
        provenance.address = identity.address.clone();
        let writes = args.stage.is_some() || args.undo;
        let guard = Guard { this: &keeper, takes_over: false, writes, names: false };
        let looked = look(&*open.home, &wanted, &Adopt::Nothing, &provenance, Some(guard)).await;
        let Looked { plan, observed } = looked.map_err(|none| {
            let failure = no_plan(&none, &provenance);
            match none {
                NoPlan::Kept { .. } => failure.hint(format!(
                    "if this roster is to keep it, run `kwo apply {} --take-over-roster` once",
                    kwo_planner::endings::word(&args.file.to_string_lossy())
                )),
                NoPlan::Broken(_) => failure,
            }
        })?;
        Ok((plan, observed, wanted))
    }

    async fn page<'p>(&'p self, offboarding: &'p Offboarding) -> Page<'p> {
        // Whoever only looks can do without the record.
        let record = self.record().await.ok().and_then(|(record, _)| record);
        let next = self.next(Some(offboarding), record.as_ref()).await;
        Page { leaving: &self.leaving, offboarding, phrase: phrase(&self.leaving, offboarding), next }
    }

    async fn show(&self, offboarding: &Offboarding) -> Result<(), Failure> {
        let page = self.page(offboarding).await;
        report(&page, self.args.output)?;
        talk(&format!("\nNothing was changed. {}\n", page.next.text()));
        Ok(())
    }

    /// A record as a page.
    async fn shown<'r>(&self, record: &'r Record) -> Shown<'r> {
        Shown { record, until: self.until(record).await, next: self.next(None, Some(record)).await }
    }

    /// Until when everything is kept, by the marks. Where nobody can read those, the record is all there is.
    async fn until(&self, record: &Record) -> Option<Timestamp> {
        let marks = record.marks(&*self.open.cutters.records).await.unwrap_or_default();
        marks.kept_until(record.retained_until())
    }

    /// The record of one of whom nothing was done yet.
    fn fresh(&self) -> Record {
        let retain = self.loaded.roster.cluster().retained().seconds();
        Record::new(self.leaving.clone(), self.identity.id.clone(), retain)
    }

    /// Ends the access.
    async fn cut(&self, lock: &Locked) -> Result<Exit, Failure> {
        let offboarding = self.look().await?;
        self.in_step(&offboarding).await?;
        self.spared(&offboarding.people, &offboarding.admins).await?;
        let retain = self.fresh().retain_seconds;
        let prepared =
            prepare(&self.open.cutters, &self.leaving, &offboarding, &self.identity.id, retain).await;
        let prepared = prepared.map_err(|error| unrecorded(&error))?;
        if prepared.cuts.is_empty() && !prepared.record.is_half() {
            report(&self.page(&offboarding).await, self.args.output)?;
            talk("\nThere is nothing to cut.\n");
            return self.asked_again(prepared, &offboarding, lock.brakes()).await;
        }
        talk(&crate::report::printed::Report::text(&self.page(&offboarding).await));
        agreed(self.args, &phrase(&self.leaving, &offboarding), lock.brakes()).await?;
        if lock.is_lost() {
            return Err(Failure::new("the lock was lost to another run; nothing was changed"));
        }
        self.carry(prepared, &offboarding, lock.brakes()).await
    }

    /// Nothing is left to cut. Whether anybody got access again, or an earlier run was killed before it asked, the API
    /// server knows.
    async fn asked_again(
        &self,
        prepared: Prepared,
        offboarding: &Offboarding,
        brakes: &Brakes,
    ) -> Result<Exit, Failure> {
        let Prepared { mut record, stored, cuts: _, uncut } = prepared;
        let mut carried = Carried::default();
        if self.is_host() {
            let rest = self.rest_of_host(&record.files(), offboarding, brakes).await?;
            return Ok(ended(&carried, offboarding, rest || !uncut.is_empty()));
        }
        if let (Some(kube), Some(stored), true) = (&self.open.kube, stored, record.is_cut()) {
            let records = &*self.open.cutters.records;
            // A cut of an earlier kwo has no mark, or one without the time to keep everything.
            let marks = record.marks(records).await.map_err(|error| unrecorded(&error))?;
            if marks.cut().is_none_or(|cut| cut.retain.is_none()) {
                record.mark(records, Milestone::Cut).await.map_err(|error| unrecorded(&error))?;
            }
            carried.answers = self.proved(kube, (&mut record, stored), offboarding).await?.0;
            carried.doors.clone_from(&record.doors);
        }
        Ok(ended(&carried, offboarding, !uncut.is_empty()))
    }

    async fn proved(
        &self,
        kube: &Arc<Kube>,
        (record, stored): (&mut Record, VersionedText),
        offboarding: &Offboarding,
    ) -> Result<(Vec<Answer>, VersionedText), Failure> {
        let proved = prove(&self.open.cutters, kube, (&mut *record, stored), offboarding).await;
        let (answers, mut stored) = proved.map_err(|error| {
            Failure::new("the access is cut, but kwo could not ask the API server to prove it")
                .because(&error)
                .hint(format!("run it again: `{} --stage cut`", self.args.again()))
        })?;
        if record.logins().is_some() {
            self.doors(kube, record).await?;
            let kept = record.save(&*self.open.cutters.records, Some(&stored)).await;
            stored = kept.map_err(|error| unrecorded(&error))?;
        }
        Ok((answers, stored))
    }

    async fn carry(
        &self,
        prepared: Prepared,
        offboarding: &Offboarding,
        brakes: &Brakes,
    ) -> Result<Exit, Failure> {
        let actor = self.actor().await;
        let uncut = prepared.uncut.clone();
        let told = |id: &ResourceId, result: &Result<(), _>| match result {
            Ok(()) => talk(&format!("cut     {id}\n")),
            Err(refusal) => talk(&format!("failed  {id}: {refusal}\n")),
        };
        let carried = carry_out(&self.open.cutters, prepared, &actor, brakes, told).await;
        let (mut carried, mut record, stored) = carried.map_err(|error| unrecorded(&error))?;
        for (pick, why) in &uncut {
            talk(&format!("by hand {}: {why}\n        {}\n", pick.id, pick.command));
        }
        let (mut after, mut rest) = (offboarding.clone(), !uncut.is_empty());
        if carried.stopped.is_none() && self.is_host() {
            after = self.seek().await?;
            rest |= self.rest_of_host(&record.files(), &after, brakes).await?;
        } else if carried.stopped.is_none() {
            // Whoever got access meanwhile is found now.
            after = self.seek().await?;
            // No access review tells of it, so what is still there is told by this look.
            let beside = after.cut.iter().filter(|pick| !pick.id.system.rules().is_reviewed());
            let left = beside.map(|pick| format!("{} is still there: {}", pick.id, pick.why).into());
            after.unproven.extend(left.collect::<Vec<SmolStr>>());
            match &self.open.kube {
                Some(kube) => {
                    carried.answers = self.proved(kube, (&mut record, stored), &after).await?.0;
                    carried.doors.clone_from(&record.doors);
                }
                None => {
                    record.kept.clone_from(&after.kept);
                    record.unproven.clone_from(&after.unproven);
                    let kept = record.save(&*self.open.cutters.records, Some(&stored)).await;
                    kept.map_err(|error| unrecorded(&error))?;
                }
            }
        }
        let (reason, lost) = if self.is_host() { ("HostCut", "") } else { ("AccessCut", "the access of ") };
        self.announce(&record, reason, &format!("kwo cut {lost}{}", self.leaving.words())).await;
        report(&self.shown(&record).await, self.args.output)?;
        Ok(ended(&carried, &after, rest))
    }

    /// What is on record.
    async fn told(&self) -> Result<Exit, Failure> {
        let (record, _) = self.record().await?;
        let Some(record) = record else {
            return Err(Failure::new(format!("nothing was ever cut of {}", self.leaving.words())));
        };
        let shown = self.shown(&record).await;
        match self.args.certificate {
            true => report(&Certificate { shown, asks: self.open.kube.is_some() }, self.args.output)?,
            false => report(&shown, self.args.output)?,
        }
        Ok(Exit::Done)
    }

    async fn record(&self) -> Result<(Option<Record>, Option<VersionedText>), Failure> {
        let records = &*self.open.cutters.records;
        Record::load(records, &self.leaving, &self.identity.id).await.map_err(|error| unrecorded(&error))
    }

    /// Admins, and whoever runs this, are cut only by name. Who is one, the API server knows: a role of any name can give
    /// everything.
    async fn spared(&self, people: &[SmolStr], admins: &[SmolStr]) -> Result<(), Failure> {
        let account = self.open.home.account().await.ok().flatten();
        let own = |who: &str| {
            account.as_ref().is_some_and(|account| match roster::Identity::of_called(who) {
                roster::Identity::Group(name) => account.groups.contains(&name),
                roster::Identity::User(name) => account.name == name,
            })
        };
        for who in people {
            if self.args.admin.iter().any(|name| name == who.as_str()) {
                continue;
            }
            let everything = match &self.open.kube {
                Some(kube) => kube.allows(&everything_of(who)).await.map_err(|refusal| {
                    Failure::new(format!("kwo cannot ask whether {who} is an admin: {refusal}"))
                        .hint("nothing was changed")
                })?,
                None => false,
            };
            let what = match () {
                () if own(who) => "is you, or a group that you are in",
                () if everything || admins.contains(who) => "is an admin of the whole cluster",
                () => continue,
            };
            return Err(Failure::usage(format!("{who} {what}; nothing was changed"))
                .hint(format!("if you mean it, add `--admin {}`", kwo_planner::endings::word(who))));
        }
        Ok(())
    }

    async fn actor(&self) -> Actor {
        let account = self.open.home.account().await.ok().flatten();
        let by = account.map_or_else(|| "somebody without a login".into(), |account| account.name);
        Actor { by, host: hostname() }
    }

    /// Says in the namespaces what happened; one that cannot be told changes nothing of what was done.
    async fn announce(&self, record: &Record, reason: &'static str, message: &str) {
        let of_cluster = record.cuts.iter().filter(|entry| entry.cut.id().system.rules().is_reviewed());
        let spaces = of_cluster.map(|entry| entry.cut.id().scope.as_str());
        self.announce_in(spaces.collect(), record, reason, message).await;
    }

    /// The same in these namespaces.
    async fn announce_in(&self, mut spaces: Vec<&str>, record: &Record, reason: &'static str, message: &str) {
        let Some(kube) = &self.open.kube else { return };
        spaces.sort_unstable();
        spaces.dedup();
        for namespace in spaces.into_iter().filter(|space| !space.is_empty()) {
            let event = Event {
                namespace: namespace.to_owned(),
                of: ("v1", "Namespace"),
                name: namespace.to_owned(),
                when: Timestamp::now(),
                warning: record
                    .stages
                    .last()
                    .is_some_and(|stamp| matches!(stamp.stage, Stage::Cut | Stage::Destroy)),
                reason,
                message: message.to_owned(),
            };
            if let Err(refusal) = kube.event(&event).await {
                talk(&format!("kwo could not write an Event in {namespace}: {refusal}\n"));
            }
        }
    }
}

fn unrecorded(error: &RecordError) -> Failure {
    Failure::new("kwo cannot keep the record that brings everything back").because(error)
}

/// How it ends: a cut that is not whole, or somebody who still has access, is no success.
fn ended(carried: &Carried, after: &Offboarding, rest: bool) -> Exit {
    if let Some(why) = carried.stopped {
        talk(&format!("The run ended early: {why}. Run it again; it goes on where it ended.\n"));
    }
    let bad: Vec<_> = carried.answers.iter().filter(|answer| answer.is_bad()).collect();
    bad.iter().take(20).for_each(|answer| talk(&format!("still   {}\n", one_line(&answer.sentence()))));
    carried.doors.iter().take(20).for_each(|door| talk(&format!("registry {door}\n")));
    let open = carried.doors.iter().any(Door::is_open);
    talk(&still_in(after));
    // What is beside the cluster may be away, and that is no failure of what was done.
    let (failed, held): (Vec<_>, Vec<_>) =
        carried.failed.iter().partition(|(id, _)| id.system.rules().is_reviewed());
    match () {
        () if !failed.is_empty() || carried.stopped.is_some() => Exit::Failed,
        () if open || !held.is_empty() => Exit::Held,
        () if !bad.is_empty() || rest || after.still().next().is_some() || !after.unproven.is_empty() => {
            Exit::Held
        }
        () => Exit::Done,
    }
}
