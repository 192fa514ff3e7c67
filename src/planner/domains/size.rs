//! How large a roster may be. A few lines can ask for more objects than any cluster holds: every person of a tenant gets
//! a binding in each of its namespaces, and every namespace a dozen objects. Kubernetes itself is tested with up to
//! 10 000 namespaces.

use std::collections::BTreeMap;

use super::operators::Operator;
use super::scopes::ScopedQuota;
use super::tenants::{DEFAULT_TIER, Tenant};
use super::tiers::{Images, Limits, PodLimits, Quota, Tier};
use crate::plain::counted;
use crate::roster::{Entry, Finding, Map, Name, Span};

/// How many tenants, tiers and operators a roster may have, of each.
const MAX_TENANTS: usize = 10_000;
/// How many namespaces all tenants may have together.
const MAX_NAMESPACES: usize = 10_000;
/// How many bindings a tenant may ask for: people times namespaces.
const MAX_BINDINGS: usize = 2_000;
/// How many bindings all tenants may ask for together.
const MAX_ALL_BINDINGS: usize = 50_000;
/// How many words all namespaces may have together: what the tier and the tenant say stands in each of them, and a long
/// list of the one times a long list of the other is more than fits anywhere. A tier of twenty amounts, five registries and
/// ten annotations has 35; this is 200 for each of 1 000 namespaces.
const MAX_WORDS: usize = 200_000;

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
        .or_else(|| too_many_together(tiers, tenants))
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
        "tenant `{name}` asks for {bindings} bindings, and {MAX_BINDINGS} are allowed: {} in {}",
        counted(people, "person", "people"),
        counted(namespaces, "namespace", "namespaces")
    );
    (bindings > MAX_BINDINGS).then(|| {
        Finding::new("tenant-too-large", *key, message, "expected fewer people or namespaces")
            .hint("name a group instead of its people, or make several tenants of it")
    })
}

/// The amounts, and the conditions of those of some pods.
fn of_quota(quota: &Quota) -> usize {
    let Quota { per: _, cpu, memory, storage, pods, volumes, hard, scoped } = quota;
    let fields = [cpu, memory, storage, pods, volumes].into_iter().flatten().count();
    let scoped =
        scoped.values().map(|Entry { key: _, value: ScopedQuota { hard, scopes, scope_selector } }| {
            let conditions = scope_selector.match_expressions.iter().map(|one| one.values.len() + 1);
            hard.len() + scopes.len() + conditions.sum::<usize>()
        });
    fields + hard.len() + scoped.sum::<usize>()
}

/// What a tier puts into a namespace, as the roster says it.
fn of_tier(tier: &Tier) -> usize {
    let Tier {
        quota,
        rest: _,
        limits,
        pod_security: _,
        network: _,
        network_policies: _,
        priority_classes,
        images: Images { registries, pull_policy: _, storage: _ },
        ingress_classes,
        storage_classes,
        cluster_read: _,
        services: _,
        annotations,
        image_pull_secrets,
    } = tier;
    let limits = limits.as_ref().map_or(0, |limits| {
        let Limits { default, default_request, max, min, max_limit_request_ratio: ratio, pod, claim: _ } =
            limits;
        let PodLimits { max: pod_max, min: pod_min, max_limit_request_ratio: pod_ratio } = pod;
        let all = [default, default_request, max, min, ratio, pod_max, pod_min, pod_ratio];
        all.into_iter().map(Map::len).sum()
    });
    let classes = [priority_classes, ingress_classes, storage_classes];
    let classes: usize = classes.into_iter().flatten().map(Vec::len).sum();
    let registries = registries.as_ref().map_or(0, Vec::len);
    // Two accounts name each Secret.
    of_quota(quota) + limits + classes + registries + annotations.len() + 2 * image_pull_secrets.len()
}

/// What a tenant puts into each of its namespaces besides.
fn of_tenant(tenant: &Tenant) -> usize {
    let Tenant { quota, domains, labels, annotations, image_pull_secrets, .. } = tenant;
    of_quota(quota) + domains.len() + labels.len() + annotations.len() + 2 * image_pull_secrets.len()
}

/// The tenants as the file has them, up to the one with which it is too much.
fn too_many_together(tiers: &Map<Name, Tier>, tenants: &Map<Name, Tenant>) -> Option<Finding> {
    let tiers: BTreeMap<&str, usize> =
        tiers.iter().map(|(name, tier)| (name.as_str(), of_tier(&tier.value))).collect();
    let mut all: Vec<&Entry<Tenant>> = tenants.values().collect();
    all.sort_unstable_by_key(|tenant| tenant.key);
    let (mut namespaces, mut people, mut words) = (0_usize, 0_usize, 0_usize);
    all.into_iter().find_map(|tenant| {
        let (of_people, of_namespaces) = bindings(&tenant.value);
        (namespaces, people) = (namespaces + of_namespaces, people + of_people);
        let tier = tenant.value.tier.as_ref().map_or(DEFAULT_TIER, |tier| tier.value.as_str());
        let of_each = of_tenant(&tenant.value) + tiers.get(tier).copied().unwrap_or_default();
        words = words.saturating_add(of_each.saturating_mul(of_namespaces));
        let fewer = "name groups instead of people, or make several rosters of it, one a cluster";
        let shorter = "each namespace of a tenant has all that its tier and the tenant say: amounts, labels, annotations, \
                       hosts, classes, registries and Secrets to pull with; say less of them, or make several rosters of \
                       it, one a cluster";
        let (what, most, hint) = match () {
            () if namespaces > MAX_NAMESPACES => ("namespaces", MAX_NAMESPACES, fewer),
            () if people > MAX_ALL_BINDINGS => ("bindings of people", MAX_ALL_BINDINGS, fewer),
            () if words > MAX_WORDS => ("words in all namespaces together", MAX_WORDS, shorter),
            () => return None,
        };
        let message = format!("up to this tenant the roster asks for over {most} {what}");
        let finding = Finding::new("roster-too-large", tenant.key, message, "expected no more from here on");
        Some(finding.hint(hint))
    })
}
