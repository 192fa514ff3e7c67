//! NetworkPolicies: does one let less through than before? All that the rules before let through, piece by piece, is
//! looked for in the rules after. Policies beside it add up and are not looked at: what another one opens stays open.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{few, text};
use crate::tree::{SmolStr, Tree};

/// What a policy lets through less than before, one direction after the other.
pub(super) fn narrowed(before: &Tree, after: &Tree) -> Option<String> {
    let ways = [("Ingress", "ingress", "from"), ("Egress", "egress", "to")];
    let told = ways.iter().filter_map(|(way, rules, peers)| {
        let now = is_for(after, way).then(|| pieces(after, rules, peers))?;
        // Pods that it did not select were not bounded by it.
        let selected = covers(
            &requirements(before.at("/spec/podSelector")),
            &requirements(after.at("/spec/podSelector")),
        );
        if before.get("spec").is_none() || !selected || !is_for(before, way) {
            let whole = lost(&everything(), &now).is_empty();
            let what = if *way == "Ingress" { "its pods are reached only by" } else { "its pods reach only" };
            return (!whole).then(|| format!("{what} what the rules name"));
        }
        let lost = lost(&pieces(before, rules, peers), &now);
        let what =
            if *way == "Ingress" { "its pods are no longer reached by" } else { "its pods no longer reach" };
        Some(format!("{what} {}", few(&lost)?))
    });
    let told: Vec<String> = told.collect();
    (!told.is_empty()).then(|| told.join("; "))
}

/// Is the policy for this direction? Where it does not say, it is for what comes in, and for what goes out if it has
/// rules for that.
fn is_for(policy: &Tree, way: &str) -> bool {
    let types = policy.at("/spec/policyTypes").map_or(&[][..], Tree::items);
    if types.is_empty() {
        return way == "Ingress" || !policy.at("/spec/egress").map_or(&[][..], Tree::items).is_empty();
    }
    types.iter().any(|have| have.as_text().is_some_and(|have| have == way))
}

/// One end and the ports that are open to it.
struct Piece {
    peer: Peer,
    ports: Vec<Ports>,
}

#[derive(Eq, PartialEq)]
enum Peer {
    Everybody,
    /// Addresses of one version, from the first to the last, none twice.
    Addresses {
        v6: bool,
        ranges: Vec<(u128, u128)>,
    },
    Pods {
        namespaces: Option<Vec<Need>>,
        pods: Vec<Need>,
    },
    /// What cannot be read.
    Odd(Tree),
}

#[derive(Clone, Eq, PartialEq)]
enum Ports {
    Numbers { protocol: SmolStr, first: u64, last: u64 },
    Named { protocol: SmolStr, name: SmolStr },
}

/// What a selector asks of one label.
#[derive(Clone, Eq, PartialEq)]
enum Need {
    In(SmolStr, BTreeSet<SmolStr>),
    NotIn(SmolStr, BTreeSet<SmolStr>),
    Exists(SmolStr),
    Lacks(SmolStr),
}

const MOST: u64 = u16::MAX as u64;

fn every_port() -> Vec<Ports> {
    let all = |protocol| Ports::Numbers { protocol: SmolStr::new_static(protocol), first: 0, last: MOST };
    vec![all("TCP"), all("UDP"), all("SCTP")]
}

fn everything() -> Vec<Piece> {
    vec![Piece { peer: Peer::Everybody, ports: every_port() }]
}

/// All that the rules of one direction let through.
fn pieces(policy: &Tree, rules: &str, peers: &str) -> Vec<Piece> {
    let rules = policy.at(&format!("/spec/{rules}")).map_or(&[][..], Tree::items);
    let piece = |rule: &Tree| {
        let ports = rule.get("ports").map_or(&[][..], Tree::items);
        let ports = if ports.is_empty() { every_port() } else { ports.iter().map(port).collect() };
        let ends = rule.get(peers).map_or(&[][..], Tree::items);
        let ends = if ends.is_empty() { vec![Peer::Everybody] } else { ends.iter().map(peer).collect() };
        ends.into_iter().map(move |peer| Piece { peer, ports: ports.clone() }).collect::<Vec<_>>()
    };
    rules.iter().flat_map(piece).collect()
}

