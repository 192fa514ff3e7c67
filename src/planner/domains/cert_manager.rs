//! What the roster means for cert-manager: an issuer a resolver, with the credentials of its own, a Certificate for the
//! hosts of each tenant, and one for the wildcard of each namespace. cert-manager itself is the user's to install.

use std::sync::Arc;

use super::body::{labels, map, object};
use super::cluster::{Acme, Issuer};
use super::dns::{HTTP_RESOLVER, Resolver, credentials, resolver_of};
use super::dns_providers::Solver;
use super::hosts::OF_CERT_MANAGER;
use super::wildcards::{self, Of};
use crate::domains::Roster;
use crate::kinds::Kind;
use crate::resource::{Reason, Resource, ResourceId};

use crate::roster::{Entry, Name};
use crate::tree::{SmolStr, Tree};

/// Where cert-manager looks for the credentials of its ClusterIssuers.
const NAMESPACE: &str = "cert-manager";
const PRODUCTION: &str = "https://acme-v02.api.letsencrypt.org/directory";
const STAGING: &str = "https://acme-staging-v02.api.letsencrypt.org/directory";
/// The Certificate of a tenant, and the start of the name of its Secret.
pub(crate) const CERTIFICATE: &str = "kwo-domains";
/// The Certificate for the wildcard of a namespace, and the start of the name of its Secret.
pub(crate) const WILDCARD: &str = "kwo-wildcard";

/// The objects, where cert-manager fetches the cluster's certificates.
pub(crate) fn compile(roster: &Roster, resources: &mut Vec<Resource>) {
    let Some(acme) = roster.cluster().acme.as_ref().filter(|acme| acme.issuer() == Issuer::CertManager)
    else {
        return;
    };
    let http = map([("http01", map([("ingress", map([("ingressClassName", Tree::from("traefik"))]))]))]);
    resources.push(issuer(acme, HTTP_RESOLVER, http, Arc::new([]), Reason::Roster(acme.email.at)));
    for (name, Entry { key, value: resolver }) in &roster.dns().resolvers {
        let because = Reason::Roster(*key);
        // The checks refuse a provider that cert-manager does not know.
        let Some(solver) = resolver.provider.facts().cert_manager else { continue };
        let credentials = credentials(credentials_id(name), std::iter::once(resolver), &because);
        let needs: Arc<[ResourceId]> = Arc::new([credentials.id.clone()]);
        let challenge = solver_of(solver, resolver, &credentials.id.name);
        resources.push(credentials);
        resources.push(issuer(acme, name, challenge, needs, because));
    }
    certificates(roster, resources);
    for of in wildcards::all(roster.cluster(), roster.tenants()) {
        resources.push(of_namespace(&of, roster));
    }
}

/// The issuers and Certificates that the roster asks for; none where Traefik fetches the certificates.
#[must_use]
pub fn asked(roster: &Roster) -> Vec<ResourceId> {
    let mut resources = Vec::new();
    compile(roster, &mut resources);
    let speaks = |id: &ResourceId| matches!(id.known_kind(), Some(Kind::ClusterIssuer | Kind::Certificate));
    resources.into_iter().map(|resource| resource.id).filter(speaks).collect()
}

fn issuer_id(name: &str) -> ResourceId {
    ResourceId::kube(Kind::ClusterIssuer, "", SmolStr::from(name))
}

fn issuer(acme: &Acme, name: &str, solver: Tree, needs: Arc<[ResourceId]>, because: Reason) -> Resource {
    let id = issuer_id(name);
    let account = map([("name", Tree::from(format!("{name}-account")))]);
    let spec = map([
        ("email", Tree::from(acme.email.text())),
        ("privateKeySecretRef", account),
        ("server", Tree::from(if acme.staging() { STAGING } else { PRODUCTION })),
        ("solvers", Tree::list([solver])),
    ]);
    let body = object(&id, Kind::ClusterIssuer, &labels(None), [("spec", map([("acme", spec)]))]);
    Resource::new(id, body, needs, because)
}

