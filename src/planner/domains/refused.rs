//! What tiers refuse to their tenants: a ValidatingAdmissionPolicy over what an owner's role allows and a quota cannot
//! bound. Network policies add up, so that one of a tenant would open what kwo's closes; events are left out by the
//! quotas of Kubernetes, so that a tenant could fill the datastore with them.

use super::admission::{Policy, of_tenants, policy, rule};
use super::compile::TIER_LABEL;
use super::terms::{self, Leave};
use super::tiers::Tier;
use crate::resource::{Reason, Resource, ResourceId};
use crate::roster::{Map, Name};
use crate::tightens::exceptions;
use crate::tree::{SmolStr, Tree};

/// How a rule begins that is about one kind.
const OTHER_THAN: &str = "request.resource.resource !=";
const POLICIES: &str = "networkpolicies";

/// The ids of the policy and its binding, which whatever gives rights needs first.
pub(crate) fn ids() -> [ResourceId; 2] {
    Policy::Tiers.ids()
}

/// May a tenant of this tier write network policies of its own, by these rules of the policy?
pub(crate) fn own_policies(rules: &[Tree], tier: &str) -> bool {
    let expressions = rules.iter().filter_map(|rule| rule.get("expression")?.as_text());
    let about = |text: &&SmolStr| text.starts_with(&format!("{OTHER_THAN} '{POLICIES}'"));
    expressions.filter(about).all(|text| exceptions(text).is_some_and(|(_, names)| names.contains(&tier)))
}

/// The policy and its binding.
pub(crate) fn compile(tiers: &Map<Name, Tier>, resources: &mut Vec<Resource>) {
    let leave = terms::leave(tiers);
    let but = |resource: &str, may: &dyn Fn(&Leave) -> bool| {
        let names = leave.iter().filter(|(_, leave)| may(leave)).map(|(name, _)| format!("'{name}'"));
        let names: Vec<String> = names.collect();
        format!("{OTHER_THAN} '{resource}' || variables.tier in [{}]", names.join(", "))
    };
    let validations = vec![
        rule(
            but(POLICIES, &|leave| leave.policies),
            "network policies add up, so the tenants of this tier may not write their own; ask for \
             `networkPolicies: allow` in the tier",
        ),
        rule(
            but("events", &|leave| leave.events),
            "events are in no quota, so the tenants of this tier may not write them",
        ),
    ];
    let labels = "namespaceObject.metadata.labels";
    let tier = format!("'{TIER_LABEL}' in {labels} ? {labels}['{TIER_LABEL}'] : ''");
    let groups = ["", "events.k8s.io", "networking.k8s.io"];
    let spec = of_tenants(&groups, &["events", POLICIES], validations, vec![("tier", tier)]);
    policy(Policy::Tiers, spec, &Reason::Always, resources);
}
