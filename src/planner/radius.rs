//! How far a plan reaches: the tenants, people, namespaces and hosts that it touches, what it restarts, and what of it a
//! revert of the roster takes back. For whoever reviews a plan; nothing is decided by it.

use std::collections::{BTreeMap, BTreeSet};

use crate::change::{Change, Step};
use crate::kinds::Kind;
use crate::plain::user;
use crate::plan::Plan;
use crate::resource::Desired;
use crate::tree::{SmolStr, Tree};

/// How far a plan reaches.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Radius {
    /// The tenants for which something changes.
    pub tenants: BTreeSet<SmolStr>,
    /// Everybody who has access to one of the namespaces by the roster, or whose access changes.
    pub people: BTreeSet<SmolStr>,
    /// The namespaces that exist and in which something changes.
    pub namespaces: BTreeSet<SmolStr>,
    /// The namespaces that are new.
    pub new: BTreeSet<SmolStr>,
    /// The hosts of these tenants.
    pub hosts: BTreeSet<SmolStr>,
    /// What is disturbed, in sentences without a full stop.
    pub disturbs: BTreeSet<SmolStr>,
    /// How many objects are for the cluster as a whole, or for its node.
    pub shared: usize,
    /// How many objects are made, or get something more.
    pub adds: usize,
    /// How many objects get another value.
    pub revises: usize,
}

impl Radius {
    /// How far a plan for what is wanted reaches. The hosts are those of each tenant.
    #[must_use]
    pub fn of(plan: &Plan, desired: &Desired, hosts: &BTreeMap<SmolStr, Vec<SmolStr>>) -> Radius {
        let mut radius = Radius::default();
        let steps: Vec<&Step> = plan.steps.iter().map(AsRef::as_ref).collect();
        for step in &steps {
            radius.step(step);
        }
        // Whoever can be in a namespace that changes is touched, whether their own binding changes or not.
        for resource in desired.resources() {
            let scope = &resource.id.scope;
            if !scope.is_empty() && (radius.namespaces.contains(scope) || radius.new.contains(scope)) {
                radius.people.extend(people(&resource.body));
            }
        }
        let of_tenants = radius.tenants.iter().filter_map(|tenant| hosts.get(tenant));
        radius.hosts = of_tenants.flatten().cloned().collect();
        radius
    }

    fn step(&mut self, step: &Step) {
        let Step { id, changes, wanted, disrupts, tenant, .. } = step;
        let is_namespace = id.known_kind() == Some(Kind::Namespace);
        let place = if is_namespace { &id.name } else { &id.scope };
        if id.known_kind().is_none() || place.is_empty() {
            self.shared += 1;
        } else if is_namespace && step.creates() {
            self.namespaces.remove(place);
            self.new.insert(place.clone());
        } else if !self.new.contains(place) {
            self.namespaces.insert(place.clone());
        }
        if !tenant.is_empty() {
            self.tenants.insert(tenant.clone());
        }
        self.people.extend(people(wanted));
        self.disturbs.extend(disrupts.clone());
        match changes.iter().any(|change| matches!(change, Change::Revise { .. })) {
            true => self.revises += 1,
            false => self.adds += 1,
        }
    }

    /// Does it reach nothing?
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.adds + self.revises == 0
    }
}

/// The people and groups that a binding names.
fn people(body: &Tree) -> impl Iterator<Item = SmolStr> {
    let subjects = body.get("subjects").map_or(&[][..], Tree::items);
    subjects.iter().filter_map(|subject| {
        let text = |key: &str| subject.get(key).and_then(Tree::as_text);
        let name = text("name")?;
        match text("kind")?.as_str() {
            "User" => Some(user(name).into()),
            "Group" => Some(smol_str::format_smolstr!("group {name}")),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::after::agreed;
    use crate::domains::compile;
    use crate::domains::parse;
    use crate::plan::{Adopt, Provenance, plan};

    use crate::roster::{SourceFile, Sources};

    fn desired(tenants: &str) -> Desired {
        let text = format!("apiVersion: kwo/v1\nkind: Roster\ntenants:\n{tenants}");
        let source = SourceFile { name: "roster.yaml".to_owned(), text };
        compile(&parse(Sources::new(vec![source])).unwrap()).unwrap()
    }

    fn radius(before: &str, after: &str) -> Radius {
        let (before, after) = (desired(before), desired(after));
        let world = agreed(&before, &after);
        let plan = plan(&after, &world, &Adopt::Nothing, Provenance::default());
        let hosts = [("alice", "www.example.com"), ("bob", "bob.example.com")];
        let hosts = hosts.map(|(tenant, host)| (tenant.into(), vec![host.into()])).into();
        Radius::of(&plan, &after, &hosts)
    }

    fn names(all: &BTreeSet<SmolStr>) -> String {
        all.iter().map(SmolStr::as_str).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_plan_reaches_all_that_are_where_something_changes_and_nobody_else() {
        let bob = "  bob: {owners: [bob@example.com]}\n";
        let alice = |pods: u8| {
            format!("  alice: {{owners: [alice@example.com, group:team], quota: {{pods: {pods}}}}}\n{bob}")
        };
        let fewer = radius(&alice(20), &alice(10));
        assert_eq!((names(&fewer.tenants).as_str(), names(&fewer.namespaces).as_str()), ("alice", "alice"));
        // Their bindings do not change, and they are touched.
        assert_eq!(names(&fewer.people), "alice@example.com group team");
        assert_eq!((names(&fewer.hosts).as_str(), fewer.new.len()), ("www.example.com", 0));
        assert_eq!((fewer.adds, fewer.revises, fewer.shared, fewer.disturbs.len()), (0, 1, 0, 0));
        assert!(radius(&alice(20), &alice(20)).is_nothing());
        let more = radius(bob, &alice(20));
        assert_eq!((names(&more.new).as_str(), names(&more.namespaces).as_str()), ("alice", ""));
        assert!(more.adds > 5 && !more.people.contains("bob@example.com"), "{more:?}");
    }
}
