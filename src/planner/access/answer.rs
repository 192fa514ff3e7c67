//! The two questions to a cluster: who may do this, and what may somebody do. Each right comes with the binding that
//! gives it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::api::never_named;
use super::cluster::{Binding, Cluster, RoleRef};
use super::danger::{Danger, dangers};
use super::difference::is_clusters_own;
use super::rules::{Question, Rule, What};
use super::who::{Asker, Who};
use crate::kinds::Kind;
use crate::resource::ResourceId;
use crate::tree::SmolStr;

/// What could not be read.
#[derive(Clone, Debug, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Unseen {
    /// Which list, such as `rolebindings`.
    pub what: SmolStr,
    /// What came of it.
    pub why: SmolStr,
}

/// One way in which somebody has a right.
#[derive(Clone, Debug, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Way {
    /// Who.
    pub who: Who,
    /// Where; empty for the whole cluster.
    pub namespace: SmolStr,
    /// The role that has it.
    pub role: RoleRef,
    /// The binding that gives the role.
    pub binding: ResourceId,
    /// The line of the roster that asks for it; nothing where the roster does not, or where there is no roster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roster: Option<SmolStr>,
    /// The cluster gives it to one of its own parts, or to everybody in every cluster.
    pub own: bool,
    /// A controller gathers the rules of the role from other roles.
    pub gathered: bool,
    /// There is no such service account. Whoever makes it has the right.
    pub missing: bool,
    /// Only for the objects of these names; none is all of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<SmolStr>,
}

/// Who may do something.
#[derive(Clone, Debug, Eq, JsonSchema, PartialEq, Serialize)]
pub struct WhoCan {
    /// Those who may, those of the whole cluster first.
    pub allowed: Vec<Way>,
    /// Those who may do it with some objects only, by name.
    pub named: Vec<Way>,
    /// Bindings of which it is not known whether they give it: their role could not be read.
    pub unknown: Vec<Named>,
}

/// A binding of whose role nothing is known.
#[derive(Clone, Debug, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Named {
    /// The binding.
    pub binding: ResourceId,
    /// The role that it gives.
    pub role: RoleRef,
}

/// A role that somebody has.
#[derive(Clone, Debug, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Held {
    /// Where; empty for the whole cluster.
    pub namespace: SmolStr,
    /// As whom: by the name, or in a group.
    pub through: Who,
    /// The role.
    pub role: RoleRef,
    /// The binding that gives it.
    pub binding: ResourceId,
    /// The line of the roster that asks for it; nothing where the roster does not, or where there is no roster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roster: Option<SmolStr>,
    /// The cluster gives it to one of its own parts, or to everybody in every cluster.
    pub own: bool,
    /// A controller gathers the rules of the role from other roles.
    pub gathered: bool,
    /// There is no such role, so that it gives nothing until somebody makes it.
    pub absent: bool,
    /// What in it leads to more than it says, and of which objects only; none is all of them.
    pub dangers: BTreeMap<Danger, Vec<SmolStr>>,
    /// What it allows.
    pub rules: Vec<Rule>,
}

/// What somebody may do.
#[derive(Clone, Debug, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Rights {
    /// The groups that were asked with.
    pub groups: Vec<SmolStr>,
    /// The API server lets somebody of the group `system:masters` do everything.
    pub everything: bool,
    /// There is no such service account.
    pub missing: bool,
    /// The roles, those in the whole cluster first.
    pub held: Vec<Held>,
}

impl WhoCan {
    /// The answers to several questions as one, in which each right stands once.
    #[must_use]
    pub fn together(answers: impl IntoIterator<Item = WhoCan>) -> WhoCan {
        let mut all = WhoCan { allowed: Vec::new(), named: Vec::new(), unknown: Vec::new() };
        for WhoCan { allowed, named, unknown } in answers {
            all.allowed.extend(allowed);
            all.named.extend(named);
            all.unknown.extend(unknown);
        }
        for ways in [&mut all.allowed, &mut all.named] {
            let key = |way: &Way| (way.namespace.clone(), way.who.clone(), way.binding.clone());
            ways.sort_by_cached_key(key);
            ways.dedup();
        }
        all.unknown.sort_by(|a, b| a.binding.cmp(&b.binding));
        all.unknown.dedup();
        all
    }
}

