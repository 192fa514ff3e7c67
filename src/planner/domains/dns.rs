//! The `dns` section: resolvers, each an account at a DNS provider through which certificates are proved. What is
//! known of each provider stands in `dns_providers.rs`, what a resolver becomes in `traefik.rs` and `cert_manager.rs`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::body::{labels, map, object};
use super::cluster::{Acme, Cluster, Issuer};
use super::dns_providers::{Facts, Provider};
use super::shares::{claimants, covering};
use super::tenants::Tenant;
use super::zones::DnsZone;
use super::{cert_manager, traefik, wildcards};
use crate::domains::Roster;
use crate::kinds::Kind;
use crate::resource::{Reason, Resource, ResourceId};
use crate::roster::record::record;

use crate::roster::{
    At, Entry, Finding, Findings, Map, Name, ProviderWord, SecretRef, Span, Variable, ZoneName,
};
use crate::secrets::Content;
use crate::tree::{SmolStr, Tree, join};

/// The resolver that is always there: it proves a name by answering for it on port 80.
pub const HTTP_RESOLVER: &str = "letsencrypt";

record! {
    /// The DNS providers that prove host names for certificates, if port 80 is not enough, and the zones with the records
    /// of tenants' hosts.
    pub struct Dns: "the dns section" {
        /// The resolvers, by name: `letsencrypt-PROVIDER`, or `letsencrypt-PROVIDER-SUFFIX`.
        pub resolvers: Map<Name, Resolver>,
        /// The zones in which kwo keeps records for the hosts of tenants, by name.
        pub zones: Map<ZoneName, DnsZone>,
    }
}

record! {
    /// An account at a DNS provider.
    pub struct Resolver: "a resolver" {
        /// The DNS provider.
        pub provider: At<Provider>,
        /// The end of the resolver's name, which distinguishes it from another account at the same provider.
        pub suffix: Option<At<Name>>,
        /// The region, as plain text, if the provider has regions: the one of route53.
        pub region: Option<At<ProviderWord>>,
        /// The only zone to change, as plain text, if the provider accepts one: the hosted zone of route53.
        pub zone: Option<At<ProviderWord>>,
        /// The credentials, by the name of the environment variable that the provider's client reads.
        pub credentials: Map<Variable, Option<At<SecretRef>>>,
    }
}

impl Resolver {
    /// Each credential by the name of its variable.
    pub fn references(&self) -> impl Iterator<Item = (&Variable, &At<SecretRef>)> {
        // In a checked roster none is missing.
        self.credentials.iter().filter_map(|(name, entry)| Some((name, entry.value.as_ref()?)))
    }

    /// What is no secret, by the name of the variable that the provider's client reads.
    pub fn settings(&self) -> impl Iterator<Item = (&'static str, &At<ProviderWord>)> {
        let Facts { region, zone, .. } = self.provider.facts();
        let pairs = [(region, &self.region), (zone, &self.zone)];
        pairs.into_iter().filter_map(|(variable, value)| Some(((*variable)?, value.as_ref()?)))
    }

    /// The name that it has to have.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.suffix {
            Some(suffix) => format!("{HTTP_RESOLVER}-{}-{suffix}", self.provider),
            None => format!("{HTTP_RESOLVER}-{}", self.provider),
        }
    }
}

/// The resolver for the certificates of a tenant's hosts. A wildcard cannot be proved on port 80.
#[must_use]
pub fn resolver_of<'r>(tenant: &'r Tenant, dns: &'r Dns) -> &'r str {
    let wildcard = tenant.domains.iter().any(|domain| domain.host.value.wildcard_of().is_some());
    let first = dns.resolvers.keys().next().filter(|_| wildcard);
    tenant.resolver.as_ref().map_or_else(|| first.map_or(HTTP_RESOLVER, Name::as_str), |name| &name.value)
}

/// The Secret with the credentials of this resolver; nothing where nobody fetches certificates.
#[must_use]
pub fn credentials_of(name: &Name, cluster: &Cluster) -> Option<ResourceId> {
    Some(match cluster.acme.as_ref()?.issuer() {
        Issuer::Traefik => traefik::credentials_id(),
        Issuer::CertManager => cert_manager::credentials_id(name),
    })
}

