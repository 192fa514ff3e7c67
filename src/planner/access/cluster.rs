//! All roles and bindings of a cluster, by whom they are about: who may do a thing is found without a look at bindings that
//! name somebody else.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smol_str::format_smolstr;

use super::answer::Unseen;
use super::rules::{Question, Rule, What};
use super::who::{Asker, Who};
use crate::foreign::is_clusters_own;
use crate::kinds::Kind;
use crate::origin::Origin;
use crate::resource::{Desired, ResourceId};
use crate::tree::SmolStr;

/// What was read, as it came.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    /// Roles by namespace and name; those of the whole cluster have no namespace.
    pub roles: BTreeMap<(SmolStr, SmolStr), Role>,
    /// Bindings, in any order.
    pub bindings: Vec<Binding>,
    /// Namespaces.
    pub namespaces: BTreeMap<SmolStr, Namespace>,
    /// Service accounts by namespace and name.
    pub accounts: BTreeSet<(SmolStr, SmolStr)>,
    /// What could not be read.
    pub unseen: Vec<Unseen>,
    /// It is what a roster wants, and the roles that Kubernetes has by itself are not in it.
    pub alone: bool,
}

/// A role.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Role {
    /// What it allows.
    pub rules: Vec<Rule>,
    /// A controller gathers the rules from other roles.
    pub gathered: bool,
}

/// A namespace.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Namespace {
    /// The level of pod security that it enforces; empty where it says nothing of it.
    pub enforces: SmolStr,
    /// It is a tenant's: by kwo's labels, or by the roster.
    pub of_tenant: bool,
}

/// The role that a binding gives.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
pub struct RoleRef {
    /// `Role` or `ClusterRole`.
    pub kind: SmolStr,
    /// Its name.
    pub name: SmolStr,
}

/// A binding.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Binding {
    /// Where it holds; empty for the whole cluster.
    pub namespace: SmolStr,
    /// Its name.
    pub name: SmolStr,
    /// What it gives.
    pub role: RoleRef,
    /// To whom.
    pub whom: Vec<Who>,
    /// Which of these the roster gives it to, and where it says so.
    pub given: BTreeMap<Who, SmolStr>,
}

/// A cluster's roles and bindings, with an index over whom they are about.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    parts: Parts,
    /// Where in the bindings those about somebody in a place stand. A binding that names somebody twice stands once.
    index: BTreeMap<(Who, SmolStr), Vec<usize>>,
}

impl Cluster {
    /// What was read, ordered.
    #[must_use]
    pub fn new(mut parts: Parts) -> Cluster {
        parts.bindings.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
        let mut index: BTreeMap<(Who, SmolStr), Vec<usize>> = BTreeMap::new();
        for (at, binding) in parts.bindings.iter().enumerate() {
            for who in &binding.whom {
                let places = index.entry((who.clone(), binding.namespace.clone())).or_default();
                if places.last() != Some(&at) {
                    places.push(at);
                }
            }
        }
        Cluster { parts, index }
    }

    /// The same, with the lines of the roster that give the same role to the same people in the same place, by whatever
    /// binding. Nothing else tells where a right comes from: a label can be set by anybody.
    #[must_use]
    pub fn compared(self, desired: &Desired) -> Cluster {
        let Parts { bindings: wanted, namespaces, .. } = Parts::of(desired);
        let mut given: BTreeMap<(&SmolStr, &RoleRef, &Who), SmolStr> = BTreeMap::new();
        for binding in &wanted {
            let Some(resource) = desired.get(&binding.id()) else { continue };
            let place = Origin::of(&resource.because, desired.sources()).place;
            for who in &binding.whom {
                given.entry((&binding.namespace, &binding.role, who)).or_insert_with(|| place.clone());
            }
        }
        let Cluster { mut parts, index } = self;
        for (name, namespace) in &mut parts.namespaces {
            namespace.of_tenant |= namespaces.get(name).is_some_and(|wanted| wanted.of_tenant);
        }
        for Binding { namespace, name: _, role, whom, given: of } in &mut parts.bindings {
            let place = |who: &Who| given.get(&(&*namespace, &*role, who)).cloned();
            *of = whom.iter().filter_map(|who| Some((who.clone(), place(who)?))).collect();
        }
        Cluster { parts, index }
    }

