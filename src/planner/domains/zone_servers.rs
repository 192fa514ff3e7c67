//! What serves a zone: the servers that kwo speaks to, and the fields that each of them needs or takes. A new one is a word in
//! the choice, a line in the table, and the fields that only it has.

use smol_str::SmolStr;

use super::dns::Dns;
use super::zone_keys;
use super::zones::{DEFAULT_TTL, DnsZone};
use crate::roster::record::{choice, record};
use crate::roster::{At, Finding, Findings, SecretRef, Span, TsigName};
use crate::tree::Tree;

choice! {
    /// What serves a zone.
    pub enum ZoneProvider: "provider of a zone" {
        /// PowerDNS Authoritative Server, by its HTTP API.
        Powerdns = "powerdns",
        /// Knot DNS, BIND and others, by transfers and updates of DNS itself (RFC 5936, RFC 2136), signed with TSIG.
        Rfc2136 = "rfc2136",
        /// Cloudflare, by its API.
        Cloudflare = "cloudflare",
        /// Amazon Route 53, by its API.
        Route53 = "route53",
        /// DigitalOcean, by its API.
        Digitalocean = "digitalocean",
        /// Hetzner, by the DNS part of its Cloud API.
        Hetzner = "hetzner",
        /// deSEC, by its API.
        Desec = "desec",
        /// OVHcloud, by its API.
        Ovh = "ovh",
    }
}

record! {
    /// The TSIG key that signs all that is sent and answered.
    pub struct Tsig: "a TSIG key" {
        /// Its name, as the server has it.
        pub name: At<TsigName>,
        /// How it signs. Default: hmac-sha256.
        pub algorithm: Option<At<TsigAlgorithm>>,
    }
}

choice! {
    /// How a TSIG key signs.
    pub enum TsigAlgorithm: "TSIG algorithm" {
        /// HMAC with SHA-256.
        HmacSha256 = "hmac-sha256",
        /// HMAC with SHA-512.
        HmacSha512 = "hmac-sha512",
    }
}

/// What is known of a server: the fields that it needs and takes besides those of every zone.
struct Facts {
    needs: &'static [&'static str],
    takes: &'static [&'static str],
    /// How a zone of it is written.
    example: &'static str,
    /// Where its key stands, by custom.
    key: &'static str,
}

static POWERDNS: Facts = Facts {
    needs: &["url", "key"],
    takes: &["server", "ca"],
    example: "provider: powerdns, url: https://ns1.example.com:8443",
    key: "/etc/kwo/powerdns",
};

static RFC2136: Facts = Facts {
    needs: &["nameserver", "tsig", "key"],
    takes: &[],
    example: "provider: rfc2136, nameserver: 192.0.2.53, tsig: {name: kwo}",
    key: "/etc/kwo/tsig",
};

static CLOUDFLARE: Facts = Facts {
    needs: &[],
    takes: &["url", "ca", "key", "resolver", "proxied"],
    example: "provider: cloudflare, key: {file: /etc/kwo/cloudflare}",
    key: "/etc/kwo/cloudflare",
};

static ROUTE53: Facts = Facts {
    needs: &[],
    takes: &["url", "zone", "credentials", "resolver"],
    example: "provider: route53, resolver: letsencrypt-route53",
    key: "/etc/kwo/route53",
};

static DIGITALOCEAN: Facts = Facts {
    needs: &[],
    takes: &["url", "ca", "key", "resolver"],
    example: "provider: digitalocean, key: {file: /etc/kwo/digitalocean}",
    key: "/etc/kwo/digitalocean",
};

static HETZNER: Facts = Facts {
    needs: &[],
    takes: &["url", "ca", "key", "resolver"],
    example: "provider: hetzner, key: {file: /etc/kwo/hetzner}",
    key: "/etc/kwo/hetzner",
};

static DESEC: Facts = Facts {
    needs: &[],
    takes: &["url", "ca", "key", "resolver"],
    example: "provider: desec, key: {file: /etc/kwo/desec}",
    key: "/etc/kwo/desec",
};

static OVH: Facts = Facts {
    needs: &[],
    takes: &["url", "credentials", "resolver"],
    example: "provider: ovh, resolver: letsencrypt-ovh",
    key: "/etc/kwo/ovh",
};

impl ZoneProvider {
    /// How long an answer may be kept, where the roster does not say it.
    pub(super) fn default_ttl(self) -> u32 {
        // Most zones of deSEC take none below that.
        if self == ZoneProvider::Desec { 3600 } else { DEFAULT_TTL }
    }

    fn facts(self) -> &'static Facts {
        match self {
            ZoneProvider::Powerdns => &POWERDNS,
            ZoneProvider::Rfc2136 => &RFC2136,
            ZoneProvider::Cloudflare => &CLOUDFLARE,
            ZoneProvider::Route53 => &ROUTE53,
            ZoneProvider::Digitalocean => &DIGITALOCEAN,
            ZoneProvider::Hetzner => &HETZNER,
            ZoneProvider::Desec => &DESEC,
            ZoneProvider::Ovh => &OVH,
        }
    }
}

