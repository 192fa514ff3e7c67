//! What quotas and limits may say: known names, amounts that make sense, defaults within their maximum. Also whether
//! the tier that a tenant names is there.

use std::collections::{BTreeMap, BTreeSet};

use crate::domains::bounding;
use crate::domains::tenants::Tenant;
use crate::domains::tiers::{BUILT_IN_TIERS, BuiltInTier, Limits, Quota, Services, Tier};
use crate::roster::spelling::did_you_mean;
use crate::roster::{At, Finding, Findings, Map, Name, Quantity, ResourceName, Span};

/// What a ResourceQuota bounds by a name without a domain, apart from what has a field of its own.
const QUOTA_NAMES: [&str; 12] = [
    "configmaps",
    "ephemeral-storage",
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "replicationcontrollers",
    "requests.ephemeral-storage",
    "resourcequotas",
    "secrets",
    "services",
    "services.loadbalancers",
    "services.nodeports",
];

/// Names that a quota has a field for, and the field.
const QUOTA_FIELDS: [(&str, &str); 9] = [
    ("cpu", "cpu"),
    ("memory", "memory"),
    ("persistentvolumeclaims", "volumes"),
    ("pods", "pods"),
    ("requests.cpu", "cpu"),
    ("requests.memory", "memory"),
    ("requests.storage", "storage"),
    ("storage", "storage"),
    ("volumes", "volumes"),
];

/// What a container can be limited in, by a name without a domain.
const LIMIT_NAMES: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];

/// How many tiers a message names.
const FEW: usize = 20;

/// What stands for the others.
const fn more(known: usize) -> &'static str {
    if known > FEW { ", …" } else { "" }
}

/// Checks the quota and the limits of every tier.
pub(crate) fn check_tiers(tiers: &Map<Name, Tier>, findings: &mut Findings) {
    for (name, entry) in tiers {
        check_quota(&entry.value.quota, findings);
        check_services(&entry.value.services, findings);
        if let Some(limits) = &entry.value.limits {
            check_limits(name, limits, findings);
        }
    }
}

/// Checks the quota of every tenant, and that its tier is there. Where the roster was not read as a `whole`, a tier may
/// stand in what is missing; then only slips of the fingers are reported.
pub(crate) fn check_tenants(
    tenants: &Map<Name, Tenant>,
    tiers: &Map<Name, Tier>,
    whole: bool,
    findings: &mut Findings,
) {
    let mut known: Option<Vec<&str>> = None;
    for entry in tenants.values() {
        check_quota(&entry.value.quota, findings);
        let Some(tier) = &entry.value.tier else { continue };
        if tiers.contains_key(tier.as_str()) || BuiltInTier::named(tier).is_some() {
            continue;
        }
        if findings.is_full() {
            findings.count(1);
            continue;
        }
        let known = known.get_or_insert_with(|| {
            let named = tiers.keys().map(Name::as_str);
            let all: BTreeSet<&str> = named.chain(BUILT_IN_TIERS.iter().map(|tier| tier.name)).collect();
            all.into_iter().collect::<Vec<_>>()
        });
        let mut finding = Finding::new(
            "unknown-tier",
            tier.at,
            format!("there is no tier `{tier}`"),
            format!("expected one of: {}{}", known[..known.len().min(FEW)].join(", "), more(known.len())),
        );
        let slip = did_you_mean(tier, known.iter().copied());
        if whole || slip.is_some() {
            finding.hint = slip.or_else(|| Some(format!("define it under `tiers:`, as `{tier}:`")));
            findings.push(finding);
        }
    }
}

fn check_quota(quota: &Quota, findings: &mut Findings) {
    let Quota { cpu, memory, storage, pods, volumes, hard } = quota;
    for amount in [cpu, memory, storage, pods, volumes].into_iter().flatten() {
        check_sign(amount, findings);
    }
    for (field, amount) in [("cpu", cpu), ("memory", memory), ("storage", storage)] {
        if let Some(amount) = amount {
            bounding::check_amount(field, amount, findings);
        }
    }
    for (field, count) in [("pods", pods), ("volumes", volumes)] {
        if let Some(count) = count {
            check_whole(field, count, findings);
        }
    }
    for (name, entry) in hard {
        check_hard_name(name, entry.key, findings);
        check_sign(&entry.value, findings);
        bounding::check_amount(name, &entry.value, findings);
        if is_count(name) {
            check_whole(name, &entry.value, findings);
        }
    }
}

fn check_services(services: &Services, findings: &mut Findings) {
    let Services { node_ports, load_balancers, external_ips: _, external_names: _ } = services;
    for (field, count) in [("nodePorts", node_ports), ("loadBalancers", load_balancers)] {
        if let Some(count) = count {
            check_sign(count, findings);
            check_whole(field, count, findings);
        }
    }
}

/// A name under `hard:` has no field of its own, and Kubernetes knows it.
fn check_hard_name(name: &ResourceName, at: Span, findings: &mut Findings) {
    if let Some((_, field)) = QUOTA_FIELDS.iter().find(|(known, _)| *known == name.as_str()) {
        findings.push(
            Finding::new(
                "quota-field",
                at,
                format!("`{name}` under `hard:` is what the quota's own field `{field}` bounds"),
                "expected a name that has no field of its own",
            )
            .hint(format!("write it as `{field}:`, one level up")),
        );
    } else if name.contains('/') {
        bounding::check_counts(name, at, findings);
    } else if !is_huge_pages(name) && !QUOTA_NAMES.contains(&name.as_str()) {
        let mut finding = Finding::new(
            "unknown-resource",
            at,
            format!("Kubernetes has no quota for `{name}`"),
            format!("expected one of {}, or `count/…`", QUOTA_NAMES.join(", ")),
        );
        let near = did_you_mean(name, QUOTA_NAMES);
        finding.hint = near.or_else(|| bounding::field_hint(name, &QUOTA_FIELDS)).or_else(|| {
            Some("to bound how many objects of a kind there are, write `count/deployments.apps`".to_owned())
        });
        findings.push(finding);
    }
}

