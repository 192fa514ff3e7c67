//! One object of an archive: by which name it is found, and whether it is still the one that is in the cluster.

use std::fmt;

use kwo_planner::kinds::Kind;
use kwo_planner::resource::ResourceId;
use kwo_planner::tree::{SmolStr, Tree};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::bare::{bare, digest, hex};

/// What Kubernetes calls an object. kwo does not have to know its kind.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, JsonSchema)]
pub struct ObjectKey {
    /// The group of its API; empty for the core.
    #[serde(default, skip_serializing_if = "SmolStr::is_empty")]
    pub group: SmolStr,
    /// Its kind.
    pub kind: SmolStr,
    /// Its namespace, or empty.
    #[serde(default, skip_serializing_if = "SmolStr::is_empty")]
    pub namespace: SmolStr,
    /// Its name.
    pub name: SmolStr,
}

/// An object that is in an archive.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, JsonSchema)]
pub struct ArchiveEntry {
    /// Which.
    pub object: ObjectKey,
    /// Its uid when it was archived.
    pub uid: SmolStr,
    /// Its `resourceVersion` when it was archived.
    pub resource_version: SmolStr,
    /// SHA-256 of its manifest in canonical JSON. It is missing where the object is a Secret and the digest would be in the
    /// clear: a short secret can be found by trying.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<SmolStr>,
}

impl ObjectKey {
    /// Which object this manifest is of.
    ///
    /// # Errors
    /// When it does not say so.
    pub fn of(object: &Tree) -> Result<ObjectKey, &'static str> {
        let text = |pointer: &str| object.at(pointer).and_then(Tree::as_text).filter(|text| !text.is_empty());
        let version = text("/apiVersion").ok_or("it has no apiVersion")?;
        Ok(ObjectKey {
            group: version.split_once('/').map(|(group, _)| group.into()).unwrap_or_default(),
            kind: text("/kind").ok_or("it has no kind")?.clone(),
            namespace: text("/metadata/namespace").cloned().unwrap_or_default(),
            name: text("/metadata/name").ok_or("it has no name")?.clone(),
        })
    }

    /// The same, by the id that kwo has for it. Nothing for what is no object of Kubernetes.
    #[must_use]
    pub fn of_id(id: &ResourceId) -> Option<ObjectKey> {
        let kind = id.known_kind()?;
        let group = kind.api_version().split_once('/').map(|(group, _)| group.into()).unwrap_or_default();
        Some(ObjectKey { group, kind: id.kind.clone(), namespace: id.scope.clone(), name: id.name.clone() })
    }

    /// The id that kwo has for it, where it knows its kind.
    #[must_use]
    pub fn id(&self) -> Option<ResourceId> {
        let id = ResourceId::kube(Kind::named(&self.kind)?, self.namespace.clone(), self.name.clone());
        (ObjectKey::of_id(&id).as_ref() == Some(self)).then_some(id)
    }

    /// Is it a Secret?
    #[must_use]
    pub fn is_secret(&self) -> bool {
        self.group.is_empty() && self.kind == "Secret"
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ObjectKey { group, kind, namespace, name } = self;
        let dot = if group.is_empty() { "" } else { "." };
        let slash = if namespace.is_empty() { "" } else { "/" };
        write!(out, "{kind}{dot}{group} {namespace}{slash}{name}")
    }
}

impl ArchiveEntry {
    /// What tells it from every other entry: SHA-256 of which object it is and in which state that was. A receipt has the same,
    /// also for a Secret.
    #[must_use]
    pub fn sum(&self) -> SmolStr {
        let ArchiveEntry { object, uid, resource_version, digest: _ } = self;
        hex(&Sha256::digest(format!("{object}\n{uid}\n{resource_version}")))
    }

    /// Does the archive hold all that is in this object, as the API server has it now? It is the very object, and either
    /// nobody has written to it since, or what was written is nothing that an archive keeps.
    ///
    /// # Errors
    /// When it does not: why, as a sentence without a full stop.
    pub fn covers(&self, live: &Tree) -> Result<(), String> {
        let ArchiveEntry { object, uid, resource_version, digest: archived } = self;
        let text = |pointer: &str| live.at(pointer).and_then(Tree::as_text).cloned().unwrap_or_default();
        if ObjectKey::of(live).as_ref() != Ok(object) {
            return Err(format!("the archive holds {object}, and this is another object"));
        }
        if uid.is_empty() || text("/metadata/uid") != *uid {
            return Err(format!("somebody made {object} again after kwo archived it"));
        }
        let same = text("/metadata/resourceVersion") == *resource_version
            || archived.as_ref().is_some_and(|archived| *archived == digest(&bare(live)));
        if same { Ok(()) } else { Err(format!("{object} was changed after it was archived")) }
    }
}
