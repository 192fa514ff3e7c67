//! What tiers refuse to their tenants: a ValidatingAdmissionPolicy over what an owner's role allows and a quota cannot
//! bound. Network policies add up, so that one of a tenant would open what kwo's closes; events are left out by the
//! quotas of Kubernetes, so that a tenant could fill the datastore with them.

use super::admission::{Policy, of_tenants, policy, rule};
use super::compile::TIER_LABEL;
use super::terms::{self, Leave};
use super::tiers::Tier;
use crate::resource::{Reason, Resource, ResourceId};
use crate::roster::{Map, Name};

/// The ids of the policy and its binding, which whatever gives rights needs first.
pub(crate) fn ids() -> [ResourceId; 2] {
    Policy::Tiers.ids()
}

/// The policy and its binding.
pub(crate) fn compile(tiers: &Map<Name, Tier>, resources: &mut Vec<Resource>) {
    let leave = terms::leave(tiers);
    let but = |resource: &str, may: &dyn Fn(&Leave) -> bool| {
        let names = leave.iter().filter(|(_, leave)| may(leave)).map(|(name, _)| format!("'{name}'"));
        let names: Vec<String> = names.collect();
        format!("request.resource.resource != '{resource}' || variables.tier in [{}]", names.join(", "))
    };
    let validations = vec![
        rule(
            but("networkpolicies", &|leave| leave.policies),
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
    let spec = of_tenants(&groups, &["events", "networkpolicies"], validations, vec![("tier", tier)]);
    policy(Policy::Tiers, spec, &Reason::Always, resources);
}
