//! The hosts of `dns.zones` as somebody finds them who asks DNS: where each has to lead, and how its certificate is proved.
//! Which records kwo keeps for that stands in `zones.rs`.

use std::collections::BTreeSet;
use std::net::IpAddr;

use smol_str::{SmolStr, format_smolstr};

use super::dns::{HTTP_RESOLVER, resolver_of};
use super::wildcards;
use super::zones::{DnsTarget, DnsZone, name, zone_of};
use crate::domains::Roster;
use crate::roster::{HostPattern, Name, ZoneName};

/// How CAA records call Let's Encrypt, its staging environment included.
const LETS_ENCRYPT: &str = "letsencrypt.org";

/// The label that stands for any below a wildcard. It is always the same, so that answers are.
const ANY: &str = "kwo-dns-check";

/// A host that has a record in a zone.
#[derive(Clone, Debug)]
pub struct ZoneHost<'r> {
    /// The tenant whose it is; of several the first one.
    pub tenant: &'r Name,
    /// As the roster has it.
    pub host: HostPattern,
    /// The zone that it lies in.
    pub zone: &'r ZoneName,
    /// The name that is asked for: of a wildcard one below it.
    pub name: SmolStr,
    /// Where it has to lead.
    pub leads: Leads,
    /// Its certificate, if kwo sees to one.
    pub certificate: Option<Certificate>,
}

/// Where a host has to lead.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Leads {
    /// To these addresses, and no others.
    Addresses(BTreeSet<IpAddr>),
    /// To this name.
    Name(SmolStr),
    /// To a proxy of whoever serves the zone: to some address.
    Proxy,
}

/// The certificate of a host.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Certificate {
    /// How CAA records call whoever issues it.
    pub issuer: &'static str,
    /// Is it for a wildcard?
    pub wildcard: bool,
    /// How the host is proved to the issuer, as ACME calls it.
    pub challenge: &'static str,
}

/// The hosts that lie in zones of the roster, each once.
#[must_use]
pub fn zone_hosts(roster: &Roster) -> Vec<ZoneHost<'_>> {
    let (dns, mut made) = (roster.dns(), BTreeSet::new());
    let mut all = Vec::new();
    for tenant in roster.tenants() {
        let (called, entry) = tenant;
        let own = resolver_of(&entry.value, dns);
        let domains = entry.value.domains.iter().map(|domain| (domain.host.value.clone(), own));
        let wildcards = wildcards::of_tenant(roster.cluster(), tenant);
        let wildcards = wildcards.map(|of| (of.host, of.wildcard.resolver(dns)));
        for (host, resolver) in domains.chain(wildcards) {
            let record = name(&host);
            let Some((zone, settings)) = zone_of(&dns.zones, &record) else { continue };
            if !made.insert(record.clone()) {
                continue;
            }
            let challenge = if resolver == HTTP_RESOLVER { "http-01" } else { "dns-01" };
            let certificate = roster.cluster().acme.as_ref().map(|_| Certificate {
                issuer: LETS_ENCRYPT,
                // Below `**.` each host has a certificate of its own.
                wildcard: host.wildcard_of().is_some(),
                challenge,
            });
            let asked = match record.strip_prefix("*.") {
                Some(rest) => format_smolstr!("{ANY}.{rest}"),
                None => record,
            };
            all.push(ZoneHost {
                tenant: called,
                host,
                zone,
                name: asked,
                leads: leads(settings),
                certificate,
            });
        }
    }
    all
}

fn leads(zone: &DnsZone) -> Leads {
    let DnsTarget { addresses, cname, proxied: _ } = &zone.target.value;
    match cname {
        _ if zone.proxied() => Leads::Proxy,
        Some(cname) => Leads::Name(cname.value.as_str().into()),
        None => Leads::Addresses(addresses.iter().filter_map(|address| address.value.parse().ok()).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domains::{compile, parse};
    use crate::roster::{SourceFile, Sources};

    /// They are those that kwo keeps records for.
    fn have_records(roster: &Roster) {
        let desired = compile(roster).unwrap();
        let records = desired.resources().iter().filter_map(|resource| resource.id.record());
        let records: BTreeSet<SmolStr> = records.map(|(_, name)| name.into()).collect();
        let hosts: BTreeSet<SmolStr> = zone_hosts(roster).iter().map(|host| name(&host.host)).collect();
        assert_eq!(hosts, records);
    }

    #[test]
    fn each_host_has_the_name_that_is_asked_for_and_how_it_is_proved() {
        let text = "{apiVersion: kwo/v1, kind: Roster, cluster: {acme: {email: ops@example.com}}, dns: {zones: {example.com: \
                    {provider: powerdns, url: 'https://dns.example.com', key: {env: K}, target: {addresses: ['2001:DB8::1', \
                    192.0.2.1]}}, example.net: {provider: cloudflare, key: {env: K}, target: {cname: t.example.org, proxied: \
                    true}}, example.org: {provider: cloudflare, key: {env: K}, target: {cname: t.example.com}}}, resolvers: \
                    {letsencrypt-desec: {provider: desec, credentials: {DESEC_TOKEN: {env: D}}}}}, tenants: {alice: {domains: \
                    [www.example.com, a.example.net, a.example.org, elsewhere.test]}, bob: {domains: ['*.b.example.com', \
                    '**.c.example.com']}}}";
        let text = text.to_owned();
        let roster = parse(Sources::new(vec![SourceFile { name: String::new(), text }])).unwrap();
        have_records(&roster);
        let told: Vec<String> = zone_hosts(&roster)
            .iter()
            .map(|host| {
                let proof = host.certificate.unwrap();
                let ZoneHost { tenant, host, zone, name, leads, certificate: _ } = host;
                format!("{tenant} {host} {zone} {name} {leads:?} {} {}", proof.wildcard, proof.challenge)
            })
            .collect();
        let addresses = "Addresses({192.0.2.1, 2001:db8::1})";
        assert_eq!(
            told,
            [
                format!("alice www.example.com example.com www.example.com {addresses} false http-01"),
                "alice a.example.net example.net a.example.net Proxy false http-01".to_owned(),
                "alice a.example.org example.org a.example.org Name(\"t.example.com\") false http-01"
                    .to_owned(),
                format!(
                    "bob *.b.example.com example.com kwo-dns-check.b.example.com {addresses} true dns-01"
                ),
                format!(
                    "bob **.c.example.com example.com kwo-dns-check.c.example.com {addresses} false dns-01"
                ),
            ]
        );
    }

    #[test]
    fn the_wildcard_of_a_namespace_is_a_host_too() {
        let text = "{apiVersion: kwo/v1, kind: Roster, cluster: {acme: {email: ops@example.com, issuer: cert-manager, wildcard: \
                    {zone: apps.example.com}}}, dns: {zones: {example.com: {provider: powerdns, url: \
                    'https://dns.example.com', key: {env: K}, target: {addresses: [192.0.2.1]}}}, resolvers: \
                    {letsencrypt-cloudflare: {provider: cloudflare, credentials: {CF_DNS_API_TOKEN: {env: D}}}}}, tenants: \
                    {alice: }}";
        let text = text.to_owned();
        let roster = parse(Sources::new(vec![SourceFile { name: String::new(), text }])).unwrap();
        have_records(&roster);
        let [host] = &zone_hosts(&roster)[..] else { panic!("one host") };
        assert_eq!(
            (host.host.as_str(), host.name.as_str()),
            ("*.alice.apps.example.com", "kwo-dns-check.alice.apps.example.com")
        );
        let certificate = host.certificate.unwrap();
        assert!(certificate.wildcard && certificate.challenge == "dns-01");
    }
}
