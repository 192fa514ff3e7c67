//! How large a roster may be. A few lines can ask for more objects than any cluster holds: every person of a tenant gets
//! a binding in each of its namespaces.

use crate::domains::operators::Operator;
use crate::domains::tenants::Tenant;
use crate::domains::tiers::Tier;

use super::{Entry, Finding, Map, Name, Span};

/// How many tenants, tiers and operators a roster may have, of each.
const MAX_TENANTS: usize = 20_000;
/// How many bindings a tenant may ask for: people times namespaces.
const MAX_BINDINGS: usize = 2_000;

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
    let bindings = tenants.iter().find_map(|(name, Entry { key, value })| {
        let people = value.owners.len() + value.members.len();
        let bindings = people.max(1).saturating_mul(value.namespaces.len().max(1));
        let message = format!(
            "tenant `{name}` asks for {bindings} bindings, and {MAX_BINDINGS} are allowed: \
                     {people} people in {} namespaces",
            value.namespaces.len().max(1)
        );
        (bindings > MAX_BINDINGS).then(|| {
            Finding::new("tenant-too-large", *key, message, "expected fewer people or namespaces")
                .hint("name a group instead of its people, or make several tenants of it")
        })
    });
    past("tenants", tenants)
        .or_else(|| past("tiers", tiers))
        .or_else(|| past("operators", operators))
        .or(bindings)
}
