//! The archive of a tenant who leaves: all that its namespaces hold, written to one file, which counts once it was read
//! back. Nothing is destroyed here.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use kwo_planner::offboard::{Offboarding, stored};
use kwo_planner::tree::{SmolStr, Tree};
use smol_str::format_smolstr;

use super::record::Record;
use super::volumes::Volume;
use crate::archive::{ArchiveError, Builder, Meta, Recipient, RosterLine, Verified, tarred};
use crate::providers::{Held, Kube, Refusal, Remain};

/// Why there is no archive.
#[derive(Debug, thiserror::Error)]
pub enum NotKept {
    /// Not everything could be read.
    #[error("cannot read all of {what}: {why}")]
    Unread {
        /// What.
        what: String,
        /// Why not.
        why: Refusal,
    },
    /// A volume could not be opened.
    #[error("cannot read the volume {what}: {why}")]
    Volume {
        /// Which, as namespace and claim.
        what: SmolStr,
        /// Why not.
        why: std::io::Error,
    },
    /// It could not be written, or does not read back the same.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}

/// All that leaves: the namespaces, and everything in them.
///
/// # Errors
/// When not all of it could be read: what is not known cannot be kept.
pub async fn everything(kube: &Arc<Kube>, offboarding: &Offboarding) -> Result<Vec<Held>, NotKept> {
    let unread = |what: &str| {
        let what = what.to_owned();
        move |why: Refusal| NotKept::Unread { what, why }
    };
    let kinds = kube.kinds().await.map_err(unread("the kinds of the API"))?;
    let mut all = Vec::new();
    for namespace in &offboarding.namespaces {
        all.extend(kube.namespace(namespace).await.map_err(unread(namespace))?);
        all.extend(kube.held_in(&kinds, namespace).await.map_err(unread(namespace))?);
    }
    Ok(all)
}

/// Writes the archive into a folder, for those who may open it.
///
/// # Errors
/// When something does not fit into it, it cannot be written, or does not read back the same.
pub fn archived(
    (tenant, record): (&SmolStr, &Record),
    lines: &[RosterLine],
    (objects, volumes, remains): (&[Held], &[Volume], &[Remain]),
    folder: &Path,
    recipients: &[Recipient],
) -> Result<Verified, NotKept> {
    let mut builder = Builder::new(Meta {
        tenant: tenant.clone(),
        cluster: record.target.clone(),
        time: Timestamp::now(),
        roster: lines.to_vec(),
        history: record.stages.iter().filter_map(|stamp| serde_json::to_value(stamp).ok()).collect(),
    });
    for held in objects {
        builder.object(&held.object)?;
    }
    for Volume { namespace, claim, folder } in volumes {
        let data = tarred(folder)
            .map_err(|why| NotKept::Volume { what: format_smolstr!("{namespace}/{claim}"), why })?;
        builder.volume(namespace, claim, data)?;
    }
    let kept = |claim: &SmolStr| {
        volumes.iter().any(|volume| *claim == format_smolstr!("{}/{}", volume.namespace, volume.claim))
    };
    let bound = bound(objects);
    for claim in claims(objects).into_iter().filter(|claim| !kept(claim)) {
        let why = match bound.contains(&claim) {
            true => "the data of volumes is kept with `--volumes`",
            false => "the claim is bound to no volume, so there is no data",
        };
        builder.left_out(format!("volumes/{claim}.tar"), why);
    }
    // A command is not for a file that anybody can write.
    for Remain { place, why, end: _ } in remains {
        builder.left_out(place, why);
    }
    Ok(builder.finish(folder, recipients)?)
}

/// The volume claims among the objects, as `NAMESPACE/NAME`.
#[must_use]
pub fn claims(objects: &[Held]) -> Vec<SmolStr> {
    named(objects, |_| true)
}

/// Those of them that are bound to a volume, so that there may be data.
pub(super) fn bound(objects: &[Held]) -> Vec<SmolStr> {
    named(objects, is_bound)
}

/// Was a volume found for the claim? Kubernetes writes its name down once and for all.
pub(super) fn is_bound(claim: &Tree) -> bool {
    !text(claim, "/spec/volumeName").is_empty()
}

fn named(objects: &[Held], counts: impl Fn(&Tree) -> bool) -> Vec<SmolStr> {
    let objects = objects.iter().map(|held| &held.object);
    let claims = objects.filter(|object| text(object, "/kind") == "PersistentVolumeClaim" && counts(object));
    let name = |claim: &Tree| {
        format_smolstr!("{}/{}", text(claim, "/metadata/namespace"), text(claim, "/metadata/name"))
    };
    claims.map(name).collect()
}

fn text(object: &Tree, pointer: &str) -> SmolStr {
    object.at(pointer).and_then(Tree::as_text).cloned().unwrap_or_default()
}

/// How large they are together, in bytes.
#[must_use]
pub fn storage(objects: &[Held]) -> u64 {
    let claims = objects.iter().map(|held| &held.object).filter(|object| {
        object.get("kind").and_then(Tree::as_text).is_some_and(|kind| kind == "PersistentVolumeClaim")
    });
    claims.map(stored).fold(0, u64::saturating_add)
}
