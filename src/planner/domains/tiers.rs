//! The `tiers` section: named bundles of bounds for tenants, and the tiers that are built in. The checks over
//! quantities are in `quota.rs`.

use super::counts::Scale;
use super::scopes::ScopedQuota;
use crate::roster::record::{choice, record};
use crate::roster::{
    AnnotationKey, AnnotationValue, At, ClassName, Entry, ImageSource, Map, Name, Quantity, ResourceName,
    SecretName,
};
use crate::tree::SmolStr;

record! {
    /// A bundle of bounds for tenants. A tier named `small`, `standard`, `large` or `restricted` starts from the
    /// built-in one of that name; any other starts with no quota but the counts of `large` and no limits but that of a
    /// container's disk, isolated, with Pod Security `baseline` and no navigation.
    pub struct Tier: "a tier" {
        /// What each namespace may use.
        pub quota: Quota,
        /// Do built-in amounts limit what the quota does not name: the number of objects of each kind, and what pods
        /// write to the disk of their node? Default: bounded.
        pub rest: Option<At<Rest>>,
        /// The defaults and the limits of containers, pods and claims.
        pub limits: Option<Limits>,
        /// The Pod Security level that pods have to meet. Default: baseline.
        pub pod_security: Option<At<PodSecurity>> = "podSecurity",
        /// Does a network policy isolate the tenant's pods from other tenants? Default: isolated.
        pub network: Option<At<Network>>,
        /// May the tenant's owners write network policies? Policies add up, so theirs can open what `isolated`
        /// closes. Default: deny, or allow if the network is open.
        pub network_policies: Option<At<Leave>> = "networkPolicies",
        /// The priority classes that pods may have. Default: all except the two of the system, which push out the
        /// cluster's own pods.
        pub priority_classes: Option<Vec<At<ClassName>>> = "priorityClasses",
        /// Where the images of pods come from, whether nodes pull them again, and how much of them the registry keeps.
        pub images: Images,
        /// The ingress classes that Ingresses may name. If it is set, each Ingress has to name one. Default: any class, or
        /// none.
        pub ingress_classes: Option<Vec<At<ClassName>>> = "ingressClasses",
        /// The storage classes that claims may name. If it is set, each claim has to have one. Default: any class, or
        /// none.
        pub storage_classes: Option<Vec<At<ClassName>>> = "storageClasses",
        /// What members may see of the cluster as a whole. Default: none, or navigation in a built-in tier.
        pub cluster_read: Option<At<ClusterRead>> = "clusterRead",
        /// What the tenant's Services may do besides being reached inside the cluster. Default: nothing.
        pub services: Services,
        /// Annotations for the tenants' namespaces.
        pub annotations: Map<AnnotationKey, At<AnnotationValue>>,
        /// The Secrets with which the tenants' pods pull images. kwo does not make them.
        pub image_pull_secrets: Vec<At<SecretName>> = "imagePullSecrets",
    }
}

record! {
    /// What Services may do besides being reached inside the cluster. By default nothing of it, in every tier.
    pub struct Services: "what Services may do" {
        /// How many ports of the nodes the Services of one namespace may open, those of balancers included. Default: 0.
        pub node_ports: Option<At<Quantity>> = "nodePorts",
        /// How many Services of type LoadBalancer there may be in one namespace. Default: 0.
        pub load_balancers: Option<At<Quantity>> = "loadBalancers",
        /// May a Service name the addresses that it takes, as `externalIPs` or `loadBalancerIP`? What any pod sends
        /// there goes to the tenant (CVE-2020-8554). Default: deny.
        pub external_ips: Option<At<Leave>> = "externalIPs",
        /// May a Service be another name for a host outside (type ExternalName)? An ingress controller that follows it
        /// reaches what the tenant cannot. Default: deny.
        pub external_names: Option<At<Leave>> = "externalNames",
    }
}

record! {
    /// Where the images of pods come from, whether nodes pull them again, and how much of them the registry keeps.
    pub struct Images: "what images may be" {
        /// The registries, or parts of them, that images may come from. Default: all.
        pub registries: Option<Vec<At<ImageSource>>>,
        /// Does the node pull each image again when a container starts? Then an image that is on the node already
        /// runs only for those who may pull it. Default: Any, or Always in the built-in tier `restricted`.
        pub pull_policy: Option<At<PullPolicy>> = "pullPolicy",
        /// How much the images of each tenant of this tier may take in the cluster's registry, such as `10Gi`. `kwo registry
        /// usage` compares, and refuses nothing. Default: no quota.
        pub storage: Option<At<Quantity>>,
    }
}

