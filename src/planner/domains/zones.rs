//! `dns.zones`: the DNS zones in which kwo keeps the records of tenants' hosts. Each host of a tenant that lies in one of
//! them, and each wildcard of a namespace, becomes a record set for each type, which leads to the target of the zone. What a server of a zone is told, and how
//! a record of others is known, is the engine's business.

use std::collections::BTreeSet;
use std::sync::Arc;

use smol_str::format_smolstr;

use super::body::{map, mark};
use super::dns::Dns;
use super::zone_servers::{Tsig, ZoneProvider};
use super::{hosts, wildcards, zone_keys, zone_servers};
use crate::domains::Roster;
use crate::resource::{Reason, Resource, ResourceId};
use crate::roster::record::record;

use crate::roster::{
    ApiUrl, At, Ceiling, Certificates, Entry, Finding, Findings, HostName, HostPattern, IpAddress, Map, Name,
    Nameserver, ProviderWord, SecretRef, ServerId, Span, Ttl, Variable, ZoneName,
};
use crate::systems::Connection;
use crate::systems::dns::{AUTOMATIC_TTL, PROXIED, RECORDS, TTL, way};
use crate::tree::{SmolStr, Tree};

use super::tenants::Tenant;

/// How long an answer may be kept, where the roster does not say it.
pub const DEFAULT_TTL: u32 = 300;

/// How many record sets kwo keeps in a zone, where the roster does not say it.
pub const DEFAULT_CEILING: u32 = 1000;

/// How many addresses a target may have: an answer has to fit into a packet.
const MAX_ADDRESSES: usize = 16;

record! {
    /// A DNS zone in which kwo keeps the records of tenants' hosts.
    pub struct DnsZone: "a zone" {
        /// What serves the zone.
        pub provider: At<ZoneProvider>,
        /// For powerdns: the address of the HTTP API, without `/api/v1`. For cloudflare: that of a proxy in front of the API,
        /// without `/client/v4`. Default there: https://api.cloudflare.com. For route53: the endpoint of the partition. Default
        /// there: https://route53.amazonaws.com. For digitalocean: that of a proxy, without `/v2`. Default there:
        /// https://api.digitalocean.com. For hetzner: that of a proxy, without `/v1`. Default there:
        /// https://api.hetzner.cloud. For desec: that of a server of your own, without `/api/v1`. Default there: https://desec.io.
        /// For ovh: the endpoint, without `/1.0`. Default there: that of `OVH_ENDPOINT`.
        pub url: Option<At<ApiUrl>>,
        /// For powerdns: the id of the server within the API. Default: localhost.
        pub server: Option<At<ServerId>>,
        /// For rfc2136: where the primary server of the zone listens for DNS, with a port if that is not 53.
        pub nameserver: Option<At<Nameserver>>,
        /// For rfc2136: the TSIG key that signs all that is sent and answered.
        pub tsig: Option<At<Tsig>>,
        /// Where the key is: that of the API, an API token of Cloudflare, DigitalOcean, Hetzner or deSEC, or the secret of the
        /// TSIG key in Base64.
        pub key: Option<At<SecretRef>>,
        /// For route53: the access key, by the variables that AWS's own client reads: `AWS_ACCESS_KEY_ID`,
        /// `AWS_SECRET_ACCESS_KEY`, and `AWS_SESSION_TOKEN` where the key has one. For ovh: `OVH_APPLICATION_KEY`,
        /// `OVH_APPLICATION_SECRET`, `OVH_CONSUMER_KEY`, and `OVH_ENDPOINT` where there is no `url`.
        pub credentials: Map<Variable, Option<At<SecretRef>>>,
        /// For cloudflare, route53, digitalocean, hetzner, desec and ovh: the resolver under `dns.resolvers` whose credentials are used, in place of
        /// `key` or `credentials`.
        pub resolver: Option<At<Name>>,
        /// For route53: the id of the hosted zone. Default: the `zone` of the resolver, or the only public zone of this name.
        pub zone: Option<At<ProviderWord>>,
        /// For powerdns, cloudflare, digitalocean, hetzner and desec: the certificate of a private CA that signed the one of the API.
        pub ca: Option<At<Certificates>>,
        /// Where the hosts lead.
        pub target: At<DnsTarget>,
        /// How long resolvers may keep an answer, in seconds. Default: 300; for desec: 3600.
        pub ttl: Option<At<Ttl>>,
        /// How many record sets kwo keeps in the zone at most. Default: 1000.
        pub ceiling: Option<At<Ceiling>>,
    }
}