fn port(entry: &Tree) -> Ports {
    let protocol = text(entry, "/protocol").cloned().unwrap_or(SmolStr::new_static("TCP"));
    let number = |key: &str| match entry.get(key) {
        Some(Tree::Number(number)) => number.as_u64(),
        _ => None,
    };
    match (text(entry, "/port"), number("port")) {
        (Some(name), _) => Ports::Named { protocol, name: name.clone() },
        (None, Some(first)) => Ports::Numbers { protocol, first, last: number("endPort").unwrap_or(first) },
        (None, None) => Ports::Numbers { protocol, first: 0, last: MOST },
    }
}

fn peer(entry: &Tree) -> Peer {
    let Some(block) = entry.get("ipBlock") else {
        return Peer::Pods {
            namespaces: entry.get("namespaceSelector").map(|selector| requirements(Some(selector))),
            pods: requirements(entry.get("podSelector")),
        };
    };
    let Some((v6, first, last)) = text(block, "/cidr").and_then(|cidr| network(cidr)) else {
        return Peer::Odd(entry.clone());
    };
    let mut ranges = vec![(first, last)];
    for except in block.get("except").map_or(&[][..], Tree::items) {
        match except.as_text().and_then(|cidr| network(cidr)) {
            Some((of, first, last)) if of == v6 => ranges = without(&ranges, &[(first, last)]),
            Some(_) => {}
            None => return Peer::Odd(entry.clone()),
        }
    }
    Peer::Addresses { v6, ranges }
}

/// The first and the last address of a network, and whether it is one of IPv6.
fn network(cidr: &str) -> Option<(bool, u128, u128)> {
    let (address, length) = cidr.split_once('/')?;
    let (address, length) = (address.parse::<IpAddr>().ok()?, length.parse::<u32>().ok()?);
    let (v6, bits, number): (bool, u32, u128) = match address {
        IpAddr::V4(v4) => (false, 32, u128::from(v4.to_bits())),
        IpAddr::V6(v6) => (true, 128, v6.to_bits()),
    };
    let free = bits.checked_sub(length).filter(|free| *free <= bits)?;
    let hosts = if free == 128 { u128::MAX } else { (1 << free) - 1 };
    Some((v6, number & !hosts, number | hosts))
}

/// The ranges without the others.
fn without(ranges: &[(u128, u128)], others: &[(u128, u128)]) -> Vec<(u128, u128)> {
    let mut rest = ranges.to_vec();
    for (from, to) in others {
        rest = rest
            .into_iter()
            .flat_map(|(first, last)| {
                if *to < first || last < *from {
                    return vec![(first, last)];
                }
                let below = from.checked_sub(1).filter(|end| first <= *end).map(|end| (first, end));
                let above = to.checked_add(1).filter(|start| *start <= last).map(|start| (start, last));
                below.into_iter().chain(above).collect()
            })
            .collect();
    }
    rest
}

/// What a selector asks for; nothing where there is none.
fn requirements(selector: Option<&Tree>) -> Vec<Need> {
    let Some(selector) = selector else { return Vec::new() };
    let exact = selector.get("matchLabels").map_or(&[][..], Tree::entries).iter();
    let exact =
        exact.filter_map(|(key, value)| Some(Need::In(key.clone(), [value.as_text()?.clone()].into())));
    let need = |expression: &Tree| {
        let key = text(expression, "/key")?.clone();
        let values = expression.get("values").map_or(&[][..], Tree::items);
        let values = values.iter().filter_map(Tree::as_text).cloned().collect();
        Some(match text(expression, "/operator")?.as_str() {
            "In" => Need::In(key, values),
            "NotIn" => Need::NotIn(key, values),
            "Exists" => Need::Exists(key),
            _ => Need::Lacks(key),
        })
    };
    let expressions = selector.get("matchExpressions").map_or(&[][..], Tree::items);
    exact.chain(expressions.iter().filter_map(need)).collect()
}

/// Is all that the one selects selected by the other, the first, as well?
fn covers(wider: &[Need], narrower: &[Need]) -> bool {
    wider.iter().all(|need| narrower.iter().any(|have| implies(have, need)))
}

fn implies(have: &Need, need: &Need) -> bool {
    match (have, need) {
        (Need::In(key, some), Need::In(of, all)) => key == of && some.is_subset(all),
        (Need::In(key, some), Need::NotIn(of, none)) => key == of && some.is_disjoint(none),
        (Need::NotIn(key, more), Need::NotIn(of, none)) => key == of && none.is_subset(more),
        (Need::In(key, _) | Need::Exists(key), Need::Exists(of))
        | (Need::Lacks(key), Need::Lacks(of) | Need::NotIn(of, _)) => key == of,
        _ => false,
    }
}

