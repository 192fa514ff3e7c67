//! Whether something enforces network policies. The API server takes them in any case; where nothing enforces them,
//! tenants are not isolated. kwo knows it by the names of what runs. It sends no packets.

use std::collections::BTreeSet;

use futures_util::future::join3;
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{Namespace, Node};
use kwo_planner::observed::TENANT_LABEL;
use serde::Deserialize;

use super::check::{Check, NETWORK_POLICIES};
use crate::providers::{Kube, Refusal};

/// Where k3s keeps the options of a node.
const ARGS: &str = "k3s.io/node-args";

/// What switches off the controller that is built into k3s.
const OFF: &str = "--disable-network-policy";

/// DaemonSets of network plug-ins that enforce them, by a part of their names.
const ENFORCE: [&str; 11] = [
    "antrea-agent",
    "aws-network-policy-agent",
    "azure-npm",
    "calico-node",
    "canal",
    "cilium",
    "kube-ovn-cni",
    "kube-router",
    "ovnkube",
    "romana-agent",
    "weave-net",
];

/// DaemonSets that may enforce them, as they are set up.
const MAY: [&str; 3] = ["aws-node", "kindnet", "kube-multus"];

/// DaemonSets of network plug-ins that enforce none.
const DO_NOT: [&str; 1] = ["flannel"];

#[derive(Deserialize)]
struct List<T> {
    items: Vec<T>,
}

/// What is known of a node.
struct Seen {
    name: String,
    version: String,
    args: Option<String>,
}

/// A DaemonSet that may be a network plug-in.
struct Plugin {
    name: String,
    /// On how many nodes it is ready, and on how many it has to be.
    ready: (i32, i32),
}

pub(super) async fn policies(kube: &Kube) -> Check {
    NETWORK_POLICIES
        .within(async {
            let tenants = format!("/api/v1/namespaces?labelSelector={}", TENANT_LABEL.replace('/', "%2F"));
            let (nodes, sets, tenants) = join3(
                list::<Node>(kube, "/api/v1/nodes"),
                list::<DaemonSet>(kube, "/apis/apps/v1/daemonsets"),
                list::<Namespace>(kube, &tenants),
            )
            .await;
            match (nodes, sets, tenants) {
                (Ok(nodes), Ok(sets), Ok(tenants)) => {
                    let nodes: Vec<Seen> = nodes.into_iter().map(seen).collect();
                    let tenants: BTreeSet<Option<String>> =
                        tenants.into_iter().map(|tenant| tenant.metadata.name).collect();
                    // A tenant can call a DaemonSet what it likes.
                    let sets = sets.into_iter().filter(|set| !tenants.contains(&set.metadata.namespace));
                    let running: Vec<Plugin> = sets.filter_map(plugin).collect();
                    judged(&nodes, &running)
                }
                (Err(refusal), _, _) | (_, Err(refusal), _) | (_, _, Err(refusal)) => {
                    NETWORK_POLICIES.cannot_tell(refusal.to_string())
                }
            }
        })
        .await
}

async fn list<T: serde::de::DeserializeOwned>(kube: &Kube, path: &str) -> Result<Vec<T>, Refusal> {
    let missing = || Refusal::Refused { why: format!("the server has no {path}") };
    kube.get::<List<T>>(path).await?.map(|list| list.items).ok_or_else(missing)
}

fn seen(node: Node) -> Seen {
    let annotations = node.metadata.annotations.unwrap_or_default();
    Seen {
        name: node.metadata.name.unwrap_or_default(),
        version: node.status.and_then(|status| status.node_info).unwrap_or_default().kubelet_version,
        args: annotations.get(ARGS).cloned(),
    }
}

/// One that runs, and uses the network of its node, as every plug-in does.
fn plugin(set: DaemonSet) -> Option<Plugin> {
    let status = set.status.unwrap_or_default();
    let pod = set.spec.template.spec?;
    let runs = status.number_ready > 0 && pod.host_network == Some(true);
    let name = set.metadata.name.filter(|_| runs)?;
    Some(Plugin { name, ready: (status.number_ready, status.desired_number_scheduled) })
}