record! {
    /// Where the hosts of a zone lead: to addresses, or to a name.
    pub struct DnsTarget: "a target" {
        /// The addresses of the ingress controller.
        pub addresses: Vec<At<IpAddress>>,
        /// The name that has these addresses.
        pub cname: Option<At<HostName>>,
        /// For cloudflare: whether requests go through Cloudflare's proxy. Default: false.
        pub proxied: Option<At<bool>>,
    }
}

impl DnsZone {
    /// How many record sets kwo keeps in it.
    #[must_use]
    pub fn ceiling(&self) -> u32 {
        self.ceiling.as_ref().map_or(DEFAULT_CEILING, |ceiling| ceiling.value.number())
    }

    /// Do requests go through the proxy of whoever serves the zone?
    #[must_use]
    pub fn proxied(&self) -> bool {
        self.target.value.proxied.as_ref().is_some_and(|proxied| proxied.value)
    }

    /// How long an answer may be kept.
    fn ttl(&self) -> (u32, Reason) {
        match &self.ttl {
            Some(ttl) if !self.proxied() => (ttl.value.number(), Reason::Roster(ttl.at)),
            Some(_) | None if self.proxied() => (AUTOMATIC_TTL, Reason::Roster(self.target.at)),
            Some(_) | None => (self.provider.value.default_ttl(), Reason::Always),
        }
    }

    /// The records that lead a host to the target, by type.
    fn records(&self) -> Vec<(&'static str, Vec<SmolStr>)> {
        let told =
            |record: SmolStr| if self.proxied() { format_smolstr!("{record}{PROXIED}") } else { record };
        let DnsTarget { addresses, cname, proxied: _ } = &self.target.value;
        if let Some(cname) = cname {
            return vec![("CNAME", vec![told(format_smolstr!("{}.", cname.value))])];
        }
        let of = |v6: bool| {
            let those = addresses.iter().filter(|address| address.value.is_v6() == v6);
            let mut those: Vec<SmolStr> = those.map(|address| told(address.value.text().clone())).collect();
            those.sort();
            those.dedup();
            those
        };
        let both = [("A", of(false)), ("AAAA", of(true))];
        both.into_iter().filter(|(_, records)| !records.is_empty()).collect()
    }
}

/// The name that DNS has for a host. A wildcard of DNS takes every name below it, however deep.
pub(super) fn name(host: &HostPattern) -> SmolStr {
    match host.all_below() {
        Some(domain) => format_smolstr!("*.{domain}"),
        None => host.text().clone(),
    }
}

/// The zone that a name lies in: of several the one with the longest name.
#[must_use]
pub fn zone_of<'z>(zones: &'z Map<ZoneName, DnsZone>, name: &str) -> Option<(&'z ZoneName, &'z DnsZone)> {
    let mut rest = name;
    loop {
        if let Some((zone, entry)) = zones.get_key_value(rest) {
            return Some((zone, &entry.value));
        }
        rest = rest.split_once('.')?.1;
    }
}

/// The ways to the zones.
pub(crate) fn connections(roster: &Roster) -> Vec<Connection> {
    let zones = roster.dns().zones.iter();
    let connection = |(name, Entry { key: _, value: zone }): (&ZoneName, &Entry<DnsZone>)| {
        let settings = zone_servers::settings(zone, roster.dns()).into_iter();
        let settings = settings.map(|(key, value)| (SmolStr::new_static(key), value));
        way(name.text(), Tree::map(settings), zone_keys::keys(zone, roster.dns()))
    };
    zones.map(connection).collect()
}