/// The tenants whose hosts get their certificates through this resolver.
pub fn users_of<'r>(roster: &'r Roster, resolver: &str) -> impl Iterator<Item = &'r Name> {
    let uses =
        move |tenant: &Tenant| !tenant.domains.is_empty() && resolver_of(tenant, roster.dns()) == resolver;
    let mut by_wildcards = roster.cluster().acme.iter().filter_map(|acme| acme.wildcard.as_ref());
    let by_wildcards = by_wildcards.any(|wildcard| wildcard.value.resolver(roster.dns()) == resolver);
    let has_wildcards =
        move |entry| by_wildcards && wildcards::of_tenant(roster.cluster(), entry).next().is_some();
    let all = roster.tenants().iter();
    all.filter(move |entry| uses(&entry.1.value) || has_wildcards(*entry)).map(|(name, _)| name)
}

/// What a tenant writes into its Ingresses to get certificates for its hosts: an annotation and its value.
#[must_use]
pub fn annotation<'r>(
    tenant: &'r Tenant,
    cluster: &Cluster,
    dns: &'r Dns,
) -> Option<(&'static str, &'r str)> {
    let issuer = cluster.acme.as_ref().filter(|_| !tenant.domains.is_empty())?.issuer();
    Some((annotation_key(issuer), resolver_of(tenant, dns)))
}

/// The annotation by which an Ingress names its resolver.
#[must_use]
pub fn annotation_key(issuer: Issuer) -> &'static str {
    match issuer {
        Issuer::Traefik => "traefik.ingress.kubernetes.io/router.tls.certresolver",
        Issuer::CertManager => "cert-manager.io/cluster-issuer",
    }
}

/// Whose host it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Claimant<'r> {
    /// A tenant's, or that of several who share it.
    Tenants(Vec<&'r Name>),
    /// That of a namespace, by its wildcard.
    Namespace {
        /// Whose namespace it is.
        tenant: &'r Name,
        /// The namespace.
        namespace: &'r Name,
        /// The Secret with the certificate for it, which an Ingress names under `tls`.
        secret: SmolStr,
    },
    /// The registry's.
    Registry,
}

/// Who may serve a host, and the annotation that gets it a certificate, where kwo sees to certificates.
#[must_use]
pub fn claimant<'r>(
    roster: &'r Roster,
    host: &str,
) -> Option<(Claimant<'r>, Option<(&'static str, &'r str)>)> {
    if let Some((_, registry)) = roster.registry()
        && registry.hosts.iter().any(|theirs| theirs.as_str() == host)
    {
        let key = roster.cluster().acme.as_ref().map(|acme| annotation_key(acme.issuer()));
        return Some((Claimant::Registry, key.map(|key| (key, registry.resolver()))));
    }
    let tenants = claimants(roster.tenants(), host);
    let Some((_, first)) = tenants.first() else {
        let covers = |of: &wildcards::Of<'_>| covering(host).any(|pattern| pattern == of.host.as_str());
        let of = wildcards::all(roster.cluster(), roster.tenants()).find(covers)?;
        let secret = cert_manager::secret_of(cert_manager::WILDCARD);
        return Some((Claimant::Namespace { tenant: of.tenant, namespace: of.namespace, secret }, None));
    };
    let annotation = annotation(first, roster.cluster(), roster.dns());
    Some((Claimant::Tenants(tenants.into_iter().map(|(name, _)| name).collect()), annotation))
}

/// Is there a resolver with this name? If not, a finding says which there are.
pub(crate) fn check_resolver(resolver: &At<Name>, dns: &Dns, findings: &mut Findings) -> bool {
    let known = || std::iter::once(HTTP_RESOLVER).chain(dns.resolvers.keys().map(Name::as_str));
    if resolver.as_str() == HTTP_RESOLVER || dns.resolvers.contains_key(resolver.as_str()) {
        return true;
    }
    if findings.is_full() {
        findings.count(1);
        return false;
    }
    let mut finding = Finding::new(
        "unknown-resolver",
        resolver.at,
        format!("there is no resolver `{resolver}`"),
        format!("expected one of: {}", known().collect::<Vec<_>>().join(", ")),
    );
    finding.hint = crate::roster::spelling::did_you_mean(resolver, known());
    findings.push(finding);
    false
}

