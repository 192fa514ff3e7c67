//! Who has which role in one of two places that bindings come from, and not in the other: two rosters, or a roster and a
//! cluster. By whichever binding somebody has a role makes no difference.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use super::cluster::{Binding, Cluster, RoleRef};
use super::danger::{Danger, dangers, of_kubernetes};
use super::rules::Rule;
use super::who::{ANONYMOUS, AUTHENTICATED, UNAUTHENTICATED, Who};
use crate::resource::ResourceId;
use crate::tree::SmolStr;

/// The roles that Kubernetes gives to everybody in every cluster.
const EVERYBODYS: [&str; 5] = [
    "system:basic-user",
    "system:discovery",
    "system:public-info-viewer",
    "system:service-account-issuer-discovery",
    "system:cluster-trust-bundle-discovery",
];

/// Somebody with a role somewhere.
#[derive(Clone, Debug, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Edge {
    /// Who.
    pub who: Who,
    /// Where; empty for the whole cluster.
    pub namespace: SmolStr,
    /// The role.
    pub role: RoleRef,
    /// A binding that gives it.
    pub binding: ResourceId,
    /// The line of the roster that asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roster: Option<SmolStr>,
    /// What in the role leads to more than it says, where its rules are known.
    pub dangers: BTreeMap<Danger, Vec<SmolStr>>,
}

/// A role that both have, with other rules.
#[derive(Clone, Debug, Eq, JsonSchema, PartialEq, Serialize)]
pub struct RoleChange {
    /// Where it is; empty for the whole cluster.
    pub namespace: SmolStr,
    /// The role.
    pub role: RoleRef,
    /// The rules that only the second one has.
    pub more: Vec<Rule>,
    /// The rules that only the first one has.
    pub less: Vec<Rule>,
}

/// What is different.
#[derive(Clone, Debug, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Difference {
    /// What only the second one gives.
    pub more: Vec<Edge>,
    /// What only the first one gives.
    pub less: Vec<Edge>,
    /// Roles that both have, with other rules.
    pub roles: Vec<RoleChange>,
}

impl Difference {
    /// Is there none?
    #[must_use]
    pub fn is_none(&self) -> bool {
        let Difference { more, less, roles } = self;
        more.is_empty() && less.is_empty() && roles.is_empty()
    }
}

/// The difference between the first and the second one, without what every cluster gives to itself.
#[must_use]
pub fn difference(from: &Cluster, to: &Cluster) -> Difference {
    let (had, has) = (edges(from), edges(to));
    let only = |of: &Cluster, these: &BTreeMap<Key<'_>, &Binding>, those: &BTreeMap<Key<'_>, &Binding>| {
        let only = these.iter().filter(|(key, binding)| {
            !those.contains_key(*key) && (of.is_alone() || !of.is_own(binding, key.2))
        });
        only.map(|((namespace, role, who), binding)| Edge {
            who: (*who).clone(),
            namespace: (*namespace).clone(),
            role: (*role).clone(),
            binding: binding.id(),
            roster: binding.place(who).cloned(),
            dangers: of.dangers(binding),
        })
        .collect()
    };
    Difference { more: only(to, &has, &had), less: only(from, &had, &has), roles: roles(from, to) }
}

type Key<'c> = (&'c SmolStr, &'c RoleRef, &'c Who);

fn edges(cluster: &Cluster) -> BTreeMap<Key<'_>, &Binding> {
    let mut edges = BTreeMap::new();
    for binding in cluster.bindings() {
        for who in &binding.whom {
            edges.entry((&binding.namespace, &binding.role, who)).or_insert(binding);
        }
    }
    edges
}

/// Roles that bindings of both give, and whose rules are known of both.
fn roles(from: &Cluster, to: &Cluster) -> Vec<RoleChange> {
    let given = |cluster: &Cluster| -> BTreeSet<(SmolStr, RoleRef)> {
        let place = |binding: &Binding| match binding.role.kind.as_str() {
            "Role" => binding.namespace.clone(),
            _ => SmolStr::default(),
        };
        cluster.bindings().iter().map(|binding| (place(binding), binding.role.clone())).collect()
    };
    let (first, second) = (given(from), given(to));
    let mut changes = Vec::new();
    for (namespace, role) in first.intersection(&second) {
        let (Some(had), Some(has)) = (from.role_of(namespace, role), to.role_of(namespace, role)) else {
            continue;
        };
        let (had, has) = (ordered(&had.rules), ordered(&has.rules));
        let (more, less): (Vec<_>, Vec<_>) =
            (has.difference(&had).cloned().collect(), had.difference(&has).cloned().collect());
        if !more.is_empty() || !less.is_empty() {
            changes.push(RoleChange { namespace: namespace.clone(), role: role.clone(), more, less });
        }
    }
    changes
}

/// The rules without the order in which they and their parts stand, which means nothing.
fn ordered(rules: &[Rule]) -> BTreeSet<Rule> {
    let sorted = |list: &[SmolStr]| {
        let mut list = list.to_vec();
        list.sort();
        list.dedup();
        list
    };
    let rules = rules.iter().map(|rule| {
        let Rule { verbs, api_groups, resources, resource_names, urls } = rule;
        let [verbs, api_groups, resources, resource_names, urls] =
            [verbs, api_groups, resources, resource_names, urls].map(|list| sorted(list));
        Rule { verbs, api_groups, resources, resource_names, urls }
    });
    rules.collect()
}

impl Cluster {
    /// What in the role of a binding leads to more than it says.
    #[must_use]
    pub fn dangers(&self, binding: &Binding) -> BTreeMap<Danger, Vec<SmolStr>> {
        let enforces = self.namespaces().get(&binding.namespace);
        let enforces = enforces.map_or("", |namespace| namespace.enforces.as_str());
        match self.role(binding) {
            Some(role) => dangers(&role.rules, enforces),
            None if self.is_alone() && binding.role.kind == "ClusterRole" => {
                of_kubernetes(&binding.role.name)
            }
            None => BTreeMap::new(),
        }
    }
}

/// Does a cluster have it by itself: for its own parts, which no person can be, or for everybody in every cluster? No label
/// counts, for anybody can set one.
#[must_use]
pub(super) fn is_clusters_own(binding: &Binding, who: &Who) -> bool {
    let RoleRef { kind, name } = &binding.role;
    if let Some((namespace, account)) = who.as_account() {
        return namespace == "kube-system" && name.strip_prefix("system:controller:") == Some(account);
    }
    if who.is_everybody() {
        let whole = binding.namespace.is_empty() && kind == "ClusterRole";
        let known = whole && EVERYBODYS.contains(&name.as_str());
        let (Who::User(everybody) | Who::Group(everybody)) = who;
        let open = [AUTHENTICATED, UNAUTHENTICATED].contains(&everybody.as_str());
        let joins = binding.namespace == "kube-public" && everybody == ANONYMOUS;
        return known && (open || everybody == super::who::ACCOUNTS)
            || joins && name == "kubeadm:bootstrap-signer-clusterinfo";
    }
    who.is_clusters()
}