/// The record sets. A host that several tenants share has one, of the first of them.
pub(crate) fn compile(roster: &Roster, resources: &mut Vec<Resource>) {
    let zones = &roster.dns().zones;
    if zones.is_empty() {
        return;
    }
    // Whoever answers for a host has to be bound to the hosts of the tenants before the host leads there.
    let needs: Arc<[ResourceId]> = hosts::ids(roster).into();
    let mut made: BTreeSet<SmolStr> = BTreeSet::new();
    for entry in roster.tenants() {
        let (tenant, Entry { key: _, value }) = entry;
        let labels = mark(Some(tenant.as_str()));
        let domains = value.domains.iter().map(|domain| (name(&domain.host.value), domain.host.at));
        let wildcards = wildcards::of_tenant(roster.cluster(), entry);
        let wildcards = wildcards.map(|of| (name(&of.host), of.wildcard.zone.at));
        for (name, at) in domains.chain(wildcards) {
            let Some((zone, settings)) = zone_of(zones, name.as_str()) else { continue };
            if !made.insert(name.clone()) {
                continue;
            }
            for (of, records) in settings.records() {
                let (ttl, because_of_ttl) = settings.ttl();
                let body = map([
                    ("metadata", map([("labels", labels.clone())])),
                    (RECORDS, Tree::texts(&records)),
                    (TTL, Tree::from(u64::from(ttl))),
                ]);
                let id = ResourceId::dns(zone.text().clone(), of, &name);
                let because = Reason::Roster(at);
                let resource = Resource::new(id, body, Arc::clone(&needs), because);
                let target = Reason::Roster(settings.target.at);
                let fields = vec![
                    (format_smolstr!("/{RECORDS}"), target),
                    (format_smolstr!("/{TTL}"), because_of_ttl),
                ];
                resources.push(Resource { fields: fields.into(), ..resource });
            }
        }
    }
}

/// Checks what no single value shows.
pub(crate) fn check(dns: &Dns, tenants: &Map<Name, Tenant>, findings: &mut Findings) {
    let zones = &dns.zones;
    for Entry { key, value: zone } in zones.values() {
        // From its name to that of the next one.
        let others = zones.values().map(|other| other.key).filter(|other| other.file == key.file);
        let end = others.map(|other| other.start).filter(|start| *start > key.start).min();
        let within = Span { end: end.unwrap_or(u32::MAX), ..*key };
        zone_servers::check(zone, within, findings);
        zone_keys::check(zone, within, dns, findings);
        check_target(&zone.target, findings);
    }
    for (tenant, Entry { key: _, value }) in tenants {
        for domain in &value.domains {
            let host = name(&domain.host.value);
            let Some((zone, settings)) = zone_of(zones, &host) else { continue };
            let Some(cname) = &settings.target.value.cname else { continue };
            check_cname((tenant, &domain.host, &host), (zone, cname), findings);
        }
    }
}

/// A target is one of two things.
fn check_target(target: &At<DnsTarget>, findings: &mut Findings) {
    let DnsTarget { addresses, cname, proxied: _ } = &target.value;
    let wrong = |at: Span, message: &str, label: &str, hint: &str| {
        Finding::new("bad-target", at, message.to_owned(), label).hint(hint.to_owned())
    };
    const FORMS: &str = "write `target: {addresses: [192.0.2.10]}` or `target: {cname: ingress.example.com}`";
    match (addresses.as_slice(), cname) {
        ([], None) if !findings.has("bad-ip", target.at) => {
            findings.push(wrong(
                target.at,
                "the target leads nowhere",
                "expected addresses or a name",
                FORMS,
            ));
        }
        ([_, ..], Some(cname)) => findings.push(wrong(
            cname.at,
            "the target has addresses and a name",
            "expected one of them: beside a CNAME record there is no other",
            FORMS,
        )),
        (_, Some(cname)) if cname.value.parse::<std::net::IpAddr>().is_ok() => findings.push(wrong(
            cname.at,
            "the target of a CNAME record is a name, and this is an IP address",
            "expected a name",
            FORMS,
        )),
        (addresses, None) if addresses.len() > MAX_ADDRESSES => findings.push(wrong(
            addresses[MAX_ADDRESSES].at,
            "a target has at most 16 addresses",
            "expected no more from here on",
            "an answer has to fit into a packet; put a load balancer before more",
        )),
        _ => {}
    }
}

/// A CNAME record stands alone, and leads elsewhere.
fn check_cname(
    (tenant, host, name): (&Name, &At<HostPattern>, &str),
    (zone, cname): (&ZoneName, &At<HostName>),
    findings: &mut Findings,
) {
    if name == zone.as_str() {
        let message =
            format!("`{host}` of tenant `{tenant}` is the zone itself, which can have no CNAME record");
        let finding = Finding::new("cname-of-zone", host.at, message, "expected a name below the zone");
        findings.push(
            finding
                .also(cname.at, "the target of the zone")
                .hint("let the target of the zone have addresses"),
        );
    } else if name == cname.value.as_str() {
        let message = format!("`{host}` of tenant `{tenant}` would lead to itself");
        let finding = Finding::new("cname-loop", host.at, message, "this is the target of its zone");
        findings.push(finding.also(cname.at, "the target of the zone"));
    }
}

