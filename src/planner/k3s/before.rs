//! How a cluster was before an upgrade, what kwo notes of one, and what is worse after it.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::apis::Deprecated;
use super::facts::Here;
use crate::plain::one_line;
use crate::roster::{K3sVersion, NodeName};
use crate::tree::SmolStr;

/// A program of k3s, by what it is.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Named {
    /// Which k3s.
    #[serde(serialize_with = "super::facts::text", deserialize_with = "super::facts::version")]
    #[schemars(with = "String")]
    pub version: K3sVersion,
    /// SHA-256 of the program.
    pub sha256: SmolStr,
}

/// What the cluster says of itself.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cluster {
    /// The nodes, by their names.
    pub nodes: BTreeMap<SmolStr, NodeSaid>,
    /// What runs, by kind, namespace and name.
    pub workloads: BTreeMap<SmolStr, Workload>,
    /// The namespaces.
    pub namespaces: BTreeSet<SmolStr>,
}

/// What a node says.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeSaid {
    /// It is ready.
    pub ready: bool,
    /// The version of its kubelet.
    pub version: SmolStr,
}

/// How many pods of something run.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Workload {
    /// So many are wanted. Of a DaemonSet nobody says how many: the nodes do.
    pub wanted: u32,
    /// So many are ready.
    pub ready: u32,
}

/// What kwo notes of an upgrade before it changes anything.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Upgrade {
    /// The previous k3s.
    pub from: Named,
    /// The new one.
    pub to: Named,
    /// Where the new one comes from.
    pub source: SmolStr,
    /// The name of the node.
    #[serde(serialize_with = "super::facts::text", deserialize_with = "super::facts::name")]
    pub node: NodeName,
    /// When it began.
    pub begun: SmolStr,
    /// The encrypted backup that was made before, if one was.
    pub backup: Option<SmolStr>,
    /// How the cluster was before.
    pub before: Cluster,
    /// SHA-256 of the copy of the database, once it is made.
    pub copy: Option<SmolStr>,
    /// What tells this cluster from another one on the same machine: its token and its authority.
    pub identity: SmolStr,
    /// It has ended: the new one runs, or, on the way back, the old one.
    pub ended: bool,
    /// Somebody asked to go back.
    pub back: bool,
}

impl Named {
    /// Is it the program that is there?
    pub(super) fn is_in(&self, here: &Here) -> bool {
        here.program.as_ref().is_some_and(|program| program.sha256 == self.sha256)
    }
}

impl Upgrade {
    /// Is it of this cluster? A machine may get another k3s, with the same program.
    #[must_use]
    pub fn is_of(&self, identity: Option<&SmolStr>) -> bool {
        identity == Some(&self.identity)
    }

    /// Does it tell of what is there now, and has not ended? With a third program, or in another cluster, it is of another time.
    #[must_use]
    pub fn is_open(&self, here: &Here, identity: Option<&SmolStr>) -> bool {
        !self.ended && self.is_of(identity) && (self.from.is_in(here) || self.to.is_in(here))
    }
}

/// The database of k3s.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Database {
    /// How many bytes it has, with its log.
    pub bytes: u64,
    /// For how many seconds nobody has written to it.
    pub idle: Option<u64>,
}

/// What was found out for an upgrade beside the facts of the machine.
#[derive(Clone, Debug)]
pub struct Seen<'s> {
    /// What kwo noted of the last upgrade.
    pub noted: Option<&'s Upgrade>,
    /// The name of the node.
    pub node: Option<&'s NodeName>,
    /// What the cluster says, or why it says nothing.
    pub cluster: Result<&'s Cluster, &'s str>,
    /// What is asked for and goes with a later Kubernetes, or why nobody can tell.
    pub apis: Result<&'s [Deprecated], &'s str>,
    /// The database, or why there is none that kwo can copy.
    pub database: Result<Database, &'s str>,
    /// How many bytes are free where the copy goes.
    pub free: Option<u64>,
    /// The copy that was made before the last upgrade is whole: the database and the program.
    pub kept: bool,
    /// What tells the cluster from another one on the same machine, if it can be told.
    pub identity: Option<&'s SmolStr>,
    /// An encrypted backup can be made.
    pub recipient: bool,
}

/// What is worse than before, a line each.
#[must_use]
pub fn worse(before: &Cluster, now: &Cluster) -> Vec<String> {
    let mut worse = Vec::new();
    for (name, _) in before.nodes.iter().filter(|(_, said)| said.ready) {
        if !now.nodes.get(name).is_some_and(|now| now.ready) {
            worse.push(format!("the node {} was ready, and is not", one_line(name)));
        }
    }
    let gone: Vec<&str> = before.namespaces.difference(&now.namespaces).map(SmolStr::as_str).collect();
    worse.extend(gone.iter().map(|name| format!("the namespace {} is gone", one_line(name))));
    for (name, before) in &before.workloads {
        let shown = one_line(name);
        match now.workloads.get(name) {
            // k3s brings its own, and may call them otherwise.
            None if name.split('/').nth(1) == Some("kube-system") => {}
            None => worse.push(format!("{shown} is gone")),
            Some(now) if now.ready < before.ready.min(now.wanted) => {
                worse.push(format!("{shown} has {} ready pods, and had {}", now.ready, before.ready));
            }
            Some(_) => {}
        }
    }
    worse
}
