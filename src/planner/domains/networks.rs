//! Checks the cluster's networks: they are what the internet is not, so each has to be a true part of the address space.

use crate::domains::cluster::{Cluster, Peer};
use crate::roster::{At, Finding, Findings};

/// The API server refuses a NetworkPolicy whose exceptions leave nothing.
pub(crate) fn check(cluster: &Cluster, findings: &mut Findings) {
    let Some(network) = &cluster.network else { return };
    for (field, peer) in [("ingress", &network.ingress), ("dns", &network.dns)] {
        if let Some(peer) = peer {
            check_peer(field, peer, findings);
        }
    }
    for (field, networks, usual) in [
        ("pods", &network.pods, "10.42.0.0/16"),
        ("services", &network.services, "10.43.0.0/16"),
        ("nodes", &network.nodes, "private, and needs no word"),
    ] {
        for cidr in networks.iter().filter(|cidr| !cidr.is_part()) {
            findings.push(
                Finding::new(
                    "network-of-everything",
                    cidr.at,
                    format!("`{cidr}` cannot be taken out of the internet, and the API server would refuse the policy"),
                    "expected a network that is smaller than all IPv4 or all IPv6 addresses",
                )
                .hint(format!("write the network that the cluster's {field} get their addresses from; in k3s it is {usual}")),
            );
        }
    }
}

/// Pods in a namespace, an address, or both; neither would be nobody.
fn check_peer(field: &str, peer: &At<Peer>, findings: &mut Findings) {
    let Peer { namespace, labels, cidr } = &peer.value;
    let (message, expected) = match (namespace, cidr) {
        (None, None) => {
            (format!("`{field}` names neither pods nor an address"), "expected `namespace` or `cidr`")
        }
        (None, Some(_)) if !labels.is_empty() => (
            format!("`{field}` has labels and no namespace to look for them in"),
            "expected `namespace` as well",
        ),
        _ => return,
    };
    findings.push(Finding::new("nobody-meant", peer.at, message, expected).hint(
        "write `namespace: kube-system, labels: {…}` for pods, or `cidr: 169.254.20.10/32` for an address",
    ));
}
