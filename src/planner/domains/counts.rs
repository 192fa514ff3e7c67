//! How many objects of each kind a namespace may hold where neither tier nor tenant says: every kind that an owner can
//! make, by itself or through a controller. Without it one namespace fills the datastore, and then nobody can create
//! anything. `docs/reference/bounds.md` has the arithmetic.

use crate::roster::Quantity;

/// The columns of the table: those of the tiers `small`, `standard` and `large`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scale {
    /// That of the tier `small`.
    Small,
    /// That of the tiers `standard` and `restricted`.
    Standard,
    /// That of the tier `large`, and of every tier that is not built in.
    Large,
}

/// One kind, by the name that a ResourceQuota has for it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Count {
    resource: &'static str,
    /// The same bound under another name; what the roster says under that name takes this one's place.
    alias: &'static str,
    amounts: [u32; 3],
}

const fn count(resource: &'static str, alias: &'static str, amounts: [u32; 3]) -> Count {
    Count { resource, alias, amounts }
}

/// What there is one of for a workload.
const FEW: [u32; 3] = [10, 20, 50];

/// What most namespaces have hardly any of.
const RARE: [u32; 3] = [5, 10, 25];

/// The workloads follow the pods that the tiers allow. A Deployment keeps ten old ReplicaSets unless it says
/// otherwise, and StatefulSets and DaemonSets as many ControllerRevisions: with less than eleven for each a rollout
/// would stop half-way.
const COUNTS: [Count; 50] = [
    count("count/configmaps", "configmaps", [25, 40, 100]),
    count("count/controllerrevisions.apps", "", [55, 88, 220]),
    count("count/cronjobs.batch", "", [5, 10, 30]),
    count("count/daemonsets.apps", "", [2, 2, 5]),
    count("count/deployments.apps", "", [10, 20, 50]),
    count("count/endpoints", "", FEW),
    count("count/endpointslices.discovery.k8s.io", "", [20, 40, 100]),
    count("count/evictionrequests.lifecycle.k8s.io", "", RARE),
    count("count/horizontalpodautoscalers.autoscaling", "", FEW),
    count("count/ingresses.networking.k8s.io", "", FEW),
    count("count/jobs.batch", "", [15, 30, 80]),
    count("count/leases.coordination.k8s.io", "", RARE),
    count("count/networkpolicies.networking.k8s.io", "", RARE),
    count("count/persistentvolumeclaims", "persistentvolumeclaims", [5, 10, 20]),
    count("count/poddisruptionbudgets.policy", "", RARE),
    count("count/podtemplates", "", [2, 2, 2]),
    count("count/replicasets.apps", "", [110, 220, 550]),
    count("count/replicationcontrollers", "replicationcontrollers", [2, 2, 2]),
    count("count/resourceclaims.resource.k8s.io", "", RARE),
    count("count/resourceclaimtemplates.resource.k8s.io", "", [2, 5, 10]),
    count("count/rolebindings.rbac.authorization.k8s.io", "", [20, 30, 60]),
    count("count/roles.rbac.authorization.k8s.io", "", RARE),
    count("count/secrets", "secrets", [40, 80, 200]),
    count("count/serviceaccounts", "", FEW),
    count("count/services", "services", FEW),
    count("count/statefulsets.apps", "", [3, 6, 15]),
    count("count/workloads.scheduling.k8s.io", "", RARE),
    count("count/podgroups.scheduling.k8s.io", "", RARE),
    count("count/compositepodgroups.scheduling.k8s.io", "", RARE),
    // Custom resources, where the cluster has them: a quota may name what is not there.
    count("count/certificates.cert-manager.io", "", FEW),
    count("count/certificaterequests.cert-manager.io", "", [30, 60, 150]),
    count("count/issuers.cert-manager.io", "", [5, 5, 5]),
    count("count/challenges.acme.cert-manager.io", "", FEW),
    count("count/orders.acme.cert-manager.io", "", FEW),
    count("count/ciliumnetworkpolicies.cilium.io", "", RARE),
    count("count/networkpolicies.crd.antrea.io", "", RARE),
    count("count/networkpolicies.crd.projectcalico.org", "", RARE),
    count("count/gateways.gateway.networking.k8s.io", "", [5, 5, 5]),
    count("count/grpcroutes.gateway.networking.k8s.io", "", FEW),
    count("count/httproutes.gateway.networking.k8s.io", "", FEW),
    count("count/tlsroutes.gateway.networking.k8s.io", "", FEW),
    count("count/ingressroutes.traefik.io", "", FEW),
    count("count/ingressroutetcps.traefik.io", "", FEW),
    count("count/ingressrouteudps.traefik.io", "", FEW),
    count("count/middlewares.traefik.io", "", FEW),
    count("count/middlewaretcps.traefik.io", "", FEW),
    count("count/serverstransports.traefik.io", "", FEW),
    count("count/tlsoptions.traefik.io", "", [5, 5, 5]),
    count("count/tlsstores.traefik.io", "", [5, 5, 5]),
    count("count/traefikservices.traefik.io", "", FEW),
];

