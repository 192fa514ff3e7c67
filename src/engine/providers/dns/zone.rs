//! One zone: what is seen of it, and what one step makes of it. Within a run one write comes after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, MutexGuard, PoisonError};

use kwo_planner::change::Step;
use kwo_planner::observed::{
    CLUSTER_LABEL, FIELD_MANAGER, MARK, Observed, Owner, Present, Sighting, TENANT_LABEL, Version,
};
use kwo_planner::plain::one_line;
use kwo_planner::plan::tenant;
use kwo_planner::resource::{Resource, ResourceId};
use kwo_planner::systems::dns::{RECORDS, TTL, WRITTEN};
use kwo_planner::tree::{SmolStr, Tree, is_below, join};
use sha2::{Digest as _, Sha256};
use smol_str::format_smolstr;
use tokio::sync::Mutex;

use super::mark::{Mark, UNREADABLE, Whose, of_others, sum, whose};
use super::records::{Comment, Content, RecordSet, told};
use super::server::{Server, Wanted};
use super::transact::{Next, Welcome};
use crate::providers::{Checkup, Refusal};

/// Who changed what differs from what kwo wrote; the server does not say more.
const SOMEBODY: &str = "somebody else";

/// One zone.
pub(super) struct Zone {
    pub(super) name: SmolStr,
    pub(super) server: Box<dyn Server>,
    /// How many record sets kwo keeps in it.
    ceiling: usize,
    /// One write after the other, and no look between what a write is decided by and the write.
    pub(super) turn: Mutex<()>,
    /// How many sets there were when all of it was last read.
    size: AtomicUsize,
    welcome: std::sync::Mutex<Welcome>,
}

impl Zone {
    /// A zone on a server. Nothing is sent.
    pub(super) fn new(name: SmolStr, server: Box<dyn Server>, ceiling: usize) -> Zone {
        Zone {
            name,
            server,
            ceiling,
            turn: Mutex::default(),
            size: AtomicUsize::default(),
            welcome: std::sync::Mutex::default(),
        }
    }

    /// Does its server let kwo in, and is the zone there? Nothing is written.
    pub(super) async fn check_up(&self, system: String) -> Checkup {
        let read = self.server.read(None).await;
        let read = read.map(|sets| {
            let count = Content::of(sets).iter().count();
            format!("the key is accepted, and the zone has {count} record sets")
        });
        let version = if read.is_ok() { self.server.version().await } else { None };
        Checkup { version, ..Checkup::new(system, self.server.identity()).with("zone", read) }
    }

    /// All of the zone that is wanted or kwo's.
    ///
    /// # Errors
    /// When not all of it could be seen.
    pub(super) async fn observe(&self, wanted: &[&Resource], cluster: &str) -> Result<Observed, String> {
        let content = {
            let _turn = self.turn.lock().await;
            let sets = self.server.read(None).await?;
            self.size.store(sets.len(), Ordering::Relaxed);
            Content::of(sets)
        };
        let is_ours = |set: &RecordSet| {
            WRITTEN.contains(&set.of.as_str()) && matches!(whose(set, cluster), Whose::Ours(_))
        };
        let mut observed = Observed::default();
        let asked: BTreeSet<(&str, &str)> =
            wanted.iter().filter_map(|resource| resource.id.record()).collect();
        let is_left =
            |set: &&RecordSet| is_ours(set) && !asked.contains(&(set.of.as_str(), set.name.as_str()));
        let ending = content.all_left().filter(|set| self.server.ends_with_mark() && is_left(set));
        for set in content.iter().filter(|set| is_ours(set)).chain(ending) {
            let id = ResourceId::dns(self.name.clone(), &set.of, &set.name);
            let also: Vec<&RecordSet> =
                content.at(&set.name).filter(|other| other.of != set.of).filter(is_left).collect();
            if let Some(command) = self.server.ending_with(set, &also) {
                observed.reach.commands.insert(id.clone(), command);
            }
            let stays = self.server.stays(set);
            if !stays.is_empty() {
                observed.reach.stays.insert(id.clone(), told(&stays).into());
            }
            observed.insert(id, Sighting::Present(present(set, cluster)));
        }
        let kept = observed.iter().count();
        let mut room = self.ceiling.saturating_sub(kept);
        for resource in wanted {
            let Some((of, name)) = resource.id.record() else { continue };
            let blocked = self.in_the_way(&content, &wanted_of((of, name), &resource.body), cluster);
            match content.get(of, name) {
                Some(set) => {
                    observed.insert(resource.id.clone(), Sighting::Present(present(set, cluster)));
                }
                None => {
                    observed.insert(resource.id.clone(), Sighting::Absent);
                    if blocked.is_none() && room == 0 {
                        observed.blocked.insert(resource.id.clone(), self.full().into());
                    }
                    room = room.saturating_sub(usize::from(blocked.is_none()));
                }
            }
            if let Some(why) = blocked {
                observed.blocked.insert(resource.id.clone(), why.into());
            }
        }
        // All that was seen is kwo's or wanted.
        observed.notes.extend(self.nearly_full(observed.iter().count(), wanted));
        let lone = content.all_left().filter(|set| !self.server.ends_with_mark() && is_left(set));
        observed.notes.extend(self.lone(&lone.collect::<Vec<_>>()));
        let part = format_smolstr!("dns:{}", self.name);
        observed.identities.insert(part, self.server.identity());
        Ok(observed)
    }

