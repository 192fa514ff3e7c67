//! What the roster means for Traefik as k3s installs it: its HelmChartConfig, the Secret with the credentials of the
//! resolvers, and two ConfigMaps that other programs of such a node read. One renderer for all of it.

use std::sync::Arc;

use super::body::{labels, map, object};
use super::cluster::{Acme, Issuer};
use super::dns::{HTTP_RESOLVER, Resolver};
use crate::kinds::Kind;
use crate::resource::{Reason, Resource, ResourceId};
use crate::roster::{Entry, Name, Roster};
use crate::secrets::Content;
use crate::tree::{SmolStr, Tree, join};

const NAMESPACE: &str = "kube-system";
const CREDENTIALS: &str = "dns-credentials";
const STAGING: &str = "https://acme-staging-v02.api.letsencrypt.org/directory";

/// The objects, where Traefik fetches the cluster's certificates.
pub(crate) fn compile(roster: &Roster, resources: &mut Vec<Resource>) {
    let Some(acme) = roster.cluster().acme.as_ref().filter(|acme| acme.issuer() == Issuer::Traefik) else {
        return;
    };
    let because = Reason::Roster(acme.email.at);
    let credentials = credentials(roster, &because);
    let needs: Arc<[ResourceId]> = Arc::new([credentials.id.clone()]);
    resources.push(credentials);
    resources.push(config(roster, acme, needs, &because));
    resources.push(settings(roster, acme, &because));
    resources.push(providers(roster, &because));
}

/// The resolvers with their names, in the order of the names.
fn resolvers(roster: &Roster) -> impl Iterator<Item = (&Name, &Resolver, Reason)> {
    roster.dns().resolvers.iter().map(|(name, Entry { key, value })| (name, value, Reason::Roster(*key)))
}

/// The variables of a resolver, in order.
fn variables(resolver: &Resolver) -> impl Iterator<Item = &SmolStr> {
    resolver.credentials.keys().map(crate::roster::Variable::text)
}

/// The Secret with the credentials of all resolvers: its keys are the variables of Traefik's environment.
fn credentials(roster: &Roster, because: &Reason) -> Resource {
    let id = ResourceId::kube(Kind::Secret, NAMESPACE, CREDENTIALS);
    let parts = [("data", map([])), ("type", Tree::from("Opaque"))];
    let body = object(&id, Kind::Secret, &labels(None), parts);
    let mut resource = Resource::new(id, body, Arc::new([]), because.clone());
    for (_, resolver, _) in resolvers(roster) {
        for (variable, reference) in resolver.references() {
            let pointer = join("/data", variable);
            resource.fields.push((pointer.as_str().into(), Reason::Roster(reference.at)));
            resource = resource.with_secret(pointer, Content::Plain(reference.value.clone()));
        }
    }
    resource
}

