//! What opens a zone: a key of its own, or the credentials that a resolver lends. And what only some servers have: bounds for
//! TTLs, and Cloudflare's proxy.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::dns::Dns;
use super::dns_providers::Provider;
use super::zone_servers::{REFUSED_KEY, ZoneProvider};
use super::zones::DnsZone;
use crate::roster::spelling::did_you_mean;
use crate::roster::{At, Entry, Finding, Findings, Name, ProviderWord, SecretRef, Span};
use crate::systems::dns::{AUTOMATIC_TTL, CONSUMER_KEY, ENDPOINT, KEY, KEY_ID, SESSION_TOKEN, ZONE_KEY};
use crate::tree::SmolStr;

/// The variables that hold what opens a zone, by the names that its adapter knows them by: Cloudflare's token for records,
/// and one that may only be for finding the zone; the access key of AWS; the tokens of others; the keys of OVH, and its endpoint.
const KNOWN: [(&str, &str); 12] = [
    ("CF_DNS_API_TOKEN", KEY),
    ("CF_ZONE_API_TOKEN", ZONE_KEY),
    ("AWS_ACCESS_KEY_ID", KEY_ID),
    ("AWS_SECRET_ACCESS_KEY", KEY),
    ("AWS_SESSION_TOKEN", SESSION_TOKEN),
    ("DO_AUTH_TOKEN", KEY),
    ("HETZNER_API_TOKEN", KEY),
    ("DESEC_TOKEN", KEY),
    ("OVH_APPLICATION_KEY", KEY_ID),
    ("OVH_APPLICATION_SECRET", KEY),
    ("OVH_CONSUMER_KEY", CONSUMER_KEY),
    ("OVH_ENDPOINT", ENDPOINT),
];

/// The variables of an access key of AWS, and how many of them it needs.
const AWS: [&str; 3] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];
const AWS_NEEDS: usize = 2;

/// Those of the keys of OVH; the last one is needed where no `url` says where the API is.
const OVH: [&str; 4] = ["OVH_APPLICATION_KEY", "OVH_APPLICATION_SECRET", "OVH_CONSUMER_KEY", "OVH_ENDPOINT"];

/// The TTLs that Cloudflare has for what does not go through its proxy; those below 60 only on its largest plan.
const TTLS_OF_CLOUDFLARE: RangeInclusive<u32> = 30..=86_400;

/// The TTLs that DigitalOcean has.
const TTLS_OF_DIGITALOCEAN: RangeInclusive<u32> = 30..=2_147_483_647;

/// The longest TTL that deSEC has. The shortest one is that of the zone, which only deSEC knows.
const LONGEST_OF_DESEC: u32 = 86_400;

/// The TTLs that Hetzner has.
const TTLS_OF_HETZNER: RangeInclusive<u32> = 60..=2_147_483_647;

/// The TTLs that OVH has.
const TTLS_OF_OVH: RangeInclusive<u32> = 60..=2_147_483_647;

/// The end of the name of a tunnel, which only the proxy reaches.
const TUNNEL: &str = ".cfargotunnel.com";

/// The keys of a zone, by the names that its adapter knows them by.
pub(super) fn keys(zone: &DnsZone, dns: &Dns) -> BTreeMap<SmolStr, SecretRef> {
    if let Some(key) = &zone.key {
        return BTreeMap::from([(SmolStr::new_static(KEY), key.value.clone())]);
    }
    let resolver = zone.resolver.as_ref().and_then(|name| dns.resolvers.get(name.as_str()));
    let lent = resolver.into_iter().flat_map(|entry| entry.value.references());
    let own = zone.credentials.iter().filter_map(|(name, entry)| Some((name, entry.value.as_ref()?)));
    let keys = own.chain(lent).filter_map(|(variable, reference)| {
        let (_, name) = KNOWN.iter().find(|(known, _)| *known == variable.as_str())?;
        Some((SmolStr::new_static(name), reference.value.clone()))
    });
    keys.collect()
}

/// The id of the hosted zone: its own, or that of the resolver whose credentials it uses.
pub(super) fn hosted_zone<'z>(zone: &'z DnsZone, dns: &'z Dns) -> Option<&'z ProviderWord> {
    let of_resolver = || {
        let resolver = dns.resolvers.get(zone.resolver.as_ref()?.as_str())?;
        resolver.value.zone.as_ref()
    };
    zone.zone.as_ref().or_else(of_resolver).map(|at| &at.value)
}