    /// All bindings, ordered by where and by name.
    #[must_use]
    pub fn bindings(&self) -> &[Binding] {
        &self.parts.bindings
    }

    /// All namespaces.
    #[must_use]
    pub fn namespaces(&self) -> &BTreeMap<SmolStr, Namespace> {
        &self.parts.namespaces
    }

    /// Is it what a roster wants, without the roles that Kubernetes has by itself?
    #[must_use]
    pub fn is_alone(&self) -> bool {
        self.parts.alone
    }

    /// Is it a right that the cluster, or what runs in it beside the tenants, has for its work? A plan does not tell of it
    /// either.
    #[must_use]
    pub fn is_own(&self, binding: &Binding, who: &Who) -> bool {
        let of_tenant = |name: &str| self.namespaces().get(name).is_some_and(|space| space.of_tenant);
        is_clusters_own(binding, who, of_tenant)
    }

    /// What could not be read.
    #[must_use]
    pub fn unseen(&self) -> &[Unseen] {
        &self.parts.unseen
    }

    /// Are there service accounts of which this is none? Not known where they could not be listed.
    #[must_use]
    pub fn lacks(&self, who: &Who) -> bool {
        let Some((namespace, name)) = who.as_account() else { return false };
        self.saw(Kind::ServiceAccount) && !self.parts.accounts.contains(&(namespace.into(), name.into()))
    }

    /// Could the objects of a kind be listed?
    #[must_use]
    pub fn saw(&self, kind: Kind) -> bool {
        self.parts.unseen.iter().all(|unseen| unseen.what != kind.plural())
    }

    /// The role that a binding gives; nothing where there is none.
    #[must_use]
    pub fn role(&self, binding: &Binding) -> Option<&Role> {
        let Binding { namespace, role: RoleRef { kind, name }, .. } = binding;
        let place = match kind.as_str() {
            "Role" if !namespace.is_empty() => namespace.clone(),
            "ClusterRole" => SmolStr::default(),
            _ => return None,
        };
        self.parts.roles.get(&(place, name.clone()))
    }

    /// All rules of all roles.
    pub(super) fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.parts.roles.values().flat_map(|role| &role.rules)
    }

    /// A role by the place and the name.
    #[must_use]
    pub fn role_of(&self, namespace: &str, role: &RoleRef) -> Option<&Role> {
        let place = if role.kind == "Role" { namespace } else { "" };
        self.parts.roles.get(&(place.into(), role.name.clone()))
    }

    /// Is the answer to this question yes?
    #[must_use]
    pub fn allows(&self, asker: &Asker, question: &Question) -> bool {
        let place = match &question.what {
            What::Resource { .. } => question.namespace.as_str(),
            What::Url { .. } => "",
        };
        let spaces = [""].into_iter().chain(Some(place).filter(|place| !place.is_empty()));
        let places: Vec<SmolStr> = spaces.map(SmolStr::from).collect();
        asker.is_master()
            || asker.names().any(|who| {
                places.iter().any(|place| {
                    let found = self.index.get(&(who.clone(), place.clone()));
                    found.into_iter().flatten().filter_map(|at| self.parts.bindings.get(*at)).any(|binding| {
                        self.role(binding)
                            .is_some_and(|role| role.rules.iter().any(|rule| rule.allows(question)))
                    })
                })
            })
    }

    /// The bindings that name somebody, those of the whole cluster first.
    pub(super) fn about<'c>(&'c self, who: &Who) -> impl Iterator<Item = &'c Binding> + use<'c> {
        let from = (who.clone(), SmolStr::default());
        let who = who.clone();
        let found = self.index.range(from..).take_while(move |((whose, _), _)| *whose == who);
        found.flat_map(|(_, at)| at).filter_map(|at| self.parts.bindings.get(*at))
    }

    /// Everybody whom a binding names.
    pub fn everybody(&self) -> impl Iterator<Item = &Who> {
        let mut last: Option<&Who> = None;
        self.index.keys().map(|(who, _)| who).filter(move |who| last.replace(who) != Some(who))
    }
}

impl Binding {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> ResourceId {
        let Binding { namespace, name, .. } = self;
        let kind = if namespace.is_empty() { Kind::ClusterRoleBinding } else { Kind::RoleBinding };
        ResourceId::kube(kind, namespace.clone(), name.clone())
    }

