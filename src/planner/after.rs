//! The world after a plan, as far as it can be known without doing it: for the law that a second plan is empty,
//! for scenarios and for benchmarks.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::change::{Change, Step};
use crate::observed::{FIELD_MANAGER, Observed, Owner, Present, Sighting, Version};
use crate::plan::Plan;
use crate::resource::ResourceId;
use crate::tree::{SmolStr, Tree, join, tokens};

/// How many sets of fields of one kind are compared, the last ones: a namespace has several quotas.
const SETS: usize = 8;

/// What would be seen if every step were done.
#[must_use]
pub fn after(plan: &Plan, observed: &Observed) -> Observed {
    let mut world = observed.clone();
    // Objects of one kind mostly have the same fields; as in what a provider reads, such sets exist once.
    let mut shared: BTreeMap<SmolStr, Vec<Arc<[Owner]>>> = BTreeMap::new();
    for step in &plan.steps {
        let before = match observed.get(&step.id) {
            Some(Sighting::Present(present)) => Some(present),
            Some(Sighting::Absent | Sighting::Unknown { .. } | Sighting::LeftOut { .. }) | None => None,
        };
        let mut present = done(step, before);
        let kept = shared.entry(step.id.kind.clone()).or_default();
        match kept.iter().rev().take(SETS).find(|kept| ***kept == *present.owners) {
            Some(kept) => present.owners = Arc::clone(kept),
            None => kept.push(Arc::clone(&present.owners)),
        }
        world.insert(step.id.clone(), Sighting::Present(present));
    }
    world
}

/// One object after its step.
#[must_use]
pub fn done(step: &Step, before: Option<&Present>) -> Present {
    let Some(before) = before.filter(|_| !step.creates()) else {
        let version = Version("1".into());
        let sets = sets(&step.id).iter();
        let fields = sets.fold(fields_of(&step.wanted, true), |fields, set| match step.wanted.at(set) {
            Some(wanted) => wanted.items().iter().fold(fields, |fields, entry| added(&fields, set, entry)),
            None => fields,
        });
        let owners = Arc::new([kwo(fields)]);
        return Present { body: step.wanted.clone(), version, owners, deleting: None };
    };
    let mut body = before.body.clone();
    let mut mine = Tree::map::<SmolStr>([]);
    let mut others: Vec<Owner> = before.owners.to_vec();
    if let Some(at) = others.iter().position(|owner| owner.manager == FIELD_MANAGER) {
        mine = others.remove(at).fields;
    }
    for change in &step.changes {
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
