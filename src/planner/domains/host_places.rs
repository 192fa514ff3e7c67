//! Where a roster names a host, in whatever section: as long as it does, nothing that kwo wrote for that host may go. A pattern
//! such as `*.example.com` names no single host.

use super::document::Roster;
use crate::roster::{At, Entry, Span, same_host, without_port};

/// The places of the roster that name this host, in their order.
#[must_use]
pub fn named_at(roster: &Roster, host: &str) -> Vec<Span> {
    let cluster = roster.cluster();
    let mut all: Vec<(&str, Span)> = Vec::new();
    all.extend(cluster.api.iter().flat_map(|api| &api.hosts).map(|At { value, at }| (value.as_str(), *at)));
    all.extend(cluster.oidc.iter().map(|oidc| (of_address(oidc.issuer.value.as_str()), oidc.issuer.at)));
    all.extend(roster.vault().map(|(_, vault)| (of_address(vault.address.value.as_str()), vault.address.at)));
    if let Some((_, registry)) = roster.registries() {
        all.extend(registry.hosts.iter().map(|At { value, at }| (value.as_str(), *at)));
        for (name, Entry { key, value: mirror }) in &registry.mirrors {
            all.push((of_address(name.as_str()), *key));
            let endpoints = mirror.value.endpoints.iter();
            all.extend(endpoints.map(|At { value, at }| (of_address(value.host()), *at)));
        }
        all.extend(registry.logins.iter().map(|(login, entry)| (of_address(login.as_str()), entry.key)));
    }
    // Where images have to come from, tenants pull from.
    for entry in roster.tiers().values() {
        let sources = entry.value.images.registries.iter().flatten();
        all.extend(sources.map(|At { value, at }| (of_address(value.as_str()), *at)));
    }
    for entry in roster.tenants().values() {
        let domains = entry.value.domains.iter();
        all.extend(domains.map(|domain| (domain.host.value.as_str(), domain.host.at)));
    }
    for entry in roster.dns().zones.values() {
        all.extend(entry.value.target.value.cname.iter().map(|At { value, at }| (value.as_str(), *at)));
    }
    let mut found: Vec<Span> =
        all.into_iter().filter(|(named, _)| same_host(named, host)).map(|(_, at)| at).collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// The host of an address, without scheme, port and path.
fn of_address(address: &str) -> &str {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let host = rest.split_once('/').map_or(rest, |(host, _)| host);
    let bracketed = host.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    bracketed.map_or_else(|| without_port(host), |(host, _)| host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domains::parse;
    use crate::roster::{SourceFile, Sources};

    const ROSTER: &str = "apiVersion: kwo/v1
kind: Roster
cluster:
  api: {hosts: [api.example.com, 203.0.113.7, '2001:DB8::1']}
  oidc: {issuer: 'https://id.example.com:8443/realm', client: k}
systems:
  vault: {address: 'https://vault.example.com:8200', login: {token: {env: T}}, people: oidc}
registry:
  hosts: [registry.example.com]
  mirrors:
    docker.io: {endpoints: ['https://mirror.example.com:5000/v2']}
  logins:
    mirror.example.com:5000: {username: u, password: {env: P}}
dns:
  zones:
    example.net: {provider: powerdns, url: 'https://dns.example.net', key: {env: K}, target: {cname: lb.example.org}}
tenants:
  alice: {domains: ['*.alice.example.com', www.example.com]}
tiers:
  own: {images: {registries: [images.example.com/team, 'images.example.org:5000/team']}}
";

    /// The lines that name this host.
    fn lines(host: &str) -> Vec<u32> {
        let text = ROSTER.to_owned();
        let roster = parse(Sources::new(vec![SourceFile { name: "r".to_owned(), text }])).unwrap();
        named_at(&roster, host).iter().map(|at| at.line).collect()
    }

    #[test]
    fn every_section_that_names_a_host_says_so() {
        for (host, expected) in [
            ("api.example.com", &[4][..]),
            ("203.0.113.7", &[4]),
            ("2001:db8:0::1", &[4]),
            ("id.example.com", &[5]),
            ("vault.example.com", &[7]),
            ("registry.example.com", &[9]),
            ("docker.io", &[11]),
            ("mirror.example.com", &[11, 13]),
            ("lb.example.org", &[16]),
            ("www.example.com", &[18]),
            ("images.example.com", &[20]),
            ("images.example.org", &[20]),
        ] {
            assert_eq!(lines(host), expected, "{host}");
        }
    }

    #[test]
    fn a_part_of_a_name_and_a_pattern_are_no_host() {
        for host in
            ["example.com", "b.api.example.com", "pi.example.com", "app.alice.example.com", "203.0.113.70"]
        {
            assert_eq!(lines(host), [0; 0], "{host}");
        }
    }
}
