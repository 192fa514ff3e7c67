//! What a NetworkPolicy lets through, cut into pieces that can be checked against each other: an end, and the ports that are
//! open to it. Two sets of rules are compared by what the one lets through and the other does not.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::{few, text};
use crate::tree::{SmolStr, Tree};

/// Is the policy for this direction? Where it does not say, it is for what comes in, and for what goes out if it has
/// rules for that.
pub(super) fn is_for(policy: &Tree, way: &str) -> bool {
    let types = policy.at("/spec/policyTypes").map_or(&[][..], Tree::items);
    if types.is_empty() {
        return way == "Ingress" || !policy.at("/spec/egress").map_or(&[][..], Tree::items).is_empty();
    }
    types.iter().any(|have| have.as_text().is_some_and(|have| have == way))
}

/// One end and the ports that are open to it.
pub(super) struct Piece {
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
pub(super) enum Need {
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

pub(super) fn everything() -> Vec<Piece> {
    vec![Piece { peer: Peer::Everybody, ports: every_port() }]
}

/// All that the rules of one direction let through.
pub(super) fn pieces(policy: &Tree, rules: &str, peers: &str) -> Vec<Piece> {
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
    Some(match cidr.parse().ok()? {
        IpNet::V4(v4) => (false, v4.network().to_bits().into(), v4.broadcast().to_bits().into()),
        IpNet::V6(v6) => (true, v6.network().to_bits(), v6.broadcast().to_bits()),
    })
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
pub(super) fn requirements(selector: Option<&Tree>) -> Vec<Need> {
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
pub(super) fn covers(wider: &[Need], narrower: &[Need]) -> bool {
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

/// What was let through and no longer is, in words: each end with the ports that it is about, unless it is all of them.
pub(super) fn lost(before: &[Piece], after: &[Piece]) -> Vec<String> {
    let mut told: Vec<(String, Vec<Ports>)> = Vec::new();
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    for piece in before {
        for ports in piece.ports.iter().flat_map(|ports| parts(ports, after)) {
            let open: Vec<&Peer> = after
                .iter()
                .filter(|other| other.ports.iter().any(|wider| contains(wider, &ports)))
                .map(|other| &other.peer)
                .collect();
            let Some(who) = shut_out(&piece.peer, &open) else { continue };
            let at = *known.entry(who.clone()).or_insert(told.len());
            match told.get_mut(at) {
                Some((_, all)) => add(all, ports),
                None => told.push((who, vec![ports])),
            }
        }
    }
    let line = |(who, ports): (String, Vec<Ports>)| {
        if every_port().iter().all(|every| ports.contains(every)) {
            return who;
        }
        let ports: Vec<String> = ports.iter().map(shown).collect();
        few(&ports).map_or_else(|| who.clone(), |ports| format!("{who} ({ports})"))
    };
    told.into_iter().map(line).collect()
}

/// Adds ports to others: to those that end where these begin, where there are such.
fn add(all: &mut Vec<Ports>, ports: Ports) {
    if all.iter().any(|have| contains(have, &ports)) {
        return;
    }
    if let (Some(Ports::Numbers { protocol, last, .. }), Ports::Numbers { protocol: of, first, last: end }) =
        (all.last_mut(), &ports)
        && protocol == of
        && *last + 1 == *first
    {
        *last = *end;
        return;
    }
    all.push(ports);
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
    let which = which(pods);
    match namespaces {
        None => format!("{which} of its namespace"),
        Some([]) => format!("{which} of all namespaces"),
        Some(needs) => format!("{which} of namespaces with {}", labels(needs)),
    }
}

/// The pods that a selector selects, in words.
pub(super) fn which(pods: &[Need]) -> String {
    if pods.is_empty() { "all pods".to_owned() } else { format!("pods with {}", labels(pods)) }
}

fn labels(needs: &[Need]) -> String {
    needs.iter().map(label).collect::<Vec<_>>().join(", ")
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
        Ports::Numbers { protocol, first: 0, last } if *last == MOST => protocol.to_string(),
        Ports::Numbers { protocol, first, last } if first == last => format!("{protocol} {first}"),
        Ports::Numbers { protocol, first, last } => format!("{protocol} {first}-{last}"),
        Ports::Named { protocol, name } => format!("{protocol} {name}"),
    }
}