/// Checks what opens a zone that stands within this place, and what only one of its provider can have wrong.
pub(super) fn check(zone: &DnsZone, within: Span, dns: &Dns, findings: &mut Findings) {
    match zone.provider.value {
        ZoneProvider::Cloudflare => {
            check_token(zone, within, ("Cloudflare", Provider::Cloudflare), dns, findings);
            check_cloudflare(zone, findings);
        }
        ZoneProvider::Digitalocean => {
            check_token(zone, within, ("DigitalOcean", Provider::Digitalocean), dns, findings);
            check_ttl(zone, ("DigitalOcean", TTLS_OF_DIGITALOCEAN), "expected 30 seconds or more", findings);
        }
        ZoneProvider::Hetzner => {
            check_token(zone, within, ("Hetzner", Provider::Hetzner), dns, findings);
            check_ttl(zone, ("Hetzner", TTLS_OF_HETZNER), "expected 60 seconds or more", findings);
        }
        ZoneProvider::Desec => {
            check_token(zone, within, ("deSEC", Provider::Desec), dns, findings);
            check_ttl(zone, ("deSEC", 1..=LONGEST_OF_DESEC), "expected 86400 seconds or less", findings);
        }
        ZoneProvider::Route53 => {
            let hint = "name a resolver of Route 53, such as `resolver: letsencrypt-route53`, or write `credentials: \
                        {AWS_ACCESS_KEY_ID: {env: AWS_ACCESS_KEY_ID}, AWS_SECRET_ACCESS_KEY: {file: /etc/kwo/route53}}`";
            check_credentials(zone, within, (Provider::Route53, &AWS, AWS_NEEDS, hint), dns, findings);
        }
        ZoneProvider::Ovh => {
            let hint = "name a resolver of OVH, such as `resolver: letsencrypt-ovh`, or write `credentials:` with \
                        OVH_APPLICATION_KEY, OVH_APPLICATION_SECRET and OVH_CONSUMER_KEY, and `url: https://eu.api.ovh.com`";
            let needs = if zone.url.is_some() { OVH.len() - 1 } else { OVH.len() };
            check_credentials(zone, within, (Provider::Ovh, &OVH, needs, hint), dns, findings);
            check_ttl(zone, ("OVH", TTLS_OF_OVH), "expected 60 seconds or more", findings);
        }
        ZoneProvider::Powerdns | ZoneProvider::Rfc2136 => {}
    }
}

