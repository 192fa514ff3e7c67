//! The hosts of tenants: a ValidatingAdmissionPolicy that lets a tenant ask for its own hosts only, and for certificates
//! of these only, in whatever way one can ask for a host. What cannot be judged is refused. It is there as soon as the
//! roster speaks of any host, and then it holds for all tenants. The annotations are in `annotations.rs`.

use super::admission::{Policy, of_tenants, policy, rule, rule_of_hosts};
use super::annotations;
use super::cert_manager::{CERTIFICATE, WILDCARD, secret_of};
use super::cluster::{Acme, Issuer};
use super::wildcards;
use crate::domains::Roster;
use crate::named::DOMAINS_ANNOTATION;
use crate::resource::{Reason, Resource, ResourceId};

use crate::roster::{Entry, Span, ZoneName};
use crate::tree::{SmolStr, Tree};

/// How the names of Secrets end that only cert-manager writes, where it fetches the certificates.
pub(crate) const OF_CERT_MANAGER: &str = "-tls";

/// What is said where Traefik fetches the certificates.
const OF_TRAEFIK: &str = "Traefik fetches the certificates here: under tls there may be no secretName";

/// The groups of kinds that ask for hosts or certificates in ways of their own. A name for everything of a vendor is not
/// possible here, so these are the groups of the controllers that are in use.
const ROUTES: &[&str] = &[
    "gateway.networking.k8s.io",
    "gateway.networking.x-k8s.io",
    "gateway.envoyproxy.io",
    "traefik.io",
    "traefik.containo.us",
    "hub.traefik.io",
    "acme.cert-manager.io",
    "externaldns.k8s.io",
    "networking.istio.io",
    "projectcontour.io",
    "configuration.konghq.com",
    "getambassador.io",
    "k8s.nginx.org",
    "ingress.v1.haproxy.org",
    "ingress.v3.haproxy.org",
    "core.haproxy.org",
    "route.openshift.io",
    "metallb.io",
    "helm.cattle.io",
];

/// Is it Traefik that fetches the certificates, by these rules of the policy?
pub(crate) fn fetched_by_traefik(rules: &[Tree]) -> bool {
    rules
        .iter()
        .any(|rule| rule.get("message").and_then(Tree::as_text).is_some_and(|text| text == OF_TRAEFIK))
}

/// May an Ingress name this Secret, where cert-manager makes the certificates and is `asked` for one by it?
pub(crate) fn of_cert_manager(secret: &str, asked: bool) -> bool {
    match secret.strip_suffix(OF_CERT_MANAGER) {
        Some(name) => asked || name == CERTIFICATE,
        None => false,
    }
}

/// The Secret of the wildcard, which an Ingress may name only where its namespace has one. What a tenant put there before
/// kwo came is for no name then.
fn of_wildcard(zone: &ZoneName) -> String {
    format!(" || (t.?secretName.orValue('') == '{}'{BELOW}{zone}') in variables.own)", secret_of(WILDCARD))
}

/// What stands before the zone of the wildcards.
const BELOW: &str = " && ('*.' + namespaceObject.metadata.name + '.";

/// The Secret of the wildcard that a namespace has, by these rules of the policy, and the name that it is for.
pub(crate) fn wildcard_by(rules: &[Tree], namespace: &str) -> Option<(SmolStr, String)> {
    let mut rules = rules.iter().filter_map(|rule| rule.get("expression")?.as_text());
    let (_, rest) = rules.find_map(|rule| rule.split_once(BELOW))?;
    let (zone, _) = rest.split_once('\'')?;
    Some((secret_of(WILDCARD), format!("*.{namespace}.{zone}")))
}

/// The ids of the policy where it is there, which whatever gives rights needs first.
pub(crate) fn ids(roster: &Roster) -> Vec<ResourceId> {
    first(roster).map(|_| Policy::Hosts.ids()).into_iter().flatten().collect()
}

/// The policy and its binding.
pub(crate) fn compile(roster: &Roster, resources: &mut Vec<Resource>) {
    let Some(first) = first(roster) else { return };
    let issuer = roster.cluster().acme.as_ref().map_or(Issuer::Traefik, Acme::issuer);
    let zone = wildcards::zone(roster.cluster());
    policy(Policy::Hosts, spec(issuer, zone), &Reason::Roster(first), resources);
}

/// Where the roster first speaks of hosts.
fn first(roster: &Roster) -> Option<Span> {
    let tenants = roster
        .tenants()
        .values()
        .filter_map(|Entry { key: _, value }| value.domains.first().map(|domain| domain.host.at));
    let registry = roster.registry().into_iter().filter_map(|(_, registry)| registry.hosts.first());
    let api = roster.cluster().api.iter().filter_map(|api| api.hosts.first());
    let resolvers = roster.dns().resolvers.values().map(|Entry { key, value: _ }| *key);
    let acme = roster.cluster().acme.iter().map(|acme| acme.email.at);
    let hosts = tenants.chain(registry.map(|host| host.at)).chain(api.map(|host| host.at));
    hosts.chain(resolvers).chain(acme).next()
}

fn spec(issuer: Issuer, zone: Option<&ZoneName>) -> Tree {
    let validations = [ingresses(), secrets(issuer, zone), routes(), certificates(), annotations::rules()];
    let groups = ["", "networking.k8s.io", "cert-manager.io"];
    let groups: Vec<&'static str> = groups.iter().chain(ROUTES).copied().collect();
    of_tenants(&[(&groups, &["*/*"])], validations.into_iter().flatten().collect(), variables())
}