/// What was let through and no longer is, in words.
fn lost(before: &[Piece], after: &[Piece]) -> Vec<String> {
    let mut told: Vec<String> = Vec::new();
    for piece in before {
        for ports in piece.ports.iter().flat_map(|ports| parts(ports, after)) {
            let open: Vec<&Peer> = after
                .iter()
                .filter(|other| other.ports.iter().any(|wider| contains(wider, &ports)))
                .map(|other| &other.peer)
                .collect();
            let Some(who) = shut_out(&piece.peer, &open) else { continue };
            let all = matches!(&ports, Ports::Numbers { first: 0, last, .. } if *last == MOST);
            let line = if all { who } else { format!("{who} ({})", shown(&ports)) };
            if !told.contains(&line) {
                told.push(line);
            }
        }
    }
    told
}

/// The ports cut where the ports of the others begin or end, so that each part is in one of them or outside.
fn parts(ports: &Ports, others: &[Piece]) -> Vec<Ports> {
    let Ports::Numbers { protocol, first, last } = ports else { return vec![ports.clone()] };
    let mut starts = BTreeSet::from([*first]);
    for other in others.iter().flat_map(|other| &other.ports) {
        if let Ports::Numbers { protocol: of, first: begin, last: end } = other
            && of == protocol
        {
            starts.extend([*begin, *end + 1].into_iter().filter(|start| first < start && start <= last));
        }
    }
    let starts: Vec<u64> = starts.into_iter().collect();
    let ends = starts.iter().skip(1).map(|next| next - 1).chain([*last]);
    let part =
        |(first, last): (&u64, u64)| Ports::Numbers { protocol: protocol.clone(), first: *first, last };
    starts.iter().zip(ends).map(part).collect()
}

fn contains(wider: &Ports, ports: &Ports) -> bool {
    match (wider, ports) {
        (
            Ports::Numbers { protocol, first, last },
            Ports::Numbers { protocol: of, first: begin, last: end },
        ) => protocol == of && first <= begin && end <= last,
        // A name may stand for any number.
        (Ports::Numbers { protocol, first: 0, last }, Ports::Named { protocol: of, name: _ }) => {
            protocol == of && *last == MOST
        }
        (wider, ports) => wider == ports,
    }
}

/// Who of this end is in none of the others, in words.
fn shut_out(peer: &Peer, open: &[&Peer]) -> Option<String> {
    if open.contains(&&Peer::Everybody) {
        return None;
    }
    match peer {
        Peer::Everybody => Some("all others".to_owned()),
        Peer::Odd(entry) => (!open.contains(&peer)).then(|| entry.to_string()),
        Peer::Addresses { v6, ranges } => {
            let mut rest = ranges.clone();
            for other in open {
                if let Peer::Addresses { v6: of, ranges } = other
                    && of == v6
                {
                    rest = without(&rest, ranges);
                }
            }
            let told: Vec<String> = rest.iter().map(|range| addresses(*v6, *range)).collect();
            few(&told)
        }
        Peer::Pods { namespaces, pods } => {
            let wider = |other: &&Peer| match other {
                Peer::Pods { namespaces: of, pods: wider } => {
                    let there = match (of, namespaces) {
                        (None, None) => true,
                        (Some(wider), Some(narrower)) => covers(wider, narrower),
                        (Some(wider), None) => wider.is_empty(),
                        (None, Some(_)) => false,
                    };
                    there && covers(wider, pods)
                }
                Peer::Everybody | Peer::Addresses { .. } | Peer::Odd(_) => false,
            };
            (!open.iter().any(wider)).then(|| pods_told(namespaces.as_deref(), pods))
        }
    }
}

fn pods_told(namespaces: Option<&[Need]>, pods: &[Need]) -> String {
    let labels = |needs: &[Need]| needs.iter().map(label).collect::<Vec<_>>().join(", ");
    let which = if pods.is_empty() { "all pods".to_owned() } else { format!("pods with {}", labels(pods)) };
    match namespaces {
        None => format!("{which} of its namespace"),
        Some([]) => format!("{which} of all namespaces"),
        Some(needs) => format!("{which} of namespaces with {}", labels(needs)),
    }
}