    /// The record set of one step.
    pub(super) async fn look(&self, id: &ResourceId, cluster: &str) -> Sighting {
        let Some((of, name)) = id.record() else {
            return Sighting::Unknown { why: format_smolstr!("kwo knows no {} of a zone", id.kind) };
        };
        let _turn = self.turn.lock().await;
        match self.server.read(Some(name)).await {
            Ok(sets) => match Content::of(sets).get(of, name) {
                Some(set) => Sighting::Present(present(set, cluster)),
                None => Sighting::Absent,
            },
            Err(why) => Sighting::Unknown { why: why.into() },
        }
    }

    /// Why a set cannot stand at its name, with kwo's mark; nothing where it can.
    pub(super) fn in_the_way(&self, content: &Content, wanted: &Wanted<'_>, cluster: &str) -> Option<String> {
        let (of, name) = (wanted.of, wanted.name);
        let own = |set: &RecordSet| matches!(whose(set, cluster), Whose::Ours(_));
        let left = || content.left(of, name).and_then(|left| self.marked_by_others(left, cluster));
        let room = || self.server.has_no_room(name);
        let objection = || {
            let others: Vec<&RecordSet> = content.at(name).filter(|set| set.of != of && !own(set)).collect();
            self.server.objects(wanted, content.get(of, name), &others)
        };
        content.in_the_way((of, name), &self.name, &own).or_else(left).or_else(room).or_else(objection)
    }

    /// Whoever marked a set keeps it, also where its records are gone.
    pub(super) fn marked_by_others(&self, set: &RecordSet, cluster: &str) -> Option<String> {
        let Whose::Others(who) = whose(set, cluster) else { return None };
        let whose = match who.as_str() {
            UNREADABLE => format!("a mark {UNREADABLE}"),
            uid => format!("a mark of the cluster {}", one_line(uid)),
        };
        let place = self.server.place_of_mark(&set.of, &set.name);
        Some(format!(
            "{whose} stands {place}; if nobody keeps the name there, end the mark and run kwo again"
        ))
    }

    pub(super) async fn read(&self, at: Option<&str>) -> Result<Vec<RecordSet>, Refusal> {
        let sets = self.server.read(at).await.map_err(|why| Refusal::Unreachable { why })?;
        if at.is_none() {
            self.size.store(sets.len(), Ordering::Relaxed);
        }
        Ok(sets)
    }

    /// How many sets it has, as far as kwo knows.
    pub(super) fn seen(&self) -> usize {
        self.size.load(Ordering::Relaxed)
    }

