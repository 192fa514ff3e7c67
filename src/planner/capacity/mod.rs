//! What the quotas of tenants promise beside what the nodes can give: per resource and tier, as the cluster's quotas say it
//! now and as the roster wants it. A pure function of what was seen. `docs/how-to/capacity.md` says what counts.

mod amounts;
mod gather;
mod nodes;
mod pods;
mod promised;
#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use amounts::Amount;
pub use gather::Gather;

use crate::hits::Unseen;
use crate::tree::SmolStr;

/// Quotas beside nodes.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, JsonSchema)]
pub struct Capacity {
    /// Which nodes count.
    pub nodes: Nodes,
    /// Each resource that nodes have, or that a quota promises.
    pub resources: Vec<Resource>,
    /// Where more is in use than the roster allows. What runs goes on, and nothing new starts.
    pub above: Vec<Above>,
    /// What nobody could look at.
    pub unseen: Vec<Unseen>,
}

/// Which nodes count.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, JsonSchema)]
pub struct Nodes {
    /// The nodes that take the pods of tenants.
    pub counted: Vec<SmolStr>,
    /// The nodes that do not.
    pub left_out: Vec<LeftOut>,
}

/// A node that does not count.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, JsonSchema)]
pub struct LeftOut {
    /// Its name.
    pub name: SmolStr,
    /// Why it takes no pods of tenants.
    pub why: SmolStr,
}

/// One resource. Amounts are Kubernetes quantities; what could not be looked at, or what nodes do not tell, is `null`.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, JsonSchema)]
pub struct Resource {
    /// What Kubernetes calls it.
    pub resource: SmolStr,
    /// What the nodes can give to pods.
    pub allocatable: Option<Amount>,
    /// What pods ask for in the namespaces that no tenant has.
    pub system: Option<Amount>,
    /// What is left for tenants.
    pub available: Option<Amount>,
    /// What the cluster's quotas promise to tenants now.
    pub before: Option<Amount>,
    /// What they promise once the roster is applied.
    pub after: Amount,
    /// How much of it tenants use, as the quotas count it.
    pub used: Option<Amount>,
    /// `before` as a percentage of what is available.
    pub before_percent: Option<i64>,
    /// `after` as a percentage of what is available.
    pub after_percent: Option<i64>,
    /// How many times what is available quotas may promise; `null` where kwo does not warn.
    pub most: Option<Amount>,
    /// Do they promise more than that?
    pub over: bool,
    /// How many namespaces of tenants have no bound for it.
    pub unbounded: usize,
    /// What each tier gets of it, by name.
    pub tiers: Vec<Tier>,
}

/// What the tenants of a tier get.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, JsonSchema)]
pub struct Tier {
    /// The tier; `null` for the namespaces of tenants that left the roster and still have a quota.
    pub tier: Option<SmolStr>,
    /// How many tenants.
    pub tenants: usize,
    /// How many namespaces they have.
    pub namespaces: usize,
    /// What the cluster's quotas promise them now.
    pub before: Option<Amount>,
    /// What they promise once the roster is applied.
    pub after: Amount,
}

/// An amount of a quota that is exceeded once the roster is applied.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Above {
    pub namespace: SmolStr,
    pub tenant: SmolStr,
    /// The name in the quota.
    pub resource: SmolStr,
    pub used: SmolStr,
    pub allowed: SmolStr,
}

/// What a plan says of it: the resources of which quotas promise too much.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Overcommitted {
    /// Each of them.
    pub over: Vec<Over>,
    /// What nobody could look at.
    pub unseen: Vec<Unseen>,
}

/// A resource of which quotas promise too much.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Over {
    pub resource: SmolStr,
    /// What is left for tenants.
    pub available: Amount,
    /// What the cluster's quotas promise now.
    pub before: Option<Amount>,
    /// What they promise once the roster is applied.
    pub after: Amount,
    /// `after` as a percentage of what is available; `null` where nothing is.
    pub percent: Option<i64>,
    /// How many times what is available quotas may promise.
    pub most: Amount,
}

impl Capacity {
    /// What a plan says of it.
    #[must_use]
    pub fn overcommitted(&self) -> Overcommitted {
        let over = self.resources.iter().filter(|resource| resource.over).filter_map(|resource| {
            Some(Over {
                resource: resource.resource.clone(),
                available: resource.available.clone()?,
                before: resource.before.clone(),
                after: resource.after.clone(),
                percent: resource.after_percent,
                most: resource.most.clone()?,
            })
        });
        Overcommitted { over: over.collect(), unseen: self.unseen.clone() }
    }
}