impl Cluster {
    /// Who may do this: in its namespace, or without one in each that there is.
    #[must_use]
    pub fn who_can(&self, question: &Question, anywhere: bool) -> WhoCan {
        let mut answer = WhoCan { allowed: Vec::new(), named: Vec::new(), unknown: Vec::new() };
        // Many bindings give the same role.
        let mut known: BTreeMap<(&str, &RoleRef), (bool, Vec<SmolStr>)> = BTreeMap::new();
        let in_none = matches!(question.what, What::Url { .. });
        for binding in self.bindings() {
            let Binding { namespace, role: of, whom, .. } = binding;
            if !namespace.is_empty() && (in_none || !anywhere && *namespace != question.namespace) {
                continue;
            }
            let Some(role) = self.role(binding) else {
                let kind = Kind::named(&of.kind).unwrap_or(Kind::Role);
                if !self.saw(kind) {
                    answer.unknown.push(Named { binding: binding.id(), role: of.clone() });
                }
                continue;
            };
            let place = if of.kind == "Role" { namespace.as_str() } else { "" };
            let (all, some) = known.entry((place, of)).or_insert_with(|| allowed(&role.rules, question));
            if !*all && some.is_empty() {
                continue;
            }
            let ways = whom.iter().map(|who| Way {
                who: who.clone(),
                namespace: namespace.clone(),
                role: of.clone(),
                binding: binding.id(),
                roster: binding.place(who).cloned(),
                own: is_clusters_own(binding, who),
                gathered: role.gathered,
                missing: self.lacks(who),
                only: if *all { Vec::new() } else { some.clone() },
            });
            if *all { answer.allowed.extend(ways) } else { answer.named.extend(ways) }
        }
        answer
    }

    /// What somebody may do, by the name and by each group.
    #[must_use]
    pub fn of(&self, who: &Who, asker: &Asker) -> Rights {
        let mut held = Vec::new();
        for through in asker.names() {
            for binding in self.about(&through) {
                let role = self.role(binding);
                let enforces = self.namespaces().get(&binding.namespace);
                let enforces = enforces.map_or("", |namespace| namespace.enforces.as_str());
                let rules = role.map(|role| role.rules.clone()).unwrap_or_default();
                let kind = Kind::named(&binding.role.kind).unwrap_or(Kind::Role);
                held.push(Held {
                    namespace: binding.namespace.clone(),
                    through: through.clone(),
                    role: binding.role.clone(),
                    binding: binding.id(),
                    roster: binding.place(&through).cloned(),
                    own: is_clusters_own(binding, &through),
                    gathered: role.is_some_and(|role| role.gathered),
                    absent: role.is_none() && self.saw(kind),
                    dangers: dangers(&rules, enforces),
                    rules,
                });
            }
        }
        held.sort_by(|a, b| (&a.namespace, &a.role, &a.through).cmp(&(&b.namespace, &b.role, &b.through)));
        let groups = asker.groups.clone();
        Rights { groups, everything: asker.is_master(), missing: self.lacks(who), held }
    }
}

/// Do the rules allow it, and otherwise for objects of which names?
fn allowed(rules: &[Rule], question: &Question) -> (bool, Vec<SmolStr>) {
    if rules.iter().any(|rule| rule.allows(question)) {
        return (true, Vec::new());
    }
    let What::Resource { group, resource, subresource, name } = &question.what else {
        return (false, Vec::new());
    };
    // No name ever comes with such a request, so names in a rule never let it.
    if never_named(&question.verb, subresource) {
        return (false, Vec::new());
    }
    // Who asks about one object is not told of others.
    let some = rules
        .iter()
        .filter(|rule| name.is_empty() && rule.covers(&question.verb, group, resource, subresource));
    let mut names: Vec<SmolStr> = some.flat_map(|rule| rule.resource_names.iter().cloned()).collect();
    names.sort();
    names.dedup();
    (false, names)
}