record! {
    /// What one namespace may use, or all namespaces of a tenant together.
    pub struct Quota: "a quota" {
        /// Are these amounts for each namespace, or for all namespaces of the tenant together? Default: namespace.
        pub per: Option<At<Per>>,
        /// All CPU requests together.
        pub cpu: Option<At<Quantity>>,
        /// All memory requests together.
        pub memory: Option<At<Quantity>>,
        /// All storage claims together.
        pub storage: Option<At<Quantity>>,
        /// How many pods.
        pub pods: Option<At<Quantity>>,
        /// How many storage claims.
        pub volumes: Option<At<Quantity>>,
        /// Anything else that a ResourceQuota can bound, by its Kubernetes name: `limits.memory`,
        /// `count/deployments.apps`.
        pub hard: Map<ResourceName, At<Quantity>>,
        /// Quotas of some pods or claims only, each with a name.
        pub scoped: Map<Name, ScopedQuota>,
    }
}

impl Quota {
    /// Are there no amounts in it?
    pub(super) fn says_nothing(&self) -> bool {
        let Quota { per: _, cpu, memory, storage, pods, volumes, hard, scoped } = self;
        let amounts = [cpu, memory, storage, pods, volumes];
        amounts.into_iter().all(Option::is_none) && hard.is_empty() && scoped.is_empty()
    }

    /// Are there only amounts in it, and for each namespace?
    pub(super) fn is_plain(&self) -> bool {
        self.scoped.is_empty() && self.per.as_ref().is_none_or(|per| per.value == Per::Namespace)
    }

    /// What it bounds, by the name that Kubernetes has for it.
    pub(super) fn amounts(&self) -> impl Iterator<Item = (SmolStr, &At<Quantity>)> {
        let Quota { per: _, cpu, memory, storage, pods, volumes, hard, scoped: _ } = self;
        let named = [
            ("requests.cpu", cpu),
            ("requests.memory", memory),
            ("requests.storage", storage),
            ("pods", pods),
            ("persistentvolumeclaims", volumes),
        ];
        let named = named.into_iter().filter_map(|(name, amount)| Some((name, amount.as_ref()?)));
        let hard = hard.iter().map(|(name, Entry { key: _, value: amount })| (name.text().clone(), amount));
        named.map(|(name, amount)| (SmolStr::new_static(name), amount)).chain(hard)
    }
}

choice! {
    /// What the amounts of a quota are for.
    pub enum Per: "part of a tenant" {
        /// Each namespace.
        Namespace = "namespace",
        /// All namespaces of a tenant together: each gets a share, as `shares` of the tenant says.
        Tenant = "tenant",
    }
}

record! {
    /// Bounds of one container, of one pod, of one storage claim.
    pub struct Limits: "limits" {
        /// The limit of a container that has none.
        pub default: Map<ResourceName, At<Quantity>>,
        /// The request of a container that has none.
        pub default_request: Map<ResourceName, At<Quantity>> = "defaultRequest",
        /// The most that a container may have as its limit.
        pub max: Map<ResourceName, At<Quantity>>,
        /// The least that a container may ask for. It is also the request of a container that has none, unless there
        /// is a default.
        pub min: Map<ResourceName, At<Quantity>>,
        /// The largest ratio of a container's limit to its request.
        pub max_limit_request_ratio: Map<ResourceName, At<Quantity>> = "maxLimitRequestRatio",
        /// Bounds of all containers of a pod together.
        pub pod: PodLimits,
        /// Bounds of what one storage claim asks for.
        pub claim: ClaimLimits,
    }
}

record! {
    /// Bounds of all containers of a pod together.
    pub struct PodLimits: "limits of a pod" {
        /// The most that they may have as their limits.
        pub max: Map<ResourceName, At<Quantity>>,
        /// The least that they may ask for.
        pub min: Map<ResourceName, At<Quantity>>,
        /// The largest ratio of their limits to their requests.
        pub max_limit_request_ratio: Map<ResourceName, At<Quantity>> = "maxLimitRequestRatio",
    }
}

record! {
    /// Bounds of what one storage claim asks for.
    pub struct ClaimLimits: "limits of a claim" {
        /// The most.
        pub max: Option<At<Quantity>>,
        /// The least.
        pub min: Option<At<Quantity>>,
    }
}

choice! {
    /// A level of the Pod Security Standards.
    pub enum PodSecurity: "Pod Security level" {
        /// No bounds.
        Privileged = "privileged",
        /// No known way to gain rights on the node.
        Baseline = "baseline",
        /// As hardened as Kubernetes knows.
        Restricted = "restricted",
    }
}

choice! {
    /// What becomes of what a quota does not name.
    pub enum Rest: "kind of rest" {
        /// As many objects of each kind as are built in for the tier.
        Bounded = "bounded",
        /// No bounds: one namespace may fill the cluster's datastore and the disk of a node.
        Unbounded = "unbounded",
    }
}

