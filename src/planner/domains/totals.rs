//! Quotas of a tenant as a whole. Kubernetes bounds namespaces one by one, so each gets a share, and the shares together
//! are the total.

use std::collections::{BTreeMap, BTreeSet};

use crate::domains::effective::{Amounts, Effective};
use crate::domains::isolation::Specs;
use crate::domains::quota::{FEW, more};
use crate::domains::tenants::{DEFAULT_TIER, Tenant};
use crate::domains::tiers::{Per, Quota, Tier};
use crate::resource::Reason;
use crate::roster::spelling::did_you_mean;
use crate::roster::{At, Entry, Finding, Findings, Map, Name, Quantity};
use crate::tree::SmolStr;

/// The largest share that a roster may name.
const LARGEST: u32 = 1000;

/// What one amount of all namespaces together is in each of them, in their order.
type Parts = Vec<(SmolStr, Vec<Quantity>)>;

/// What the objects of the namespaces say where some amounts are for all of them together. Of a namespace there is no
/// more here than these amounts, for a tenant may have many of both.
pub(crate) struct Shares {
    /// Those of the first namespace; in the others only these amounts are other ones.
    first: Specs,
    /// By the name of the quota of some pods that they stand in, or nothing for that of all.
    parts: BTreeMap<Option<SmolStr>, Parts>,
}

impl Shares {
    /// Nothing where no amount is for all together.
    pub(super) fn of(effective: &Effective, name: &Name, tenant: &Tenant) -> Option<Shares> {
        if effective.totals.is_empty() && effective.scoped.values().all(|scoped| scoped.totals.is_empty()) {
            return None;
        }
        let weight =
            |space: &Name| tenant.shares.get(space).and_then(|share| share.value.value.count()).unwrap_or(1);
        let weights: Vec<u32> = tenant.spaces(name).map(weight).collect();
        let mut one = effective.clone();
        let parts_of = |totals: &Amounts, into: &mut Amounts| -> Parts {
            let split = |(name, (total, reason)): (&SmolStr, &(Quantity, Reason))| {
                let parts = total.split(name, &weights);
                into.extend(parts.first().map(|part| (name.clone(), (part.clone(), reason.clone()))));
                (name.clone(), parts)
            };
            totals.iter().map(split).collect()
        };
        let scoped = effective.scoped.iter().filter(|(_, scoped)| !scoped.totals.is_empty());
        let scoped = scoped.filter_map(|(quota, scoped)| {
            let into = one.scoped.get_mut(quota)?;
            Some((Some(quota.clone()), parts_of(&scoped.totals, &mut into.hard)))
        });
        let mut parts: BTreeMap<Option<SmolStr>, Parts> = scoped.collect();
        let mut shared = parts_of(&effective.totals, &mut one.quota);
        let running = shared.iter().find(|(name, _)| name == "pods").map(|(_, parts)| parts);
        shared.extend(running.and_then(|running| one.all_pods_of(running)));
        parts.insert(None, shared);
        Some(Shares { first: one.of_one().specs, parts })
    }

    /// What they say in the namespace at this place.
    pub(super) fn specs(&self, at: usize) -> Specs {
        let Shares { first, parts } = self;
        parts.iter().fold(first.clone(), |specs, (scoped, parts)| {
            let amounts = parts.iter().filter_map(|(name, parts)| Some((name, parts.get(at)?)));
            specs.with_amounts(scoped.as_ref(), amounts)
        })
    }
}

