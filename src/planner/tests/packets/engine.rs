//! NetworkPolicy as the API documents it, over JSON: may this packet go from here to there? Nothing of kwo is in it, and
//! `published.rs` holds it to what Kubernetes publishes.

use std::net::IpAddr;

use serde_json::Value;

/// One end of a packet.
#[derive(Clone, Debug)]
pub(crate) struct End {
    pub(crate) address: IpAddr,
    /// Nothing for what is not a pod, and for a pod on the network of its node, which no selector matches.
    pub(crate) pod: Option<Pod>,
}

/// A pod with an address of its own.
#[derive(Clone, Debug)]
pub(crate) struct Pod {
    pub(crate) namespace: String,
    pub(crate) labels: Vec<(String, String)>,
    /// Names of container ports: name, number, protocol.
    pub(crate) ports: Vec<(&'static str, u16, &'static str)>,
}

/// All that judges.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cluster {
    /// Namespaces and their labels.
    pub(crate) namespaces: Vec<(String, Vec<(String, String)>)>,
    /// NetworkPolicies.
    pub(crate) policies: Vec<Value>,
}

impl Cluster {
    /// Does a connection come about?
    pub(crate) fn passes(&self, from: &End, to: &End, protocol: &str, port: u16) -> bool {
        self.way("Egress", from, to, to, protocol, port) && self.way("Ingress", to, from, to, protocol, port)
    }

    /// One direction, judged at `own`, with the other end and the one whose port it is.
    fn way(&self, way: &str, own: &End, other: &End, served: &End, protocol: &str, port: u16) -> bool {
        let Some(pod) = &own.pod else { return true };
        let selecting: Vec<&Value> = self
            .policies
            .iter()
            .filter(|policy| selects(policy, pod) && types(policy).contains(&way))
            .collect();
        let (rules, peers) = if way == "Egress" { ("egress", "to") } else { ("ingress", "from") };
        selecting.is_empty()
            || selecting.iter().any(|policy| {
                list(&policy["spec"][rules]).iter().any(|rule| {
                    let home = policy["metadata"]["namespace"].as_str().unwrap_or_default();
                    let peers = list(&rule[peers]);
                    (peers.is_empty() || peers.iter().any(|peer| self.is_peer(peer, home, other)))
                        && ports(list(&rule["ports"]), served, protocol, port)
                })
            })
    }

    fn is_peer(&self, peer: &Value, home: &str, end: &End) -> bool {
        if let Some(block) = peer.get("ipBlock") {
            let within = |cidr: &Value| contains(cidr.as_str().unwrap_or_default(), end.address);
            return within(&block["cidr"]) && !list(&block["except"]).iter().any(within);
        }
        let Some(pod) = &end.pod else { return false };
        let there = match peer.get("namespaceSelector") {
            None => pod.namespace == home,
            Some(selector) => self
                .namespaces
                .iter()
                .any(|(name, labels)| *name == pod.namespace && matches(selector, labels)),
        };
        there && peer.get("podSelector").is_none_or(|selector| matches(selector, &pod.labels))
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn selects(policy: &Value, pod: &Pod) -> bool {
    policy["metadata"]["namespace"] == *pod.namespace && matches(&policy["spec"]["podSelector"], &pod.labels)
}

/// Without `policyTypes` a policy is for what comes in, and for what goes out where it has rules for that.
fn types(policy: &Value) -> Vec<&str> {
    let given = list(&policy["spec"]["policyTypes"]);
    if given.is_empty() {
        let out = (!list(&policy["spec"]["egress"]).is_empty()).then_some("Egress");
        return ["Ingress"].into_iter().chain(out).collect();
    }
    given.iter().filter_map(Value::as_str).collect()
}

fn matches(selector: &Value, labels: &[(String, String)]) -> bool {
    let of = |key: &str| labels.iter().find(|(have, _)| have == key).map(|(_, value)| value.as_str());
    let exact = selector["matchLabels"].as_object();
    let exact = exact.is_none_or(|wanted| wanted.iter().all(|(key, value)| of(key) == value.as_str()));
    let fits = |expression: &Value| {
        let found = of(expression["key"].as_str().unwrap_or_default());
        let within = list(&expression["values"]).iter().any(|value| value.as_str() == found);
        match expression["operator"].as_str() {
            Some("In") => found.is_some() && within,
            Some("NotIn") => !within,
            Some("Exists") => found.is_some(),
            Some("DoesNotExist") => found.is_none(),
            _ => false,
        }
    };
    exact && list(&selector["matchExpressions"]).iter().all(fits)
}

fn ports(rules: &[Value], served: &End, protocol: &str, port: u16) -> bool {
    rules.is_empty()
        || rules.iter().any(|rule| {
            if rule["protocol"].as_str().unwrap_or("TCP") != protocol {
                return false;
            }
            match &rule["port"] {
                Value::Null => true,
                Value::String(name) => served.pod.as_ref().is_some_and(|pod| {
                    pod.ports
                        .iter()
                        .any(|(have, number, of)| have == name && *number == port && *of == protocol)
                }),
                first => {
                    let first = first.as_u64().unwrap_or_default();
                    (first..=rule["endPort"].as_u64().unwrap_or(first)).contains(&u64::from(port))
                }
            }
        })
}

/// Is the address in the network? An IPv4 address is in no IPv6 network.
pub(crate) fn contains(cidr: &str, address: IpAddr) -> bool {
    let Some((network, length)) = cidr.split_once('/') else { return false };
    let (Ok(network), Ok(length)) = (network.parse::<IpAddr>(), length.parse::<u32>()) else { return false };
    let bits = |address: IpAddr| match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()) << 96, 32),
        IpAddr::V6(v6) => (v6.to_bits(), 128),
    };
    let ((network, of), (address, also)) = (bits(network), bits(address));
    of == also && (length == 0 || (network ^ address) >> (128 - length) == 0)
}
