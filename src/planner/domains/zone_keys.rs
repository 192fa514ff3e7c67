//! What opens a zone, and what only Cloudflare has: its token may be that of a resolver, and its proxy and its TTLs follow
//! rules of their own.

use std::collections::BTreeMap;

use super::dns::Dns;
use super::dns_providers::Provider;
use super::zone_servers::{REFUSED_KEY, ZoneProvider};
use super::zones::DnsZone;
use crate::roster::spelling::did_you_mean;
use crate::roster::{At, Finding, Findings, Name, SecretRef, Span};
use crate::systems::dns::{AUTOMATIC_TTL, KEY, ZONE_KEY};
use crate::tree::SmolStr;

/// The variables of a resolver that hold a token for records, and one that may only be for finding the zone.
const TOKEN: &str = "CF_DNS_API_TOKEN";
const ZONE_TOKEN: &str = "CF_ZONE_API_TOKEN";

/// The TTLs that Cloudflare has for what does not go through its proxy; those below 60 only on its largest plan.
const TTLS: std::ops::RangeInclusive<u32> = 30..=86_400;

/// The end of the name of a tunnel, which only the proxy reaches.
const TUNNEL: &str = ".cfargotunnel.com";

/// The keys of a zone, by the names that its adapter knows them by.
pub(super) fn keys(zone: &DnsZone, dns: &Dns) -> BTreeMap<SmolStr, SecretRef> {
    if let Some(key) = &zone.key {
        return BTreeMap::from([(SmolStr::new_static(KEY), key.value.clone())]);
    }
    let resolver = zone.resolver.as_ref().and_then(|name| dns.resolvers.get(name.as_str()));
    let references = resolver.into_iter().flat_map(|entry| entry.value.references());
    let keys = references.filter_map(|(variable, reference)| {
        let name = match variable.as_str() {
            TOKEN => KEY,
            ZONE_TOKEN => ZONE_KEY,
            _ => return None,
        };
        Some((SmolStr::new_static(name), reference.value.clone()))
    });
    keys.collect()
}

/// Checks what only a zone of Cloudflare can have wrong. It stands within this place.
pub(super) fn check(zone: &DnsZone, within: Span, dns: &Dns, findings: &mut Findings) {
    if zone.provider.value != ZoneProvider::Cloudflare {
        return;
    }
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
        (None, Some(resolver)) => check_resolver(resolver, dns, findings),
        (None, None) if !REFUSED_KEY.iter().any(|code| findings.has(code, within)) => {
            let finding = Finding::new(
                "missing-field",
                zone.provider.at,
                "a zone of `cloudflare` has no `key` and no `resolver`",
                "expected one of them beside it",
            );
            findings.push(finding.hint(
                "write `key: {file: /etc/kwo/cloudflare}`, or name a resolver of Cloudflare, such as \
                 `resolver: letsencrypt-cloudflare`",
            ));
        }
        (_, None) => {}
    }
    check_ttl(zone, findings);
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

fn check_resolver(resolver: &At<Name>, dns: &Dns, findings: &mut Findings) {
    let has = |provider: &Provider| *provider == Provider::Cloudflare;
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
                "expected a resolver of `cloudflare`",
            );
            findings.push(finding.also(provider.at, "its provider").hint("name another one, or a `key`"));
        }
        None => {
            let known: Vec<&str> = fitting().collect();
            let expected = match known.as_slice() {
                [] => "expected a `key`: no resolver of the roster is of `cloudflare`".to_owned(),
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
fn check_ttl(zone: &DnsZone, findings: &mut Findings) {
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
        (_, false) if !TTLS.contains(&seconds) => {
            let message = format!("Cloudflare has no TTL of {seconds} seconds");
            let expected = "expected 60 to 86400 seconds, or from 30 on in a zone of the plan Enterprise";
            findings.push(Finding::new("ttl-range", ttl.at, message, expected).hint("write `ttl: 300`"));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use crate::domains::parse;
    use crate::domains::zones::connections;
    use crate::roster::{SourceFile, Sources};

    #[test]
    fn a_zone_has_its_own_key_or_those_of_a_resolver() {
        const RESOLVER: &str = "letsencrypt-cloudflare: {provider: cloudflare, credentials: \
                                {CF_DNS_API_TOKEN: {env: DNS}, CF_ZONE_API_TOKEN: {env: ZONE}}}";
        for (key, told) in [
            ("key: {env: OWN}", "key=env OWN"),
            ("resolver: letsencrypt-cloudflare", "key=env DNS, key for the zone=env ZONE"),
        ] {
            let text = format!(
                "{{apiVersion: kwo/v1, kind: Roster, cluster: {{acme: {{email: a@b.c}}}}, dns: {{resolvers: {{{RESOLVER}}}, \
                 zones: {{example.com: {{provider: cloudflare, {key}, target: {{addresses: [192.0.2.1]}}}}}}}}}}"
            );
            let roster = parse(Sources::new(vec![SourceFile { name: String::new(), text }])).unwrap();
            let ways = connections(&roster);
            let secrets = ways[0].secrets.iter().map(|(name, from)| format!("{name}={from}"));
            assert_eq!(secrets.collect::<Vec<_>>().join(", "), told);
        }
    }
}
