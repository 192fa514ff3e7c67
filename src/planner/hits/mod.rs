//! Existing objects that a plan would hit: which objects kwo looks at, and which of them the API server would refuse
//! if somebody wrote them again. A pure function of the plan and of what was seen. `docs/reference/bounds.md` says
//! what kwo checks and what it does not.

mod amounts;
mod hosts;
mod images;
mod judge;
mod pods;
mod rules;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use judge::Judge;

use crate::resource::ResourceId;
use crate::tree::SmolStr;

/// How many objects are named of those that one rule hits in one namespace.
const MOST: usize = 5;

/// What is there and would be hit. Only printed, and found anew each time: what a file says of it is never read.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Hits {
    /// What would be hit.
    pub hit: Vec<Hit>,
    /// What nobody could look at.
    pub unseen: Vec<Unseen>,
}

/// Objects of one kind in one namespace that one rule hits.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Hit {
    /// Where they are.
    pub namespace: SmolStr,
    /// Whose namespace it is.
    #[serde(default, skip_serializing_if = "SmolStr::is_empty")]
    pub tenant: SmolStr,
    /// The object of the plan that becomes narrower.
    pub by: ResourceId,
    /// What Kubernetes calls their kind.
    pub kind: SmolStr,
    /// Why, as a sentence without a full stop.
    pub why: SmolStr,
    /// The first of them by name.
    pub objects: Vec<HitObject>,
    /// How many more there are.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: usize,
}

/// One object.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize, JsonSchema)]
pub struct HitObject {
    /// Its name.
    pub name: SmolStr,
    /// What of it is hit.
    #[serde(default, skip_serializing_if = "SmolStr::is_empty")]
    pub what: SmolStr,
}

/// What nobody could look at.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize, JsonSchema)]
pub struct Unseen {
    /// Which kind, or what of which namespace.
    pub what: SmolStr,
    /// What was tried and what came of it.
    pub why: SmolStr,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands on references")]
const fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// A kind of object that is looked at besides what kwo makes.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[expect(missing_docs, reason = "the names are Kubernetes' own")]
pub enum Beside {
    Pod,
    Service,
    Ingress,
    PersistentVolumeClaim,
    NetworkPolicy,
    Certificate,
    /// Never hit: looked at for what it can give.
    Node,
    /// Never hit: looked at for what it promises.
    ResourceQuota,
    /// Never hit: looked at for what it says of itself.
    ClusterIssuer,
}

impl Beside {
    /// What a plan says about capacity is made of these.
    pub const OF_CAPACITY: [Beside; 3] = [Beside::Node, Beside::ResourceQuota, Beside::Pod];

    /// All that can be hit.
    pub const ALL: [Beside; 6] = [
        Beside::Pod,
        Beside::Service,
        Beside::Ingress,
        Beside::PersistentVolumeClaim,
        Beside::NetworkPolicy,
        Beside::Certificate,
    ];

    /// Its name, its `apiVersion` and its name in paths.
    #[must_use]
    pub const fn facts(self) -> (&'static str, &'static str, &'static str) {
        const NETWORKING: &str = "networking.k8s.io/v1";
        match self {
            Beside::Pod => ("Pod", "v1", "pods"),
            Beside::Service => ("Service", "v1", "services"),
            Beside::Ingress => ("Ingress", NETWORKING, "ingresses"),
            Beside::PersistentVolumeClaim => ("PersistentVolumeClaim", "v1", "persistentvolumeclaims"),
            Beside::NetworkPolicy => ("NetworkPolicy", NETWORKING, "networkpolicies"),
            Beside::Certificate => ("Certificate", "cert-manager.io/v1", "certificates"),
            Beside::Node => ("Node", "v1", "nodes"),
            Beside::ResourceQuota => ("ResourceQuota", "v1", "resourcequotas"),
            Beside::ClusterIssuer => ("ClusterIssuer", "cert-manager.io/v1", "clusterissuers"),
        }
    }

    /// May it be that the cluster does not have this kind at all? Then there are none.
    #[must_use]
    pub const fn may_lack(self) -> bool {
        matches!(self, Beside::Certificate | Beside::ClusterIssuer)
    }
}
