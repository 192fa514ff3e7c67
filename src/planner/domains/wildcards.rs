//! `cluster.acme.wildcard`: each namespace of a tenant gets a certificate for `*.<namespace>.<zone>`, with a key of its own,
//! and may serve these names. What the certificates are as objects stands in `cert_manager.rs`, the records in `zones.rs`.

use super::cluster::{Acme, Cluster, Issuer};
use super::dns::{Dns, HTTP_RESOLVER, check_resolver};
use super::tenants::Tenant;
use crate::roster::record::record;
use crate::roster::{At, Entry, Finding, Findings, HostPattern, Map, Name, Span, ZoneName};

record! {
    /// The zone below which each namespace of a tenant gets a wildcard certificate.
    pub struct Wildcard: "the wildcard" {
        /// The zone. With `apps.example.com` a namespace `alice` gets `*.alice.apps.example.com`.
        pub zone: At<ZoneName>,
        /// The resolver that proves the names. Default: the first one of the `dns` section.
        pub resolver: Option<At<Name>>,
    }
}

impl Wildcard {
    /// The resolver that proves the names. Without one under `dns` no name can be proved, which the checks say.
    #[must_use]
    pub fn resolver<'r>(&'r self, dns: &'r Dns) -> &'r str {
        let first = dns.resolvers.keys().next();
        self.resolver.as_ref().map_or_else(|| first.map_or(HTTP_RESOLVER, Name::as_str), |name| &name.value)
    }

    /// Where it says by which resolver.
    pub(crate) fn resolved_at(&self) -> Span {
        self.resolver.as_ref().map_or(self.zone.at, |resolver| resolver.at)
    }
}

/// The wildcard of one namespace.
#[derive(Clone, Debug)]
pub struct Of<'r> {
    /// Whose the namespace is.
    pub tenant: &'r Name,
    /// The namespace.
    pub namespace: &'r Name,
    /// Where the roster names the namespace.
    pub at: Span,
    /// The pattern: `*.alice.apps.example.com`.
    pub host: HostPattern,
    /// What asks for it.
    pub wildcard: &'r Wildcard,
}

/// What asks for wildcards, where cert-manager is there to make them.
fn wildcard(cluster: &Cluster) -> Option<&Wildcard> {
    let acme = cluster.acme.as_ref().filter(|acme| acme.issuer() == Issuer::CertManager)?;
    acme.wildcard.as_ref().map(|wildcard| &wildcard.value)
}

/// The zone that they are below, where there are any.
pub(crate) fn zone(cluster: &Cluster) -> Option<&ZoneName> {
    wildcard(cluster).map(|wildcard| &wildcard.zone.value)
}

/// The wildcards of the namespaces of a tenant.
pub fn of_tenant<'r>(
    cluster: &'r Cluster,
    (name, Entry { key, value: tenant }): (&'r Name, &'r Entry<Tenant>),
) -> impl Iterator<Item = Of<'r>> + use<'r> {
    let asked = wildcard(cluster).filter(|_| wants(tenant));
    // One that is too long is refused by the checks.
    tenant.placed(name, *key).filter_map(move |(namespace, at)| {
        let wildcard = asked?;
        let host = pattern(namespace, &wildcard.zone.value).parse().ok()?;
        Some(Of { tenant: name, namespace, at, host, wildcard })
    })
}

/// The wildcards of all namespaces.
pub fn all<'r>(cluster: &'r Cluster, tenants: &'r Map<Name, Tenant>) -> impl Iterator<Item = Of<'r>> {
    let asked = wildcard(cluster).into_iter();
    asked.flat_map(move |_| tenants.iter().flat_map(move |tenant| of_tenant(cluster, tenant)))
}

fn wants(tenant: &Tenant) -> bool {
    tenant.wildcard.is_none_or(|wants| wants.value)
}

fn pattern(namespace: &Name, zone: &ZoneName) -> String {
    format!("*.{namespace}.{zone}")
}

