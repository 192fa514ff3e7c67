//! The engine, held to what Kubernetes publishes: the cases of its conformance suite for network policies (sig-network,
//! `Netpol`), in that suite's own world of three namespaces with three pods each and two ports, and the examples of the
//! documentation.

use serde_json::{Value, json};

use crate::engine::{Cluster, End, Pod, contains};

const NAMESPACES: [&str; 3] = ["x", "y", "z"];
const PODS: [&str; 3] = ["a", "b", "c"];

/// `x/a`, with the labels that the suite gives it.
fn end(namespace: &str, pod: &str) -> End {
    let number = |all: &[&str], one: &str| all.iter().position(|have| *have == one).unwrap() + 1;
    let address = format!("10.42.{}.{}", number(&NAMESPACES, namespace), number(&PODS, pod));
    let pod = Pod {
        namespace: namespace.to_owned(),
        labels: vec![("pod".to_owned(), pod.to_owned())],
        ports: vec![("serve-80-tcp", 80, "TCP"), ("serve-81-tcp", 81, "TCP"), ("serve-80-udp", 80, "UDP")],
    };
    End { address: address.parse().unwrap(), pod: Some(pod) }
}

fn cluster(policies: Vec<Value>) -> Cluster {
    let labels = |name: &str| {
        ["ns", "kubernetes.io/metadata.name"].map(|key| (key.to_owned(), name.to_owned())).to_vec()
    };
    let namespaces = NAMESPACES.map(|name| (name.to_owned(), labels(name))).to_vec();
    Cluster { namespaces, policies }
}

#[expect(clippy::needless_pass_by_value, reason = "the cases read better so")]
fn policy(namespace: &str, spec: Value) -> Value {
    json!({"metadata": {"namespace": namespace}, "spec": spec})
}

/// From, to, port, protocol.
type Packet<'p> = (&'p str, &'p str, u16, &'p str);