/// Shares are whole numbers for namespaces of the tenant, and there is something to share.
pub(crate) fn check(
    tiers: &Map<Name, Tier>,
    tenants: &Map<Name, Tenant>,
    whole: bool,
    findings: &mut Findings,
) {
    let shares_all = |quota: &Quota| matches!(quota.per, Some(At { value: Per::Tenant, at: _ }));
    for quota in
        tiers.values().map(|tier| &tier.value.quota).chain(tenants.values().map(|one| &one.value.quota))
    {
        if let Some(per) = quota.per.as_ref().filter(|_| quota.says_nothing()) {
            let message = format!("`per: {per}` is for the amounts beside it, and there are none");
            let finding =
                Finding::new("nothing-to-share", per.at, message, "expected amounts in the same quota");
            findings.push(finding.hint("add them here, such as `cpu: 8`, or write `per:` where they are"));
        }
    }
    for (name, Entry { key: _, value: tenant }) in
        tenants.iter().filter(|(_, one)| !one.value.shares.is_empty())
    {
        let spaces: BTreeSet<&str> = tenant.spaces(name).map(Name::as_str).collect();
        for (space, Entry { key, value: share }) in &tenant.shares {
            if !spaces.contains(space.as_str()) && findings.is_full() {
                findings.count(1);
            } else if !spaces.contains(space.as_str()) {
                let message = format!("`{space}` is not a namespace of tenant `{name}`");
                let few: Vec<&str> = tenant.spaces(name).take(FEW).map(Name::as_str).collect();
                let expected = format!("expected one of: {}{}", few.join(", "), more(spaces.len()));
                let mut finding = Finding::new("unknown-namespace", *key, message, expected);
                finding.hint = did_you_mean(space, tenant.spaces(name).map(Name::as_str));
                findings.push(finding);
            }
            if share.value.count().is_none_or(|count| count == 0 || count > LARGEST) {
                let message = format!("`{share}` is not a valid share");
                let finding = Finding::new(
                    "bad-share",
                    share.at,
                    message,
                    format!("expected a whole number from 1 to {LARGEST}"),
                );
                findings.push(
                    finding.hint("a share is weighed against those of the other namespaces, which are 1"),
                );
            }
        }
        let tier = tenant.tier.as_ref().map_or(DEFAULT_TIER, |tier| tier.value.as_str());
        let tier = tiers.get(tier).is_some_and(|tier| shares_all(&tier.value.quota));
        if let Some(first) =
            tenant.shares.values().next().filter(|_| whole && !tier && !shares_all(&tenant.quota))
        {
            findings.push(
                Finding::new(
                    "nothing-to-share",
                    first.key,
                    "no quota is for the tenant as a whole, so there is nothing to share",
                    "expected `per: tenant` in the quota of the tenant or of its tier",
                )
                .hint("add `per: tenant` to the quota whose amounts are for all namespaces together"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn quantity() -> impl Strategy<Value = (&'static str, Quantity)> {
        let units = prop_oneof![
            Just(("requests.cpu", "")),
            Just(("requests.cpu", "m")),
            Just(("requests.memory", "Gi")),
            Just(("requests.memory", "M")),
            Just(("limits.memory", "Ki")),
            Just(("requests.storage", "e3")),
            Just(("fast.storageclass.storage.k8s.io/requests.storage", "Ti")),
            Just(("pods", "")),
            Just(("count/secrets", "k")),
            Just(("requests.nvidia.com/gpu", "")),
        ];
        (units, 0u32..5000)
            .prop_map(|((name, unit), number)| (name, format!("{number}{unit}").parse().unwrap()))
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn shares_are_the_total_and_follow_the_weights(
            (name, total) in quantity(),
            weights in prop::collection::vec(1u32..=LARGEST, 1..20),
        ) {
            let shares = total.split(name, &weights);
            prop_assert_eq!(shares.len(), weights.len());
            let sum = shares.iter().fold(Quantity::zero(), |sum, share| sum.plus(share));
            prop_assert_eq!(&sum, &total);
            for (share, weight) in shares.iter().zip(&weights) {
                prop_assert!(!share.is_negative());
                prop_assert_eq!(&share.as_str().parse::<Quantity>().unwrap(), share);
                let in_parts = name == "requests.cpu" || share.is_whole();
                prop_assert!(in_parts, "{} of {}", share, name);
                for (other, lighter) in shares.iter().zip(&weights) {
                    prop_assert!(lighter >= weight || other <= share);
                }
            }
        }
    }

    #[test]
    fn shares_read_as_a_person_would_write_them() {
        let split = |name, total: &str, weights: &[u32]| {
            let shares = total.parse::<Quantity>().unwrap().split(name, weights);
            shares.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(split("requests.cpu", "8", &[1, 1]), "4 4");
        assert_eq!(split("requests.cpu", "8", &[3, 1]), "6 2");
        assert_eq!(split("requests.cpu", "1", &[1, 1, 1]), "334m 333m 333m");
        assert_eq!(split("requests.memory", "16Gi", &[1, 1, 1]), "5462Mi 5461Mi 5461Mi");
        assert_eq!(split("requests.memory", "1G", &[1, 2]), "333M 667M");
        assert_eq!(split("pods", "10", &[1, 1, 1]), "4 3 3");
        assert_eq!(split("pods", "1", &[1, 1]), "1 0");
        assert_eq!(split("pods", "0", &[1, 5]), "0 0");
    }
}