/// Checks what no single value shows. Whether a name is another tenant's stands in `shares.rs`.
pub(crate) fn check(
    cluster: &Cluster,
    dns: &Dns,
    tenants: &Map<Name, Tenant>,
    whole: bool,
    findings: &mut Findings,
) {
    if let Some(Acme { weekly: Some(weekly), .. }) = cluster.acme.as_ref()
        && cluster.acme.as_ref().is_some_and(|acme| acme.issuer() != Issuer::CertManager)
    {
        findings.push(by_traefik(weekly.at, "the weekly limit"));
    }
    let asked = cluster.acme.as_ref().and_then(|acme| Some((acme, acme.wildcard.as_ref()?)));
    let Some((acme, wildcard)) = asked else {
        if whole {
            without(cluster, tenants, findings);
        }
        return;
    };
    if acme.issuer() != Issuer::CertManager {
        findings.push(by_traefik(wildcard.at, "a wildcard for each namespace"));
    }
    let At { value: Wildcard { zone, resolver }, at } = wildcard;
    if !zone.value.contains('.') {
        let message = format!("no certificate authority issues certificates for names below `{zone}`");
        let finding = Finding::new("bad-wildcard-zone", zone.at, message, "expected a zone of your own");
        findings.push(finding.hint("write a zone such as `apps.example.com`"));
        return;
    }
    let known = resolver.as_ref().is_none_or(|resolver| check_resolver(resolver, dns, findings));
    if known && wildcard.value.resolver(dns) == HTTP_RESOLVER {
        let finding = Finding::new(
            "wildcard-without-dns",
            resolver.as_ref().map_or(*at, |resolver| resolver.at),
            format!("no resolver of the roster can prove the wildcards below `{zone}`"),
            "a wildcard is proved through DNS only",
        );
        findings.push(finding.hint("add a resolver under `dns.resolvers`, and name it here"));
    }
    too_long(zone, tenants, findings);
}

/// What only cert-manager can do, asked for where Traefik fetches the certificates.
fn by_traefik(at: Span, what: &str) -> Finding {
    let message = format!("Traefik fetches the certificates here, and {what} needs cert-manager");
    let finding =
        Finding::new("needs-cert-manager", at, message, "expected it only with `issuer: cert-manager`");
    finding.hint("install cert-manager and add `issuer: cert-manager` to `acme:`, or delete this")
}

/// A tenant that asks for wildcards where there are none.
fn without(cluster: &Cluster, tenants: &Map<Name, Tenant>, findings: &mut Findings) {
    for (name, Entry { key: _, value: tenant }) in tenants {
        let Some(asks) = tenant.wildcard.filter(|asks| asks.value) else { continue };
        let message =
            format!("tenant `{name}` asks for wildcards, and `cluster.acme.wildcard` names no zone");
        let acme = cluster.acme.as_ref().map(|Acme { email, .. }| email.at);
        let finding =
            Finding::new("wildcard-without-zone", asks.at, message, "expected a zone to put them below");
        let finding =
            finding.hint("add `wildcard: {zone: apps.example.com}` under `cluster.acme`, or delete this");
        findings.push(match acme {
            Some(at) => finding.also(at, "the account for certificates is here"),
            None => finding,
        });
    }
}