    pub(super) fn welcome(&self) -> MutexGuard<'_, Welcome> {
        self.welcome.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn full(&self) -> String {
        let (zone, most) = (&self.name, self.ceiling);
        format!(
            "kwo keeps at most {most} record sets in {zone}; raise `ceiling` under `dns.zones`, or give a tenant a \
             wildcard such as `*.alice.{zone}` for all its names"
        )
    }

    /// What to do before the zone is full.
    fn nearly_full(&self, count: usize, wanted: &[&Resource]) -> Option<SmolStr> {
        (count * 5 > self.ceiling * 4).then_some(())?;
        let (zone, most) = (&self.name, self.ceiling);
        let proposal = self.wildcard(wanted).map_or_else(
            || "raise it under `dns.zones` in time".to_owned(),
            |(tenant, domain, names)| {
                format!("`*.{domain}` in place of {names} names of tenant `{tenant}` would make room")
            },
        );
        Some(format_smolstr!("{zone} has {count} of the {most} record sets of its `ceiling`: {proposal}"))
    }

    /// Of marks that nothing stands beside any more: what somebody makes there would count as kwo's.
    fn lone(&self, marks: &[&RecordSet]) -> Option<SmolStr> {
        let places: BTreeSet<String> =
            marks.iter().map(|set| self.server.place_of_mark(&set.of, &set.name)).collect();
        let first = places.first()?;
        let more = match places.len() - 1 {
            0 => String::new(),
            more => format!(", nor have {more} others"),
        };
        Some(format_smolstr!(
            "kwo's mark {first} has no record{more}; delete the mark, or kwo treats the next record there as its own"
        ))
    }

    /// The domain below which one tenant alone has the most names.
    fn wildcard(&self, wanted: &[&Resource]) -> Option<(SmolStr, String, usize)> {
        let mut below: BTreeMap<&str, (BTreeSet<SmolStr>, BTreeSet<&str>)> = BTreeMap::new();
        for resource in wanted {
            let Some((_, name)) = resource.id.record() else { continue };
            let Some((_, parent)) = name.split_once('.').filter(|(first, _)| *first != "*") else { continue };
            let (tenants, names) = below.entry(parent).or_default();
            tenants.insert(tenant(&resource.body));
            names.insert(name);
        }
        let of_one = below.into_iter().filter(|(parent, (tenants, names))| {
            *parent != self.name.as_str() && tenants.len() == 1 && names.len() > 1
        });
        let (parent, (tenants, names)) = of_one.max_by_key(|(_, (_, names))| names.len())?;
        Some((tenants.into_iter().next()?, parent.to_owned(), names.len()))
    }
}

/// A record set as this body says that it is.
pub(super) fn wanted_of<'w>((of, name): (&'w str, &'w str), body: &Tree) -> Wanted<'w> {
    Wanted { of, name, tenant: tenant(body), ttl: ttl_of(body), records: records_of(body) }
}

fn ttl_of(body: &Tree) -> Option<u32> {
    match body.get(TTL) {
        Some(Tree::Number(ttl)) => ttl.as_u64().and_then(|ttl| u32::try_from(ttl).ok()),
        _ => None,
    }
}

pub(super) fn records_of(body: &Tree) -> Vec<SmolStr> {
    let wanted = body.get(RECORDS).map(Tree::items).unwrap_or_default();
    wanted.iter().filter_map(Tree::as_text).cloned().collect()
}

/// Is it still as the step was planned for?
pub(super) fn checked(step: &Step, there: Option<&RecordSet>) -> Result<(), Refusal> {
    let there = there.filter(|set| !set.records.is_empty());
    let changed = |what: &str| Err(Refusal::Changed { why: format!("{} {what}", step.id) });
    match (there, &step.seen) {
        (None, None) => Ok(()),
        (Some(set), Some(seen)) if version(set) == *seen => Ok(()),
        (Some(_), None) => changed("exists"),
        (None, Some(_)) => changed("is gone"),
        (Some(_), Some(_)) => changed("has changed"),
    }
}