/// How many pods there may be that have ended and stay as a record: `pods` of a quota counts those that run.
const ENDED: [u32; 3] = [40, 80, 200];

/// How many pods run at most where a quota with these counts says nothing about them.
const RUNNING: [u32; 3] = [10, 20, 200];

/// What pods may write to the disk of their node: all requests, all limits.
const DISK: [[&str; 2]; 3] = [["5Gi", "20Gi"], ["10Gi", "40Gi"], ["25Gi", "100Gi"]];

/// What one container may write to the disk of its node where nothing is said, and what it is reckoned with.
pub(super) const CONTAINER_DISK: [&str; 2] = ["1Gi", "64Mi"];

/// The resource of a container's disk.
pub(super) const EPHEMERAL: &str = "ephemeral-storage";

/// All pods, those that have ended among them.
pub(super) const ALL_PODS: &str = "count/pods";

impl Scale {
    /// Names and amounts for a quota.
    pub(super) fn amounts(self) -> impl Iterator<Item = (&'static str, String)> {
        let [requests, limits] = DISK[self.column()];
        let disk = [("requests.ephemeral-storage", requests), ("limits.ephemeral-storage", limits)];
        let counts =
            COUNTS.iter().map(move |count| (count.resource, count.amounts[self.column()].to_string()));
        counts.chain(disk.map(|(name, amount)| (name, amount.to_owned())))
    }

    /// How many pods that have ended may stay.
    pub(super) fn ended(self) -> u32 {
        ENDED[self.column()]
    }

    /// How many pods may run where the quota says nothing about them.
    pub(super) fn pods(self) -> Quantity {
        Quantity::zero().and(RUNNING[self.column()])
    }

    const fn column(self) -> usize {
        match self {
            Scale::Small => 0,
            Scale::Standard => 1,
            Scale::Large => 2,
        }
    }
}

/// The other name of what is bounded under this one.
pub(super) fn alias(resource: &str) -> Option<&'static str> {
    if resource == EPHEMERAL {
        return Some("requests.ephemeral-storage");
    }
    let counts: &'static [Count] = &COUNTS;
    counts.iter().find_map(|count| match resource {
        "" => None,
        named if named == count.alias => Some(count.resource),
        named if named == count.resource && !count.alias.is_empty() => Some(count.alias),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the API server takes in one object at most.
    const LARGEST: u32 = 3 * 512 * 1024;

    #[test]
    fn the_worst_case_is_the_one_that_the_docs_name() {
        let docs = include_str!("../../../docs/reference/bounds.md");
        for (scale, tier, pods) in
            [(Scale::Small, "small", 10), (Scale::Standard, "standard", 20), (Scale::Large, "large", 50)]
        {
            let core = COUNTS.iter().filter(|count| !count.resource.contains(".traefik.io"));
            let core = core.filter(|count| !count.resource.contains("cert-manager.io"));
            let core = core.filter(|count| !count.resource.contains("gateway.networking"));
            let plugins = ["cilium.io", "antrea.io", "projectcalico.org"];
            let core = core.filter(|count| !plugins.iter().any(|plugin| count.resource.contains(plugin)));
            let objects = core.map(|count| count.amounts[scale.column()]).sum::<u32>() + pods + scale.ended();
            let bytes = u64::from(objects) * u64::from(LARGEST);
            let row = format!("| `{tier}` | {objects} | {} MiB |", bytes / (1 << 20));
            assert!(docs.contains(&row), "{row}");
        }
    }

    #[test]
    fn a_rollout_never_stops_half_way() {
        let of = |name: &str| COUNTS.iter().find(|count| count.resource == name).unwrap().amounts;
        for column in 0..3 {
            assert!(of("count/replicasets.apps")[column] >= 11 * of("count/deployments.apps")[column]);
        }
    }

    #[test]
    fn an_alias_leads_back() {
        assert_eq!(alias("configmaps"), Some("count/configmaps"));
        assert_eq!(alias("count/configmaps"), Some("configmaps"));
        assert_eq!(alias("count/jobs.batch"), None);
        assert_eq!(alias(""), None);
    }
}