/// Credentials by variables are the zone's own, or those of a resolver.
fn check_credentials(
    zone: &DnsZone,
    within: Span,
    (of, known, needs, hint): (Provider, &[&'static str], usize, &str),
    dns: &Dns,
    findings: &mut Findings,
) {
    let first = zone.credentials.values().map(|entry| entry.key).min_by_key(|at| at.start);
    match (first, &zone.resolver) {
        (Some(own), Some(resolver)) => {
            let both = if of == Provider::Route53 { "an access key" } else { "keys" };
            let finding = Finding::new(
                "key-twice",
                resolver.at,
                "the zone has `credentials` and a `resolver`",
                format!("expected one of them: both name {both}"),
            );
            findings.push(finding.also(own, "the credentials").hint("delete one of them"));
        }
        (None, Some(resolver)) => check_resolver(resolver, of, dns, findings),
        (None, None) if !REFUSED_KEY.iter().any(|code| findings.has(code, within)) => {
            let message = format!("a zone of `{of}` has no `credentials` and no `resolver`");
            let finding =
                Finding::new("missing-field", zone.provider.at, message, "expected one of them beside it");
            findings.push(finding.hint(hint));
        }
        (Some(_), None) => check_variables(zone, (of, known, needs), findings),
        (None, None) => {}
    }
}

/// Credentials are whole, and nothing but that.
fn check_variables(
    zone: &DnsZone,
    (of, known, needs): (Provider, &[&'static str], usize),
    findings: &mut Findings,
) {
    let needed = &known[..needs.min(known.len())];
    for variable in needed.iter().filter(|needed| !zone.credentials.contains_key(**needed)) {
        let finding = Finding::new(
            "missing-credential",
            zone.provider.at,
            format!("the zone has no credential {variable}"),
            format!("{of} needs {}", needed.join(", ")),
        );
        findings.push(finding.hint(format!("add `{variable}: {{env: {variable}}}` under `credentials:`")));
    }
    let unknown = zone.credentials.iter().filter(|(variable, _)| !known.contains(&variable.as_str()));
    for (variable, Entry { key, .. }) in unknown {
        let mut finding = Finding::new(
            "unknown-credential",
            *key,
            format!("a zone of {of} has no credential {variable}"),
            format!("expected one of: {}", known.join(", ")),
        );
        finding.hint = did_you_mean(variable, known.iter().copied());
        findings.push(finding);
    }
}

/// A token is the zone's own, or that of a resolver.
fn check_token(
    zone: &DnsZone,
    within: Span,
    (name, of): (&str, Provider),
    dns: &Dns,
    findings: &mut Findings,
) {
    match (&zone.key, &zone.resolver) {
        (Some(key), Some(resolver)) => {
            let finding = Finding::new(
                "key-twice",
                resolver.at,
                "the zone has a `key` and a `resolver`",
                "expected one of them: both name a token",
            );
            findings.push(finding.also(key.at, "the key").hint("delete one of them"));
        }
        (None, Some(resolver)) => check_resolver(resolver, of, dns, findings),
        (None, None) if !REFUSED_KEY.iter().any(|code| findings.has(code, within)) => {
            let message = format!("a zone of `{of}` has no `key` and no `resolver`");
            let finding =
                Finding::new("missing-field", zone.provider.at, message, "expected one of them beside it");
            findings.push(finding.hint(format!(
                "write `key: {{file: /etc/kwo/{of}}}`, or name a resolver of {name}, such as `resolver: letsencrypt-{of}`"
            )));
        }
        (_, None) => {}
    }
}

fn check_cloudflare(zone: &DnsZone, findings: &mut Findings) {
    check_ttl_of_cloudflare(zone, findings);
    let tunnel = zone.target.value.cname.as_ref().filter(|cname| cname.value.as_str().ends_with(TUNNEL));
    if let Some(tunnel) = tunnel.filter(|_| !zone.proxied()) {
        let finding = Finding::new(
            "tunnel-not-proxied",
            tunnel.at,
            "a tunnel has no address of its own, so nobody would reach a host that leads to it",
            "expected `proxied: true` beside it",
        );
        findings.push(finding.hint(format!("write `target: {{cname: {}, proxied: true}}`", tunnel.value)));
    }
}

fn check_resolver(resolver: &At<Name>, of: Provider, dns: &Dns, findings: &mut Findings) {
    let has = |provider: &Provider| *provider == of;
    let own = if matches!(of, Provider::Route53 | Provider::Ovh) { "`credentials`" } else { "a `key`" };
    let fitting = || {
        let those = dns.resolvers.iter().filter(|(_, entry)| has(&entry.value.provider.value));
        those.map(|(name, _)| name.as_str())
    };
    match dns.resolvers.get(resolver.as_str()) {
        Some(entry) if has(&entry.value.provider.value) => {}
        Some(entry) => {
            let provider = &entry.value.provider;
            let finding = Finding::new(
                "resolver-of-others",
                resolver.at,
                format!("the resolver `{resolver}` has credentials of {}", provider.value),
                format!("expected a resolver of `{of}`"),
            );
            let hint = format!("name another one, or {own}");
            findings.push(finding.also(provider.at, "its provider").hint(hint));
        }
        None => {
            let known: Vec<&str> = fitting().collect();
            let expected = match known.as_slice() {
                [] => format!("expected {own}: no resolver of the roster is of `{of}`"),
                known => format!("expected one of: {}", known.join(", ")),
            };
            let message = format!("there is no resolver `{resolver}`");
            let mut finding = Finding::new("unknown-resolver", resolver.at, message, expected);
            finding.hint = did_you_mean(resolver, fitting());
            findings.push(finding);
        }
    }
}

/// At the proxy each TTL is automatic; elsewhere Cloudflare has bounds for it.
fn check_ttl_of_cloudflare(zone: &DnsZone, findings: &mut Findings) {
    let Some(ttl) = &zone.ttl else { return };
    let seconds = ttl.value.number();
    match (&zone.target.value.proxied, zone.proxied()) {
        (Some(proxied), true) if seconds != AUTOMATIC_TTL => {
            let message = format!("what goes through Cloudflare's proxy has no TTL of {seconds} seconds");
            let finding = Finding::new(
                "proxied-ttl",
                ttl.at,
                message,
                format!("expected none: it is always {AUTOMATIC_TTL} there"),
            );
            findings.push(finding.also(proxied.at, "the proxy").hint("delete `ttl`"));
        }
        (_, false) => {
            let expected = "expected 60 to 86400 seconds, or from 30 on in a zone of the plan Enterprise";
            check_ttl(zone, ("Cloudflare", TTLS_OF_CLOUDFLARE), expected, findings);
        }
        _ => {}
    }
}

/// A server has bounds for TTLs.
fn check_ttl(
    zone: &DnsZone,
    (name, bounds): (&str, RangeInclusive<u32>),
    expected: &str,
    findings: &mut Findings,
) {
    let Some(ttl) = zone.ttl.as_ref().filter(|ttl| !bounds.contains(&ttl.value.number())) else { return };
    let message = format!("{name} has no TTL of {} seconds", ttl.value.number());
    findings.push(
        Finding::new("ttl-range", ttl.at, message, expected)
            .hint(format!("write `ttl: {}`", zone.provider.value.default_ttl())),
    );
}

#[cfg(test)]
mod tests {
    use crate::domains::parse;
    use crate::domains::zones::connections;
    use crate::roster::{SourceFile, Sources};
    use crate::tree::Tree;

    #[test]
    fn a_zone_has_its_own_key_or_those_of_a_resolver() {
        const RESOLVERS: &str = "letsencrypt-cloudflare: {provider: cloudflare, credentials: \
                                 {CF_DNS_API_TOKEN: {env: DNS}, CF_ZONE_API_TOKEN: {env: ZONE}}}, letsencrypt-route53: \
                                 {provider: route53, region: eu-central-1, zone: Z1, credentials: \
                                 {AWS_ACCESS_KEY_ID: {env: ID}, AWS_SECRET_ACCESS_KEY: {env: SECRET}}}, letsencrypt-digitalocean: \
                                 {provider: digitalocean, credentials: {DO_AUTH_TOKEN: {env: DO}}}, letsencrypt-hetzner: \
                                 {provider: hetzner, credentials: {HETZNER_API_TOKEN: {env: HETZNER}}}, letsencrypt-desec: \
                                 {provider: desec, credentials: {DESEC_TOKEN: {env: DESEC}}}, letsencrypt-ovh: {provider: ovh, credentials: \
                                 {OVH_ENDPOINT: {env: E}, OVH_APPLICATION_KEY: {env: A}, OVH_APPLICATION_SECRET: {env: S}, \
                                 OVH_CONSUMER_KEY: {env: C}}}";
        const OWN: &str = "provider: route53, credentials: {AWS_ACCESS_KEY_ID: {env: A}, AWS_SECRET_ACCESS_KEY: {env: B}, \
                           AWS_SESSION_TOKEN: {env: C}}";
        for (zone, told) in [
            ("provider: cloudflare, key: {env: OWN}", "key=env OWN"),
            (
                "provider: cloudflare, resolver: letsencrypt-cloudflare",
                "key=env DNS, key for the zone=env ZONE",
            ),
            (
                "provider: route53, resolver: letsencrypt-route53",
                "zone=Z1, id of the key=env ID, key=env SECRET",
            ),
            (
                "provider: route53, resolver: letsencrypt-route53, zone: Z2",
                "zone=Z2, id of the key=env ID, key=env SECRET",
            ),
            ("provider: digitalocean, resolver: letsencrypt-digitalocean", "key=env DO"),
            ("provider: hetzner, resolver: letsencrypt-hetzner", "key=env HETZNER"),
            ("provider: desec, resolver: letsencrypt-desec", "key=env DESEC"),
            (
                "provider: ovh, resolver: letsencrypt-ovh",
                "consumer key=env C, endpoint=env E, id of the key=env A, key=env S",
            ),
            (OWN, "id of the key=env A, key=env B, session token=env C"),
        ] {
            let text = format!(
                "{{apiVersion: kwo/v1, kind: Roster, cluster: {{acme: {{email: a@b.c}}}}, dns: {{resolvers: {{{RESOLVERS}}}, \
                 zones: {{example.com: {{{zone}, target: {{addresses: [192.0.2.1]}}}}}}}}}}"
            );
            let roster = parse(Sources::new(vec![SourceFile { name: String::new(), text }])).unwrap();
            let ways = connections(&roster);
            let hosted =
                ways[0].settings.get("zone").and_then(Tree::as_text).map(|zone| format!("zone={zone}"));
            let secrets = ways[0].secrets.iter().map(|(name, from)| format!("{name}={from}"));
            assert_eq!(hosted.into_iter().chain(secrets).collect::<Vec<_>>().join(", "), told);
        }
    }
}
