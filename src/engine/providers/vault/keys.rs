//! The keys of the namespaces in a transit engine. A key has no place for a mark: its name is one. It is another cluster's
//! where a policy of that cluster's leads to it.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use kwo_planner::observed::{Present, Version};
use kwo_planner::resource::ResourceId;
use kwo_planner::tree::Tree;
use kwo_planner::vault::{OURS, VaultKind};
use serde_json::Value;
use smol_str::{SmolStr, format_smolstr};

use super::mark::{Mark, labels};
use super::session::{At, Session};
use super::things::{Named, Policy};
use crate::providers::encoded;

/// Keys by their ids, or why one is not known.
pub(super) type Keys = BTreeMap<ResourceId, Result<Option<Key>, SmolStr>>;

/// A key, as the server tells it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Key {
    kind: SmolStr,
    exportable: bool,
}

/// Whose policies lead to which keys.
#[derive(Debug, Default)]
pub(super) struct Pointers {
    /// Those of this cluster.
    pub(super) ours: BTreeMap<ResourceId, Mark>,
    /// Those of other clusters.
    others: BTreeMap<ResourceId, Mark>,
}

/// These keys.
pub(super) async fn all(session: &Session, ids: BTreeSet<ResourceId>) -> Keys {
    let read = join_all(ids.into_iter().map(|id| async move {
        let found = one(session, &id).await;
        (id, found)
    }));
    read.await.into_iter().collect()
}

/// One key.
///
/// # Errors
/// When it cannot be known whether it is there, or nothing that has keys is at its path.
pub(super) async fn one(session: &Session, id: &ResourceId) -> Result<Option<Key>, SmolStr> {
    let mount = &id.scope;
    match session.read_at(&path(id)).await? {
        At::Nothing => Ok(None),
        At::Data(told) => match (told["type"].as_str(), told["exportable"].as_bool()) {
            (Some(kind), Some(exportable)) => Ok(Some(Key { kind: kind.into(), exportable })),
            _ => Err(format_smolstr!("{} does not tell all of the key {}", session.server(), id.name)),
        },
        At::NoRoute => Err(format_smolstr!(
            "there is no transit engine at {mount} in {}: `{} secrets enable -path={mount} transit` makes one",
            session.server(),
            session.client()
        )),
    }
}

/// Where it is.
pub(super) fn path(id: &ResourceId) -> String {
    format!("{}/keys/{}", id.scope, encoded(&id.name))
}

/// Those that policies lead to.
pub(super) fn pointers(policies: &Named<Policy>, uid: &str) -> Pointers {
    let mut found = Pointers::default();
    for policy in policies.values().flatten() {
        let (Some(mark), text) = Mark::of_policy(&policy.text) else { continue };
        let paths = text.lines().filter_map(|line| line.strip_prefix("path \"")?.strip_suffix("\" {"));
        for (mount, name) in paths.filter_map(|path| path.rsplit_once("/encrypt/")) {
            // Another way to say all names is no name.
            if !name.starts_with(OURS) || name.contains(['/', '*', '+', '{']) {
                continue;
            }
            let id = ResourceId::vault(VaultKind::TransitKey, mount, name);
            let of = if mark.cluster == *uid { &mut found.ours } else { &mut found.others };
            of.insert(id, mark.clone());
        }
    }
    found
}

impl Pointers {
    /// Whose a key is that is there.
    pub(super) fn of(&self, id: &ResourceId, uid: &SmolStr, tenant: &SmolStr) -> Mark {
        let ours = || Mark { cluster: uid.clone(), tenant: tenant.clone() };
        self.others.get(id).cloned().unwrap_or_else(ours)
    }
}

impl Key {
    /// What is there, as a body.
    pub(super) fn present(&self, mark: &Mark, uid: &SmolStr) -> Present {
        let body = Tree::map([
            ("exportable", Tree::from(self.exportable)),
            ("metadata", labels(Some(mark), uid)),
            ("type", Tree::from(&self.kind)),
        ]);
        let version = format_smolstr!("{} {}", self.kind, self.exportable);
        Present { body, version: Version(version), owners: [].into(), deleting: None }
    }

    /// Is it as this body says?
    pub(super) fn is(&self, wanted: &Tree) -> bool {
        wanted.get("type").and_then(Tree::as_text) == Some(&self.kind)
            && wanted.get("exportable") == Some(&Tree::from(self.exportable))
    }
}

/// What to post for a body.
pub(super) fn posted(wanted: &Tree) -> Value {
    let part = |key: &str| serde_json::to_value(wanted.get(key)).unwrap_or_default();
    serde_json::json!({"type": part("type"), "exportable": part("exportable")})
}
