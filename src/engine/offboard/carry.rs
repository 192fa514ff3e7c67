//! The cut and its undo, step by step. The record is written before the first cut and says how each comes back; whoever
//! runs it again after a power cut goes on where it ended.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use kwo_planner::offboard::{Cut, Leaving, Offboarding, Pick, Uncut};
use kwo_planner::resource::ResourceId;
use kwo_planner::tree::SmolStr;
use smol_str::format_smolstr;

use super::doors::Door;
use super::record::{Entry, Record, RecordError, Stage, Stamp};
use super::reviews::{Answer, questions, review};
use crate::execute::Brakes;
use crate::marks::Milestone;
use crate::providers::{Cutters, Kube, Refusal, Restored, VersionedText, Whole};

/// What is to be cut, with every object read.
pub struct Prepared {
    /// The record as it is to be written first.
    pub record: Record,
    /// The text of an earlier record, as it is stored.
    pub stored: Option<VersionedText>,
    /// What is to be cut now, each with what was picked.
    pub cuts: Vec<(Pick, Cut)>,
    /// What cannot be cut by kwo, each with the reason.
    pub uncut: Vec<(Pick, String)>,
}

/// What became of it.
#[derive(Debug, Default)]
pub struct Carried {
    /// What was cut, or brought back.
    pub done: Vec<ResourceId>,
    /// What could not be, each with the reason.
    pub failed: Vec<(ResourceId, String)>,
    /// What only the roster has made anew.
    pub by_roster: Vec<ResourceId>,
    /// Why the run ended early.
    pub stopped: Option<&'static str>,
    /// What the access reviews answered.
    pub answers: Vec<Answer>,
    /// What the registry answered to those who were cut.
    pub doors: Vec<Door>,
}

/// Who runs it, and where.
#[derive(Clone, Debug)]
pub struct Actor {
    /// The name of the user, as the system knows it.
    pub by: SmolStr,
    /// The machine.
    pub host: String,
}

/// Reads every object that is to be cut, and the record of an earlier run.
///
/// # Errors
/// When the record, or an object, cannot be read: what is not known is not gone.
pub async fn prepare(
    cutters: &Cutters,
    leaving: &Leaving,
    offboarding: &Offboarding,
    target: &SmolStr,
    retain_seconds: u64,
) -> Result<Prepared, RecordError> {
    let (found, stored) = Record::load(&*cutters.records, leaving, target).await?;
    let fresh = || Record::new(leaving.clone(), target.clone(), retain_seconds);
    let mut record = found.unwrap_or_else(fresh);
    if record.is_destroyed() {
        // What was cut in an earlier life does not come back with this one.
        record.cuts.clear();
        record.archive = None;
    }
    let (mut cuts, mut uncut) = (Vec::new(), Vec::new());
    for pick in &offboarding.cut {
        let cutter = match cutters.of(&pick.id) {
            Ok(cutter) => cutter,
            Err(refusal) => {
                uncut.push((pick.clone(), refusal.to_string()));
                continue;
            }
        };
        let whole = match cutter.whole(&pick.id).await {
            Ok(Some(whole)) => whole,
            Ok(None) => continue,
            // What stands beside the cluster keeps nobody from being cut in it.
            Err(refusal @ Refusal::Unreachable { .. }) if pick.id.system.rules().is_reviewed() => {
                return Err(RecordError::Refused(refusal));
            }
            Err(refusal) => {
                uncut.push((pick.clone(), refusal.to_string()));
                continue;
            }
        };
        match cut_of(pick, whole, &record) {
            // What no record brings back is not cut.
            Ok(Some(cut)) => match cut.check(leaving) {
                Ok(()) => cuts.push((pick.clone(), cut)),
                Err(why) => uncut.push((pick.clone(), why)),
            },
            Ok(None) => {}
            Err(why) => uncut.push((pick.clone(), why)),
        }
    }
    record.retain_seconds = retain_seconds;
    record.kept.clone_from(&offboarding.kept);
    Ok(Prepared { record, stored, cuts, uncut })
}

/// The cut of what is there; nothing where nothing of it is left.
fn cut_of(pick: &Pick, whole: Whole, record: &Record) -> Result<Option<Cut>, String> {
    let Whole { object, version, doubt } = whole;
    let cut = match Cut::of(pick, &object, version) {
        Ok(cut) => cut,
        Err(Uncut::Gone) => return Ok(None),
        Err(why @ (Uncut::Secret(_) | Uncut::Shared(_))) => return Err(why.to_string()),
    };
    let begun = record.cuts.iter().find(|entry| entry.made.is_none() && entry.cut.id() == cut.id());
    let all = begun.map_or_else(|| cut.clone(), |begun| cut.clone().or_all_of(&begun.cut));
    match doubt {
        // The rest of what an earlier cut began to end is nobody else's.
        Some(why) if all == cut => Err(why.to_owned()),
        _ => Ok(Some(all)),
    }
}

