//! What a plan narrows: which changes allow less than before, in words. It compares the object before a change with
//! the object after it; each kind has a file of its own. Narrower *rights* are not here: a plan never takes a right
//! away, and rights that the roster no longer gives are leftovers.

mod admission;
mod amounts;
mod namespace;
mod network;
mod pieces;

pub(crate) use amounts::{Narrower, exceeded, lower, narrower};
pub(crate) use namespace::level;
pub(crate) use network::{Opened, opened};

use crate::change::{Change, Tightening};
use crate::domains::Policy;
use crate::kinds::Kind;
use crate::observed::{Observed, Present, Sighting, TENANT_LABEL};
use crate::resource::{Desired, Resource, ResourceId};
use crate::tree::{SmolStr, Tree};

/// How many parts a sentence names.
const FEW: usize = 5;

/// What is wanted and seen besides the object that changes.
#[derive(Clone, Copy)]
pub(crate) struct Around<'a> {
    pub(crate) desired: &'a Desired,
    pub(crate) observed: &'a Observed,
}

/// What a new object narrows. In a namespace that is new as well there is nothing yet that could be narrowed, and
/// admission policies judge nothing before there is a tenant.
pub(crate) fn created(resource: &Resource, around: Around<'_>) -> Option<Tightening> {
    let kind = resource.id.known_kind()?;
    let there = match kind {
        Kind::ResourceQuota | Kind::LimitRange | Kind::NetworkPolicy => {
            around.present(&ResourceId::kube(Kind::Namespace, "", resource.id.scope.clone())).is_some()
        }
        Kind::ValidatingAdmissionPolicy => true,
        // Where the policy is new, too, that says it.
        Kind::ValidatingAdmissionPolicyBinding => {
            let policy = ResourceId::kube(Kind::ValidatingAdmissionPolicy, "", resource.id.name.clone());
            around.present(&policy).is_some()
        }
        _ => return None,
    };
    there.then(|| narrowed(kind, resource, &Tree::Null, &resource.body, around)).flatten()
}

/// Says of each change whether it narrows something. A change is judged as if those before it were done.
pub(crate) fn mark(resource: &Resource, present: &Present, changes: &mut [Change], around: Around<'_>) {
    let Some(kind) = resource.id.known_kind().filter(|kind| narrows(*kind)) else { return };
    let mut before = present.body.clone();
    for change in changes {
        let (Some(pointer), Some(value)) = (change.pointer(), change.value()) else { continue };
        let after = before.with(pointer, value.clone());
        let found = narrowed(kind, resource, &before, &after, around);
        if let Change::Extend { tightens, .. } | Change::Revise { tightens, .. } = change {
            *tightens = found;
        }
        before = after;
    }
}

/// Can an object of this kind allow less than another one of its kind?
const fn narrows(kind: Kind) -> bool {
    match kind {
        Kind::Namespace
        | Kind::ResourceQuota
        | Kind::LimitRange
        | Kind::NetworkPolicy
        | Kind::ValidatingAdmissionPolicy
        | Kind::ValidatingAdmissionPolicyBinding => true,
        // Rights are added and never taken away, and the rest bounds nobody.
        Kind::ServiceAccount
        | Kind::Role
        | Kind::RoleBinding
        | Kind::ClusterRole
        | Kind::ClusterRoleBinding
        | Kind::Secret
        | Kind::ConfigMap
        | Kind::PersistentVolumeClaim
        | Kind::Deployment
        | Kind::Service
        | Kind::Ingress
        | Kind::IngressRoute
        | Kind::Middleware
        | Kind::HelmChartConfig
        | Kind::ClusterIssuer
        | Kind::Certificate => false,
    }
}

fn narrowed(
    kind: Kind,
    resource: &Resource,
    before: &Tree,
    after: &Tree,
    around: Around<'_>,
) -> Option<Tightening> {
    let name = resource.id.name.as_str();
    let what = match kind {
        Kind::ResourceQuota => return amounts::quota(before, after),
        Kind::LimitRange => amounts::limits(before, after),
        Kind::NetworkPolicy => network::narrowed(before, after),
        Kind::Namespace => namespace::narrowed(before, after, around),
        Kind::ValidatingAdmissionPolicy if around.has_tenants() => admission::policy(name, before, after),
        Kind::ValidatingAdmissionPolicyBinding if around.has_tenants() => {
            admission::binding(name, before, after)
        }
        _ => None,
    };
    Some(Tightening { what: what?.into(), exceeded_by_use: None })
}

impl<'a> Around<'a> {
    fn present(self, id: &ResourceId) -> Option<&'a Present> {
        match self.observed.get(id) {
            Some(Sighting::Present(present)) => Some(present),
            Some(Sighting::Absent | Sighting::Unknown { .. } | Sighting::LeftOut { .. }) | None => None,
        }
    }

    /// Is there a tenant's namespace that policies hold for?
    fn has_tenants(self) -> bool {
        self.observed.iter().any(|(id, sighting)| {
            id.known_kind() == Some(Kind::Namespace)
                && matches!(sighting, Sighting::Present(present) if present.label(TENANT_LABEL).is_some())
        })
    }

    /// The rules of a policy as they are in the cluster, and as they are to be.
    fn rules(self, policy: Policy) -> [&'a [Tree]; 2] {
        let [id, _] = policy.ids();
        let rules = |body: &'a Tree| body.at("/spec/validations").map_or(&[][..], Tree::items);
        let there = self.present(&id).map_or(&[][..], |present| rules(&present.body));
        [there, self.desired.get(&id).map_or(&[][..], |resource| rules(&resource.body))]
    }
}

/// The text at a pointer.
fn text<'t>(tree: &'t Tree, pointer: &str) -> Option<&'t SmolStr> {
    tree.at(pointer).and_then(Tree::as_text)
}

/// The first of several parts as one sentence, and how many more there are.
fn few(parts: &[String]) -> Option<String> {
    let more = parts.len().saturating_sub(FEW);
    let told = parts.get(..parts.len() - more)?.join(", ");
    match (parts.is_empty(), more) {
        (true, _) => None,
        (false, 0) => Some(told),
        (false, more) => Some(format!("{told}, and {more} more")),
    }
}

#[cfg(test)]
pub(crate) fn tree(json: &str) -> Tree {
    serde_json::from_str(json).unwrap()
}
