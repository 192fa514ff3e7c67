//! What the quotas of one namespace promise: as they are in the cluster, and as they are once the roster is applied.

use std::collections::BTreeMap;

use super::amounts::{Amounts, lower, read};
use crate::observed::{MARK, TENANT_LABEL};
use crate::roster::Quantity;
use crate::tightens::exceeded;
use crate::tree::{SmolStr, Tree, join};

/// A namespace of a tenant.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    pub(super) tenant: SmolStr,
    /// Nothing where the tenant is no longer in the roster.
    pub(super) tier: Option<SmolStr>,
    /// What the roster wants, by the name of the quota.
    pub(super) wanted: BTreeMap<SmolStr, Tree>,
    /// What is there, by the name of the quota.
    pub(super) there: BTreeMap<SmolStr, There>,
}

/// A quota that is there.
#[derive(Clone, Debug)]
pub(super) struct There {
    hard: Tree,
    used: Tree,
}

/// A quota in the cluster: where it is, its name, and whose it is where kwo made it.
pub(super) struct Found {
    pub(super) namespace: SmolStr,
    pub(super) name: SmolStr,
    pub(super) tenant: Option<SmolStr>,
    pub(super) there: There,
}

/// Does it count every pod? One with scopes counts only some, which the other counts as well.
pub(super) fn counts_all(quota: &Tree) -> bool {
    quota.at("/spec/scopes").is_none_or(|scopes| scopes.items().is_empty())
        && quota.at("/spec/scopeSelector").is_none_or(|selector| *selector == Tree::Null)
}

/// A quota in the cluster that counts every pod.
pub(super) fn found(quota: &Tree) -> Option<Found> {
    let text = |pointer: &str| quota.at(pointer).and_then(Tree::as_text).cloned();
    let label = |name: &str| text(&join("/metadata/labels", name));
    let part = |pointer: &str| quota.at(pointer).cloned().unwrap_or(Tree::Null);
    counts_all(quota).then(|| Found {
        namespace: text("/metadata/namespace").unwrap_or_default(),
        name: text("/metadata/name").unwrap_or_default(),
        tenant: label(MARK.0).filter(|mark| mark == MARK.1).and_then(|_| label(TENANT_LABEL)),
        there: There { hard: part("/spec/hard"), used: part("/status/used") },
    })
}

/// Which resource of a node this name of a quota bounds: what is asked for, not what is allowed at most.
fn resource(name: &str) -> Option<&str> {
    if name.contains(".storageclass.storage.k8s.io/") || name.contains(".volumeattributesclass") {
        return None;
    }
    match name {
        "pods" | "cpu" | "memory" | "ephemeral-storage" => Some(name),
        _ if name.starts_with("hugepages-") => Some(name),
        _ => name.strip_prefix("requests."),
    }
}

/// What the amounts of one quota promise.
fn promise(hard: &Tree) -> Amounts {
    let mut promised = Amounts::new();
    for (name, amount) in read(Some(hard)) {
        if let Some(resource) = resource(&name) {
            lower(&mut promised, &Amounts::from([(resource.into(), amount)]));
        }
    }
    // Where no pod may run, nothing of a node is promised.
    if promised.get("pods").is_some_and(|pods| *pods == Quantity::zero()) {
        for (_, amount) in promised.iter_mut().filter(|(name, _)| *name != "storage") {
            *amount = Quantity::zero();
        }
    }
    promised
}

/// Every quota of a namespace holds, so the smallest amount counts.
fn smallest(quotas: impl Iterator<Item = Amounts>) -> Amounts {
    quotas.fold(Amounts::new(), |mut smallest, quota| {
        lower(&mut smallest, &quota);
        smallest
    })
}

impl Place {
    /// What is promised now.
    pub(super) fn before(&self) -> Amounts {
        smallest(self.there.values().map(|there| promise(&there.hard)))
    }

    /// What is promised once the roster is applied: kwo adds and revises, and leaves all else as it is.
    pub(super) fn after(&self) -> Amounts {
        let others = self.there.iter().filter(|(name, _)| !self.wanted.contains_key(*name));
        let wanted = self.wanted.iter().map(|(name, hard)| self.merged(name, hard));
        smallest(others.map(|(_, there)| there.hard.clone()).chain(wanted).map(|hard| promise(&hard)))
    }

    /// How much is used, as the quotas count it.
    pub(super) fn used(&self) -> Amounts {
        smallest(self.there.values().map(|there| {
            let used = read(Some(&there.used)).into_iter();
            used.filter_map(|(name, amount)| Some((resource(&name)?.into(), amount))).collect()
        }))
    }

    /// The amounts of the roster of which more is in use: the name in the quota, what is used, what is allowed.
    pub(super) fn above(&self) -> impl Iterator<Item = (SmolStr, SmolStr, SmolStr)> {
        self.wanted.iter().filter_map(|(name, hard)| Some((self.there.get(name)?, hard))).flat_map(
            |(there, hard)| {
                hard.entries().iter().filter_map(|(name, bound)| {
                    let used = exceeded(&there.used, name, bound)?.clone();
                    let bound = bound.as_text().cloned().unwrap_or_else(|| bound.to_string().into());
                    Some((name.clone(), used, bound))
                })
            },
        )
    }

    fn merged(&self, name: &str, hard: &Tree) -> Tree {
        let there = self.there.get(name).map_or(Tree::Map([].into()), |there| there.hard.clone());
        let there = if there == Tree::Null { Tree::Map([].into()) } else { there };
        let amounts = hard.entries().iter();
        amounts.fold(there, |all, (name, amount)| all.with(&join("", name), amount.clone()))
    }
}