/// Cuts. The record is there before the first cut, and says what was made after the last one.
///
/// # Errors
/// When the record cannot be written. What was cut until then is in the one before.
pub async fn carry_out(
    cutters: &Cutters,
    prepared: Prepared,
    actor: &Actor,
    brakes: &Brakes,
    mut told: impl FnMut(&ResourceId, &Result<(), Refusal>),
) -> Result<(Carried, Record, VersionedText), RecordError> {
    let Prepared { mut record, stored, cuts, uncut: _ } = prepared;
    // What an earlier run began and did not end is gone by now, or it would be among the cuts.
    let again = |entry: &Entry| {
        let mut same = cuts.iter().filter(|(_, cut)| cut.id() == entry.cut.id());
        same.any(|(_, cut)| cut.parts().is_empty() && entry.cut.parts().is_empty())
    };
    let gone = record.cuts.iter_mut().filter(|entry| entry.made.is_none() && !again(entry));
    gone.for_each(|entry| entry.made = Some(Timestamp::now()));
    for (_, cut) in &cuts {
        noted(&mut record, cut);
    }
    stamp(&mut record, Stage::Cut, actor, false);
    let mut stored = record.save(&*cutters.records, stored.as_ref()).await?;
    // The record has a date, too, but others may be able to write that, and it may be from an earlier cut.
    record.mark(&*cutters.records, Milestone::Cut).await?;
    let mut carried = Carried::default();
    for (pick, cut) in cuts {
        carried.stopped = pulled(brakes);
        if carried.stopped.is_some() {
            break;
        }
        let cutter = match cutters.of(cut.id()) {
            Ok(cutter) => cutter,
            Err(refusal) => {
                carried.failed.push((cut.id().clone(), refusal.to_string()));
                continue;
            }
        };
        let mut result = cutter.cut(&cut).await;
        if matches!(result, Err(Refusal::Changed { .. })) {
            // Somebody was there meanwhile: what it is now has to be on record before it ends.
            result = match cutter.whole(cut.id()).await {
                Err(refusal) => Err(refusal),
                Ok(None) => Ok(()),
                Ok(Some(whole)) => match cut_of(&pick, whole, &record) {
                    Ok(None) => Ok(()),
                    Err(why) => Err(Refusal::Refused { why }),
                    Ok(Some(again)) => {
                        noted(&mut record, &again);
                        stored = record.save(&*cutters.records, Some(&stored)).await?;
                        cutter.cut(&again).await
                    }
                },
            };
        }
        told(&pick.id, &result);
        match result {
            Ok(()) => {
                made(&mut record, cut.id());
                carried.done.push(cut.id().clone());
            }
            Err(refusal) => carried.failed.push((cut.id().clone(), refusal.to_string())),
        }
    }
    let whole = carried.failed.is_empty() && carried.stopped.is_none();
    stamp(&mut record, Stage::Cut, actor, whole);
    let stored = record.save(&*cutters.records, Some(&stored)).await?;
    Ok((carried, record, stored))
}

/// Asks the API server about everybody who left, and whoever else still has a right there, and keeps what it answers. Whom
/// an earlier run cut is asked about, too: nothing of theirs is found any more. What was found is from after the cut.
///
/// # Errors
/// When it cannot be asked, or the record cannot be written.
pub async fn prove(
    cutters: &Cutters,
    kube: &Arc<Kube>,
    (record, stored): (&mut Record, VersionedText),
    offboarding: &Offboarding,
) -> Result<(Vec<Answer>, VersionedText), RecordError> {
    let account =
        |namespace: &SmolStr, name: &SmolStr| format_smolstr!("system:serviceaccount:{namespace}:{name}");
    // Of the users of the registry the API server knows nothing, and nothing of what is beside it.
    let all = record.cuts.iter().map(|entry| &entry.cut).filter(|cut| cut.logins().is_none());
    let (cut, beside): (Vec<&Cut>, Vec<&Cut>) = all.partition(|cut| cut.id().system.rules().is_reviewed());
    let mut who: BTreeSet<SmolStr> = offboarding.people.iter().chain(&offboarding.holders).cloned().collect();
    for namespace in &offboarding.namespaces {
        let names = kube.accounts_in(namespace).await.map_err(RecordError::Refused)?;
        who.extend(names.iter().map(|name| account(namespace, name)));
        // Whoever still has its token is asked about as well, though the account is gone.
        let gone =
            cut.iter().map(|cut| cut.id()).filter(|id| id.kind == "ServiceAccount" && id.scope == *namespace);
        who.extend(gone.map(|id| account(&id.scope, &id.name)));
    }
    who.extend(cut.iter().flat_map(|cut| match record.leaving {
        Leaving::Tenant(_) => cut.holders(),
        // What a service account has elsewhere is no part of it.
        Leaving::Person { .. } | Leaving::Leftovers { .. } | Leaving::Host(_) => cut.people(),
    }));
    who.extend(beside.iter().flat_map(|cut| cut.people()));
    let who: Vec<SmolStr> = who.into_iter().collect();
    let spaces: Vec<SmolStr> = match record.leaving {
        Leaving::Tenant(_) => offboarding.namespaces.clone(),
        Leaving::Person { .. } | Leaving::Leftovers { .. } | Leaving::Host(_) => {
            let spaces: BTreeSet<&SmolStr> = cut.iter().map(|cut| &cut.id().scope).collect();
            spaces.into_iter().filter(|space| !space.is_empty()).cloned().collect()
        }
    };
    let whole = match record.leaving {
        Leaving::Tenant(_) | Leaving::Host(_) => false,
        Leaving::Person { .. } => true,
        Leaving::Leftovers { .. } => cut.iter().any(|cut| cut.id().scope.is_empty() && cut.is_wide()),
    };
    let asked = questions(&who, &spaces, whole);
    let answers = review(kube, asked, &offboarding.kept).await.map_err(RecordError::Refused)?;
    record.kept.clone_from(&offboarding.kept);
    record.unproven.clone_from(&offboarding.unproven);
    record.proved(answers.clone());
    let stored = record.save(&*cutters.records, Some(&stored)).await?;
    Ok((answers, stored))
}