    /// Where the roster gives it to somebody.
    #[must_use]
    pub fn place(&self, who: &Who) -> Option<&SmolStr> {
        self.given.get(who)
    }
}

impl RoleRef {
    /// `ClusterRole/admin`.
    #[must_use]
    pub fn told(&self) -> SmolStr {
        let RoleRef { kind, name } = self;
        format_smolstr!("{kind}/{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Graph, MASTERS};

    fn rule(resource: &str) -> Rule {
        let own = |text: &str| vec![SmolStr::from(text)];
        let (verbs, api_groups, resources) = (own("get"), own(""), own(resource));
        Rule { verbs, api_groups, resources, ..Rule::default() }
    }

    fn binding(namespace: &str, name: &str, role: (&str, &str), whom: Vec<Who>) -> Binding {
        let role = RoleRef { kind: role.0.into(), name: role.1.into() };
        Binding { namespace: namespace.into(), name: name.into(), role, whom, given: BTreeMap::new() }
    }

    fn asks(resource: &str, namespace: &str) -> Question {
        let what = What::Resource {
            group: SmolStr::default(),
            resource: resource.into(),
            subresource: SmolStr::default(),
            name: SmolStr::default(),
        };
        Question { verb: "get".into(), what, namespace: namespace.into() }
    }

    #[test]
    fn a_role_counts_where_it_is_bound_and_nowhere_else() {
        let mut parts = Parts::default();
        for (namespace, name, resource) in
            [("a", "same", "pods"), ("", "same", "secrets"), ("b", "same", "nodes")]
        {
            let role = Role { rules: vec![rule(resource)], gathered: false };
            parts.roles.insert((namespace.into(), name.into()), role);
        }
        let alice = || vec![Who::User("alice".into())];
        parts.bindings = vec![
            binding("a", "one", ("Role", "same"), alice()),
            binding("b", "two", ("ClusterRole", "same"), alice()),
            // The API server takes no such binding, and gives nothing by one.
            binding("", "three", ("Role", "same"), alice()),
            binding("b", "four", ("Gone", "same"), alice()),
        ];
        let cluster = Cluster::new(parts);
        let alice = Who::User("alice".into()).asks(&[]);
        for (resource, namespace, allowed) in [
            ("pods", "a", true),
            ("pods", "b", false),
            ("pods", "", false),
            ("secrets", "b", true),
            ("secrets", "a", false),
            ("secrets", "", false),
            ("nodes", "b", false),
        ] {
            assert_eq!(cluster.allows(&alice, &asks(resource, namespace)), allowed, "{resource} {namespace}");
        }
        assert!(cluster.allows(&Who::Group(MASTERS.into()).asks(&[]), &asks("x", "y")));
    }

    /// Each question is answered without a look at bindings of others: with one, this takes minutes.
    #[test]
    fn ten_thousand_bindings_and_one_of_ten_thousand_people_cost_little() {
        const MANY: usize = 10_000;
        let user = |at: usize| Who::User(format_smolstr!("person-{at}@example.com"));
        let mut parts = Parts::default();
        let role = Role { rules: vec![rule("pods")], gathered: false };
        parts.roles.insert((SmolStr::default(), "view".into()), role);
        parts.bindings = (0..MANY)
            .map(|at| binding(&format!("space-{at}"), "b", ("ClusterRole", "view"), vec![user(at)]))
            .collect();
        parts.bindings.push(binding("all", "b", ("ClusterRole", "view"), (0..MANY).map(user).collect()));
        let cluster = Cluster::new(parts);
        for at in 0..MANY {
            let asker = user(at).asks(&[]);
            assert!(cluster.allows(&asker, &asks("pods", &format!("space-{at}"))));
            assert!(!cluster.allows(&asker, &asks("pods", "space-none")));
        }
        assert_eq!(cluster.who_can(&asks("pods", ""), true).allowed.len(), 2 * MANY);
        assert_eq!(cluster.of(&user(7), &user(7).asks(&[])).held.len(), 2);
        let graph = Graph::of(&cluster, &[], false, true);
        assert_eq!((graph.people.len(), graph.roles.len()), (MANY, MANY + 1));
    }
}