fn solver_of(solver: Solver, resolver: &Resolver, secret: &SmolStr) -> Tree {
    let reference = |(field, key): &(&'static str, &'static str)| {
        (*field, map([("key", Tree::from(*key)), ("name", Tree::from(secret))]))
    };
    let word = |(field, variable): &(&'static str, &'static str)| {
        let (_, value) = resolver.settings().find(|(name, _)| name == variable)?;
        Some((*field, Tree::from(value.text())))
    };
    let fields = solver.secrets.iter().map(reference).chain(solver.settings.iter().filter_map(word));
    map([("dns01", Tree::map([(solver.name, Tree::map(fields))]))])
}

/// Where the credentials of one resolver stand.
pub(crate) fn credentials_id(name: &str) -> ResourceId {
    ResourceId::kube(Kind::Secret, NAMESPACE, smol_str::format_smolstr!("{name}-credentials"))
}

/// One Certificate for all hosts of a tenant, in its first namespace.
fn certificates(roster: &Roster, resources: &mut Vec<Resource>) {
    for (name, Entry { key: _, value: tenant }) in roster.tenants() {
        // No certificate is for every name below a domain.
        let hosts = tenant.domains.iter().map(|domain| &domain.host);
        let hosts: Vec<_> = hosts.filter(|host| host.value.all_below().is_none()).collect();
        let Some(first) = hosts.first() else { continue };
        let namespace = tenant.namespaces.first().map_or(name.text(), |namespace| namespace.value.text());
        let resolver = resolver_of(tenant, roster.dns());
        let names = hosts.iter().map(|host| Tree::from(host.value.text()));
        let because = Reason::Roster(first.at);
        resources.push(certificate((name, namespace, CERTIFICATE), Tree::list(names), resolver, because));
    }
}

/// The Certificate for the wildcard of a namespace: each has a key of its own, which never leaves the namespace.
fn of_namespace(of: &Of<'_>, roster: &Roster) -> Resource {
    let Of { tenant, namespace, at, host, wildcard } = of;
    let names = Tree::list([Tree::from(host.text())]);
    let resolver = wildcard.resolver(roster.dns());
    let made = certificate((tenant, namespace.text(), WILDCARD), names, resolver, Reason::Roster(*at));
    let fields = vec![
        (SmolStr::new_static("/spec/dnsNames"), Reason::Roster(wildcard.zone.at)),
        (SmolStr::new_static("/spec/issuerRef"), Reason::Roster(wildcard.resolved_at())),
    ];
    Resource { fields: fields.into(), ..made }
}

/// A Certificate, whose Secret has its name and the end by which the guard knows what cert-manager writes.
fn certificate(
    (tenant, namespace, name): (&Name, &SmolStr, &'static str),
    names: Tree,
    resolver: &str,
    because: Reason,
) -> Resource {
    let id = ResourceId::kube(Kind::Certificate, namespace.clone(), name);
    let issuer = map([
        ("group", Tree::from("cert-manager.io")),
        ("kind", Tree::from(Kind::ClusterIssuer.name())),
        ("name", Tree::from(SmolStr::from(resolver))),
    ]);
    let spec = map([("dnsNames", names), ("issuerRef", issuer), ("secretName", Tree::from(secret_of(name)))]);
    let body = object(&id, Kind::Certificate, &labels(Some(tenant)), [("spec", spec)]);
    let needs = Arc::new([ResourceId::kube(Kind::Namespace, "", namespace.clone()), issuer_id(resolver)]);
    Resource::new(id, body, needs, because)
}

/// The Secret into which cert-manager writes the certificate.
pub(crate) fn secret_of(certificate: &str) -> SmolStr {
    smol_str::format_smolstr!("{certificate}{OF_CERT_MANAGER}")
}
