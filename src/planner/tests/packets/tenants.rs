//! The policies that kwo makes of a roster, judged by the packets that they let through.

use kwo_planner::domains::compile;
use kwo_planner::domains::parse;

use kwo_planner::roster::{SourceFile, Sources};
use serde_json::{Value, json};

use crate::engine::{Cluster, End, Pod};

/// The policies of a roster, and its namespaces beside `kube-system`.
fn cluster(sections: &str) -> Cluster {
    let text = format!("apiVersion: kwo/v1\nkind: Roster\n{sections}");
    let source = SourceFile { name: "roster.yaml".to_owned(), text };
    let desired = compile(&parse(Sources::new(vec![source])).unwrap()).unwrap();
    let bodies = desired.resources().iter().map(|resource| serde_json::to_value(&resource.body).unwrap());
    let mut cluster = Cluster::default();
    for body in bodies {
        match body["kind"].as_str() {
            Some("NetworkPolicy") => cluster.policies.push(body),
            Some("Namespace") => {
                cluster.namespaces.push(namespace(body["metadata"]["name"].as_str().unwrap()));
            }
            _ => {}
        }
    }
    cluster.namespaces.push(namespace("kube-system"));
    cluster
}

fn namespace(name: &str) -> (String, Vec<(String, String)>) {
    (name.to_owned(), vec![("kubernetes.io/metadata.name".to_owned(), name.to_owned())])
}

fn pod(namespace: &str, address: &str, labels: &[(&str, &str)]) -> End {
    let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let pod = Pod { namespace: namespace.to_owned(), labels, ports: Vec::new() };
    End { address: address.parse().unwrap(), pod: Some(pod) }
}

fn outside(address: &str) -> End {
    End { address: address.parse().unwrap(), pod: None }
}

fn alice() -> End {
    pod("alice", "10.42.0.10", &[("app", "web")])
}

fn traefik() -> End {
    pod("kube-system", "10.42.0.3", &[("app.kubernetes.io/name", "traefik")])
}

fn dns() -> End {
    pod("kube-system", "10.42.0.2", &[("k8s-app", "kube-dns")])
}

const TENANTS: &str = "tenants: {alice: , bob: }\n";

/// Everything that answers near a pod and is no business of a tenant: what it is, its address, its port.
const CLOSED: [(&str, &str, u16); 28] = [
    ("the metadata of AWS, Google, Azure, Hetzner and others", "169.254.169.254", 80),
    ("the credentials of AWS' containers", "169.254.170.2", 80),
    ("the metadata of Alibaba", "100.100.100.200", 80),
    ("the host of Azure", "168.63.129.16", 80),
    ("the host of Azure, its other port", "168.63.129.16", 32526),
    ("the metadata of Oracle", "192.0.0.192", 80),
    ("the metadata of AWS by IPv6", "fd00:ec2::254", 80),
    ("the metadata of Google by IPv6", "fd20:ce::254", 80),
    ("the metadata of Scaleway by IPv6", "fd00:42::42", 80),
    ("a link-local address", "fe80::a9fe:a9fe", 80),
    ("an IPv4 address behind NAT64", "64:ff9b::a9fe:a9fe", 80),
    ("an IPv4 address behind 6to4", "2002:a9fe:a9fe::1", 80),
    ("an IPv4 address behind Teredo", "2001:0:a9fe:a9fe::1", 80),
    ("an IPv4 address written as IPv6", "::ffff:169.254.169.254", 80),
    ("the API server's service", "10.43.0.1", 443),
    ("the API server on a private node", "192.168.1.5", 6443),
    ("the kubelet of a private node", "10.0.0.5", 10250),
    ("a node port of a private node", "172.16.4.4", 30080),
    ("a machine of the same network", "192.168.1.20", 22),
    ("a machine of another private network", "172.31.255.254", 5432),
    ("an address of a carrier's network", "100.64.0.1", 80),
    ("an address of a Tailscale network", "100.101.102.103", 22),
    ("the loopback", "127.0.0.1", 10249),
    ("the loopback by IPv6", "::1", 10249),
    ("this host", "0.0.0.0", 10250),
    ("multicast", "224.0.0.251", 5353),
    ("broadcast", "255.255.255.255", 67),
    ("multicast by IPv6", "ff02::fb", 5353),
];

#[test]
fn an_isolated_tenant_reaches_its_own_the_ingress_dns_and_the_internet() {
    let cluster = cluster(TENANTS);
    let passes = |from: &End, to: &End, protocol: &str, port| cluster.passes(from, to, protocol, port);
    let own = pod("alice", "10.42.0.11", &[]);
    let bob = pod("bob", "10.42.0.20", &[("app", "web")]);
    assert!(passes(&alice(), &own, "TCP", 5432) && passes(&own, &alice(), "UDP", 9));
    assert!(passes(&traefik(), &alice(), "TCP", 8080) && passes(&alice(), &traefik(), "TCP", 8443));
    assert!(passes(&alice(), &dns(), "UDP", 53) && passes(&alice(), &dns(), "TCP", 53));
    assert!(!passes(&alice(), &dns(), "TCP", 9153) && !passes(&alice(), &dns(), "UDP", 8053));
    assert!(!passes(&dns(), &alice(), "TCP", 80));
    for (from, to) in [(alice(), bob.clone()), (bob, alice())] {
        assert!(!passes(&from, &to, "TCP", 80) && !passes(&from, &to, "UDP", 53));
    }
    for address in
        ["1.1.1.1", "93.184.216.34", "2a01:4f8::1", "2606:4700:4700::1111", "172.32.0.1", "11.0.0.1"]
    {
        assert!(passes(&alice(), &outside(address), "TCP", 443), "{address}");
        assert!(!passes(&outside(address), &alice(), "TCP", 80), "{address}");
    }
    // A pod of the system that only looks like the ingress controller, by its labels or by its namespace.
    let forged = pod("bob", "10.42.0.21", &[("app.kubernetes.io/name", "traefik"), ("k8s-app", "kube-dns")]);
    assert!(!passes(&forged, &alice(), "TCP", 80) && !passes(&alice(), &forged, "UDP", 53));
    assert!(!passes(&pod("kube-system", "10.42.0.4", &[]), &alice(), "TCP", 80));
}

