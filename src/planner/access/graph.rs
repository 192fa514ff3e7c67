//! Access as a picture: people, the roles that they have, and the namespaces where. A role is drawn once for all who have
//! it in the same namespaces, so that each way through the picture is a right that somebody has.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use super::cluster::{Cluster, RoleRef};
use super::danger::Danger;
use super::who::Who;
use crate::named::NAVIGATION;
use crate::tree::SmolStr;

/// Somebody in the picture.
#[derive(Clone, Debug, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Person {
    /// Who.
    pub who: Who,
    /// The same in words.
    pub told: SmolStr,
}

/// A role in the picture.
#[derive(Clone, Debug, Eq, JsonSchema, PartialEq, Serialize)]
pub struct RoleBox {
    /// The role.
    pub role: RoleRef,
    /// The same in words.
    pub told: SmolStr,
    /// What in it leads to more than it says.
    pub dangers: Vec<Danger>,
    /// Who has it: their places in `people`.
    pub people: Vec<usize>,
    /// Where: places in `namespaces`.
    pub namespaces: Vec<usize>,
    /// Does the roster give it to all of them? Nothing where there is no roster.
    pub roster: Option<bool>,
}

/// The picture.
#[derive(Clone, Debug, Default, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Graph {
    /// Everybody in it, ordered.
    pub people: Vec<Person>,
    /// What they have.
    pub roles: Vec<RoleBox>,
    /// Where: namespaces, and an empty name for the whole cluster.
    pub namespaces: Vec<SmolStr>,
}

/// The same role with the same dangers, from the roster or not, for the same people.
type Alike<'c> = (&'c RoleRef, Vec<Danger>, Option<bool>, Vec<&'c Who>);

impl Graph {
    /// The picture of a cluster: of all of it, or of what holds in some namespaces. What the cluster gives to itself is
    /// left out, unless `all` is asked for.
    #[must_use]
    pub fn of(cluster: &Cluster, only: &[SmolStr], all: bool, with_roster: bool) -> Graph {
        let mut rights: BTreeMap<(&SmolStr, &RoleRef, bool), BTreeSet<&Who>> = BTreeMap::new();
        let mut marks: BTreeMap<(&SmolStr, &RoleRef), BTreeSet<Danger>> = BTreeMap::new();
        for binding in cluster.bindings() {
            let in_sight =
                only.is_empty() || binding.namespace.is_empty() || only.contains(&binding.namespace);
            if !in_sight {
                continue;
            }
            let mut any = false;
            for who in
                binding.whom.iter().filter(|who| all || cluster.is_alone() || !cluster.is_own(binding, who))
            {
                let given = binding.place(who).is_some();
                rights.entry((&binding.namespace, &binding.role, given)).or_default().insert(who);
                any = true;
            }
            if any && !marks.contains_key(&(&binding.namespace, &binding.role)) {
                let dangers = cluster.dangers(binding).into_keys().collect();
                marks.insert((&binding.namespace, &binding.role), dangers);
            }
        }
        let mut alike: BTreeMap<Alike<'_>, Vec<&SmolStr>> = BTreeMap::new();
        for ((namespace, role, given), whom) in rights {
            let dangers = marks.get(&(namespace, role)).into_iter().flatten().copied().collect();
            let given = with_roster.then_some(given);
            alike.entry((role, dangers, given, whom.into_iter().collect())).or_default().push(namespace);
        }
        let people: BTreeSet<&Who> = alike.keys().flat_map(|(_, _, _, whom)| whom.iter().copied()).collect();
        let places: BTreeSet<&SmolStr> = alike.values().flatten().copied().collect();
        let numbers: BTreeMap<&Who, usize> =
            people.iter().enumerate().map(|(number, who)| (*who, number)).collect();
        let at: BTreeMap<&SmolStr, usize> =
            places.iter().enumerate().map(|(at, namespace)| (*namespace, at)).collect();
        let roles = alike.into_iter().map(|((role, dangers, roster, whom), namespaces)| RoleBox {
            told: words(role, namespaces.iter().any(|namespace| namespace.is_empty())),
            role: role.clone(),
            dangers,
            people: whom.iter().filter_map(|who| numbers.get(who).copied()).collect(),
            namespaces: namespaces.iter().filter_map(|namespace| at.get(namespace).copied()).collect(),
            roster,
        });
        let mut roles: Vec<RoleBox> = roles.collect();
        // Beside the places that it is about.
        roles.sort_by(|a, b| (&a.namespaces, &a.people, &a.role).cmp(&(&b.namespaces, &b.people, &b.role)));
        Graph {
            people: people.into_iter().map(|who| Person { who: who.clone(), told: who.told() }).collect(),
            roles,
            namespaces: places.into_iter().cloned().collect(),
        }
    }
}

/// A role as managers know it.
fn words(role: &RoleRef, whole: bool) -> SmolStr {
    match (role.kind.as_str(), role.name.as_str()) {
        ("ClusterRole", "cluster-admin") if whole => "admin of everything".into(),
        ("ClusterRole", "view") => "viewer".into(),
        ("ClusterRole", NAVIGATION) => "lists namespaces and nodes".into(),
        ("ClusterRole", "kwo-power-user") => "power-user".into(),
        ("Role", "tenant-deployer") => "deployer".into(),
        (_, name) => crate::foreign::clipped(name),
    }
}
