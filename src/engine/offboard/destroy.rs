//! The end for good, of a tenant whose gate was passed: each namespace, with the uid and the resourceVersion that were
//! seen, once the archive is known to hold everything in it as it is now.

use std::sync::Arc;
use std::time::Duration;

use kwo_planner::observed::{MARK, TENANT_LABEL, Version};
use kwo_planner::offboard::{Facts, Found, Gate, Offboarding, Removal, Unremovable};
use kwo_planner::tree::{SmolStr, Tree, join};
use smol_str::format_smolstr;

use super::keep::bound;
use super::record::Record;
use crate::archive::{ObjectKey, Verified};
use crate::execute::Brakes;
use crate::providers::{Cutters, Held, Kube, Refusal, counted};

/// How often a namespace is looked for that is to be gone, how long it may stand still meanwhile, and how long it may take
/// at all.
const PAUSE: Duration = Duration::from_millis(500);
const STILL: u32 = 60;
const TRIES: u32 = 600;

/// What was said besides the names: what may be lost.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Leave {
    /// Objects that are not kwo's may go.
    pub with_foreign: bool,
    /// The data of volumes may be lost.
    pub discards_volumes: bool,
    /// Nobody is there who could have typed it.
    pub unattended: bool,
    /// Until when it is retained.
    pub retained_until: Option<jiff::Timestamp>,
}

/// What became of a namespace.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Gone {
    /// It is gone.
    Whole,
    /// It is being deleted, and this holds it.
    Held(Vec<String>),
    /// It could not be deleted.
    Failed(String),
    /// The run was told to end before.
    NotBegun,
}

/// All that has to be true, as it was found.
#[must_use]
pub fn facts(
    tenant: &SmolStr,
    (record, archive): (&Record, Option<&Verified>),
    offboarding: &Offboarding,
    (objects, used): (&[Held], Vec<SmolStr>),
    leave: Leave,
) -> Facts {
    let now = jiff::Timestamp::now();
    let own = archive.filter(|archive| archive.tenant() == tenant && *archive.cluster() == record.target);
    let strangers =
        objects.iter().filter(|held| !is_marked(&held.object) && !is_every_namespaces(&held.object));
    let still = record.answers.iter().filter(|answer| answer.is_bad()).map(|answer| answer.sentence().into());
    let still =
        still.chain(record.doors.iter().filter(|door| door.admits()).map(|door| door.to_string().into()));
    let missing = objects.iter().filter(|held| !is_every_namespaces(&held.object)).filter_map(|held| {
        let entry = ObjectKey::of(&held.object).ok().and_then(|key| own?.holds_object(&key));
        match entry {
            None => Some(format_smolstr!("{} is not in it", held.path)),
            Some(entry) => entry.covers(&held.object).err().map(SmolStr::from),
        }
    });
    let held = |claim: &SmolStr| {
        let (namespace, name) = claim.split_once('/').unwrap_or_default();
        own.is_some_and(|archive| archive.holds_volume(namespace, name))
    };
    let volumes = bound(objects).into_iter().filter(|claim| !held(claim));
    Facts {
        tenant: tenant.clone(),
        namespaces: offboarding.namespaces.clone(),
        cut: record.is_cut() && offboarding.cut.is_empty(),
        still: still.collect(),
        archived: own.is_some(),
        missing: if own.is_some() { missing.collect() } else { Vec::new() },
        retained_until: leave
            .retained_until
            .filter(|until| *until > now)
            .map(|until| format_smolstr!("{until:.0}")),
        lines: offboarding.lines.clone(),
        unseen: offboarding.unseen.clone(),
        foreign: counted(strangers.map(|held| &held.object)),
        with_foreign: leave.with_foreign,
        volumes: volumes.collect(),
        used,
        discards_volumes: leave.discards_volumes,
        unattended: leave.unattended,
    }
}

