//! How large a roster may be. A few lines can ask for more objects than any cluster holds: every person of a tenant gets
//! a binding in each of its namespaces, and every namespace a dozen objects. Kubernetes itself is tested with up to
//! 10 000 namespaces.

use crate::domains::operators::Operator;
use crate::domains::tenants::Tenant;
use crate::domains::tiers::Tier;

use super::{Entry, Finding, Map, Name, Span};

/// How many tenants, tiers and operators a roster may have, of each.
const MAX_TENANTS: usize = 10_000;
/// How many namespaces all tenants may have together.
const MAX_NAMESPACES: usize = 10_000;
/// How many bindings a tenant may ask for: people times namespaces.
const MAX_BINDINGS: usize = 2_000;
/// How many bindings all tenants may ask for together.
const MAX_ALL_BINDINGS: usize = 50_000;

/// The finding for a roster of more than that. What else is wrong with it is told when it is smaller.
pub(super) fn too_many(
    tiers: &Map<Name, Tier>,
    tenants: &Map<Name, Tenant>,
    operators: &Map<Name, Operator>,
) -> Option<Finding> {
    fn past<V>(what: &str, map: &Map<Name, V>) -> Option<Finding> {
        // In the order of the file, so that the place is the same whatever the names are.
        let mut places: Vec<Span> = map.values().map(|entry| entry.key).collect();
        places.sort_unstable();
        let at = *places.get(MAX_TENANTS)?;
        let message = format!("the roster has {} {what}, and {MAX_TENANTS} are allowed", places.len());
        let finding = Finding::new("roster-too-large", at, message, "expected no more from here on");
        Some(finding.hint("make several rosters of it, one a cluster"))
    }
    past("tenants", tenants)
        .or_else(|| past("tiers", tiers))
        .or_else(|| past("operators", operators))
        .or_else(|| tenants.iter().find_map(|(name, tenant)| too_many_bindings(name, tenant)))
        .or_else(|| too_many_together(tenants))
}

/// How many bindings a tenant asks for, and in how many namespaces.
fn bindings(tenant: &Tenant) -> (usize, usize) {
    let (people, namespaces) = (tenant.owners.len() + tenant.members.len(), tenant.namespaces.len().max(1));
    (people.max(1).saturating_mul(namespaces), namespaces)
}

fn too_many_bindings(name: &Name, tenant: &Entry<Tenant>) -> Option<Finding> {
    let Entry { key, value } = tenant;
    let (bindings, namespaces) = bindings(value);
    let people = value.owners.len() + value.members.len();
    let message = format!(
        "tenant `{name}` asks for {bindings} bindings, and {MAX_BINDINGS} are allowed: \
         {people} people in {namespaces} namespaces"
    );
    (bindings > MAX_BINDINGS).then(|| {
        Finding::new("tenant-too-large", *key, message, "expected fewer people or namespaces")
            .hint("name a group instead of its people, or make several tenants of it")
    })
}

/// The tenants as the file has them, up to the one with which it is too much.
fn too_many_together(tenants: &Map<Name, Tenant>) -> Option<Finding> {
    let mut all: Vec<&Entry<Tenant>> = tenants.values().collect();
    all.sort_unstable_by_key(|tenant| tenant.key);
    let (mut namespaces, mut people) = (0_usize, 0_usize);
    all.into_iter().find_map(|tenant| {
        let (of_people, of_namespaces) = bindings(&tenant.value);
        (namespaces, people) = (namespaces + of_namespaces, people + of_people);
        let (what, most) = match () {
            () if namespaces > MAX_NAMESPACES => ("namespaces", MAX_NAMESPACES),
            () if people > MAX_ALL_BINDINGS => ("bindings of people", MAX_ALL_BINDINGS),
            () => return None,
        };
        let message = format!("up to this tenant the roster asks for over {most} {what}");
        let finding = Finding::new("roster-too-large", tenant.key, message, "expected no more from here on");
        Some(finding.hint("name groups instead of people, or make several rosters of it, one a cluster"))
    })
}
