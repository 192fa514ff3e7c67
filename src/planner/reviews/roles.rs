//! What the role of a binding lets: the roles that kwo makes say it themselves, those of Kubernetes are known, and those of
//! the admin's own are read from the cluster.

use std::collections::{BTreeMap, BTreeSet};

use crate::kinds::Kind;
use crate::resource::{Desired, Resource, ResourceId};
use crate::tree::{SmolStr, Tree};

/// One probe: a verb, an API group, a resource.
pub(super) type Probe = (&'static str, &'static str, &'static str);

/// The roles of Kubernetes itself, and which of the probes each lets. All others it does not.
const KNOWN: [(&str, &[Probe]); 4] = [
    ("admin", &[GET_PODS, LIST_SECRETS, CREATE_PODS, EXEC, PATCH_DEPLOYMENTS, GRANT]),
    ("edit", &[GET_PODS, LIST_SECRETS, CREATE_PODS, EXEC, PATCH_DEPLOYMENTS]),
    ("view", &[GET_PODS]),
    (EVERYTHING, &[]),
];

/// The role that lets everything.
const EVERYTHING: &str = "cluster-admin";

pub(super) const GET_PODS: Probe = ("get", "", "pods");
pub(super) const LIST_SECRETS: Probe = ("list", "", "secrets");
pub(super) const CREATE_PODS: Probe = ("create", "", "pods");
pub(super) const EXEC: Probe = ("create", "", "pods/exec");
pub(super) const PATCH_DEPLOYMENTS: Probe = ("patch", "apps", "deployments");
/// Who may write bindings may give what he has.
pub(super) const GRANT: Probe = ("create", "rbac.authorization.k8s.io", "rolebindings");

/// What the roles of the admin's own let, as they stand in the cluster.
#[derive(Clone, Debug, Default)]
pub struct OwnRoles {
    found: BTreeMap<ResourceId, Tree>,
    unread: BTreeMap<(Kind, SmolStr), SmolStr>,
}

impl OwnRoles {
    /// A role is there, with these rules.
    pub fn add(&mut self, role: ResourceId, rules: Tree) {
        self.found.insert(role, rules);
    }

    /// Nobody could read the roles of this kind and name.
    pub fn could_not(&mut self, kind: Kind, name: SmolStr, why: SmolStr) {
        self.unread.insert((kind, name), why);
    }

    /// Why it is not known what some of them let.
    pub fn unread(&self) -> impl Iterator<Item = (Kind, &SmolStr, &SmolStr)> {
        self.unread.iter().map(|((kind, name), why)| (*kind, name, why))
    }

    /// The verbs in the rules of a role of the admin's own; nothing where there is no such role.
    #[must_use]
    pub fn verbs(&self, role: &ResourceId) -> Option<Result<BTreeSet<&str>, &SmolStr>> {
        if known(role).is_some() {
            return None;
        }
        if let Some(why) = self.unread.get(&(role.known_kind()?, role.name.clone())) {
            return Some(Err(why));
        }
        let rules = self.found.get(role)?.items();
        let verbs = rules.iter().filter_map(|rule| rule.get("verbs")).flat_map(Tree::items);
        Some(Ok(verbs.filter_map(Tree::as_text).map(SmolStr::as_str).collect()))
    }

    /// Does this role let it? Nothing where nobody could read it.
    pub(super) fn lets(&self, desired: &Desired, role: &ResourceId, probe: Probe) -> Option<bool> {
        if let Some(made) = desired.get(role) {
            return Some(made.body.get("rules").is_some_and(|rules| allows(rules, probe)));
        }
        if let Some((name, known)) = known(role) {
            return Some(*name == EVERYTHING || known.contains(&probe));
        }
        if role.known_kind().is_some_and(|kind| self.unread.contains_key(&(kind, role.name.clone()))) {
            return None;
        }
        Some(self.found.get(role).is_some_and(|rules| allows(rules, probe)))
    }
}

/// The roles that the roster binds and that neither kwo makes nor Kubernetes, by kind and name.
#[must_use]
pub fn own_roles(desired: &Desired) -> BTreeSet<(Kind, SmolStr)> {
    let bound = desired.resources().iter().filter_map(role);
    let own = bound.filter(|role| desired.get(role).is_none() && known(role).is_none());
    own.filter_map(|role| Some((role.known_kind()?, role.name))).collect()
}

/// The role that a binding names.
pub(crate) fn role(binding: &Resource) -> Option<ResourceId> {
    binding.id.known_kind().filter(|kind| kind.binds())?;
    let text = |pointer: &str| binding.body.at(pointer).and_then(Tree::as_text);
    let kind = Kind::named(text("/roleRef/kind")?)?;
    let scope = if kind == Kind::Role { binding.id.scope.clone() } else { SmolStr::default() };
    Some(ResourceId::kube(kind, scope, text("/roleRef/name")?.clone()))
}

fn known(role: &ResourceId) -> Option<&'static (&'static str, &'static [Probe])> {
    let of_cluster = role.known_kind() == Some(Kind::ClusterRole);
    KNOWN.iter().find(|(name, _)| of_cluster && role.name == *name)
}

/// Does one of these rules let it, for objects of every name?
fn allows(rules: &Tree, (verb, group, resource): Probe) -> bool {
    let has = |rule: &Tree, key: &str, wanted: &dyn Fn(&str) -> bool| {
        let all = rule.get(key).map(Tree::items).unwrap_or_default();
        all.iter().filter_map(Tree::as_text).any(|word| word == "*" || wanted(word))
    };
    let below = resource.split_once('/').map(|(_, below)| below);
    rules.items().iter().any(|rule| {
        rule.get("resourceNames").is_none_or(|names| names.items().is_empty())
            && has(rule, "verbs", &|word| word == verb)
            && has(rule, "apiGroups", &|word| word == group)
            && has(rule, "resources", &|word| {
                word == resource || word.strip_prefix("*/").is_some_and(|every| Some(every) == below)
            })
    })
}