fn judged(nodes: &[Seen], running: &[Plugin]) -> Check {
    let of =
        |known: &[&str]| running.iter().find(|plugin| known.iter().any(|part| plugin.name.contains(part)));
    if let Some(Plugin { name, ready: (ready, wanted) }) = of(&ENFORCE) {
        return match ready < wanted {
            true => NETWORK_POLICIES
                .warning(format!("the DaemonSet {name} enforces them, and runs on {ready} of {wanted} nodes"))
                .todo("see why it does not run on the others", "kubectl get daemonsets -A"),
            false => NETWORK_POLICIES.ok(format!("the DaemonSet {name} runs, and enforces them")),
        };
    }
    let (k3s, others): (Vec<&Seen>, Vec<&Seen>) =
        nodes.iter().partition(|node| node.version.contains("+k3s"));
    let off = k3s.iter().find(|node| node.args.as_ref().is_some_and(|args| args.contains(OFF)));
    let advice = "put a network plug-in in place that enforces them, or let k3s do it: take the option \
                  `disable-network-policy` out of its configuration, and restart it";
    if let Some(node) = off {
        let found =
            format!("k3s on {} runs with {OFF}, and nothing else that kwo knows enforces them", node.name);
        return NETWORK_POLICIES
            .failed(found)
            .todo(advice, "sudo grep -r disable-network-policy /etc/rancher/k3s");
    }
    if others.is_empty() && !k3s.is_empty() {
        return NETWORK_POLICIES.ok("the controller that is built into k3s enforces them");
    }
    if let Some(Plugin { name, ready: _ }) = of(&MAY) {
        let why = format!("the DaemonSet {name} enforces them only if it is set up to");
        return NETWORK_POLICIES.cannot_tell(why);
    }
    if let Some(Plugin { name, ready: _ }) = of(&DO_NOT) {
        let found = format!("the DaemonSet {name} runs, and enforces none");
        return NETWORK_POLICIES.failed(found).todo(advice, "kubectl get daemonsets -A");
    }
    NETWORK_POLICIES
        .cannot_tell("kwo knows none of the DaemonSets that run as a network plug-in")
        .todo("find out whether your network plug-in enforces them", "kubectl get daemonsets -A")
}

#[cfg(test)]
mod tests {
    use super::super::Outcome;
    use super::*;

    fn outcome(nodes: &[(&str, Option<&str>)], running: &[&str]) -> Outcome {
        let seen = |(version, args): &(&str, Option<&str>)| Seen {
            name: "n".to_owned(),
            version: (*version).to_owned(),
            args: args.map(str::to_owned),
        };
        let nodes: Vec<Seen> = nodes.iter().map(seen).collect();
        let plugin = |name: &&str| Plugin { name: (*name).to_owned(), ready: (2, 2) };
        let running: Vec<Plugin> = running.iter().map(plugin).collect();
        judged(&nodes, &running).outcome
    }

    #[test]
    fn who_enforces_them_is_known_by_its_name_or_said_not_to_be() {
        let (k3s, plain) = (("v1.34.1+k3s1", None), ("v1.34.1", None));
        let off = ("v1.34.1+k3s1", Some(r#"["server","--disable-network-policy"]"#));
        let on = ("v1.34.1+k3s1", Some(r#"["server","--disable","traefik"]"#));
        assert_eq!(outcome(&[k3s, on], &[]), Outcome::Ok);
        assert_eq!(outcome(&[k3s, off], &["svclb-traefik-1"]), Outcome::Failed);
        assert_eq!(outcome(&[off], &["calico-node"]), Outcome::Ok);
        assert_eq!(outcome(&[plain], &["cilium", "kube-proxy"]), Outcome::Ok);
        assert_eq!(outcome(&[plain], &["kube-flannel-ds"]), Outcome::Failed);
        assert_eq!(outcome(&[plain], &["kindnet"]), Outcome::CannotTell);
        assert_eq!(outcome(&[plain], &["kube-proxy"]), Outcome::CannotTell);
        assert_eq!(outcome(&[k3s, plain], &[]), Outcome::CannotTell);
        assert_eq!(outcome(&[], &[]), Outcome::CannotTell);
    }

    #[test]
    fn a_name_alone_enforces_nothing() {
        let set = |host: bool, ready: i32| {
            let text = serde_json::json!({
                "metadata": {"name": "calico-node"},
                "spec": {"selector": {}, "template": {"spec": {"containers": [], "hostNetwork": host}}},
                "status": {"numberReady": ready, "desiredNumberScheduled": 3, "currentNumberScheduled": 3,
                    "numberMisscheduled": 0},
            });
            plugin(serde_json::from_value(text).unwrap())
        };
        assert!(set(false, 3).is_none(), "whoever has no network of the node is a tenant's");
        assert!(set(true, 0).is_none());
        let outcome = |ready| judged(&[], &[set(true, ready).unwrap()]).outcome;
        assert_eq!((outcome(3), outcome(2)), (Outcome::Ok, Outcome::Warning));
    }
}