/// The Secret with the credentials of these resolvers: its keys are the names of the variables.
pub(crate) fn credentials<'r>(
    id: ResourceId,
    resolvers: impl Iterator<Item = &'r Resolver>,
    because: &Reason,
) -> Resource {
    let parts = [("data", map([])), ("type", Tree::from("Opaque"))];
    let body = object(&id, Kind::Secret, &labels(None), parts);
    let references: Vec<_> = resolvers.flat_map(Resolver::references).collect();
    let fields = references.iter().map(|(name, from)| (join("/data", name).into(), Reason::Roster(from.at)));
    let fields = fields.collect::<Vec<_>>().into();
    let secrets =
        references.iter().map(|(name, from)| (name.text().clone(), Content::Plain(from.value.clone())));
    let resource = Resource::new(id, body, Arc::new([]), because.clone());
    Resource { fields, ..resource }.with_secrets_in("/data", secrets.collect())
}

/// Every tenant's resolver is there, and can prove its hosts.
pub(crate) fn check_tenants(
    tenants: &Map<Name, Tenant>,
    cluster: &Cluster,
    dns: &Dns,
    findings: &mut Findings,
) {
    for (name, Entry { key: _, value: tenant }) in tenants {
        if let Some(resolver) = &tenant.resolver
            && !check_resolver(resolver, dns, findings)
        {
            continue;
        }
        let wildcard =
            tenant.domains.iter().map(|domain| &domain.host).find(|host| host.value.wildcard_of().is_some());
        if let Some(host) = wildcard.filter(|_| cluster.acme.is_some())
            && resolver_of(tenant, dns) == HTTP_RESOLVER
        {
            let finding = Finding::new(
                "wildcard-without-dns",
                host.at,
                format!("no resolver of the roster can prove `{host}` of tenant `{name}`"),
                "a wildcard is proved through DNS only",
            );
            findings.push(finding.hint("add a resolver under `dns.resolvers`, or name the hosts one by one"));
        }
    }
}

/// Checks what no single value shows.
pub(crate) fn check(cluster: &Cluster, dns: &Dns, findings: &mut Findings) {
    let resolvers = in_order(dns);
    if let (None, Some((_, Entry { key, .. }))) = (&cluster.acme, resolvers.first()) {
        findings.push(
            Finding::new(
                "missing-field",
                *key,
                "there are resolvers, but no `cluster.acme`",
                "a resolver needs an account for certificates",
            )
            .hint("add `acme: {email: ops@example.com}` under `cluster:`"),
        );
    }
    let issuer = cluster.acme.as_ref().map_or(Issuer::Traefik, Acme::issuer);
    let mut accounts: BTreeMap<Provider, Span> = BTreeMap::new();
    for (name, Entry { key, value: resolver }) in resolvers {
        check_name(name, *key, resolver, findings);
        check_credentials(name, *key, resolver, findings);
        check_settings(resolver, findings);
        if issuer == Issuer::CertManager {
            check_solver(resolver, findings);
        }
        let provider = resolver.provider.value;
        if issuer == Issuer::CertManager && provider.facts().cert_manager.is_none() {
            findings.push(
                Finding::new(
                    "no-solver",
                    resolver.provider.at,
                    format!("cert-manager has no solver of its own for {provider}"),
                    "expected a provider that cert-manager knows, such as `cloudflare`, `route53` or `digitalocean`",
                )
                .hint("use `issuer: traefik`, which knows this provider"),
            );
        }
        match accounts.get(&provider) {
            Some(first) if issuer == Issuer::Traefik => findings.push(
                Finding::new(
                    "second-account",
                    resolver.provider.at,
                    format!("a second account at {provider} cannot work in Traefik"),
                    "Traefik reads these credentials from its environment, which has each variable only once",
                )
                .also(*first, "the first account")
                .hint(
                    "use one credential that may edit the zones of both, or `cluster.acme.issuer: cert-manager`, \
                     which takes several accounts",
                ),
            ),
            Some(_) => {}
            None => {
                accounts.insert(provider, resolver.provider.at);
            }
        }
    }
}

/// The resolvers as they stand in the roster.
fn in_order(dns: &Dns) -> Vec<(&Name, &Entry<Resolver>)> {
    let mut resolvers: Vec<_> = dns.resolvers.iter().collect();
    resolvers.sort_by_key(|(_, entry)| entry.key);
    resolvers
}

