//! A tenant on one line: what it gets, with the numbers, read off the objects that are to be made for it.

use kwo_planner::plain::counted;
use std::collections::BTreeSet;

use kwo_planner::change::Step;
use kwo_planner::kinds::Kind;
use kwo_planner::named::TIER_LABEL;
use kwo_planner::plain::OneLine;
use kwo_planner::tree::{Tree, join};

use super::style::shown;

/// How many of a list are named.
const NAMED: usize = 3;

/// What is made for a tenant that gets a new namespace; nothing where it gets none.
pub(super) fn made(steps: &[&Step]) -> Option<String> {
    let new = new_namespaces(steps.iter().copied());
    let namespaces = steps.iter().filter(|step| creates(step, Kind::Namespace));
    let tier = namespaces.clone().find_map(|step| {
        step.wanted.at(&join("/metadata/labels", TIER_LABEL))?.as_text().map(|tier| OneLine(tier).to_string())
    });
    let there = namespaces.count();
    if there == 0 {
        return None;
    }
    let each = if there > 1 { " each" } else { "" };
    let parts = [
        tier,
        Some(count(there, "new namespace")),
        bounds(steps, &new).map(|bounds| bounds + each),
        people(steps.iter().copied().filter(|step| creates(step, Kind::RoleBinding))),
    ];
    Some(parts.into_iter().flatten().collect::<Vec<String>>().join(", "))
}

/// The names of the namespaces that are made.
pub(super) fn new_namespaces<'p>(steps: impl Iterator<Item = &'p Step>) -> BTreeSet<&'p str> {
    steps.filter(|step| creates(step, Kind::Namespace)).map(|step| step.id.name.as_str()).collect()
}

/// What the quotas of the new namespaces come to.
fn bounds(steps: &[&Step], new: &BTreeSet<&str>) -> Option<String> {
    let quotas = steps.iter().filter(|step| creates(step, Kind::ResourceQuota));
    let quotas = quotas.filter(|step| {
        let of_some = ["/spec/scopes", "/spec/scopeSelector"].iter().any(|at| step.wanted.at(at).is_some());
        new.contains(step.id.scope.as_str()) && !of_some
    });
    let found: BTreeSet<String> = quotas.filter_map(|step| amounts(step.wanted.at("/spec/hard")?)).collect();
    match found.len() {
        0 => None,
        1..=NAMED => Some(found.into_iter().collect::<Vec<String>>().join(" or ")),
        several => Some(format!("{several} different quotas")),
    }
}

/// What a person looks for first in a quota.
fn amounts(hard: &Tree) -> Option<String> {
    let amount = |name: &str, what: &str| hard.get(name).map(|amount| format!("{}{what}", shown(amount)));
    let parts = [amount("requests.cpu", " CPU"), amount("requests.memory", ""), amount("pods", " pods")];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(" · "))
}

/// How many people and groups the bindings among the steps name.
pub(super) fn people<'p>(steps: impl Iterator<Item = &'p Step>) -> Option<String> {
    let text = |subject: &'p Tree, key: &str| subject.get(key).and_then(Tree::as_text);
    let (mut people, mut groups) = (BTreeSet::new(), BTreeSet::new());
    for subject in steps.flat_map(|step| step.wanted.get("subjects").map_or(&[][..], Tree::items)) {
        match text(subject, "kind").map(|kind| kind.as_str()) {
            Some("User") => people.extend(text(subject, "name")),
            Some("Group") => groups.extend(text(subject, "name")),
            _ => {}
        }
    }
    let people = match people.len() {
        0 => None,
        some => Some(counted(some, "person", "people")),
    };
    let groups = (!groups.is_empty()).then(|| count(groups.len(), "group"));
    let parts: Vec<String> = people.into_iter().chain(groups).collect();
    (!parts.is_empty()).then(|| parts.join(" and "))
}

fn creates(step: &Step, kind: Kind) -> bool {
    step.creates() && step.id.known_kind() == Some(kind)
}

/// A number of things.
pub(super) fn count(number: usize, what: &str) -> String {
    counted(number, what, &format!("{what}s"))
}

/// The first few of a list, and how many more there are.
pub(super) fn first<T: ToString>(list: &[T]) -> String {
    let named: Vec<String> = list.iter().take(NAMED).map(ToString::to_string).collect();
    match list.len().saturating_sub(NAMED) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}