/// The values for the chart of Traefik, as far as they are kwo's.
fn config(roster: &Roster, acme: &Acme, needs: Arc<[ResourceId]>, because: &Reason) -> Resource {
    let id = ResourceId::kube(Kind::HelmChartConfig, NAMESPACE, "traefik");
    let mut arguments = Vec::new();
    resolver_arguments(acme, HTTP_RESOLVER, "acme", &mut arguments);
    arguments.push(format!("--certificatesresolvers.{HTTP_RESOLVER}.acme.httpchallenge=true"));
    arguments.push(format!("--certificatesresolvers.{HTTP_RESOLVER}.acme.httpchallenge.entrypoint=web"));
    for (name, resolver, _) in resolvers(roster) {
        let storage = name.strip_prefix(HTTP_RESOLVER).unwrap_or(name.as_str());
        resolver_arguments(acme, name, &format!("acme{storage}"), &mut arguments);
        let challenge = format!("--certificatesresolvers.{name}.acme.dnschallenge");
        arguments.push(format!("{challenge}=true"));
        arguments.push(format!("{challenge}.provider={}", resolver.provider));
        arguments.push(format!("{challenge}.propagation.delayBeforeChecks=10"));
        arguments.push(format!("{challenge}.resolvers=1.1.1.1:53,8.8.8.8:53"));
    }
    let variable = |name: &SmolStr| {
        let reference = map([("key", Tree::from(name)), ("name", Tree::from(CREDENTIALS))]);
        map([("name", Tree::from(name)), ("valueFrom", map([("secretKeyRef", reference)]))])
    };
    let environment: Vec<Tree> =
        resolvers(roster).flat_map(|(_, resolver, _)| variables(resolver)).map(variable).collect();
    let to_https = map([
        ("permanent", Tree::Bool(true)),
        ("scheme", Tree::from("https")),
        ("to", Tree::from("websecure")),
    ]);
    let mut values = vec![
        ("additionalArguments", Tree::texts(arguments)),
        ("persistence", map([("enabled", Tree::Bool(true))])),
        (
            "ports",
            map([
                ("web", map([("redirections", map([("entryPoint", to_https)]))])),
                ("websecure", map([("tls", map([("enabled", Tree::Bool(true))]))])),
            ]),
        ),
        ("service", map([("spec", map([("externalTrafficPolicy", Tree::from("Local"))]))])),
    ];
    if !environment.is_empty() {
        values.push(("env", Tree::list(environment)));
    }
    let spec = map([("valuesContent", Tree::map(values))]);
    let body = object(&id, Kind::HelmChartConfig, &labels(None), [("spec", spec)]);
    Resource::new(id, body, needs, because.clone())
}

/// What every resolver has: the account, and where its certificates are kept.
fn resolver_arguments(acme: &Acme, name: &str, storage: &str, arguments: &mut Vec<String>) {
    let resolver = format!("--certificatesresolvers.{name}.acme");
    arguments.push(format!("{resolver}.email={}", acme.email));
    arguments.push(format!("{resolver}.storage=/data/{storage}.json"));
    if acme.staging() {
        arguments.push(format!("{resolver}.caserver={STAGING}"));
    }
}

/// `kwo-config`, which programs of such a node read to find the API server and the account.
fn settings(roster: &Roster, acme: &Acme, because: &Reason) -> Resource {
    let id = ResourceId::kube(Kind::ConfigMap, NAMESPACE, "kwo-config");
    let mut data: Vec<(&'static str, Tree)> = vec![
        ("acme-email", Tree::from(acme.email.text())),
        ("dns-configured", Tree::from(if roster.dns().resolvers.is_empty() { "false" } else { "true" })),
        ("dns-management-version", Tree::from("v2")),
    ];
    if let Some(api) = &roster.cluster().api
        && let Some(host) = api.hosts.first()
    {
        let port = api.port.map_or(6443, |port| port.value.number());
        data.push(("api-domain", Tree::from(host.text())));
        data.push(("api-server", Tree::from(format!("https://{host}:{port}"))));
    }
    let body = object(&id, Kind::ConfigMap, &labels(None), [("data", Tree::map(data))]);
    Resource::new(id, body, Arc::new([]), because.clone())
}

/// `kwo-dns-providers`, which lists the resolvers for programs.
fn providers(roster: &Roster, because: &Reason) -> Resource {
    let id = ResourceId::kube(Kind::ConfigMap, NAMESPACE, "kwo-dns-providers");
    let entry = |(name, resolver, _): (&Name, &Resolver, Reason)| {
        let mut entry = vec![
            ("credentials", Tree::texts(variables(resolver).cloned())),
            ("provider", Tree::from(resolver.provider.as_str())),
        ];
        if let Some(suffix) = &resolver.suffix {
            entry.push(("suffix", Tree::from(suffix.text())));
        }
        (name.text().clone(), Tree::map(entry))
    };
    let list = Tree::map(resolvers(roster).map(entry));
    let parts = [("data", map([("providers.json", list)]))];
    let body = object(&id, Kind::ConfigMap, &labels(None), parts);
    let mut resource = Resource::new(id, body, Arc::new([]), because.clone());
    for (name, _, reason) in resolvers(roster) {
        resource.fields.push((join("/data/providers.json", name).into(), reason));
    }
    resource
}