/// Every packet of the world has to pass exactly where `open` says so.
fn judge(case: &str, policies: Vec<Value>, open: impl Fn(Packet<'_>) -> bool) {
    let cluster = cluster(policies);
    let all = || NAMESPACES.iter().flat_map(|namespace| PODS.iter().map(move |pod| (*namespace, *pod)));
    for (from, to) in all().flat_map(|from| all().map(move |to| (from, to))).filter(|(from, to)| from != to) {
        for (port, protocol) in [(80, "TCP"), (81, "TCP"), (80, "UDP")] {
            let passes = cluster.passes(&end(from.0, from.1), &end(to.0, to.1), protocol, port);
            let (from, to) = (format!("{}/{}", from.0, from.1), format!("{}/{}", to.0, to.1));
            let expected = open((&from, &to, port, protocol));
            assert_eq!(passes, expected, "{case}: {from} to {to} {protocol} {port}");
        }
    }
}

#[test]
fn what_comes_in() {
    let a = json!({"matchLabels": {"pod": "a"}});
    judge("no policy", Vec::new(), |_| true);
    judge(
        "default-deny-ingress",
        vec![policy("x", json!({"podSelector": {}, "policyTypes": ["Ingress"]}))],
        |(_, to, ..)| !to.starts_with("x/"),
    );
    judge(
        "allow-all",
        vec![policy("x", json!({"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{}]}))],
        |_| true,
    );
    let from = |peers: Value| {
        vec![policy("x", json!({"podSelector": a, "ingress": [{"from": peers}], "policyTypes": ["Ingress"]}))]
    };
    let at = |to: &str| to == "x/a";
    judge("pods of the own namespace", from(json!([{"podSelector": {"matchLabels": {"pod": "b"}}}])), |p| {
        !at(p.1) || p.0 == "x/b"
    });
    judge("a namespace", from(json!([{"namespaceSelector": {"matchLabels": {"ns": "y"}}}])), |p| {
        !at(p.1) || p.0.starts_with("y/")
    });
    judge(
        "all namespaces but one, by an expression",
        from(
            json!([{"namespaceSelector": {"matchExpressions": [{"key": "ns", "operator": "NotIn", "values": ["x"]}]}}]),
        ),
        |p| !at(p.1) || !p.0.starts_with("x/"),
    );
    judge(
        "a pod or a namespace",
        from(
            json!([{"podSelector": {"matchLabels": {"pod": "b"}}}, {"namespaceSelector": {"matchLabels": {"ns": "y"}}}]),
        ),
        |p| !at(p.1) || p.0 == "x/b" || p.0.starts_with("y/"),
    );
    judge(
        "a pod and its namespace",
        from(
            json!([{"podSelector": {"matchLabels": {"pod": "b"}}, "namespaceSelector": {"matchLabels": {"ns": "y"}}}]),
        ),
        |p| !at(p.1) || p.0 == "y/b",
    );
    judge(
        "several values of an expression",
        from(
            json!([{"podSelector": {"matchExpressions": [{"key": "pod", "operator": "In", "values": ["b", "c"]}]},
                     "namespaceSelector": {"matchExpressions": [{"key": "ns", "operator": "In", "values": ["y", "z"]}]}}]),
        ),
        |p| !at(p.1) || matches!(p.0, "y/b" | "y/c" | "z/b" | "z/c"),
    );
    judge(
        "every pod of every namespace",
        from(json!([{"podSelector": {}, "namespaceSelector": {}}])),
        |_| true,
    );
    judge("every pod of the own namespace", from(json!([{"podSelector": {}}])), |p| {
        !at(p.1) || p.0.starts_with("x/")
    });
    judge(
        "a network",
        from(json!([{"ipBlock": {"cidr": "10.42.2.0/24", "except": ["10.42.2.2/32"]}}])),
        |p| !at(p.1) || matches!(p.0, "y/a" | "y/c"),
    );
}

#[test]
fn ports_and_protocols() {
    let a = json!({"matchLabels": {"pod": "a"}});
    let ports = |ports: Value| {
        vec![policy(
            "x",
            json!({"podSelector": a, "ingress": [{"ports": ports}], "policyTypes": ["Ingress"]}),
        )]
    };
    let rest = |p: Packet<'_>| p.1 != "x/a";
    judge("a port", ports(json!([{"port": 81}])), |p| rest(p) || (p.2, p.3) == (81, "TCP"));
    judge("several ports", ports(json!([{"port": 80}, {"port": 81}])), |p| rest(p) || p.3 == "TCP");
    judge("a range", ports(json!([{"port": 80, "endPort": 90, "protocol": "TCP"}])), |p| {
        rest(p) || p.3 == "TCP"
    });
    judge("a protocol", ports(json!([{"protocol": "UDP"}])), |p| rest(p) || p.3 == "UDP");
    judge("UDP", ports(json!([{"port": 80, "protocol": "UDP"}])), |p| rest(p) || p.3 == "UDP");
    judge("a named port", ports(json!([{"port": "serve-81-tcp"}])), |p| rest(p) || (p.2, p.3) == (81, "TCP"));
    judge("no such named port", ports(json!([{"port": "serve-82-tcp"}])), rest);
}

#[test]
fn what_goes_out() {
    judge(
        "default-deny-all",
        vec![policy("x", json!({"podSelector": {}, "policyTypes": ["Egress", "Ingress"]}))],
        |(from, to, ..)| !from.starts_with("x/") && !to.starts_with("x/"),
    );
    let a = json!({"matchLabels": {"pod": "a"}});
    let to = |rule: Value| {
        vec![policy("x", json!({"podSelector": a, "egress": [rule], "policyTypes": ["Egress"]}))]
    };
    let rest = |p: Packet<'_>| p.0 != "x/a";
    judge(
        "a pod of another namespace",
        to(
            json!({"to": [{"namespaceSelector": {"matchLabels": {"ns": "y"}}, "podSelector": {"matchLabels": {"pod": "a"}}}]}),
        ),
        |p| rest(p) || p.1 == "y/a",
    );
    judge("a named port", to(json!({"ports": [{"port": "serve-80-tcp"}]})), |p| {
        rest(p) || (p.2, p.3) == (80, "TCP")
    });
    judge("a network", to(json!({"to": [{"ipBlock": {"cidr": "10.42.2.2/32"}}]})), |p| {
        rest(p) || p.1 == "y/b"
    });
    judge(
        "a network without a part of it",
        to(json!({"to": [{"ipBlock": {"cidr": "10.42.0.0/16", "except": ["10.42.2.0/24"]}}]})),
        |p| rest(p) || !p.1.starts_with("y/"),
    );
    // Policies add up: what one leaves out another allows.
    let mut both = to(json!({"to": [{"ipBlock": {"cidr": "10.42.0.0/16", "except": ["10.42.2.0/24"]}}]}));
    both.extend(to(json!({"to": [{"ipBlock": {"cidr": "10.42.2.2/32"}}]})));
    judge("two that overlap", both, |p| rest(p) || !p.1.starts_with("y/") || p.1 == "y/b");
    // Without policyTypes, rules for what goes out close what comes in as well.
    judge(
        "the types are those of the rules",
        vec![policy("x", json!({"podSelector": a, "egress": [{"to": [{"podSelector": {}}]}]}))],
        |p| p.1 != "x/a" && (rest(p) || p.1.starts_with("x/")),
    );
}

#[test]
fn both_ends_have_to_agree() {
    let policies = vec![
        policy(
            "x",
            json!({"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"to": [{"namespaceSelector": {"matchLabels": {"ns": "y"}}}]}]}),
        ),
        policy(
            "y",
            json!({"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"from": [{"namespaceSelector": {"matchLabels": {"ns": "z"}}}]}]}),
        ),
    ];
    judge("egress and ingress", policies, |(from, to, ..)| {
        (!from.starts_with("x/") || to.starts_with("y/")) && (!to.starts_with("y/") || from.starts_with("z/"))
    });
}

#[test]
fn networks_hold_what_is_in_them() {
    let held = |cidr: &str, address: &str| contains(cidr, address.parse().unwrap());
    assert!(held("172.17.0.0/16", "172.17.1.0") && !held("172.17.1.0/24", "172.17.2.0"));
    assert!(held("0.0.0.0/0", "1.1.1.1") && !held("0.0.0.0/0", "::1"));
    assert!(held("2000::/3", "2a01:4f8::1") && !held("2000::/3", "fd00:ec2::254"));
    assert!(held("1.2.3.4/32", "1.2.3.4") && !held("1.2.3.4/32", "1.2.3.5"));
}