fn variables() -> Vec<(&'static str, String)> {
    let kind = |group: &str, resource: &str| {
        format!("request.resource.group == '{group}' && request.resource.resource == '{resource}'")
    };
    let mut variables = vec![
        (
            "own",
            format!(
                "has(namespaceObject.metadata.annotations) && \
                 '{DOMAINS_ANNOTATION}' in namespaceObject.metadata.annotations ? \
                 namespaceObject.metadata.annotations['{DOMAINS_ANNOTATION}'].split(',') : []"
            ),
        ),
        ("isIngress", kind("networking.k8s.io", "ingresses")),
        ("rules", "variables.isIngress ? object.?spec.?rules.orValue([]) : []".to_owned()),
        ("tls", "variables.isIngress ? object.?spec.?tls.orValue([]) : []".to_owned()),
        ("paths", "variables.rules.map(r, r.?http.?paths.orValue([]))".to_owned()),
        ("isCertificate", kind("cert-manager.io", "certificates")),
        ("isSecret", kind("", "secrets")),
    ];
    variables.extend(annotations::variables());
    variables
}

/// Is this host one of the tenant's, or below one of its patterns? What is below `**` may itself be a wildcard, but has to
/// be a name, since not everything that it is asked of was judged by the API server.
pub(super) fn own(host: &str) -> String {
    format!(
        "variables.own.exists(d, (d == {host} && !d.startsWith('**.')) \
         || (d.startsWith('*.') && {host}.endsWith(d.substring(1)) \
         && !{host}.substring(0, {host}.size() - d.size() + 1).contains('.') && !{host}.startsWith('*')) \
         || (d.startsWith('**.') && {host}.endsWith(d.substring(2)) \
         && {host}.matches('^([*][.])?([a-z0-9]([-a-z0-9]*[a-z0-9])?[.])+[a-z0-9-]+$')))"
    )
}

fn ingresses() -> Vec<Tree> {
    vec![
        rule_of_hosts(
            format!("variables.rules.all(r, has(r.host) && {})", own("r.host")),
            "every rule needs a host of the tenant; its hosts are: ",
        ),
        rule_of_hosts(
            format!("variables.tls.all(t, t.?hosts.orValue([]).all(h, {}))", own("h")),
            "under tls there may only be hosts of the tenant; its hosts are: ",
        ),
        rule_of_hosts(
            "!variables.isIngress || !has(object.spec.defaultBackend)",
            "a defaultBackend would take every host there is; name a host of the tenant: ",
        ),
        rule(
            "variables.paths.all(p, p.all(q, !has(q.backend.resource)))",
            "the backend of an Ingress is a Service of the tenant",
        ),
        // Ingress controllers write paths into rules and settings of their own, where such a character ends them.
        rule(
            r##"variables.paths.all(p, p.all(q, !q.?path.orValue('').matches('[`"#;{}\\s\\\\[:cntrl:]]')))"##,
            "a path of an Ingress may hold no quotes, braces, blanks, `;`, `#` or backslashes",
        ),
    ]
}

/// Ingress controllers serve a certificate for every name that stands in it, not for the hosts of the Ingress. So it may
/// not be one that the tenant wrote.
fn secrets(issuer: Issuer, zone: Option<&ZoneName>) -> Vec<Tree> {
    match issuer {
        Issuer::Traefik => vec![rule("variables.tls.all(t, t.?secretName.orValue('') == '')", OF_TRAEFIK)],
        Issuer::CertManager => vec![
            rule(
                format!(
                    "variables.tls.all(t, t.?secretName.orValue('') in ['', '{}'] \
                     || (t.secretName.endsWith('{OF_CERT_MANAGER}') && t.?hosts.orValue([]).size() > 0 \
                     && 'cert-manager.io/cluster-issuer' in variables.annotations){})",
                    secret_of(CERTIFICATE),
                    zone.map_or_else(String::new, of_wildcard)
                ),
                "only cert-manager makes certificates here: a secretName under tls ends with `-tls`, and the Ingress has \
                 hosts and the annotation cert-manager.io/cluster-issuer",
            ),
            rule(
                format!(
                    "!variables.isSecret || !object.metadata.?name.orValue('').endsWith('{OF_CERT_MANAGER}')"
                ),
                "Secrets whose names end with `-tls` are written by cert-manager alone",
            ),
        ],
    }
}

fn routes() -> Vec<Tree> {
    let groups = ROUTES.iter().map(|group| format!("'{group}'")).collect::<Vec<_>>().join(", ");
    vec![
        rule(
            format!("!(request.resource.group in [{groups}])"),
            "kinds of this group can ask for any host, and it cannot be seen for which; use an Ingress",
        ),
        rule(
            "request.resource.group != 'cert-manager.io' || variables.isCertificate",
            "of cert-manager a tenant may write Certificates only; a request or an issuer of its own could be for any host",
        ),
    ]
}

fn certificates() -> Vec<Tree> {
    let alone = ["ipAddresses", "uris", "emailAddresses", "otherNames"];
    let alone = alone.map(|part| format!("object.spec.?{part}.orValue([]).size() == 0")).join(" && ");
    vec![
        rule_of_hosts(
            format!(
                "!variables.isCertificate || (object.spec.?dnsNames.orValue([]).size() > 0 \
                 && object.spec.dnsNames.all(h, {}))",
                own("h")
            ),
            "a Certificate is for hosts of the tenant; its hosts are: ",
        ),
        rule_of_hosts(
            format!(
                "!variables.isCertificate || (object.spec.?commonName.orValue('') == '' || {}) && {alone} \
                 && !has(object.spec.subject) && !has(object.spec.literalSubject) && !object.spec.?isCA.orValue(false)",
                own("object.spec.commonName")
            ),
            "a Certificate names nothing besides its dnsNames; the hosts of the tenant are: ",
        ),
    ]
}