/// A field that only some servers have.
struct OwnField {
    name: &'static str,
    /// Where the roster has it.
    at: Option<Span>,
    /// What findings are called that refused its value. What was refused is not missing as well.
    refused: &'static [&'static str],
}

/// What refuses the place of a secret.
pub(super) const REFUSED_KEY: &[&str] = &["bad-secret", "inline-secret", "missing-secret"];

fn own_fields(zone: &DnsZone) -> [OwnField; 10] {
    let DnsZone {
        provider: _,
        url,
        server,
        nameserver,
        tsig,
        key,
        credentials,
        resolver,
        zone: hosted,
        ca,
        target,
        ttl: _,
        ceiling: _,
    } = zone;
    let field = |name, at, refused| OwnField { name, at, refused };
    [
        field("url", url.as_ref().map(|at| at.at), &["bad-api"][..]),
        field("server", server.as_ref().map(|at| at.at), &["bad-server-id"]),
        field("nameserver", nameserver.as_ref().map(|at| at.at), &["bad-nameserver"]),
        field("tsig", tsig.as_ref().map(|at| at.at), &["bad-tsig-name"]),
        field("key", key.as_ref().map(|at| at.at), REFUSED_KEY),
        field("credentials", credentials.values().map(|entry| entry.key).min_by_key(|at| at.start), &[]),
        field("resolver", resolver.as_ref().map(|at| at.at), &[]),
        field("zone", hosted.as_ref().map(|at| at.at), &[]),
        field("ca", ca.as_ref().map(|at| at.at), &["bad-certificate"]),
        field("proxied", target.value.proxied.as_ref().map(|at| at.at), &[]),
    ]
}

/// What the adapter of a zone has to know besides its secret, by the name that it knows it by.
pub(crate) fn settings(zone: &DnsZone, dns: &Dns) -> Vec<(&'static str, Tree)> {
    let text = |text: &SmolStr| Tree::from(text.clone());
    let word = |word: &'static str| Tree::from(SmolStr::new_static(word));
    let mut settings = vec![
        ("ceiling", Tree::from(u64::from(zone.ceiling()))),
        ("provider", word(zone.provider.value.as_str())),
    ];
    if let Some(url) = &zone.url {
        settings.push(("url", text(url.value.text())));
    }
    if zone.provider.value == ZoneProvider::Powerdns {
        let server = zone.server.as_ref().map_or("localhost", |server| server.value.as_str());
        settings.push(("server", Tree::from(SmolStr::from(server))));
    }
    if let Some(hosted) = zone_keys::hosted_zone(zone, dns) {
        settings.push(("zone", text(hosted.text())));
    }
    if let Some(ca) = &zone.ca {
        settings.push(("ca", text(ca.value.text())));
    }
    if let Some(nameserver) = &zone.nameserver {
        let (host, port) = nameserver.value.parts();
        settings.push(("host", Tree::from(host)));
        settings.push(("port", Tree::from(u64::from(port))));
    }
    if let Some(Tsig { name, algorithm }) = zone.tsig.as_ref().map(|tsig| &tsig.value) {
        let algorithm = algorithm.as_ref().map_or(TsigAlgorithm::HmacSha256, |algorithm| algorithm.value);
        settings.push(("tsigName", text(name.value.text())));
        settings.push(("tsigAlgorithm", word(algorithm.as_str())));
    }
    settings
}

/// Checks that a zone has what its server needs, and nothing that only another one has. The zone stands within this place.
pub(crate) fn check(zone: &DnsZone, within: Span, findings: &mut Findings) {
    let (at, provider) = (zone.provider.at, zone.provider.value);
    let Facts { needs, takes, example, key } = provider.facts();
    for OwnField { name: field, at: has, refused } in own_fields(zone) {
        match has {
            None if needs.contains(&field) && !refused.iter().any(|code| findings.has(code, within)) => {
                let message = format!("a zone of `{provider}` has no `{field}`");
                let finding =
                    Finding::new("missing-field", at, message, format!("expected `{field}` beside it"));
                let own = format!("key: {{file: {key}}}");
                findings
                    .push(finding.hint(format!("write `{}`", if field == "key" { &own } else { *example })));
            }
            Some(span) if !needs.contains(&field) && !takes.contains(&field) => {
                let message = format!("a zone of `{provider}` has no use for `{field}`");
                let finding =
                    Finding::new("field-of-others", span, message, "expected fields of this provider alone");
                findings.push(finding.also(at, "the provider").hint(format!("write `{example}`")));
            }
            None | Some(_) => {}
        }
    }
    let credentials = zone.credentials.values().filter_map(|entry| entry.value.as_ref());
    for own in zone.key.iter().chain(credentials) {
        let SecretRef::Generate(_) = own.value else { continue };
        let message = "kwo cannot make the key of a DNS server";
        let finding = Finding::new("key-generated", own.at, message, "expected where the key is");
        findings.push(finding.hint(format!("name the place of the server's own key: `{{file: {key}}}`")));
    }
}