#[cfg(test)]
mod tests {
    use crate::domains::compile;
    use crate::domains::parse;

    use crate::roster::{SourceFile, Sources};

    fn wanted(zones: &str, tenants: &str) -> Vec<(String, String)> {
        let text =
            format!("{{apiVersion: kwo/v1, kind: Roster, dns: {{zones: {zones}}}, tenants: {tenants}}}");
        let roster = parse(Sources::new(vec![SourceFile { name: String::new(), text }])).unwrap();
        let desired = compile(&roster).unwrap();
        let own = desired.resources().iter().filter(|resource| resource.id.record().is_some());
        own.map(|resource| (resource.id.to_string(), resource.body.at("/records").unwrap().to_string()))
            .collect()
    }

    fn zone(name: &str, target: &str) -> String {
        format!(
            "{name}: {{provider: powerdns, url: 'https://dns.example.com', key: {{env: K}}, target: {target}}}"
        )
    }

    #[test]
    fn a_host_lies_in_the_longest_zone_and_leads_to_its_target() {
        let zones = format!(
            "{{{}, {}}}",
            zone("example.com", "{addresses: [192.0.2.2, 192.0.2.1, '2001:DB8::1']}"),
            zone("dev.example.com", "{cname: lb.example.net}")
        );
        let tenants = "{alice: {domains: [example.com, www.example.com, a.dev.example.com, xexample.com]}, \
                       bob: {domains: ['*.b.example.com', '**.c.dev.example.com', other.org]}}";
        let wanted = wanted(&zones, tenants);
        let told: Vec<String> = wanted.iter().map(|(id, records)| format!("{id} {records}")).collect();
        let a = r#"["192.0.2.1","192.0.2.2"]"#;
        let aaaa = r#"["2001:db8::1"]"#;
        let cname = r#"["lb.example.net."]"#;
        let expected = [
            format!("dns:Record/dev.example.com/CNAME:*.c.dev.example.com {cname}"),
            format!("dns:Record/dev.example.com/CNAME:a.dev.example.com {cname}"),
            format!("dns:Record/example.com/A:*.b.example.com {a}"),
            format!("dns:Record/example.com/A:example.com {a}"),
            format!("dns:Record/example.com/A:www.example.com {a}"),
            format!("dns:Record/example.com/AAAA:*.b.example.com {aaaa}"),
            format!("dns:Record/example.com/AAAA:example.com {aaaa}"),
            format!("dns:Record/example.com/AAAA:www.example.com {aaaa}"),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn what_goes_through_the_proxy_says_so_and_has_the_ttl_of_all_that_does() {
        let zone = |target: &str| {
            format!("{{example.com: {{provider: cloudflare, key: {{env: K}}, target: {target}}}}}")
        };
        let told = |target: &str| wanted(&zone(target), "{alice: {domains: [www.example.com]}}");
        let a = "dns:Record/example.com/A:www.example.com".to_owned();
        let cname = "dns:Record/example.com/CNAME:www.example.com".to_owned();
        assert_eq!(
            told("{addresses: [192.0.2.1], proxied: true}"),
            [(a.clone(), r#"["192.0.2.1 (proxied)"]"#.to_owned())]
        );
        assert_eq!(told("{addresses: [192.0.2.1], proxied: false}"), [(a, r#"["192.0.2.1"]"#.to_owned())]);
        assert_eq!(
            told("{cname: x.cfargotunnel.com, proxied: true}"),
            [(cname, r#"["x.cfargotunnel.com. (proxied)"]"#.to_owned())]
        );
    }

    #[test]
    fn what_tenants_share_and_what_is_one_to_dns_is_there_once() {
        let zones = format!("{{{}}}", zone("example.com", "{addresses: [192.0.2.1]}"));
        let shared = "{alice: {domains: [{host: s.example.com, sharedWith: [bob]}, '*.x.example.com', '**.x.example.com']}, \
                      bob: {domains: [{host: s.example.com, sharedWith: [alice]}]}}";
        let ids: Vec<String> = wanted(&zones, shared).into_iter().map(|(id, _)| id).collect();
        assert_eq!(
            ids,
            ["dns:Record/example.com/A:*.x.example.com", "dns:Record/example.com/A:s.example.com"]
        );
    }
}
