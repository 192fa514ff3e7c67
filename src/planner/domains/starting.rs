//! Does a pod start that says nothing of resources? What containers get by default has to fit into the quota. Whether
//! there is a default at all is judged in `bounding.rs`.

use std::collections::BTreeMap;

use super::effective::{Amounts, tier};
use super::limited::ContainerLimits;
use super::tenants::{DEFAULT_TIER, Tenant};
use super::tiers::{Per, Tier};
use crate::resource::Reason;
use crate::roster::{Entry, Finding, Findings, Map, Name, Quantity, Span};
use crate::tree::SmolStr;

/// What is looked at of a tier. There may be as many as fit into a roster, and each may have long lists besides.
struct Bounds {
    tier: SmolStr,
    limits: Option<ContainerLimits>,
    /// How many pods there may be.
    pods: Option<Quantity>,
}

/// Checks the quota of every tier, and what tenants say instead, against what the tier's containers get by default.
pub(crate) fn check(tiers: &Map<Name, Tier>, tenants: &Map<Name, Tenant>, findings: &mut Findings) {
    for (name, Entry { key: _, value: Tier { quota, limits, .. } }) in tiers {
        if limits.is_none() && quota.says_nothing() {
            continue;
        }
        if let Some((bounds, quota)) = bounds_of(name.as_str(), tiers) {
            check_quota(&bounds, &quota, findings);
        }
    }
    let mut met: BTreeMap<&str, Option<Bounds>> = BTreeMap::new();
    // What a tenant leaves to its tier is judged there, and what is for all its namespaces together nowhere.
    let each = |tenant: &&Tenant| tenant.quota.per.as_ref().is_none_or(|per| per.value == Per::Namespace);
    for tenant in tenants.values().map(|entry| &entry.value).filter(each) {
        if tenant.quota.says_nothing() {
            continue;
        }
        let name = tenant.tier.as_ref().map_or(DEFAULT_TIER, |tier| tier.value.as_str());
        let bounds = met.entry(name).or_insert_with(|| Some(bounds_of(name, tiers)?.0));
        let Some(bounds) = bounds else { continue };
        let own = tenant.quota.amounts();
        let own = own.map(|(name, amount)| (name, (amount.value.clone(), Reason::Roster(amount.at))));
        check_quota(bounds, &own.collect(), findings);
    }
}

fn bounds_of(name: &str, tiers: &Map<Name, Tier>) -> Option<(Bounds, Amounts)> {
    let effective = tier(name, tiers)?;
    let pods = effective.quota.get("pods").map(|(pods, _)| pods.clone());
    Some((Bounds { tier: effective.tier, limits: effective.limits, pods }, effective.quota))
}

fn check_quota(bounds: &Bounds, quota: &Amounts, findings: &mut Findings) {
    let Bounds { tier, limits: Some(limits), pods } = bounds else { return };
    let zero = Quantity::zero();
    // Where no pod is to start, none has to.
    let pods = quota.get("pods").map(|(pods, _)| pods).or(pods.as_ref());
    if pods.is_some_and(|pods| *pods <= zero) {
        return;
    }
    for (name, bound) in quota {
        let (resource, what, field, given) = match name.split_once('.') {
            Some(("limits", resource)) => (resource, "limit", "default", &limits.default),
            Some(("requests", resource)) => (resource, "request", "defaultRequest", &limits.default_request),
            _ => (name.as_str(), "request", "defaultRequest", &limits.default_request),
        };
        let Some(given) = given.get(resource) else { continue };
        if bound.0 <= zero || given.0 <= bound.0 {
            continue;
        }
        let slot = Slot { tier, name, resource, what, field };
        if let Some(finding) = slot.finding(bound, given) {
            findings.push(finding);
        }
    }
}

/// What is given by default, and what bounds it.
struct Slot<'r> {
    tier: &'r SmolStr,
    name: &'r str,
    resource: &'r str,
    what: &'static str,
    field: &'static str,
}

