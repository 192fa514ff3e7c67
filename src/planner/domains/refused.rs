//! What tiers refuse to their tenants: a ValidatingAdmissionPolicy over what an owner's role allows and a quota cannot
//! bound. Network policies add up, so that one of a tenant would open what kwo's closes; what the kubelet mounts comes from
//! the node's network, which no policy closes; events are left out by the quotas of Kubernetes, so that a tenant could
//! fill the datastore with them.

use super::admission::{Policy, exceptions, of_tenants, policy, rule};
use super::effective::{self, Leave};
use super::inside::pods;
use super::tiers::Tier;
use crate::named::TIER_LABEL;
use crate::resource::{Reason, Resource, ResourceId};
use crate::roster::{Map, Name};
use crate::tree::Tree;

/// What stands in the rule about network policies, and in that about volumes.
const POLICIES: &str = "request.resource.resource == 'networkpolicies'";
const ALL_VOLUMES: &str = "variables.volumes.all";

/// The ids of the policy and its binding, which whatever gives rights needs first.
pub(crate) fn ids() -> [ResourceId; 2] {
    Policy::Tiers.ids()
}

/// May a tenant of this tier write network policies of its own, by these rules of the policy?
pub(crate) fn own_policies(rules: &[Tree], tier: &str) -> bool {
    leaves(rules, POLICIES, tier)
}

/// May the pods of a tenant of this tier have any volumes, by these rules of the policy?
pub(crate) fn any_volumes(rules: &[Tree], tier: &str) -> bool {
    leaves(rules, ALL_VOLUMES, tier)
}

fn leaves(rules: &[Tree], about: &str, tier: &str) -> bool {
    let mut expressions = rules.iter().filter_map(|rule| rule.get("expression")?.as_text());
    expressions
        .all(|text| !text.contains(about) || exceptions(text).is_some_and(|(_, names)| names.contains(&tier)))
}

/// Does the node mount this volume from the network?
pub(crate) fn is_of_the_network(volume: &Tree) -> bool {
    volume.entries().iter().any(|(key, _)| !VOLUMES.contains(&key.as_str()) && key != OF_THE_NODE)
}

/// The groups in which network plugins have policies of their own, which open what those of Kubernetes close. Charts of
/// theirs give owners the right to write them.
const PLUGINS: &[&str] = &[
    "cilium.io",
    "crd.antrea.io",
    "crd.antrea.tanzu.vmware.com",
    "crd.projectcalico.org",
    "k8s.ovn.org",
    "kubeovn.io",
    "policy.networking.k8s.io",
    "projectcalico.org",
    "security.antrea.tanzu.vmware.com",
];

/// The volumes that hold what is the pod's own or the cluster's to give. All others name a server, which the kubelet asks
/// from the node's network. What a driver mounts by `csi` is the driver's to judge, as in the level `restricted`.
const VOLUMES: [&str; 10] = [
    "name",
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

/// What Pod Security judges.
const OF_THE_NODE: &str = "hostPath";

/// The policy and its binding.
pub(crate) fn compile(tiers: &Map<Name, Tier>, resources: &mut Vec<Resource>) {
    let leave = effective::leave(tiers);
    let in_tier = |may: &dyn Fn(&Leave) -> bool| {
        let names = leave.iter().filter(|(_, leave)| may(leave)).map(|(name, _)| format!("'{name}'"));
        let names: Vec<String> = names.collect();
        format!("variables.tier in [{}]", names.join(", "))
    };
    let list = |words: &[&str]| words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(", ");
    let validations = vec![
        rule(
            format!(
                "!({POLICIES} || request.resource.group in [{}]) || {}",
                list(PLUGINS),
                in_tier(&|leave| leave.policies)
            ),
            "network policies add up, so the tenants of this tier may not write their own; ask for \
             `networkPolicies: allow` in the tier",
        ),
        rule(
            format!("request.resource.resource != 'events' || {}", in_tier(&|leave| leave.events)),
            "events are in no quota, so the tenants of this tier may not write them",
        ),
        rule(
            format!(
                "{ALL_VOLUMES}(l, l.all(v, v.all(k, k in [{}, '{OF_THE_NODE}']) \
                 || variables.oldVolumes.exists(o, v in o))) || {}",
                list(&VOLUMES),
                in_tier(&|leave| leave.volumes)
            ),
            "the node mounts a volume of this type from the network, past the isolation of the tenant: storage is asked \
             for by a claim",
        ),
    ];
    let labels = "namespaceObject.metadata.labels";
    let tier = format!("'{TIER_LABEL}' in {labels} ? {labels}['{TIER_LABEL}'] : ''");
    let volumes = |object: &str| {
        let all = format!("{}.map(p, p.?volumes.orValue([]))", pods(object));
        format!("{all}.map(l, l.map(v, dyn(v)))")
    };
    let variables = vec![
        ("tier", tier),
        ("volumes", volumes("object")),
        (
            "oldVolumes",
            format!("request.operation == 'UPDATE' && oldObject != null ? {} : []", volumes("oldObject")),
        ),
    ];
    let written: &[&str] = &["events", "networkpolicies"];
    let made: &[&str] = &[
        "pods",
        "podtemplates",
        "replicationcontrollers",
        "deployments",
        "statefulsets",
        "daemonsets",
        "replicasets",
        "jobs",
        "cronjobs",
    ];
    let judged = [
        (&["", "events.k8s.io", "networking.k8s.io"][..], written),
        (PLUGINS, &["*/*"]),
        (&["", "apps", "batch"], made),
    ];
    let spec = of_tenants(&judged, validations, variables);
    policy(Policy::Tiers, spec, &Reason::Always, resources);
}
