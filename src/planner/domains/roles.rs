//! The roles that kwo brings: what a deployer, a navigator and a power-user may do. The roles `admin` and
//! `view` of tenants and `cluster-admin` are Kubernetes' own.

use std::sync::{Arc, LazyLock};

use super::body::{labels, object, rule};
use crate::kinds::Kind;
use crate::named::NAVIGATION;
use crate::resource::{Reason, Resource, ResourceId};
use crate::tree::Tree;

/// The Role in every tenant namespace under which its pipelines deploy.
pub(crate) const DEPLOYER: &str = "tenant-deployer";
/// The ClusterRole that reads the cluster without its secrets.
pub(crate) const POWER_USER: &str = "kwo-power-user";

const ALL: &[&str] = &["*"];
const READ: &[&str] = &["get", "list", "watch"];

/// What a deployer may do in its namespace: its workloads and all that belongs to them. Made once, for every namespace
/// has them.
pub(crate) static DEPLOYER_RULES: LazyLock<Tree> = LazyLock::new(|| {
    Tree::list([
        rule(
            &[""],
            &[
                "pods",
                "pods/log",
                "pods/exec",
                "pods/portforward",
                "services",
                "secrets",
                "configmaps",
                "persistentvolumeclaims",
            ],
            ALL,
        ),
        rule(&["apps"], &["deployments", "statefulsets", "daemonsets", "replicasets"], ALL),
        rule(&["batch"], &["jobs", "cronjobs"], ALL),
        rule(&["networking.k8s.io"], &["ingresses"], ALL),
        rule(&["autoscaling"], &["horizontalpodautoscalers"], ALL),
        // Written by hand, an address leads the ingress controller to another tenant's pod (CVE-2021-25740).
        rule(&[""], &["endpoints"], READ),
        rule(&["discovery.k8s.io"], &["endpointslices"], READ),
    ])
});

fn navigation_rules() -> Tree {
    Tree::list([rule(&[""], &["namespaces", "nodes"], READ)])
}

/// Read almost everything. The core group is listed by name, because it holds Secrets and ConfigMaps, and because
/// `pods/exec` opened by GET would be a way to run things. Charts of Helm are left out: their values hold secrets.
fn power_user_rules() -> Tree {
    Tree::list([
        rule(
            &[""],
            &[
                "endpoints",
                "events",
                "limitranges",
                "namespaces",
                "nodes",
                "persistentvolumeclaims",
                "persistentvolumes",
                "pods",
                "pods/log",
                "pods/status",
                "podtemplates",
                "replicationcontrollers",
                "resourcequotas",
                "serviceaccounts",
                "services",
            ],
            READ,
        ),
        rule(
            &[
                "acme.cert-manager.io",
                "admissionregistration.k8s.io",
                "apiextensions.k8s.io",
                "apiregistration.k8s.io",
                "apps",
                "autoscaling",
                "batch",
                "cert-manager.io",
                "coordination.k8s.io",
                "discovery.k8s.io",
                "events.k8s.io",
                "flowcontrol.apiserver.k8s.io",
                "gateway.networking.k8s.io",
                "metrics.k8s.io",
                "networking.k8s.io",
                "node.k8s.io",
                "policy",
                "rbac.authorization.k8s.io",
                "scheduling.k8s.io",
                "snapshot.storage.k8s.io",
                "storage.k8s.io",
                "traefik.io",
            ],
            &["*"],
            READ,
        ),
    ])
}

/// The id of a ClusterRole.
pub(crate) fn cluster_role(name: &'static str) -> ResourceId {
    ResourceId::kube(Kind::ClusterRole, "", name)
}

/// The roles that exist once in a cluster.
pub(crate) fn compile(resources: &mut Vec<Resource>) {
    for (name, rules) in [(NAVIGATION, navigation_rules()), (POWER_USER, power_user_rules())] {
        let id = cluster_role(name);
        let body = object(&id, Kind::ClusterRole, &labels(None), [("rules", rules)]);
        resources.push(Resource::new(id, body, Arc::new([]), Reason::Always));
    }
}