fn is_huge_pages(name: &str) -> bool {
    name.strip_prefix("requests.").unwrap_or(name).starts_with("hugepages-")
}

/// Is it counted in whole objects?
fn is_count(name: &str) -> bool {
    let counted = ["configmaps", "replicationcontrollers", "resourcequotas", "secrets"];
    name.starts_with("count/")
        || name == "services"
        || name.starts_with("services.")
        || counted.contains(&name)
        || name.ends_with("/persistentvolumeclaims")
        || is_device(name)
}

/// Is it a device such as `nvidia.com/gpu`, of which a container has a whole number?
fn is_device(name: &str) -> bool {
    name.split_once('/').is_some_and(|(domain, _)| {
        domain.contains('.') && !domain.ends_with("kubernetes.io") && !domain.ends_with("k8s.io")
    })
}

fn check_sign(amount: &At<Quantity>, findings: &mut Findings) {
    if amount.is_negative() {
        findings.push(
            Finding::new(
                "negative-quantity",
                amount.at,
                format!("`{amount}` is below zero"),
                "expected zero or more",
            )
            .hint("0 allows none at all; leave the field out for no bound of its own"),
        );
    }
}

fn check_whole(name: &str, amount: &At<Quantity>, findings: &mut Findings) {
    if !amount.is_whole() {
        findings.push(Finding::new(
            "not-a-count",
            amount.at,
            format!("`{amount}` is no whole number, and `{name}` is a count"),
            "expected a whole number",
        ));
    }
}

/// An effective limit: what the roster says, or what is built into the tier.
struct Limit {
    amount: Quantity,
    at: Option<Span>,
}

type EffectiveLimits<'r> = BTreeMap<&'r str, Limit>;

fn check_limits(tier: &Name, limits: &Limits, findings: &mut Findings) {
    let Limits { default, default_request, max } = limits;
    for map in [default, default_request, max] {
        for (name, entry) in map {
            check_limit_name(name, entry.key, findings);
            check_sign(&entry.value, findings);
            bounding::check_amount(name, &entry.value, findings);
            if is_device(name) {
                check_whole(name, &entry.value, findings);
            }
        }
    }
    let built_in = BuiltInTier::named(tier);
    let default = effective(default, built_in.map_or(&[], |tier| tier.default));
    let request = effective(default_request, built_in.map_or(&[], |tier| tier.default_request));
    let max = effective(max, built_in.map_or(&[], |tier| tier.max));
    let mut ordered = |low: (&str, &EffectiveLimits<'_>), high: (&str, &EffectiveLimits<'_>)| {
        for (resource, small) in low.1 {
            if let Some(large) = high.1.get(resource) {
                check_order(tier, resource, (low.0, small), (high.0, large), findings);
            }
        }
    };
    ordered(("default", &default), ("max", &max));
    ordered(("defaultRequest", &request), ("max", &max));
    ordered(("defaultRequest", &request), ("default", &default));
}

fn effective<'r>(
    roster: &'r Map<ResourceName, At<Quantity>>,
    built_in: &[(&'static str, &'static str)],
) -> EffectiveLimits<'r> {
    let mut limits = EffectiveLimits::new();
    for (name, amount) in built_in {
        if let Ok(amount) = amount.parse() {
            limits.insert(name, Limit { amount, at: None });
        }
    }
    for (name, entry) in roster {
        limits.insert(name, Limit { amount: entry.value.value.clone(), at: Some(entry.value.at) });
    }
    limits
}

fn check_limit_name(name: &ResourceName, at: Span, findings: &mut Findings) {
    let known = LIMIT_NAMES.contains(&name.as_str()) || name.starts_with("hugepages-") || name.contains('/');
    if !known {
        let mut finding = Finding::new(
            "unknown-resource",
            at,
            format!("Kubernetes has no limit of containers for `{name}`"),
            "expected one of cpu, memory, ephemeral-storage, `hugepages-…`, or a device such as `nvidia.com/gpu`",
        );
        finding.hint = did_you_mean(name, LIMIT_NAMES)
            .or_else(|| Some("how many objects there may be is said under `quota:`".to_owned()));
        findings.push(finding);
    }
}

/// Says so when the first limit is above the second, at whichever of the two the roster sets.
fn check_order(
    tier: &Name,
    resource: &str,
    (low_name, low): (&str, &Limit),
    (high_name, high): (&str, &Limit),
    findings: &mut Findings,
) {
    if low.amount <= high.amount {
        return;
    }
    let message = format!(
        "`{low_name}` of {resource} is {}, above `{high_name}`, which is {}",
        low.amount, high.amount
    );
    let finding = match (low.at, high.at) {
        (Some(at), Some(other)) => {
            Finding::new("limit-above", at, message, format!("expected at most {}", high.amount))
                .also(other, format!("`{high_name}` stands here"))
                .hint(format!("lower `{low_name}` or raise `{high_name}`"))
        }
        (Some(at), None) => {
            Finding::new("limit-above", at, message, format!("expected at most {}", high.amount)).hint(
                format!("tier `{tier}` has this `{high_name}` built in; write a larger one under `limits:`"),
            )
        }
        (None, Some(at)) => {
            Finding::new("limit-above", at, message, format!("expected at least {}", low.amount)).hint(
                format!("tier `{tier}` has this `{low_name}` built in; write a smaller one under `limits:`"),
            )
        }
        (None, None) => return,
    };
    findings.push(finding);
}