/// What the step makes of what is there. Comments of others stay.
pub(super) fn next(
    step: &Step,
    (of, name): (&str, &str),
    there: Option<&RecordSet>,
    (cluster, server): (&str, &dyn Server),
) -> Result<Next, Refusal> {
    let unfit = || Refusal::Refused { why: format!("{} has no records to write", step.id) };
    let known =
        |pointer: &str| ["metadata", RECORDS, TTL].iter().any(|field| is_below(pointer, &join("", field)));
    if step.changes.iter().filter_map(kwo_planner::change::Change::pointer).any(|pointer| !known(pointer)) {
        return Err(Refusal::Refused {
            why: format!("a change of {} is none that records can have", step.id),
        });
    }
    let mut comments: Vec<Comment> = there.map(of_others).into_iter().flatten().cloned().collect();
    let writes_records = step.creates()
        || step
            .changes
            .iter()
            .filter_map(kwo_planner::change::Change::pointer)
            .any(|at| !is_below(at, "/metadata"));
    let mut set = match there {
        Some(there) if !writes_records => there.clone(),
        _ => {
            let records = records_of(&step.wanted);
            let ttl = ttl_of(&step.wanted).filter(|_| !records.is_empty()).ok_or_else(unfit)?;
            RecordSet { name: name.into(), of: of.into(), ttl, records, comments: Vec::new() }
        }
    };
    comments = server.carried(comments, &set.records);
    comments.push(Mark::of(cluster, &tenant(&step.wanted), &set).comment());
    set.comments = comments;
    Ok(Next { set, writes_records })
}

/// Is what is there what was written? The server adds the time of a comment.
pub(super) fn is_as(there: &RecordSet, wrote: &RecordSet) -> bool {
    let words = |set: &RecordSet| {
        let words = set.comments.iter().map(|comment| (comment.account.clone(), comment.content.clone()));
        words.collect::<BTreeSet<_>>()
    };
    sum(there) == sum(wrote) && words(there) == words(wrote)
}

/// What is seen of a record set.
fn present(set: &RecordSet, cluster: &str) -> Present {
    let whose = whose(set, cluster);
    let text = |key: &'static str, value: SmolStr| (SmolStr::new_static(key), Tree::from(value));
    let labels: Vec<(SmolStr, Tree)> = match &whose {
        Whose::Ours(mark) => {
            let tenant = Some(mark.tenant.clone()).filter(|tenant| !tenant.is_empty());
            let tenant = tenant.map(|tenant| text(TENANT_LABEL, tenant));
            [text(MARK.0, MARK.1.into())].into_iter().chain(tenant).collect()
        }
        Whose::Others(cluster) => vec![text(CLUSTER_LABEL, cluster.clone())],
        Whose::Nobodys => Vec::new(),
    };
    let metadata = Tree::map([(SmolStr::new_static("labels"), Tree::map(labels))]);
    let body = Tree::map([
        (SmolStr::new_static("metadata"), metadata),
        (SmolStr::new_static(RECORDS), Tree::texts(&set.records)),
        (SmolStr::new_static(TTL), Tree::from(u64::from(set.ttl))),
    ]);
    let owners: Vec<Owner> = match &whose {
        Whose::Ours(mark) => {
            let manager = if mark.sum == sum(set) { FIELD_MANAGER } else { SOMEBODY };
            let nothing = || Tree::map::<SmolStr>([]);
            let field = |name: &str| (format_smolstr!("f:{name}"), nothing());
            let fields = Tree::map([field(RECORDS), field(TTL)]);
            vec![Owner { manager: manager.into(), when: None, fields }]
        }
        Whose::Others(_) | Whose::Nobodys => Vec::new(),
    };
    Present { body, version: version(set), owners: Arc::from(owners), deleting: None }
}

/// The state of a record set: all of it, with its comments.
pub(super) fn version(set: &RecordSet) -> Version {
    let mut sha = Sha256::new();
    sha.update(sum(set).as_bytes());
    for Comment { account, content, modified_at: _ } in &set.comments {
        for part in [account, content] {
            sha.update(part.len().to_be_bytes());
            sha.update(part.as_bytes());
        }
    }
    Version(sha.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect())
}