/// A name has 253 characters at most.
fn too_long(zone: &At<ZoneName>, tenants: &Map<Name, Tenant>, findings: &mut Findings) {
    for (name, Entry { key, value: tenant }) in tenants.iter().filter(|(_, entry)| wants(&entry.value)) {
        let spaces = tenant.placed(name, *key);
        for (namespace, at) in spaces.filter(|(space, _)| pattern(space, &zone.value).len() > 253) {
            let message = format!("the wildcard of namespace `{namespace}` would be over 253 characters");
            let finding = Finding::new("bad-wildcard-zone", at, message, "expected a shorter name");
            findings.push(
                finding
                    .also(zone.at, "the zone that it is below")
                    .hint(format!("write `wildcard: false` at tenant `{name}`, or take a shorter zone")),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::domains::{compile, parse};
    use crate::kinds::Kind;
    use crate::resource::Desired;
    use crate::roster::{SourceFile, Sources};
    use crate::tree::Tree;

    const WILDCARD: &str = "issuer: cert-manager, wildcard: {zone: apps.example.com}";

    fn text(acme: &str, tenants: &str) -> String {
        format!(
            "{{apiVersion: kwo/v1, kind: Roster, cluster: {{acme: {{email: ops@example.com, {acme}}}}}, \
             dns: {{resolvers: {{letsencrypt-cloudflare: {{provider: cloudflare, credentials: {{CF_DNS_API_TOKEN: \
             {{env: T}}}}}}}}, zones: {{example.com: {{provider: powerdns, url: 'https://dns.example.com', key: {{env: K}}, \
             target: {{addresses: [192.0.2.1]}}}}}}}}, tenants: {{{tenants}}}}}"
        )
    }

    fn desired(acme: &str, tenants: &str) -> Desired {
        let text = text(acme, tenants);
        compile(&parse(Sources::new(vec![SourceFile { name: String::new(), text }])).unwrap()).unwrap()
    }

    fn codes(acme: &str, tenants: &str) -> Vec<&'static str> {
        let text = text(acme, tenants);
        match parse(Sources::new(vec![SourceFile { name: String::new(), text }])) {
            Ok(_) => Vec::new(),
            Err(refused) => refused.findings.iter().map(|finding| finding.code).collect(),
        }
    }

    #[test]
    fn what_is_told_of_certificates_is_told_of_these_too() {
        let text = text(WILDCARD, "alice: {}");
        let roster = parse(Sources::new(vec![SourceFile { name: String::new(), text }])).unwrap();
        let asked = crate::domains::cert_manager::asked(&roster);
        let asked: Vec<String> = asked.iter().map(ToString::to_string).collect();
        assert!(asked.contains(&"kube:Certificate/alice/kwo-wildcard".to_owned()), "{asked:?}");
    }

    /// The certificates with their names and their issuer.
    fn certificates(desired: &Desired) -> Vec<String> {
        let own = desired.resources().iter().filter(|of| of.id.known_kind() == Some(Kind::Certificate));
        own.map(|of| {
            let at = |pointer: &str| of.body.at(pointer).map(ToString::to_string).unwrap_or_default();
            let (names, issuer) = (at("/spec/dnsNames"), at("/spec/issuerRef/name"));
            format!("{} {names} {issuer} {}", of.id, at("/spec/secretName")).replace('"', "")
        })
        .collect()
    }

    fn hosts(desired: &Desired, namespace: &str) -> Option<String> {
        let id = format!("kube:Namespace/{namespace}").parse().unwrap();
        let hosts = desired.get(&id).unwrap().body.at("/metadata/annotations/kwo.dev~1domains");
        hosts.and_then(Tree::as_text).map(ToString::to_string)
    }

    #[test]
    fn every_namespace_has_its_own_and_no_other() {
        let tenants = "alice: {domains: [alice.example.org], namespaces: [alice-dev, alice-prod]}, bob: {}, \
                       carol: {wildcard: false}";
        let desired = desired(WILDCARD, tenants);
        assert_eq!(
            certificates(&desired),
            [
                "kube:Certificate/alice-dev/kwo-domains [alice.example.org] letsencrypt kwo-domains-tls",
                "kube:Certificate/alice-dev/kwo-wildcard [*.alice-dev.apps.example.com] letsencrypt-cloudflare \
                 kwo-wildcard-tls",
                "kube:Certificate/alice-prod/kwo-wildcard [*.alice-prod.apps.example.com] letsencrypt-cloudflare \
                 kwo-wildcard-tls",
                "kube:Certificate/bob/kwo-wildcard [*.bob.apps.example.com] letsencrypt-cloudflare kwo-wildcard-tls",
            ]
        );
        let hosts = |namespace: &str| hosts(&desired, namespace);
        assert_eq!(hosts("alice-dev").as_deref(), Some("alice.example.org,*.alice-dev.apps.example.com"));
        assert_eq!(hosts("alice-prod").as_deref(), Some("alice.example.org,*.alice-prod.apps.example.com"));
        assert_eq!((hosts("bob").as_deref(), hosts("carol")), (Some("*.bob.apps.example.com"), None));
        let records = desired.resources().iter().filter(|of| of.id.record().is_some());
        let records: Vec<String> = records.map(|of| of.id.to_string()).collect();
        assert_eq!(
            records,
            [
                "dns:Record/example.com/A:*.alice-dev.apps.example.com",
                "dns:Record/example.com/A:*.alice-prod.apps.example.com",
                "dns:Record/example.com/A:*.bob.apps.example.com",
            ]
        );
    }

    #[test]
    fn a_pattern_that_the_tenant_names_itself_is_there_once_as_a_host_and_can_be_shared() {
        let host = |host: &str, with: &str| format!("{{host: '{host}', sharedWith: [{with}]}}");
        let own = "alice: {domains: ['*.alice.apps.example.com']}";
        assert_eq!(hosts(&desired(WILDCARD, own), "alice").as_deref(), Some("*.alice.apps.example.com"));
        let shared = format!(
            "alice: {{domains: [{}]}}, bob: {{domains: [{}]}}",
            host("*.alice.apps.example.com", "bob"),
            host("www.alice.apps.example.com", "alice")
        );
        assert_eq!(codes(WILDCARD, &shared), Vec::<&str>::new());
        let one = format!("alice: {{}}, bob: {{domains: [{}]}}", host("www.alice.apps.example.com", "alice"));
        assert_eq!(codes(WILDCARD, &one), ["host-shared-by-one"]);
    }

    #[test]
    fn no_other_tenant_has_a_name_below_a_wildcard() {
        for host in [
            "www.alice.apps.example.com",
            "*.alice.apps.example.com",
            "**.alice.apps.example.com",
            "**.apps.example.com",
            "**.example.com",
        ] {
            let tenants = format!("alice: {{}}, bob: {{wildcard: false, domains: ['{host}']}}");
            assert_eq!(codes(WILDCARD, &tenants), ["host-claimed-twice"], "{host}");
            let without = format!("alice: {{wildcard: false}}, bob: {{domains: ['{host}']}}");
            assert_eq!(codes(WILDCARD, &without), Vec::<&str>::new(), "{host}");
            assert_eq!(codes("issuer: cert-manager", &tenants), Vec::<&str>::new(), "{host}");
            let own = format!("alice: {{domains: ['{host}']}}");
            assert_eq!(codes(WILDCARD, &own), Vec::<&str>::new(), "{host}");
        }
        // No wildcard takes these.
        for host in [
            "alice.apps.example.com",
            "a.b.alice.apps.example.com",
            "xalice.apps.example.com",
            "*.apps.example.com",
        ] {
            let tenants = format!("alice: {{}}, bob: {{domains: ['{host}']}}");
            assert_eq!(codes(WILDCARD, &tenants), Vec::<&str>::new(), "{host}");
        }
    }

    #[test]
    fn what_cannot_be_made_is_refused() {
        assert_eq!(codes("wildcard: {zone: apps.example.com}", "a: {}"), ["needs-cert-manager"]);
        assert_eq!(codes("weekly: 50", "a: {}"), ["needs-cert-manager"]);
        assert_eq!(codes("issuer: cert-manager, weekly: 0", "a: {}"), ["bad-weekly"]);
        let by = |resolver: &str| {
            codes(&format!("issuer: cert-manager, wildcard: {{zone: a.b, resolver: {resolver}}}"), "a: {}")
        };
        assert_eq!(by("letsencrypt"), ["wildcard-without-dns"]);
        assert_eq!(by("letsencrypt-other"), ["unknown-resolver"]);
        assert_eq!(by("letsencrypt-cloudflare"), Vec::<&str>::new());
        assert_eq!(codes("issuer: cert-manager, wildcard: {zone: com}", "a: {}"), ["bad-wildcard-zone"]);
        let long = vec!["a".repeat(61); 4].join(".");
        let long = format!("issuer: cert-manager, wildcard: {{zone: {long}}}");
        assert_eq!(codes(&long, "abc: {}"), Vec::<&str>::new());
        assert_eq!(codes(&long, "abcd: {}"), ["bad-wildcard-zone"]);
        assert_eq!(codes(&long, "abcd: {wildcard: false}"), Vec::<&str>::new());
        assert_eq!(codes("issuer: cert-manager", "a: {wildcard: true}"), ["wildcard-without-zone"]);
        assert_eq!(codes("issuer: cert-manager", "a: {wildcard: false}"), Vec::<&str>::new());
    }
}