/// The removals of the namespaces, in order.
///
/// # Errors
/// When one of them is not the tenant's, or the archive does not hold it.
pub fn removals(gate: &Gate, archive: &Verified, objects: &[Held]) -> Result<Vec<Removal>, Unremovable> {
    let namespaces = objects.iter().filter(|held| text(&held.object, "/kind") == "Namespace");
    namespaces
        .map(|held| {
            let entry = ObjectKey::of(&held.object).ok().and_then(|key| archive.holds_object(&key));
            let entry = entry.filter(|entry| entry.covers(&held.object).is_ok());
            let archived = entry.and_then(|entry| entry.digest.clone());
            Removal::of(gate, found(held), archived)
        })
        .collect()
}

/// Deletes one namespace after the other, and waits until it is gone.
pub async fn destroy(
    (cutters, kube): (&Cutters, &Arc<Kube>),
    removals: Vec<Removal>,
    brakes: &Brakes,
    mut told: impl FnMut(&Found, &Gone),
) -> Vec<(SmolStr, Gone)> {
    let mut ended = Vec::new();
    for removal in removals {
        let name = removal.found().name.clone();
        let stopped = *brakes.interrupted.borrow() || *brakes.lock_lost.borrow();
        let gone = match stopped {
            true => Gone::NotBegun,
            false => match cutters.home().remove(&removal).await {
                Err(refusal) => Gone::Failed(refusal.to_string()),
                Ok(()) => waited(kube, &name).await,
            },
        };
        told(removal.found(), &gone);
        ended.push((name, gone));
    }
    ended
}

/// Waits until the namespace is gone, or says what holds it.
pub async fn waited(kube: &Arc<Kube>, name: &str) -> Gone {
    let (mut holding, mut still) = (Vec::new(), 0);
    for _ in 0..TRIES {
        let now = match kube.namespace(name).await {
            Ok(None) => return Gone::Whole,
            Ok(Some(held)) => holds(&held.object),
            Err(refusal @ Refusal::Unreachable { .. }) => return Gone::Failed(refusal.to_string()),
            Err(refusal) => vec![refusal.to_string()],
        };
        // As long as Kubernetes says something else each time, it goes on.
        still = if now == holding { still + 1 } else { 0 };
        holding = now;
        if still >= STILL {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    Gone::Held(holding)
}

/// What a namespace says that keeps it: finalizers of its own, and what its conditions tell of those in it.
fn holds(namespace: &Tree) -> Vec<String> {
    let lists = ["/metadata/finalizers", "/spec/finalizers"];
    let names = lists.iter().flat_map(|list| namespace.at(list).map(Tree::items).unwrap_or_default());
    let names = names.filter_map(Tree::as_text).map(|name| format!("the finalizer {name}"));
    let conditions = namespace.at("/status/conditions").map(Tree::items).unwrap_or_default();
    let telling = conditions.iter().filter(|condition| text(condition, "/status") == "True");
    let messages = telling.map(|condition| text(condition, "/message").to_string());
    names.chain(messages.filter(|message| !message.is_empty())).collect()
}

fn found(held: &Held) -> Found {
    let object = &held.object;
    let name = text(object, "/metadata/name");
    Found {
        kind: text(object, "/kind"),
        path: held.path.clone(),
        namespace: name.clone(),
        name,
        seen: Version(format_smolstr!(
            "{}/{}",
            text(object, "/metadata/uid"),
            text(object, "/metadata/resourceVersion")
        )),
        tenant: text(object, &join("/metadata/labels", TENANT_LABEL)),
        marked: is_marked(object),
    }
}

fn is_marked(object: &Tree) -> bool {
    text(object, &join("/metadata/labels", MARK.0)) == MARK.1
}

/// Kubernetes makes it in every namespace, and again in the next one.
fn is_every_namespaces(object: &Tree) -> bool {
    text(object, "/kind") == "ServiceAccount" && text(object, "/metadata/name") == "default"
}

fn text(object: &Tree, pointer: &str) -> SmolStr {
    object.at(pointer).and_then(Tree::as_text).cloned().unwrap_or_default()
}