fn label(need: &Need) -> String {
    let words = |values: &BTreeSet<SmolStr>| values.iter().map(SmolStr::as_str).collect::<Vec<_>>().join("|");
    match need {
        Need::In(key, values) => format!("{key}={}", words(values)),
        Need::NotIn(key, values) => format!("{key}≠{}", words(values)),
        Need::Exists(key) => key.to_string(),
        Need::Lacks(key) => format!("no {key}"),
    }
}

/// A range of addresses: as a network where it is one.
fn addresses(v6: bool, (first, last): (u128, u128)) -> String {
    let address = |number: u128| match u32::try_from(number) {
        Ok(number) if !v6 => IpAddr::V4(Ipv4Addr::from_bits(number)),
        _ => IpAddr::V6(Ipv6Addr::from_bits(number)),
    };
    let (bits, size) = (if v6 { 128_u32 } else { 32 }, last - first);
    let free = u128::BITS - size.leading_zeros();
    let is_network = size.count_ones() == free && first & size == 0;
    match (size, is_network) {
        (0, _) => address(first).to_string(),
        (_, true) => format!("{}/{}", address(first), bits.saturating_sub(free)),
        (_, false) => format!("{}-{}", address(first), address(last)),
    }
}

fn shown(ports: &Ports) -> String {
    match ports {
        Ports::Numbers { protocol, first, last } if first == last => format!("{protocol} {first}"),
        Ports::Numbers { protocol, first, last } => format!("{protocol} {first}-{last}"),
        Ports::Named { protocol, name } => format!("{protocol} {name}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tree;
    use super::*;

    fn policy(spec: &str) -> Tree {
        tree(&format!(r#"{{"spec":{spec}}}"#))
    }

    fn egress(rules: &str) -> Tree {
        policy(&format!(r#"{{"podSelector":{{}},"policyTypes":["Egress"],"egress":{rules}}}"#))
    }

    fn block(cidr: &str, except: &str, ports: &str) -> String {
        format!(r#"{{"to":[{{"ipBlock":{{"cidr":"{cidr}","except":[{except}]}}}}],"ports":[{ports}]}}"#)
    }

    #[test]
    fn what_is_no_longer_reached_is_told() {
        let all = egress("[{}]");
        let internet = |except: &str| egress(&format!("[{}]", block("0.0.0.0/0", except, "")));
        let web =
            egress(&format!("[{}]", block("0.0.0.0/0", "", r#"{"port":443},{"port":8000,"endPort":8010}"#)));
        let halves = egress(&format!("[{},{}]", block("0.0.0.0/1", "", ""), block("128.0.0.0/1", "", "")));
        let pods = |selector: &str| egress(&format!(r#"[{{"to":[{{"podSelector":{selector}}}]}}]"#));
        let of_namespaces = egress(r#"[{"to":[{"namespaceSelector":{}}]}]"#);
        let nothing = egress("[]");
        let no_type = policy(r#"{"podSelector":{},"policyTypes":["Ingress"],"ingress":[{}]}"#);
        for (before, after, expected) in [
            (&Tree::Null, &nothing, Some("its pods reach only what the rules name")),
            (&Tree::Null, &all, None),
            (&no_type, &all, None),
            (&no_type, &internet(""), Some("its pods reach only what the rules name")),
            (&all, &no_type, None),
            (&all, &internet(""), Some("its pods no longer reach all others")),
            (&internet(""), &all, None),
            (&internet(""), &internet(r#""10.0.0.0/8""#), Some("its pods no longer reach 10.0.0.0/8")),
            (&internet(r#""10.0.0.0/8""#), &internet(r#""10.1.0.0/16""#), None),
            (
                &internet(r#""10.0.0.0/8""#),
                &internet(r#""10.0.0.0/8","169.254.169.254/32""#),
                Some("its pods no longer reach 169.254.169.254"),
            ),
            (&internet(""), &halves, None),
            (&halves, &internet(""), None),
            (&web, &internet(""), None),
            (
                &web,
                &egress(&format!(
                    "[{}]",
                    block("0.0.0.0/0", "", r#"{"port":443},{"port":8000,"endPort":8005}"#)
                )),
                Some("its pods no longer reach 0.0.0.0/0 (TCP 8006-8010)"),
            ),
            (
                &web,
                &egress(&format!(
                    "[{}]",
                    block("0.0.0.0/0", "", r#"{"port":443,"protocol":"UDP"},{"port":8000,"endPort":8010}"#)
                )),
                Some("its pods no longer reach 0.0.0.0/0 (TCP 443)"),
            ),
            (&pods("{}"), &of_namespaces, None),
            (&of_namespaces, &pods("{}"), Some("its pods no longer reach all pods of all namespaces")),
            (&pods(r#"{"matchLabels":{"a":"b"}}"#), &pods("{}"), None),
            (
                &pods("{}"),
                &pods(r#"{"matchLabels":{"a":"b"}}"#),
                Some("its pods no longer reach all pods of its namespace"),
            ),
            (
                &pods(r#"{"matchLabels":{"a":"b"}}"#),
                &pods(r#"{"matchExpressions":[{"key":"a","operator":"In","values":["b","c"]}]}"#),
                None,
            ),
            (&nothing, &nothing, None),
        ] {
            assert_eq!(narrowed(before, after).as_deref(), expected, "{before} → {after}");
        }
    }

    #[test]
    fn pods_that_were_not_selected_were_not_bounded() {
        let of =
            |selector: &str| policy(&format!(r#"{{"podSelector":{selector},"policyTypes":["Ingress"]}}"#));
        let (some, all) = (of(r#"{"matchLabels":{"never":"true"}}"#), of("{}"));
        let expected = Some("its pods are reached only by what the rules name");
        assert_eq!(narrowed(&some, &all).as_deref(), expected);
        assert_eq!(narrowed(&all, &some), None);
        // Without types it is for what comes in, and for what goes out where there are rules for that.
        let bare = policy(r#"{"podSelector":{}}"#);
        assert_eq!(narrowed(&Tree::Null, &bare).as_deref(), expected);
        let out = policy(r#"{"podSelector":{},"egress":[{"to":[{"podSelector":{}}]}],"ingress":[{}]}"#);
        assert_eq!(narrowed(&Tree::Null, &out).as_deref(), Some("its pods reach only what the rules name"));
    }

    /// A network by its address and the bits of its size, an exception in it, the first port and how many more.
    type Rule = (u8, u8, Option<(u8, u8)>, Option<(u8, u8)>);

    /// Rules over eight addresses and four ports, as networks with an exception and ranges of ports.
    fn rules() -> impl Strategy<Value = Vec<Rule>> {
        let network = (0_u8..8, 0_u8..4);
        let ports = proptest::option::of((0_u8..4, 0_u8..3));
        let rule = (network, proptest::option::of((0_u8..8, 1_u8..3)), ports);
        proptest::collection::vec(
            rule.prop_map(|((at, size), except, ports)| (at, size, except, ports)),
            0..4,
        )
    }

    fn within(at: u8, size: u8, address: u8) -> bool {
        at >> size == address >> size
    }

    fn body(rules: &[Rule]) -> Tree {
        let cidr = |at: u8, size: u8| format!("10.0.0.{}/{}", (at >> size) << size, 32 - size);
        let rules: Vec<String> = rules
            .iter()
            .map(|(at, size, except, ports)| {
                let except = except.map_or(String::new(), |(at, size)| format!("\"{}\"", cidr(at, size)));
                let ports = ports.map_or(String::new(), |(first, more)| {
                    format!(r#"{{"port":{},"endPort":{}}}"#, first + 80, first + more + 80)
                });
                block(&cidr(*at, *size), &except, &ports)
            })
            .collect();
        egress(&format!("[{}]", rules.join(",")))
    }

    proptest! {
        /// A packet that passed and no longer does is told; where there is none, nothing is told.
        #[test]
        fn a_policy_tightens_when_a_packet_no_longer_passes(was in rules(), will in rules()) {
            let passes = |rules: &[Rule], address: u8, port: u8| {
                rules.iter().any(|(at, size, except, ports)| {
                    within(*at, *size, address)
                        && except.is_none_or(|(at, size)| !within(at, size, address))
                        && ports.is_none_or(|(first, more)| (first..=first + more).contains(&port))
                })
            };
            // The last one stands for all ports that no rule names.
            let lost = (0..8).any(|address| {
                (0..8).any(|port| passes(&was, address, port) && !passes(&will, address, port))
            });
            let found = narrowed(&body(&was), &body(&will));
            prop_assert_eq!(found.is_some(), lost, "{:?}", found);
        }
    }
}
