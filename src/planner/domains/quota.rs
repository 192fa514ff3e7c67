//! What quotas may say: known names, amounts that make sense. Also whether the tier that a tenant names is there. What
//! limits may say stands in `ranges.rs`.

use std::collections::BTreeSet;

use crate::domains::tenants::{DEFAULT_TIER, Tenant};
use crate::domains::tiers::{BUILT_IN_TIERS, BuiltInTier, Quota, Services, Tier};
use crate::domains::{bounding, ranges, scopes};
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

/// How many names a message has.
pub(super) const FEW: usize = 20;

/// What stands for the others.
pub(super) const fn more(known: usize) -> &'static str {
    if known > FEW { ", …" } else { "" }
}

/// Checks the quota and the limits of every tier.
pub(crate) fn check_tiers(tiers: &Map<Name, Tier>, findings: &mut Findings) {
    for (name, entry) in tiers {
        check_quota(&entry.value.quota, findings);
        scopes::check(&entry.value.quota, None, true, findings);
        check_services(&entry.value.services, findings);
        ranges::check(name, &entry.value, findings);
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
        let tier = entry.value.tier.as_ref().map_or(DEFAULT_TIER, |tier| tier.value.as_str());
        let tier = tiers.get(tier).map(|tier| &tier.value.quota);
        scopes::check(&entry.value.quota, tier, whole || tier.is_some(), findings);
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
    let Quota { per: _, cpu, memory, storage, pods, volumes, hard, scoped: _ } = quota;
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
                format!("`{name}` under `hard:` has a field of its own in the quota: `{field}`"),
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
pub(crate) fn is_device(name: &str) -> bool {
    name.split_once('/').is_some_and(|(domain, _)| {
        domain.contains('.') && !domain.ends_with("kubernetes.io") && !domain.ends_with("k8s.io")
    })
}

pub(crate) fn check_sign(amount: &At<Quantity>, findings: &mut Findings) {
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

pub(crate) fn check_whole(name: &str, amount: &At<Quantity>, findings: &mut Findings) {
    if !amount.is_whole() {
        findings.push(Finding::new(
            "not-a-count",
            amount.at,
            format!("`{amount}` is not a whole number, but `{name}` is a count"),
            "expected a whole number",
        ));
    }
}