#[test]
fn what_answers_near_a_pod_is_closed() {
    let cluster = cluster(TENANTS);
    for (what, address, port) in CLOSED {
        for protocol in ["TCP", "UDP"] {
            assert!(!cluster.passes(&alice(), &outside(address), protocol, port), "{what}: {address}");
        }
    }
}

#[test]
fn a_tenant_whose_network_is_open_reaches_everything() {
    let cluster = cluster("tiers: {loose: {network: open}}\ntenants: {alice: {tier: loose}, bob: }\n");
    for (what, address, port) in CLOSED {
        assert!(cluster.passes(&alice(), &outside(address), "TCP", port), "{what}: {address}");
    }
    // It is still kept out of the others.
    assert!(!cluster.passes(&alice(), &pod("bob", "10.42.0.20", &[]), "TCP", 80));
}

#[test]
fn nodes_with_public_addresses_are_closed_where_the_roster_names_them() {
    let nodes = "nodes: [203.0.114.7/32, '2a01:4f8:1::/64']";
    let cluster = cluster(&format!(
        "cluster: {{api: {{hosts: [api.example.com, 203.0.114.9]}}, network: {{{nodes}}}}}\n{TENANTS}"
    ));
    for address in ["203.0.114.7", "203.0.114.9", "2a01:4f8:1::1"] {
        for port in [6443, 10250, 30080] {
            assert!(!cluster.passes(&alice(), &outside(address), "TCP", port), "{address} {port}");
        }
    }
    assert!(cluster.passes(&alice(), &outside("203.0.114.8"), "TCP", 443));
}

#[test]
fn what_is_private_and_wanted_is_reached_by_its_ports() {
    let cluster = cluster(&format!(
        "cluster: {{network: {{reach: [{{cidr: 192.168.7.20/32, ports: [5432]}}, {{cidr: 10.9.0.0/24}}]}}}}\n{TENANTS}"
    ));
    let passes = |address, port| cluster.passes(&alice(), &outside(address), "TCP", port);
    assert!(passes("192.168.7.20", 5432) && passes("10.9.0.77", 22));
    assert!(!passes("192.168.7.20", 22) && !passes("192.168.7.21", 5432) && !passes("10.9.1.1", 22));
}

/// gardener/gardener#2745, kubernetes/kubernetes#90590.
#[test]
fn a_cache_of_dns_and_an_ingress_on_the_network_of_the_node_are_said_by_address() {
    let plain = cluster(TENANTS);
    let said = cluster(&format!(
        "cluster: {{network: {{dns: {{cidr: 169.254.20.10/32}}, ingress: {{cidr: 10.0.0.5/32}}}}}}\n{TENANTS}"
    ));
    let (cache, node) = (outside("169.254.20.10"), outside("10.0.0.5"));
    for (cluster, open) in [(&plain, false), (&said, true)] {
        assert_eq!(cluster.passes(&alice(), &cache, "UDP", 53), open);
        assert_eq!(cluster.passes(&alice(), &cache, "TCP", 53), open);
        assert_eq!(cluster.passes(&node, &alice(), "TCP", 8080), open);
        assert_eq!(cluster.passes(&alice(), &node, "TCP", 443), open);
        // Nothing else of the node comes with it.
        assert!(!cluster.passes(&alice(), &cache, "TCP", 9253));
        assert!(
            !cluster.passes(&alice(), &node, "TCP", 10250) && !cluster.passes(&alice(), &node, "TCP", 6443)
        );
        assert!(!cluster.passes(&alice(), &outside("169.254.169.254"), "TCP", 80));
        // The cache hands on what it does not know.
        assert!(cluster.passes(&alice(), &dns(), "UDP", 53));
    }
}

/// Why tenants may not write policies of their own: each of these opens what is closed, and nothing can close it again.
#[test]
fn a_policy_of_a_tenant_would_open_what_is_closed() {
    for rule in [
        json!({}),
        json!({"to": [{"ipBlock": {"cidr": "169.254.169.254/32"}}]}),
        json!({"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}),
    ] {
        let mut cluster = cluster(TENANTS);
        cluster.policies.push(hostile("egress", &rule));
        assert!(cluster.passes(&alice(), &outside("169.254.169.254"), "TCP", 80), "{rule}");
        // The other tenant's own policy still holds.
        assert!(!cluster.passes(&alice(), &pod("bob", "10.42.0.20", &[]), "TCP", 80), "{rule}");
    }
    let mut cluster = cluster(TENANTS);
    cluster.policies.push(hostile("ingress", &json!({})));
    assert!(cluster.passes(&outside("198.51.100.7"), &alice(), "TCP", 80));
}

fn hostile(way: &str, rule: &Value) -> Value {
    let types = if way == "egress" { "Egress" } else { "Ingress" };
    json!({"metadata": {"namespace": "alice"}, "spec": {"podSelector": {}, "policyTypes": [types], way: [rule]}})
}
