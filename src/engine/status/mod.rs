//! The answers of `kwo status`, one for each question. If an answer is missing, it has its reason, and the others are
//! not affected. `report/status.rs` shows them.

mod agreement;
mod asked;
pub mod backup;
mod containers;
pub mod disk;
mod look;
pub(crate) mod patient;
mod tenants;
mod tokens;

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::departed::Departed;
use crate::issued::Issued;
use crate::providers::{KeptToken, LastRun, Refusal};
use crate::sync::Short;
pub use agreement::Agreement;
pub use backup::Backup;
pub use containers::{Container, containers};
pub use disk::Disk;
pub use kwo_planner::upkeep::Level;
pub(crate) use look::node_alone;
pub use look::{Here, look};

/// An answer, or why there is none.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Answer<T> {
    /// What was found.
    Found(T),
    /// Nobody knows, and this is why.
    CouldNotLook(String),
}

/// How the cluster and its tenants are. An answer is `found`, or `could_not_look` says why there is none. What is `null`
/// in an answer is not there.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Status {
    pub format_version: &'static str,
    pub kwo: &'static str,
    /// The roster that was read, by its path; without one nothing is said of tenants, resolvers and the registry.
    pub roster: Answer<String>,
    pub server: Server,
    /// Whether the cluster agrees with the roster.
    pub agreement: Answer<Agreement>,
    pub nodes: Answer<Vec<Node>>,
    /// The file systems that k3s and kwo write to, that of k3s' data first; nothing where nobody asked.
    pub disks: Option<Vec<Answer<Disk>>>,
    /// The newest backup of the node; nothing where nobody asked.
    pub backup: Option<Answer<Backup>>,
    /// Since when k3s runs; nothing where nobody asked, or where the root is not that of this machine.
    #[schemars(with = "Option<Answer<Option<String>>>")]
    pub k3s: Option<Answer<Option<Timestamp>>>,
    pub traefik: Answer<Vec<Pod>>,
    pub resolvers: Vec<Resolver>,
    /// The issuers and Certificates of cert-manager that the roster asks for; nothing where it asks for none.
    pub certificates: Option<Answer<Vec<Issued>>>,
    /// Nothing where the roster asks for none.
    pub registry: Option<Registry>,
    /// The one with the fullest quota first.
    pub tenants: Vec<Tenant>,
    pub tokens: Tokens,
    /// Those who left, with what `kwo offboard` did and until when the rest is kept.
    pub departed: Answer<Vec<Departed>>,
    pub last_run: Answer<Option<LastRun>>,
    /// The last run of `kwo sync`, on whichever machine.
    pub last_sync: Answer<Option<Short>>,
}

/// What pipelines log in with. Of a token itself nothing is here.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Tokens {
    /// The kubeconfigs on the node, by namespace; nothing where nobody asked for them.
    pub kubeconfigs: Option<Vec<Kept>>,
    /// The Secrets with a token that never ends, the oldest first.
    pub long_lived: Answer<Vec<LongLived>>,
}

/// The kubeconfig of a namespace, as it is on the node.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Kept {
    pub namespace: String,
    /// Nothing where there is no file.
    pub token: Answer<Option<KeptToken>>,
}

/// A Secret with a token that never ends.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct LongLived {
    /// The namespace it is in.
    pub namespace: String,
    /// Its name.
    pub secret: String,
    /// When it was made.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub made: Timestamp,
    /// How old it is, in whole days.
    pub days: i64,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Server {
    pub address: String,
    pub version: Answer<String>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Node {
    pub name: String,
    pub ready: bool,
    pub version: String,
    /// The kubelet says that disk or inodes run short, so that it evicts pods; nothing where it does not say.
    pub disk_pressure: Option<bool>,
    /// The same of memory.
    pub memory_pressure: Option<bool>,
    /// The same of process ids.
    pub pid_pressure: Option<bool>,
}

impl Node {
    /// What the kubelet says of it, by the names of the conditions.
    pub fn pressures(&self) -> [(&'static str, Option<bool>); 3] {
        let Node { name: _, ready: _, version: _, disk_pressure, memory_pressure, pid_pressure } = self;
        [
            ("DiskPressure", *disk_pressure),
            ("MemoryPressure", *memory_pressure),
            ("PIDPressure", *pid_pressure),
        ]
    }
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Pod {
    pub name: String,
    pub phase: String,
    pub containers: usize,
    pub ready: usize,
    pub restarts: u64,
}

/// A way to prove names: port 80, or an account at a DNS provider.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Resolver {
    pub name: String,
    /// Nothing for the one that needs no account.
    pub provider: Option<String>,
    /// Each credential, and whether the cluster has it.
    pub credentials: Answer<BTreeMap<String, bool>>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Registry {
    pub hosts: Vec<String>,
    pub replicas: Answer<Option<Replicas>>,
    /// The passwords from before a rotation that the registry still accepts.
    pub old_passwords: Answer<Vec<OldPassword>>,
}

/// A password from before a rotation that the registry still accepts. Of the password itself nothing is here.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct OldPassword {
    /// The user in the roster.
    pub user: String,
    /// The name that goes with the new password.
    pub name: String,
    /// The name that goes with the old one.
    pub old_name: String,
    /// Until when the old one is good.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub until: Timestamp,
    /// That is over, and the next `kwo apply` ends it.
    pub over: bool,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Replicas {
    pub wanted: u64,
    pub available: u64,
}

/// A tenant of the roster.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Tenant {
    pub name: String,
    pub parked: bool,
    pub namespaces: Vec<Space>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Space {
    pub name: String,
    /// Its phase, such as `Active`.
    pub phase: Answer<Option<String>>,
    pub quotas: Answer<Vec<Quota>>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Quota {
    pub name: String,
    /// The fullest first.
    pub uses: Vec<Use>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Use {
    pub resource: String,
    pub used: String,
    pub hard: String,
    /// Rounded down; nothing where nothing may be used.
    pub percent: Option<i64>,
}

impl<T> Answer<T> {
    /// The answer without taking it away.
    pub fn as_ref(&self) -> Answer<&T> {
        match self {
            Answer::Found(found) => Answer::Found(found),
            Answer::CouldNotLook(why) => Answer::CouldNotLook(why.clone()),
        }
    }

    /// The same about something else.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Answer<U> {
        match self {
            Answer::Found(found) => Answer::Found(change(found)),
            Answer::CouldNotLook(why) => Answer::CouldNotLook(why),
        }
    }
}

impl<T> From<Result<T, Refusal>> for Answer<T> {
    fn from(result: Result<T, Refusal>) -> Answer<T> {
        match result {
            Ok(found) => Answer::Found(found),
            Err(refusal) => Answer::CouldNotLook(refusal.to_string()),
        }
    }
}

impl Use {
    /// How full it is, to be compared: more than everything where something is used and nothing may be.
    fn fullness(&self) -> i64 {
        self.percent.unwrap_or(if self.used == "0" { 0 } else { i64::MAX })
    }
}
