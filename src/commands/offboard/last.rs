//! The last two stages: everything of a tenant goes into an archive, and later its namespaces are deleted.

use kwo_planner::plain::counted;
use kwo_planner::units::moment;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use kwo_engine::archive::{ArchiveError, Identities, RosterLine, Verified};
use kwo_engine::execute::Brakes;
use kwo_engine::failure::{Exit, Failure};
use kwo_engine::marks::Milestone;
use kwo_engine::offboard::{
    Gone, Kept, Leave, Record, Stage, archived, claims, destroy, everything, facts, removals, stamped,
    storage, used, volumes, waited,
};
use kwo_engine::providers::{Held, Kube, Remain, VersionedText};
use kwo_engine::run::Locked;
use kwo_planner::offboard::{Barrier, Facts, Found, Gate, Leaving, Offboarding, gibibytes};
use kwo_planner::tree::SmolStr;

use super::{Scene, agreed, count, unattended, unrecorded};
use crate::commands::print::{report, talk};

/// How many lines a stage says of what is not in an archive.
const SHOWN: usize = 20;

impl Scene<'_> {
    /// Writes everything of the tenant into one file, and reads it back.
    pub(super) async fn archive(&self) -> Result<Exit, Failure> {
        let (tenant, kube) = self.whole()?;
        let offboarding = self.look().await?;
        let (record, stored) = self.record().await?;
        let mut record = record.unwrap_or_else(|| self.fresh());
        let objects = self.objects(kube, &offboarding).await?;
        let lines = self.roster_lines(tenant);
        let folder = self.args.out.as_deref().unwrap_or(Path::new("."));
        self.at_rest(kube, &offboarding).await?;
        let data = match self.args.volumes {
            true => volumes(kube, &objects, &self.args.root).await.map_err(|error| {
                Failure::new("kwo cannot keep the data of all volumes; nothing was changed")
                    .because(&error)
                    .hint("leave `--volumes` out, and copy the data yourself")
            })?,
            false => Vec::new(),
        };
        let remains = self.open.cutters.remains(&offboarding.namespaces).await;
        let to = (&objects[..], &data[..], &remains[..]);
        let verified = archived((tenant, &record), &lines, to, folder, &self.args.recipient)
            .map_err(|error| Failure::new("there is no archive; nothing was changed").because(&error))?;
        if let Err(failure) = self.at_rest(kube, &offboarding).await {
            // Nobody is to take it for what it is not.
            let _ = std::fs::remove_file(verified.file());
            return Err(failure);
        }
        let file = std::path::absolute(verified.file()).unwrap_or_else(|_| verified.file().to_owned());
        record.archive = Some(Kept { file: file.clone(), receipt: verified.receipt() });
        let actor = self.actor().await;
        let kept = stamped(&self.open.cutters, (&mut record, stored), (Stage::Archive, true), &actor).await;
        kept.map_err(|error| unrecorded(&error))?;
        let marked = record.mark(&*self.open.cutters.records, Milestone::Archive).await;
        marked.map_err(|error| unrecorded(&error))?;
        let message = format!("kwo wrote everything of tenant {tenant} to an archive");
        let spaces = offboarding.namespaces.iter().map(SmolStr::as_str).collect();
        self.announce_in(spaces, &record, "Archived", &message).await;
        let left = &verified.index().left_out;
        talk(&format!(
            "{} holds {}; kwo read it back\n",
            file.display(),
            counted(verified.index().parts.len(), "object", "objects")
        ));
        if !data.is_empty() {
            talk(&format!("It holds the data of {}.\n", counted(data.len(), "volume", "volumes")));
        }
        for left in left.iter().take(SHOWN) {
            talk(&format!("left out  {}: {}\n", left.path, left.why));
        }
        if left.len() > SHOWN {
            talk(&format!("left out  {} more: `kwo archive list` shows them\n", left.len() - SHOWN));
        }
        if !verified.is_encrypted() {
            talk("The archive is not encrypted, so it holds no Secrets. With `--recipient age1…` it does.\n");
        }
        report(&self.shown(&record).await, self.args.output)?;
        Ok(Exit::Done)
    }

    /// Deletes the namespaces of the tenant, if nothing stands in the way.
    pub(super) async fn destroy(&self, lock: &Locked) -> Result<Exit, Failure> {
        let (tenant, kube) = self.whole()?;
        let (record, mut stored) = self.record().await?;
        let mut record = record.unwrap_or_else(|| self.fresh());
        if record.is_destroyed() && record.is_half() {
            // An earlier run has begun. What it deleted may still be on its way, or another one may be left.
            if let Some(exit) = self.rest(kube, &mut record, stored.clone()).await? {
                return Ok(exit);
            }
        }
        let offboarding = self.look().await?;
        let objects = self.objects(kube, &offboarding).await?;
        let archive = self.opened(&record)?;
        if let Some(seen) = stored.take_if(|_| record.is_cut()) {
            // Somebody may have got access since.
            stored = Some(self.proved(kube, (&mut record, seen), &offboarding).await?.1);
        }
        let marks = record.marks(&*self.open.cutters.records).await.map_err(|error| unrecorded(&error))?;
        let least = self.fresh().retain_seconds;
        let from = marks.destroyed_from(record.retain_seconds, least, Timestamp::now());
        let leave = Leave {
            retained_until: Some(from).filter(|_| record.is_cut()),
            with_foreign: self.args.with_foreign,
            discards_volumes: self.args.discard_volumes,
            unattended: unattended(),
        };
        let used = self.used(kube, &offboarding).await?;
        let facts = facts(tenant, (&record, archive.as_ref()), &offboarding, (&objects, used), leave);
        let gate = Gate::pass(&facts).map_err(|barriers| self.barred(&barriers))?;
        let archive = archive.ok_or_else(|| self.barred(&[Barrier::NotArchived]))?;
        let removals = removals(&gate, &archive, &objects).map_err(|error| {
            Failure::new("kwo will not delete a namespace; nothing was changed").because(&error)
        })?;
        let spaces = removals.len();
        let volumes = claims(&objects).len();
        let mut size = vec![
            count(spaces, "namespace"),
            count(objects.len() - spaces, "object"),
            count(volumes, "volume"),
        ];
        size.extend(
            Some(storage(&objects)).filter(|bytes| *bytes > 0).map(|bytes| gibibytes(bytes).to_string()),
        );
        self.last_page(&facts, &archive, volumes);
        let remains = self.open.cutters.remains(&offboarding.namespaces).await;
        stays(&remains);
        agreed(self.args, &format!("destroy {tenant} ({})", size.join(", ")), lock.brakes()).await?;
        if lock.is_lost() {
            return Err(Failure::new("the lock was lost to another run; nothing was changed"));
        }
        // It may have taken long to type it.
        let used = self.used(kube, &offboarding).await?;
        if !used.is_empty() && !self.args.discard_volumes {
            return Err(self.barred(&[Barrier::InUse(used)]));
        }
        let actor = self.actor().await;
        if let (Some(kept), Some(file)) = (&mut record.archive, &self.args.archive) {
            // It is where it was opened now.
            kept.file = std::path::absolute(file).unwrap_or_else(|_| file.clone());
        }
        let stamp = (Stage::Destroy, false);
        let stored = stamped(&self.open.cutters, (&mut record, stored), stamp, &actor).await;
        let stored = stored.map_err(|error| unrecorded(&error))?;
        let marked = record.mark(&*self.open.cutters.records, Milestone::Destroy).await;
        marked.map_err(|error| unrecorded(&error))?;
        // They end with the namespaces, for whoever watches.
        let message = format!("kwo deletes the namespaces of tenant {tenant}");
        let spaces = facts.namespaces.iter().map(SmolStr::as_str).collect();
        self.announce_in(spaces, &record, "NamespaceDestroyed", &message).await;
        let ended = self.removed(kube, removals, lock.brakes()).await;
        let whole = ended.iter().all(|(_, gone)| *gone == Gone::Whole);
        self.ended(&mut record, stored, whole).await?;
        report(&self.shown(&record).await, self.args.output)?;
        Ok(if whole { Exit::Done } else { Exit::Failed })
    }

    /// Waits for what an earlier run has begun to delete; nothing where a namespace is left that nobody deletes.
    async fn rest(
        &self,
        kube: &Arc<Kube>,
        record: &mut Record,
        stored: Option<VersionedText>,
    ) -> Result<Option<Exit>, Failure> {
        let Some(kept) = &record.archive else { return Ok(None) };
        let parts = kept.receipt.index().parts.iter().filter_map(|part| part.entry.as_ref());
        let spaces = parts.map(|entry| &entry.object).filter(|object| object.kind == "Namespace");
        let spaces: Vec<SmolStr> = spaces.map(|object| object.name.clone()).collect();
        let mut whole = true;
        for name in &spaces {
            let found = kube
                .namespace(name)
                .await
                .map_err(|refusal| Failure::new(format!("cannot look at the namespace {name}: {refusal}")))?;
            let Some(found) = found else { continue };
            if found.object.at("/metadata/deletionTimestamp").is_none() {
                return Ok(None);
            }
            let gone = waited(kube, name).await;
            told(name, &gone);
            whole &= gone == Gone::Whole;
        }
        if let Some(stored) = stored {
            self.ended(record, stored, whole).await?;
        }
        report(&self.shown(record).await, self.args.output)?;
        Ok(Some(if whole { Exit::Done } else { Exit::Failed }))
    }

    async fn removed(
        &self,
        kube: &Arc<Kube>,
        removals: Vec<kwo_planner::offboard::Removal>,
        brakes: &Brakes,
    ) -> Vec<(SmolStr, Gone)> {
        let told = |found: &Found, gone: &Gone| told(&found.name, gone);
        destroy((&self.open.cutters, kube), removals, brakes, told).await
    }

    async fn ended(&self, record: &mut Record, stored: VersionedText, whole: bool) -> Result<(), Failure> {
        let actor = self.actor().await;
        let stamp = (Stage::Destroy, whole);
        let kept = stamped(&self.open.cutters, (record, Some(stored)), stamp, &actor).await;
        kept.map(drop).map_err(|error| unrecorded(&error))
    }

    fn last_page(&self, facts: &Facts, archive: &Verified, volumes: usize) {
        talk(&format!("These namespaces end for good: {}\n", facts.namespaces.join(", ")));
        if !facts.foreign.is_empty() {
            talk(&format!("With them end objects that are not kwo's: {}\n", facts.foreign.join(", ")));
        }
        talk(&format!("The archive holds their objects as they are now: {}\n", archive.file().display()));
        if !facts.volumes.is_empty() {
            talk(&format!("It does not hold the data of these volumes: {}\n", facts.volumes.join(", ")));
        }
        if volumes > facts.volumes.len() {
            talk(&format!(
                "What was written to volumes after {} is not in it, and ends with them.\n",
                moment(archive.time())
            ));
        }
    }

    /// The tenant, and the cluster that it is in.
    fn whole(&self) -> Result<(&SmolStr, &Arc<Kube>), Failure> {
        let Leaving::Tenant(tenant) = &self.leaving else {
            return Err(Failure::usage("only a tenant has namespaces to archive and to destroy").hint(
                "a host or a person leaves with `--stage cut`, and kwo keeps what it cut for `--undo`",
            ));
        };
        let kube = self.open.kube.as_ref().ok_or_else(|| {
            Failure::usage("a directory of manifests is not archived by kwo").hint(
                "keep the directory in git; `kwo plan --target dir:…` shows the files that are left over",
            )
        })?;
        Ok((tenant, kube))
    }

    async fn objects(&self, kube: &Arc<Kube>, offboarding: &Offboarding) -> Result<Vec<Held>, Failure> {
        if offboarding.namespaces.is_empty() {
            return Err(Failure::new(format!("no namespace of {} is there", self.leaving.words())));
        }
        let all = everything(kube, offboarding).await;
        all.map_err(|error| {
            Failure::new("kwo has to see everything first; nothing was changed").because(&error)
        })
    }

    /// The claims that a pod may still write to.
    async fn used(&self, kube: &Arc<Kube>, offboarding: &Offboarding) -> Result<Vec<SmolStr>, Failure> {
        used(kube, &offboarding.namespaces).await.map_err(|refusal| {
            Failure::new(format!("cannot look for pods with volumes: {refusal}; nothing was changed"))
        })
    }

    /// Nobody writes to the volumes, where their data is to be kept.
    async fn at_rest(&self, kube: &Arc<Kube>, offboarding: &Offboarding) -> Result<(), Failure> {
        let used = if self.args.volumes { self.used(kube, offboarding).await? } else { Vec::new() };
        if used.is_empty() {
            return Ok(());
        }
        let volumes = used.join(", ");
        Err(Failure::new(format!("a pod may still write to {volumes}; there is no archive"))
            .hint("stop it first, for example with `kubectl scale --replicas=0`"))
    }

    /// The archive of the record, as the file is now. What is in it the file says, and never the record.
    fn opened(&self, record: &Record) -> Result<Option<Verified>, Failure> {
        let Some(kept) = &record.archive else { return Ok(None) };
        let file = self.args.archive.as_deref().unwrap_or(&kept.file);
        let keys = self.args.identity.as_deref().map_or_else(|| Ok(Identities::none()), Identities::read);
        let keys = keys.map_err(|error| {
            Failure::new("there is no key to open the archive with; nothing was changed").because(&error)
        })?;
        kept.receipt.check(file, &keys).map(Some).map_err(|error| match &error {
            ArchiveError::Sealed { .. } => {
                Failure::new("kwo has to look into the archive first; nothing was changed")
                    .because(&error)
                    .hint("`--identity FILE` names the key of one of those that it was made for")
            }
            _ => Failure::new("the archive is not the one that kwo read back; nothing was changed")
                .because(&error)
                .hint("name the file with `--archive FILE`, or make a new one with `--stage archive`"),
        })
    }

    fn roster_lines(&self, tenant: &str) -> Vec<RosterLine> {
        let sources = self.loaded.roster.sources();
        let entries = self.loaded.roster.tenants().iter().filter(|(name, _)| name.as_str() == tenant);
        entries
            .map(|(_, entry)| {
                let place = sources.place(entry.key);
                let file = place.rsplitn(3, ':').last().unwrap_or_default().to_owned();
                RosterLine { file, line: entry.key.line, text: sources.line(entry.key).to_owned() }
            })
            .collect()
    }

    /// Everything that stands in the way, and what to do about each.
    fn barred(&self, barriers: &[Barrier]) -> Failure {
        let mut failure = Failure::new("kwo does not destroy it; nothing was changed");
        failure.exit = Exit::Held;
        failure.causes = barriers.iter().map(ToString::to_string).collect();
        let again = self.args.again();
        for barrier in barriers {
            let hint = match barrier {
                Barrier::NotCut | Barrier::StillYes(_) => format!("`{again} --stage cut` ends the access"),
                Barrier::NotArchived | Barrier::Missing(_) => {
                    format!("`{again} --stage archive --recipient age1… --out DIR` makes an archive")
                }
                Barrier::Foreign(_) => "add `--with-foreign` if these may end, too".to_owned(),
                Barrier::Volumes(_) => "copy the data, and add `--discard-volumes`".to_owned(),
                Barrier::InUse(_) => format!(
                    "stop the pod, and make a new archive with `{again} --stage archive --volumes`; or copy the data, and \
                     add `--discard-volumes`"
                ),
                Barrier::Retained { .. } => "`cluster.retain` in the roster says how long".to_owned(),
                Barrier::InRoster(_) => "take the tenant out of the roster, and apply".to_owned(),
                Barrier::Unattended | Barrier::Reserved { .. } | Barrier::Unseen(_) => continue,
            };
            failure = failure.hint(hint);
        }
        failure
    }
}

/// What stays in other systems when the namespaces are gone.
fn stays(remains: &[Remain]) {
    for Remain { place, why, end } in remains.iter().take(SHOWN) {
        let end = if end.is_empty() { String::new() } else { format!("; {end}") };
        talk(&format!("kept    {place}: {why}{end}\n"));
    }
    if remains.len() > SHOWN {
        talk(&format!(
            "kept    {} more: `kwo archive list` shows those of the archive\n",
            remains.len() - SHOWN
        ));
    }
}

fn told(name: &str, gone: &Gone) {
    talk(&match gone {
        Gone::Whole => format!("gone    the namespace {name}\n"),
        Gone::Failed(why) => format!("failed  the namespace {name}: {why}\n"),
        Gone::NotBegun => format!("kept    the namespace {name}: somebody stopped the run\n"),
        Gone::Held(what) => {
            let what = what.join("; ");
            format!("stuck   Kubernetes is still deleting the namespace {name}; it waits for {what}\n")
        }
    });
}
