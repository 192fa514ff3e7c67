//! The world after a plan, as far as it can be known without doing it: for the law that a second plan is empty,
//! for scenarios and for benchmarks. And the world that agrees with a roster, for telling two rosters apart.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::change::{Change, Step};
use crate::observed::{FIELD_MANAGER, MARK, Observed, Owner, Present, Sighting, Version};
use crate::plan::Plan;
use crate::resource::{Desired, ResourceId};
use crate::tree::{SmolStr, Tree, join, tokens};

/// How many sets of fields of one kind are compared, the last ones: a namespace has several quotas.
const SETS: usize = 8;

/// What would be seen if every step were done.
#[must_use]
pub fn after(plan: &Plan, observed: &Observed) -> Observed {
    let mut world = observed.clone();
    let mut shared = Shared::default();
    for step in &plan.steps {
        let before = match observed.get(&step.id) {
            Some(Sighting::Present(present)) => Some(present),
            Some(Sighting::Absent | Sighting::Unknown { .. } | Sighting::LeftOut { .. }) | None => None,
        };
        let present = shared.once(&step.id, done(step, before));
        world.insert(step.id.clone(), Sighting::Present(present));
    }
    world
}

/// The world in which all that one roster wants stands as kwo makes it, and nothing else that another one wants. What a
/// plan of the other one says of it is what tells the two apart.
#[must_use]
pub fn agreed(desired: &Desired, other: &Desired) -> Observed {
    let absent = other.resources().iter().map(|resource| (resource.id.clone(), Sighting::Absent));
    let mut world: Observed = absent.collect();
    let mut shared = Shared::default();
    for resource in desired.resources() {
        let mut present = made(&resource.id, &resource.body);
        // What is done anew is not made by kwo, and runs.
        if let Some(running) = resource.id.shape().and_then(|shape| shape.anew) {
            let mark = join("/metadata/labels", MARK.0);
            present.body = present.body.with(running, "running".into()).with(&mark, MARK.1.into());
        }
        let present = shared.once(&resource.id, present);
        world.insert(resource.id.clone(), Sighting::Present(present));
    }
    world
}

/// Who wrote which fields, by kind. Objects of one kind mostly have the same fields; as in what a provider reads, such
/// sets exist once.
#[derive(Default)]
struct Shared(BTreeMap<SmolStr, Vec<Arc<[Owner]>>>);

impl Shared {
    fn once(&mut self, id: &ResourceId, mut present: Present) -> Present {
        let kept = self.0.entry(id.kind.clone()).or_default();
        match kept.iter().rev().take(SETS).find(|kept| ***kept == *present.owners) {
            Some(kept) => present.owners = Arc::clone(kept),
            None => kept.push(Arc::clone(&present.owners)),
        }
        present
    }
}

/// One object after its step.
#[must_use]
pub fn done(step: &Step, before: Option<&Present>) -> Present {
    let Some(before) = before.filter(|_| !step.creates()) else { return made(&step.id, &step.wanted) };
    let mut body = before.body.clone();
    let mut mine = Tree::map::<SmolStr>([]);
    let mut others: Vec<Owner> = before.owners.to_vec();
    if let Some(at) = others.iter().position(|owner| owner.manager == FIELD_MANAGER) {
        mine = others.remove(at).fields;
    }
    for change in step.changes.iter() {
        let (pointer, value) = match change {
            Change::Create => continue,
            Change::Extend { pointer, value, tightens: _, because: _ } => (pointer, value),
            Change::Revise { pointer, from: _, to, cause: _, tightens: _, because: _ } => (pointer, to),
        };
        body = body.with(pointer, value.clone());
        let field = field_pointer(pointer);
        mine = match pointer.strip_suffix("/-") {
            Some(set) if sets(&step.id).contains(&set) => added(&mine, set, value),
            _ => mine.with(&field, fields_of(value, false)),
        };
        for owner in &mut others {
            owner.fields = without(&owner.fields, &tokens(&field).collect::<Vec<_>>());
        }
    }
    others.push(kwo(mine));
    let version = Version(smol_str::format_smolstr!("{}'", before.version.0));
    Present { body, version, owners: others.into(), deleting: before.deleting.clone() }
}

/// One object as kwo makes it.
fn made(id: &ResourceId, wanted: &Tree) -> Present {
    let fields = sets(id).iter().fold(fields_of(wanted, true), |fields, set| match wanted.at(set) {
        Some(wanted) => wanted.items().iter().fold(fields, |fields, entry| added(&fields, set, entry)),
        None => fields,
    });
    let owners = Arc::new([kwo(fields)]);
    Present { body: wanted.clone(), version: Version("1".into()), owners, deleting: None }
}

fn kwo(fields: Tree) -> Owner {
    Owner { manager: FIELD_MANAGER.into(), when: None, fields }
}

/// The sets of which it is on record who added which entry: those of a file.
fn sets(id: &ResourceId) -> &'static [&'static str] {
    id.system.rules().recorded_sets(id)
}

/// The field set with one more entry of a set.
fn added(fields: &Tree, set: &str, entry: &Tree) -> Tree {
    let place = join(&field_pointer(set), &format!("v:{entry}"));
    fields.with(&place, Tree::map::<SmolStr>([]))
}

/// The field set of a value, as Kubernetes would record it for whoever wrote it: lists end it.
fn fields_of(value: &Tree, top: bool) -> Tree {
    let named = |key: &str| top && matches!(key, "apiVersion" | "kind");
    Tree::map(value.entries().iter().filter(|(key, _)| !named(key)).map(|(key, below)| {
        let below = if top && key == "metadata" {
            fields_of(
                &Tree::map(
                    below.entries().iter().filter(|(key, _)| key != "name" && key != "namespace").cloned(),
                ),
                false,
            )
        } else {
            fields_of(below, false)
        };
        (smol_str::format_smolstr!("f:{key}"), below)
    }))
}

/// `/spec/limits/0/max` is recorded as `/f:spec/f:limits`: lists have one owner.
fn field_pointer(pointer: &str) -> String {
    tokens(pointer)
        .take_while(|token| token != "-" && token.parse::<usize>().is_err())
        .fold(String::new(), |path, token| join(&path, &format!("f:{token}")))
}

/// A field set without the field at this path.
fn without(fields: &Tree, path: &[Cow<'_, str>]) -> Tree {
    let Some((first, rest)) = path.split_first() else { return Tree::map::<SmolStr>([]) };
    Tree::map(fields.entries().iter().filter_map(|(key, below)| {
        if key.as_str() != first.as_ref() {
            Some((key.clone(), below.clone()))
        } else if rest.is_empty() {
            None
        } else {
            Some((key.clone(), without(below, rest)))
        }
    }))
}
