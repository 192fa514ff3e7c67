//! What an isolated tenant may reach and be reached from: the rules of its NetworkPolicy, which are the same for all
//! tenants of a cluster. Policies add up, so nothing here can take away what another policy allows.

use super::body::map;
use super::cluster::{Cluster, Peer, Reach};
use crate::roster::{At, Cidr};
use crate::tree::{SmolStr, Tree};

/// What is in the IPv4 address space and not the internet: this host, private and shared networks, link-local
/// addresses, where clouds serve the credentials of nodes, special and documentation networks, multicast, reserved.
const NOT_THE_INTERNET_V4: [&str; 15] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    // Azure serves the credentials of nodes here.
    "168.63.129.16/32",
];

/// Of IPv6 only this is handed out for the internet. Private and link-local addresses, those that stand for IPv4
/// addresses, and multicast are all outside.
const INTERNET_V6: &str = "2000::/3";

/// What lies in it and is not the internet: tunnels that carry IPv4 addresses, and special networks.
const NOT_THE_INTERNET_V6: [&str; 4] = ["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"];

/// The ports of an ingress controller that is known by its address.
const WEB: [(&str, u16); 3] = [("TCP", 80), ("TCP", 443), ("UDP", 443)];
const DNS: [(&str, u16); 2] = [("UDP", 53), ("TCP", 53)];

/// The network as the cluster has it, made into the parts of a policy that are the same for every tenant.
pub(crate) struct Surroundings {
    pub(crate) spec: Tree,
}

impl Surroundings {
    /// Reads the cluster's section of the roster.
    pub(crate) fn of(cluster: &Cluster) -> Surroundings {
        let network = cluster.network.as_ref();
        let ingress = network.and_then(|network| network.ingress.as_ref()).map(|at| &at.value);
        let dns = network.and_then(|network| network.dns.as_ref()).map(|at| &at.value);
        let own = map([("podSelector", map([]))]);
        let controller = pods(ingress, ("app.kubernetes.io/name", "traefik"));
        let names: Vec<Tree> =
            pods(dns, ("k8s-app", "kube-dns")).into_iter().chain(dns.and_then(address)).collect();
        let reach: &[Reach] = network.map_or(&[], |network| &network.reach);
        let (v4, v6) = not_the_internet(cluster);
        let mut egress = vec![to([own.clone()], &[]), to(names, &DNS)];
        egress.extend(controller.clone().map(|pods| to([pods], &[])));
        egress.extend(ingress.and_then(address).map(|address| to([address], &WEB)));
        egress.push(to([block("0.0.0.0/0".into(), v4)], &[]));
        egress.push(to([block(INTERNET_V6.into(), v6)], &[]));
        for Reach { cidr, ports } in reach {
            let ports: Vec<(&'static str, u16)> =
                ports.iter().flat_map(|port| ["TCP", "UDP"].map(|of| (of, port.value.number()))).collect();
            egress.push(to([block(text(&cidr.value), Vec::new())], &ports));
        }
        let from = |peer: Tree| map([("from", Tree::list([peer]))]);
        let sources = [own].into_iter().chain(controller).chain(ingress.and_then(address));
        let spec = map([
            ("egress", Tree::list(egress)),
            ("ingress", Tree::list(sources.map(from))),
            ("podSelector", map([])),
            ("policyTypes", Tree::list([Tree::from("Ingress"), Tree::from("Egress")])),
        ]);
        Surroundings { spec }
    }
}

/// A rule for what goes out; without ports it is for all of them.
fn to(peers: impl IntoIterator<Item = Tree>, ports: &[(&'static str, u16)]) -> Tree {
    let port = |(protocol, port): &(&'static str, u16)| {
        map([("port", Tree::from(u64::from(*port))), ("protocol", Tree::from(*protocol))])
    };
    let peers = Tree::list(peers);
    if ports.is_empty() {
        return map([("to", peers)]);
    }
    map([("ports", Tree::list(ports.iter().map(port))), ("to", peers)])
}

/// The pods that are meant: those that the roster names, or those of k3s. One that is known by its address alone has
/// no pods of its own, but the usual ones stay, since a cache hands on what it does not know.
fn pods(chosen: Option<&Peer>, usual: (&'static str, &'static str)) -> Option<Tree> {
    let (namespace, labels) = match chosen {
        Some(Peer { namespace: Some(namespace), labels, cidr: _ }) => {
            let labels =
                labels.iter().map(|(key, entry)| (key.text().clone(), Tree::from(entry.value.value.text())));
            (Tree::from(namespace.value.text()), Tree::map(labels))
        }
        _ => (Tree::from("kube-system"), map([(usual.0, Tree::from(usual.1))])),
    };
    let namespace = map([("matchLabels", map([("kubernetes.io/metadata.name", namespace)]))]);
    let pods = map([("matchLabels", labels)]);
    Some(map([("namespaceSelector", namespace), ("podSelector", pods)]))
}

/// The address that is meant, where there is one.
fn address(chosen: &Peer) -> Option<Tree> {
    chosen.cidr.as_ref().map(|cidr| block(text(&cidr.value), Vec::new()))
}

fn block(cidr: SmolStr, except: Vec<SmolStr>) -> Tree {
    let cidr = ("cidr", Tree::from(cidr));
    let except = (!except.is_empty()).then(|| ("except", Tree::texts(except)));
    map([(
        "ipBlock",
        Tree::map([cidr].into_iter().chain(except).map(|(key, value)| (SmolStr::new_static(key), value))),
    )])
}

fn text(cidr: &Cidr) -> SmolStr {
    smol_str::format_smolstr!("{cidr}")
}

/// What lies in the address space of the internet and is not of it: by its nature, or because the cluster has its
/// pods, services or nodes there.
fn not_the_internet(cluster: &Cluster) -> (Vec<SmolStr>, Vec<SmolStr>) {
    let mut v4: Vec<Cidr> = constant(&NOT_THE_INTERNET_V4);
    let mut v6: Vec<Cidr> = constant(&NOT_THE_INTERNET_V6);
    let internet: Vec<Cidr> = constant(&[INTERNET_V6]);
    let given: [&[At<Cidr>]; 3] = cluster
        .network
        .as_ref()
        .map_or([&[], &[], &[]], |network| [&network.pods, &network.services, &network.nodes]);
    let api = cluster.api.iter().flat_map(|api| &api.hosts).filter_map(|host| {
        let length = if host.contains(':') { 128 } else { 32 };
        format!("{}/{length}", host.as_str()).parse::<Cidr>().ok()
    });
    for cidr in given.into_iter().flatten().map(|cidr| cidr.value).chain(api) {
        let into = if cidr.is_v6() { &mut v6 } else { &mut v4 };
        // An exception has to be a true part of the network that it is taken from.
        let within = !cidr.is_v6() || internet.iter().any(|whole| whole.covers(&cidr) && *whole != cidr);
        if within && !into.iter().any(|have| have.covers(&cidr)) {
            into.push(cidr);
        }
    }
    (v4.iter().map(text).collect(), v6.iter().map(text).collect())
}

fn constant(texts: &[&str]) -> Vec<Cidr> {
    texts.iter().filter_map(|text| text.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_constants_are_networks() {
        assert_eq!(constant(&NOT_THE_INTERNET_V4).len(), NOT_THE_INTERNET_V4.len());
        let within = constant(&NOT_THE_INTERNET_V6);
        assert_eq!(within.len(), NOT_THE_INTERNET_V6.len());
        assert!(within.iter().all(|cidr| constant(&[INTERNET_V6])[0].covers(cidr)));
    }
}