impl Slot<'_> {
    /// Where the roster says one of the two; what is built in fits.
    fn finding(&self, bound: &(Quantity, Reason), given: &(Quantity, Reason)) -> Option<Finding> {
        let Slot { tier, name, resource, what, field } = self;
        let ((most, bound), (default, given)) = (bound, given);
        let message = format!(
            "a pod that does not state its {what} of {resource} cannot start under this: the default is {default}, and \
             the quota {most}"
        );
        let lower = format!("`limits: {{{field}: {{{resource}: {most}}}}}` in tier `{tier}`");
        let raise = match name.strip_prefix("requests.") {
            Some(own @ ("cpu" | "memory")) => format!("`quota: {{{own}: \"{default}\"}}`"),
            _ => format!("`quota: {{hard: {{{name}: \"{default}\"}}}}`"),
        };
        Some(match (place(bound), place(given)) {
            (Some(at), other) => {
                let finding =
                    Finding::new("default-above", at, message, format!("expected at least {default}"))
                        .hint(format!("write {default} or more here, or {lower}"));
                match other {
                    Some(other) => finding.also(other, format!("the default {what} comes from here")),
                    None => finding,
                }
            }
            (None, Some(at)) => {
                Finding::new("default-above", at, message, format!("expected at most {most}"))
                    .hint(format!("write {most} or less here, or raise the quota: {raise}"))
            }
            (None, None) => return None,
        })
    }
}

fn place(reason: &Reason) -> Option<Span> {
    match reason {
        Reason::Roster(at) => Some(*at),
        Reason::BuiltInTier { .. } | Reason::Always | Reason::Kubernetes => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::domains::parse;

    use crate::roster::{SourceFile, Sources};

    /// The hints of what is wrong with these tiers and tenants.
    fn hints(text: &str) -> Vec<String> {
        let text = format!("{{apiVersion: kwo/v1, kind: Roster, {text}}}");
        let sources = Sources::new(vec![SourceFile { name: String::new(), text }]);
        let refused = parse(sources).err();
        let findings = refused.into_iter().flat_map(|refused| refused.findings);
        findings.map(|finding| finding.hint.unwrap_or_default()).collect()
    }

    #[test]
    fn defaults_fit_into_the_quota() {
        for (text, said) in [
            (
                "tenants: {a: {quota: {cpu: 10m}}}",
                "write 50m or more here, or `limits: {defaultRequest: {cpu: 10m}}`",
            ),
            (
                "tiers: {t: {quota: {cpu: \"2\"}, limits: {defaultRequest: {cpu: \"4\"}}}}",
                "write 4 or more here",
            ),
            (
                "tiers: {standard: {limits: {default: {cpu: \"8\"}, defaultRequest: {cpu: \"3\"}}}}",
                "write 2 or less here",
            ),
            (
                "tiers: {t: {quota: {hard: {limits.memory: 1Gi}}, limits: {default: {memory: 2Gi}}}}",
                "write 2Gi or more here, or `limits: {default: {memory: 1Gi}}`",
            ),
            // The default comes from the maximum, and the request from the default.
            ("tiers: {t: {quota: {memory: 1Gi}, limits: {max: {memory: 2Gi}}}}", "write 2Gi or more here"),
            ("tenants: {a: {quota: {hard: {ephemeral-storage: 1Mi}}}}", "write 64Mi or more here"),
        ] {
            let hints = hints(text);
            assert!(hints.len() == 1 && hints[0].starts_with(said), "{text}: {hints:?}");
        }
    }

    #[test]
    fn what_fits_or_is_meant_so_is_no_fault() {
        for text in [
            "tenants: {a: {quota: {cpu: 50m, memory: 64Mi}}}",
            // None at all is none at all.
            "tenants: {a: {quota: {cpu: \"0\", memory: \"0\"}}, b: {quota: {pods: \"0\", cpu: 1m}}}",
            "tiers: {t: {rest: unbounded}, small: {}, standard: {}, large: {}, restricted: {}}",
            "tiers: {t: {quota: {cpu: 10m}, limits: {defaultRequest: {cpu: 10m}}}}, tenants: {a: {tier: t}}",
        ] {
            assert_eq!(hints(text), Vec::<String>::new(), "{text}");
        }
    }
}
