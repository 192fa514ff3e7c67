//! How a tenant's names leave the zones, and how they come back. Each is a write like any other. The comments of others stay.

use kwo_planner::observed::Version;
use kwo_planner::offboard::{COMMENTS, Cut, Removal};
use kwo_planner::resource::ResourceId;
use kwo_planner::systems::dns::{RECORDS, TTL, WRITTEN};
use kwo_planner::tree::{SmolStr, Tree};

use super::mark::{Mark, Whose, of_others, sum, whose};
use super::provider::Dns;
use super::records::{Comment, Content, RecordSet, has_other_ttl, is_half_written, is_switched_off};
use super::server::Wanted;
use super::transact::{Move, Next};
use super::zone::{Zone, is_as, version};
use crate::providers::{Cutter, Promise, Refusal, Restored, Whole};

impl Cutter for Dns {
    fn whole<'a>(&'a self, id: &'a ResourceId) -> Promise<'a, Result<Option<Whole>, Refusal>> {
        Box::pin(async move {
            let (zone, cluster) = self.zone_of(id).await?;
            zone.whole(record(id)?, cluster).await
        })
    }

    fn cut<'a>(&'a self, cut: &'a Cut) -> Promise<'a, Result<(), Refusal>> {
        Box::pin(async move {
            let (zone, cluster) = self.zone_of(cut.id()).await?;
            zone.ends(record(cut.id())?, cut.seen(), cluster).await
        })
    }

    fn restore<'a>(&'a self, cut: &'a Cut) -> Promise<'a, Result<Restored, Refusal>> {
        Box::pin(async move {
            let (zone, cluster) = self.zone_of(cut.id()).await?;
            let (of, name) = record(cut.id())?;
            let set =
                set(cut.inverse(), (of, name)).ok_or_else(|| refused("the record has no records of it"))?;
            zone.returns(set, cluster).await.map(|()| Restored::Back)
        })
    }

    fn remove<'a>(&'a self, removal: &'a Removal) -> Promise<'a, Result<(), Refusal>> {
        Box::pin(async move {
            let name = &removal.found().name;
            Err(refused(format!("{name} is no object of a cluster; the stage `cut` ends its records")))
        })
    }
}

impl Zone {
    pub(super) async fn whole(
        &self,
        (of, name): (&str, &str),
        cluster: &str,
    ) -> Result<Option<Whole>, Refusal> {
        let _turn = self.turn.lock().await;
        let content = Content::of(self.read(Some(name)).await?);
        let is_there = |set: &&RecordSet| {
            let is_ending = || self.server.ends_with_mark() && ours(set, cluster).is_ok();
            !set.records.is_empty() || is_ending()
        };
        let Some(set) = content.there(of, name).filter(is_there) else { return Ok(None) };
        let mark = ours(set, cluster)?;
        self.server.ends().map_err(refused)?;
        if set.records.iter().any(|record| is_switched_off(record)) {
            return Err(refused("a record of it is switched off, and kwo could not bring it back so"));
        }
        if set.records.iter().any(|record| is_half_written(record)) {
            return Err(refused(
                "a write of kwo was cut short there; run `kwo apply` first, which finishes it",
            ));
        }
        if set.records.iter().any(|record| has_other_ttl(record)) {
            return Err(refused(
                "its records have more than one TTL, and kwo could not bring them back so; give them one first",
            ));
        }
        // A mark beside records outlives them, so these may be somebody's who never saw it.
        let doubt = (!set.records.is_empty() && mark.sum != sum(set)).then_some(
            "somebody changed it after kwo wrote it, so it may be theirs; end it by hand, or run `kwo apply` first where the roster \
             wants it",
        );
        Ok(Some(Whole { object: object(set), version: version(set), doubt }))
    }

    /// Takes the records and kwo's mark away, where they are as they were seen.
    async fn ends(&self, (of, name): (&str, &str), seen: &Version, cluster: &str) -> Result<(), Refusal> {
        let decide = move |_: &Content, there: Option<&RecordSet>| {
            let Some(there) = there else { return Ok(None) };
            // Of a cut that did not come to its end the mark may be left.
            let is_cut = there.records.is_empty();
            match ours(there, cluster) {
                Err(_) if is_cut => return Ok(None),
                whose => whose.map(drop)?,
            }
            if !is_cut && version(there) != *seen {
                return Err(Refusal::Changed { why: format!("{of} {name} has changed") });
            }
            let comments = of_others(there).cloned().collect();
            let after = RecordSet { records: Vec::new(), comments, ..there.clone() };
            Ok(Some(Next { set: after, writes_records: true }))
        };
        self.transact(Move { of, name, decide: Box::new(decide) }).await
    }