choice! {
    /// May it be done?
    pub enum Leave: "answer" {
        /// No.
        Deny = "deny",
        /// Yes.
        Allow = "allow",
    }
}

choice! {
    /// Which pull policies containers may have.
    pub enum PullPolicy: "pull policy" {
        /// Each container says `imagePullPolicy: Always`.
        Always = "Always",
        /// Each container says what it likes.
        Any = "Any",
    }
}

choice! {
    /// How a tenant's network is bounded.
    pub enum Network: "kind of network" {
        /// Reached by its own pods and the ingress controller only; reaches DNS and the internet, but no other
        /// tenant.
        Isolated = "isolated",
        /// No bounds.
        Open = "open",
    }
}

choice! {
    /// What a tenant's people may see of the cluster as a whole.
    pub enum ClusterRead: "level of reading" {
        /// Nothing.
        None = "none",
        /// The lists of namespaces and of nodes.
        Navigation = "navigation",
    }
}

/// A tier that is there without being in the roster.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BuiltInTier {
    /// Its name.
    pub name: &'static str,
    /// `quota.cpu`
    pub cpu: &'static str,
    /// `quota.memory`
    pub memory: &'static str,
    /// `quota.storage`
    pub storage: &'static str,
    /// `quota.pods`
    pub pods: &'static str,
    /// `quota.volumes`
    pub volumes: &'static str,
    /// The amounts of what the quota does not name.
    pub scale: Scale,
    /// `limits.default`, by resource
    pub default: &'static [(&'static str, &'static str)],
    /// `limits.defaultRequest`, by resource
    pub default_request: &'static [(&'static str, &'static str)],
    /// `limits.max`, by resource
    pub max: &'static [(&'static str, &'static str)],
    /// `podSecurity`
    pub pod_security: PodSecurity,
    /// `network`
    pub network: Network,
    /// `clusterRead`
    pub cluster_read: ClusterRead,
    /// `images.pullPolicy`
    pub pull_policy: PullPolicy,
    /// `quota.hard`, by resource
    pub hard: &'static [(&'static str, &'static str)],
}

/// Every tier starts with this Pod Security level.
pub const DEFAULT_POD_SECURITY: PodSecurity = PodSecurity::Baseline;
/// Every tier starts with this kind of network.
pub const DEFAULT_NETWORK: Network = Network::Isolated;
/// A tier that is not built in starts with this.
pub const DEFAULT_CLUSTER_READ: ClusterRead = ClusterRead::None;

const SMALL: BuiltInTier = BuiltInTier {
    name: "small",
    cpu: "1",
    memory: "2Gi",
    storage: "10Gi",
    pods: "10",
    volumes: "5",
    scale: Scale::Small,
    default: &[("cpu", "500m"), ("memory", "512Mi")],
    default_request: &[("cpu", "50m"), ("memory", "64Mi")],
    max: &[("memory", "2Gi")],
    pod_security: DEFAULT_POD_SECURITY,
    network: DEFAULT_NETWORK,
    cluster_read: ClusterRead::Navigation,
    pull_policy: PullPolicy::Any,
    hard: &[],
};

const STANDARD: BuiltInTier = BuiltInTier {
    name: "standard",
    cpu: "2",
    memory: "4Gi",
    storage: "20Gi",
    pods: "20",
    volumes: "10",
    scale: Scale::Standard,
    max: &[("memory", "4Gi")],
    ..SMALL
};

/// The tiers that are built in.
pub const BUILT_IN_TIERS: [BuiltInTier; 4] = [
    SMALL,
    STANDARD,
    BuiltInTier {
        name: "large",
        cpu: "4",
        memory: "8Gi",
        storage: "50Gi",
        pods: "50",
        volumes: "20",
        scale: Scale::Large,
        max: &[("memory", "8Gi")],
        ..SMALL
    },
    // What the multi-tenancy benchmark asks for: `docs/reference/multi-tenancy-benchmark.md`.
    BuiltInTier {
        name: "restricted",
        pod_security: PodSecurity::Restricted,
        cluster_read: ClusterRead::None,
        pull_policy: PullPolicy::Always,
        hard: &[("resourcequotas", "10")],
        ..STANDARD
    },
];

impl BuiltInTier {
    /// The built-in tier with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static BuiltInTier> {
        const TIERS: &[BuiltInTier] = &BUILT_IN_TIERS;
        TIERS.iter().find(|tier| tier.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is tried in one of them holds in all.
    #[test]
    fn small_standard_and_large_differ_in_amounts_alone() {
        for name in ["standard", "large"] {
            let BuiltInTier { pod_security, network, cluster_read, pull_policy, hard, .. } =
                *BuiltInTier::named(name).unwrap();
            let small = BuiltInTier { pod_security, network, cluster_read, pull_policy, hard, ..SMALL };
            assert_eq!(small, SMALL, "{name}");
        }
    }
}