/// Brings back all that was cut, the last cut first.
///
/// # Errors
/// When the record cannot be written.
pub async fn undo(
    cutters: &Cutters,
    (mut record, stored): (Record, VersionedText),
    actor: &Actor,
    brakes: &Brakes,
    mut told: impl FnMut(&ResourceId, &Result<Restored, Refusal>),
) -> Result<(Carried, Record), RecordError> {
    stamp(&mut record, Stage::Undo, actor, false);
    let stored = record.save(&*cutters.records, Some(&stored)).await?;
    let mut carried = Carried::default();
    for entry in record.cuts.iter().rev() {
        carried.stopped = pulled(brakes);
        if carried.stopped.is_some() {
            break;
        }
        let id = entry.cut.id();
        let result = match cutters.of(id) {
            Err(refusal) => Err(refusal),
            Ok(cutter) => match cutter.restore(&entry.cut).await {
                // Somebody wrote to it at the same moment: what it is now is looked at once more.
                Err(Refusal::Changed { .. }) => cutter.restore(&entry.cut).await,
                result => result,
            },
        };
        told(id, &result);
        match result {
            Ok(Restored::Back) => carried.done.push(id.clone()),
            Ok(Restored::ByRoster) => carried.by_roster.push(id.clone()),
            Err(refusal) => carried.failed.push((id.clone(), refusal.to_string())),
        }
    }
    let whole = carried.failed.is_empty() && carried.stopped.is_none();
    stamp(&mut record, Stage::Undo, actor, whole);
    if whole {
        record.mark(&*cutters.records, Milestone::Undo).await?;
        record.cuts.clear();
        record.asked = None;
        record.answers.clear();
        record.doors.clear();
        record.kept.clear();
        record.unproven.clear();
    }
    record.save(&*cutters.records, Some(&stored)).await?;
    Ok((carried, record))
}

/// Puts a cut on record. One of the same parts of the same object takes the place of the earlier one only where that was
/// made: what was not made yet is what it was before anybody began.
fn noted(record: &mut Record, cut: &Cut) {
    let entry = Entry { cut: cut.clone(), made: None };
    let same = |have: &&mut Entry| {
        have.cut.id() == cut.id() && have.cut.parts().is_empty() == cut.parts().is_empty()
    };
    match record.cuts.iter_mut().find(same) {
        // Whom an earlier run shut out comes back as well.
        Some(have) if cut.logins().is_some() => {
            *have = Entry { cut: entry.cut.with_logins_of(&have.cut), made: None };
        }
        Some(have) if cut.parts().is_empty() => {
            let cut = if have.made.is_none() { entry.cut.or_all_of(&have.cut) } else { entry.cut };
            *have = Entry { cut, made: None };
        }
        Some(have) if have.cut.parts() == cut.parts() => *have = entry,
        _ => record.cuts.push(entry),
    }
}

fn made(record: &mut Record, id: &ResourceId) {
    let now = Timestamp::now();
    let entries = record.cuts.iter_mut().filter(|entry| entry.cut.id() == id && entry.made.is_none());
    entries.for_each(|entry| entry.made = Some(now));
}

/// Says in the record that a stage was done or begun, and leaves the record in the system.
///
/// # Errors
/// When it cannot be written.
pub async fn stamped(
    cutters: &Cutters,
    (record, stored): (&mut Record, Option<VersionedText>),
    (stage, done): (Stage, bool),
    actor: &Actor,
) -> Result<VersionedText, RecordError> {
    stamp(record, stage, actor, done);
    record.save(&*cutters.records, stored.as_ref()).await
}

/// Says that a stage begins or has ended; one that was begun and not ended goes on.
fn stamp(record: &mut Record, stage: Stage, actor: &Actor, done: bool) {
    let stamp = Stamp { stage, at: Timestamp::now(), by: actor.by.clone(), host: actor.host.clone(), done };
    match record.stages.last_mut() {
        Some(last) if last.stage == stage && !last.done => *last = stamp,
        _ => record.stages.push(stamp),
    }
}

fn pulled(brakes: &Brakes) -> Option<&'static str> {
    if *brakes.interrupted.borrow() {
        return Some("it was told to end");
    }
    brakes.lock_lost.borrow().then_some("the lock was lost to another run")
}