    /// Writes the records with the mark again, where nothing stands in their way.
    async fn returns(&self, set: RecordSet, cluster: &str) -> Result<(), Refusal> {
        let tenant = ours(&set, cluster)?.tenant;
        self.server.ends().map_err(refused)?;
        let (of, name) = (set.of.clone(), set.name.clone());
        let decide = |content: &Content, there: Option<&RecordSet>| {
            if let Some(there) = there {
                if is_as(there, &set) {
                    return Ok(None);
                }
                if let Some(why) = self.marked_by_others(there, cluster) {
                    return Err(refused(why));
                }
                // What a run that was killed began to bring back goes on.
                let is_half = there.records.iter().all(|record| is_half_written(record));
                let is_begun = is_half && matches!(whose(there, cluster), Whose::Ours(_));
                if !there.records.is_empty() && !is_begun {
                    return Err(refused("somebody made other records there meanwhile, and they stay"));
                }
            }
            let wanted = Wanted {
                of: &of,
                name: &name,
                tenant: tenant.clone(),
                ttl: Some(set.ttl),
                records: set.records.clone(),
            };
            if let Some(why) = self.in_the_way(content, &wanted, cluster) {
                return Err(refused(why));
            }
            // What others noted there meanwhile stays.
            let mut comments: Vec<Comment> = there.map(of_others).into_iter().flatten().cloned().collect();
            let new = set.comments.iter().filter(|new| !comments.iter().any(|have| same(have, new)));
            let new: Vec<Comment> = new.cloned().collect();
            comments.extend(new);
            Ok(Some(Next { set: RecordSet { comments, ..set.clone() }, writes_records: true }))
        };
        self.transact(Move { of: &of, name: &name, decide: Box::new(decide) }).await
    }
}

/// Only what this cluster marked ends and comes back.
fn ours(set: &RecordSet, cluster: &str) -> Result<Mark, Refusal> {
    match whose(set, cluster) {
        Whose::Ours(mark) => Ok(mark),
        Whose::Others(_) | Whose::Nobodys => Err(refused("it does not carry the mark of this cluster")),
    }
}

fn same(one: &Comment, other: &Comment) -> bool {
    (&one.account, &one.content) == (&other.account, &other.content)
}

fn record(id: &ResourceId) -> Result<(&str, &str), Refusal> {
    // Nothing else is written by kwo, whatever mark it carries.
    let written = id.record().filter(|(of, _)| WRITTEN.contains(of));
    written.ok_or_else(|| {
        refused(format!("kwo cuts no {} of a zone", id.name.split(':').next().unwrap_or_default()))
    })
}

/// All of a set, with its comments.
fn object(set: &RecordSet) -> Tree {
    let comment = |comment: &Comment| {
        let Comment { account, content, modified_at: _ } = comment;
        Tree::map([("account", Tree::from(account)), ("content", Tree::from(content))])
    };
    Tree::map([
        (COMMENTS, Tree::list(set.comments.iter().map(comment))),
        (RECORDS, Tree::texts(&set.records)),
        (TTL, Tree::from(u64::from(set.ttl))),
    ])
}

/// The set that an inverse says.
fn set(inverse: &Tree, (of, name): (&str, &str)) -> Option<RecordSet> {
    let items = |key: &str| inverse.get(key).map(Tree::items).unwrap_or_default();
    let text = |tree: &Tree, key: &str| tree.get(key).and_then(Tree::as_text).cloned();
    let comment = |comment: &Tree| {
        let (account, content) = (text(comment, "account")?, text(comment, "content")?);
        Some(Comment { account, content, modified_at: None })
    };
    let ttl = match inverse.get(TTL)? {
        Tree::Number(ttl) => u32::try_from(ttl.as_u64()?).ok()?,
        _ => return None,
    };
    let records: Option<Vec<SmolStr>> =
        items(RECORDS).iter().map(|record| record.as_text().cloned()).collect();
    let comments: Option<Vec<Comment>> = items(COMMENTS).iter().map(comment).collect();
    let records = records.filter(|records| !records.is_empty())?;
    Some(RecordSet { name: name.into(), of: of.into(), ttl, records, comments: comments? })
}

fn refused(why: impl Into<String>) -> Refusal {
    Refusal::Refused { why: why.into() }
}