fn check_name(name: &Name, at: Span, resolver: &Resolver, findings: &mut Findings) {
    let wanted = resolver.name();
    if name.as_str() == wanted {
        return;
    }
    let start = format!("{HTTP_RESOLVER}-{}-", resolver.provider);
    let finding = Finding::new(
        "resolver-name",
        at,
        format!("the resolver `{name}` cannot have this name"),
        format!("expected `{wanted}`: `{HTTP_RESOLVER}`, the provider, and the suffix if it has one"),
    );
    findings.push(match name.strip_prefix(start.as_str()) {
        Some(suffix) if resolver.suffix.is_none() => finding.hint(format!("add `suffix: {suffix}` to it")),
        _ => finding.hint(format!("call it `{wanted}`")),
    });
}

fn check_credentials(name: &Name, at: Span, resolver: &Resolver, findings: &mut Findings) {
    let provider = resolver.provider.value;
    let facts = provider.facts();
    let has = |variable: &str| {
        resolver.credentials.contains_key(variable) || resolver.settings().any(|(name, _)| name == variable)
    };
    for variable in facts.needs.iter().filter(|variable| !has(variable)) {
        let finding = Finding::new(
            "missing-credential",
            at,
            format!("the resolver `{name}` has no credential {variable}"),
            format!("{provider} needs {}", facts.needs.join(", ")),
        );
        findings.push(finding.hint(match facts.setting(variable) {
            Some(field) => format!("add `{field}:` to the resolver"),
            None => format!("add `{variable}: {{env: {variable}}}` under `credentials:`"),
        }));
    }
    let known = |variable: &str| facts.needs.contains(&variable) || facts.takes.contains(&variable);
    for (variable, Entry { key, .. }) in resolver.credentials.iter().filter(|(name, _)| !known(name)) {
        let takes: Vec<&str> = facts.needs.iter().chain(facts.takes).copied().collect();
        let mut finding = Finding::new(
            "unknown-credential",
            *key,
            format!("{provider} has no credential {variable}"),
            format!("expected one of: {}", takes.join(", ")),
        );
        finding.hint = crate::roster::spelling::did_you_mean(variable, takes.iter().copied());
        findings.push(finding);
    }
}

/// A region and a zone stand where the provider has them, and once.
fn check_settings(resolver: &Resolver, findings: &mut Findings) {
    let provider = resolver.provider.value;
    let facts = provider.facts();
    let fields = [("region", facts.region, &resolver.region), ("zone", facts.zone, &resolver.zone)];
    for (field, variable, value) in fields {
        let Some(value) = value else { continue };
        let Some(variable) = variable else {
            findings.push(
                Finding::new(
                    "no-setting",
                    value.at,
                    format!("{provider} has no field `{field}`"),
                    "expected it only at a provider that has it, such as `route53`",
                )
                .hint("delete it"),
            );
            continue;
        };
        if let Some(entry) = resolver.credentials.get(variable) {
            findings.push(
                Finding::new(
                    "setting-twice",
                    entry.key,
                    format!("{variable} is the `{field}` of the resolver, too"),
                    "expected one of them",
                )
                .also(value.at, format!("the `{field}`"))
                .hint("delete this one: it is not a secret"),
            );
        }
    }
}

/// cert-manager reads each credential; one that it has no field for would be kept and never used.
fn check_solver(resolver: &Resolver, findings: &mut Findings) {
    let provider = resolver.provider.value;
    let facts = provider.facts();
    let Some(solver) = facts.cert_manager else { return };
    let unread = |variable: &Variable| {
        let known = facts.needs.iter().chain(facts.takes).any(|known| *known == variable.as_str());
        // Of one that stands twice something else is said.
        let twice = resolver.settings().any(|(setting, _)| setting == variable.as_str());
        known && !twice && !solver.secrets.iter().any(|(_, secret)| *secret == variable.as_str())
    };
    for (variable, Entry { key, .. }) in resolver.credentials.iter().filter(|(variable, _)| unread(variable))
    {
        let (label, hint) = match facts.setting(variable) {
            Some(field) => (
                format!("cert-manager wants it in clear, as the `{field}` of the resolver"),
                format!("write `{field}: …` beside `provider:`, and delete this one"),
            ),
            None => (
                format!("cert-manager's {provider} accepts only {}", facts.needs.join(", ")),
                format!("delete it, and give {} the rights that it has", facts.needs.join(", ")),
            ),
        };
        let message = format!("cert-manager does not read {variable}");
        findings.push(Finding::new("unread-credential", *key, message, label).hint(hint));
    }
}
