//! Checks the cluster's networks: they are what the internet is not, so each has to be a true part of the address space.

use crate::domains::cluster::Cluster;
use crate::roster::{Finding, Findings};

/// The API server refuses a NetworkPolicy whose exceptions leave nothing.
pub(crate) fn check(cluster: &Cluster, findings: &mut Findings) {
    let Some(network) = &cluster.network else { return };
    for (field, networks, usual) in
        [("pods", &network.pods, "10.42.0.0/16"), ("services", &network.services, "10.43.0.0/16")]
    {
        for cidr in networks.iter().filter(|cidr| !cidr.is_part()) {
            let what = if field == "pods" { "pods" } else { "services" };
            findings.push(
                Finding::new(
                    "network-of-everything",
                    cidr.at,
                    format!("`{cidr}` cannot be taken out of the internet, and the API server would refuse the policy"),
                    "expected a network that is smaller than all IPv4 or all IPv6 addresses",
                )
                .hint(format!("write the network that the cluster's {what} get their addresses from; in k3s it is {usual}")),
            );
        }
    }
}
