//! What the roster means for Traefik as k3s installs it: its HelmChartConfig, the Secret with the credentials of the
//! resolvers, and two ConfigMaps that other programs of such a node read. One renderer for all of it.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::body::{labels, map, object};
use super::cluster::{Acme, Issuer};
use super::dns::{HTTP_RESOLVER, Resolver, credentials};
use super::registry_users::first_user;
use crate::domains::Roster;
use crate::kinds::Kind;
use crate::resource::{Reason, Resource, ResourceId};

use crate::roster::{Entry, Name};
use crate::tree::{SmolStr, Tree, join};

const NAMESPACE: &str = "kube-system";
const CREDENTIALS: &str = "dns-credentials";
/// How long a push may take; Traefik ends it after a minute if nobody says otherwise.
const PUSH: &str = "1800s";
const STAGING: &str = "https://acme-staging-v02.api.letsencrypt.org/directory";

/// The objects, where Traefik has something to do: it fetches the certificates, or a registry stands behind it.
pub(crate) fn compile(roster: &Roster, resources: &mut Vec<Resource>) {
    let acme = roster.cluster().acme.as_ref();
    let fetches = acme.filter(|acme| acme.issuer() == Issuer::Traefik);
    let registry = roster.registry().map(|(at, _)| at);
    let Some(at) = acme.map(|acme| acme.email.at).or(registry) else { return };
    let because = Reason::Roster(at);
    resources.push(settings(roster, &because));
    let mut needs = Vec::new();
    if fetches.is_some() && !roster.dns().resolvers.is_empty() {
        let all = || resolvers(roster).map(|(_, resolver, _)| resolver);
        let mut credentials = credentials(credentials_id(), all(), &because);
        let mut fields = Vec::new();
        for (variable, value) in all().flat_map(Resolver::settings) {
            let pointer = join("/data", variable);
            let text = Tree::from(STANDARD.encode(value.value.as_str()));
            credentials.body = credentials.body.with(&pointer, text);
            fields.push((pointer.into(), Reason::Roster(value.at)));
        }
        credentials.fields = credentials.fields.and(fields);
        needs.push(credentials.id.clone());
        resources.push(credentials);
    }
    if fetches.is_some() {
        resources.push(providers(roster, &because));
    }
    if fetches.is_some() || registry.is_some() {
        resources.push(config(roster, fetches, needs.into(), &because));
    }
}

/// The resolvers with their names, in the order of the names.
fn resolvers(roster: &Roster) -> impl Iterator<Item = (&Name, &Resolver, Reason)> {
    roster.dns().resolvers.iter().map(|(name, Entry { key, value })| (name, value, Reason::Roster(*key)))
}

/// The variables of a resolver, in order.
fn variables(resolver: &Resolver) -> BTreeSet<SmolStr> {
    let secrets = resolver.credentials.keys().map(|name| name.text().clone());
    secrets.chain(resolver.settings().map(|(name, _)| SmolStr::new_static(name))).collect()
}

/// Where the credentials of all resolvers stand.
pub(crate) fn credentials_id() -> ResourceId {
    ResourceId::kube(Kind::Secret, NAMESPACE, CREDENTIALS)
}

/// The values for the chart of Traefik, as far as they are kwo's.
fn config(roster: &Roster, acme: Option<&Acme>, needs: Arc<[ResourceId]>, because: &Reason) -> Resource {
    let id = ResourceId::kube(Kind::HelmChartConfig, NAMESPACE, "traefik");
    let mut arguments = Vec::new();
    let mut values = Vec::new();
    if let Some(acme) = acme {
        resolve(roster, acme, &mut arguments);
        values = certificates(roster);
    }
    if roster.registry().is_some() {
        arguments.push(format!("--entryPoints.websecure.transport.respondingTimeouts.readTimeout={PUSH}"));
    }
    values.push(("additionalArguments", Tree::texts(arguments)));
    let spec = map([("valuesContent", Tree::map(values))]);
    let body = object(&id, Kind::HelmChartConfig, &labels(None), [("spec", spec)]);
    Resource::new(id, body, needs, because.clone())
}

/// The flags of the resolvers.
fn resolve(roster: &Roster, acme: &Acme, arguments: &mut Vec<String>) {
    resolver_arguments(acme, HTTP_RESOLVER, "acme", arguments);
    arguments.push(format!("--certificatesresolvers.{HTTP_RESOLVER}.acme.httpchallenge=true"));
    arguments.push(format!("--certificatesresolvers.{HTTP_RESOLVER}.acme.httpchallenge.entrypoint=web"));
    for (name, resolver, _) in resolvers(roster) {
        let storage = name.strip_prefix(HTTP_RESOLVER).unwrap_or(name.as_str());
        resolver_arguments(acme, name, &format!("acme{storage}"), arguments);
        let challenge = format!("--certificatesresolvers.{name}.acme.dnschallenge");
        arguments.push(format!("{challenge}=true"));
        arguments.push(format!("{challenge}.provider={}", resolver.provider));
        arguments.push(format!("{challenge}.propagation.delayBeforeChecks=10"));
        arguments.push(format!("{challenge}.resolvers=1.1.1.1:53,8.8.8.8:53"));
    }
}

/// The values besides the flags: credentials from the Secret, a disk that keeps certificates, HTTPS for everything,
/// and the addresses of clients as they are.
fn certificates(roster: &Roster) -> Vec<(&'static str, Tree)> {
    let variable = |name: SmolStr| {
        let reference = map([("key", Tree::from(&name)), ("name", Tree::from(CREDENTIALS))]);
        map([("name", Tree::from(&name)), ("valueFrom", map([("secretKeyRef", reference)]))])
    };
    let environment: Vec<Tree> =
        resolvers(roster).flat_map(|(_, resolver, _)| variables(resolver)).map(variable).collect();
    let to_https = map([
        ("permanent", Tree::Bool(true)),
        ("scheme", Tree::from("https")),
        ("to", Tree::from("websecure")),
    ]);
    let ports = map([
        ("web", map([("redirections", map([("entryPoint", to_https)]))])),
        ("websecure", map([("tls", map([("enabled", Tree::Bool(true))]))])),
    ]);
    let mut values = vec![
        ("persistence", map([("enabled", Tree::Bool(true))])),
        ("ports", ports),
        ("service", map([("spec", map([("externalTrafficPolicy", Tree::from("Local"))]))])),
    ];
    if !environment.is_empty() {
        values.push(("env", Tree::list(environment)));
    }
    values
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

/// `kwo-config`, which programs of such a node read to find the API server, the account and the registry.
fn settings(roster: &Roster, because: &Reason) -> Resource {
    let id = ResourceId::kube(Kind::ConfigMap, NAMESPACE, "kwo-config");
    let yes = |yes: bool| Tree::from(if yes { "true" } else { "false" });
    let mut data: Vec<(&'static str, Tree)> = vec![
        ("dns-configured", yes(!roster.dns().resolvers.is_empty())),
        ("dns-management-version", Tree::from("v2")),
        ("registry-enabled", yes(roster.registry().is_some())),
    ];
    if let Some(acme) = &roster.cluster().acme {
        data.push(("acme-email", Tree::from(acme.email.text())));
    }
    let providers: BTreeSet<&str> =
        roster.dns().resolvers.values().map(|resolver| resolver.value.provider.as_str()).collect();
    let mut list = |key, words: Vec<SmolStr>| {
        if !words.is_empty() {
            data.push((key, Tree::texts(words)));
        }
    };
    list("dns-providers", providers.into_iter().map(SmolStr::from).collect());
    let hosts = roster.cluster().api.iter().flat_map(|api| &api.hosts);
    let domains = hosts.filter(|host| host.value.parse::<IpAddr>().is_err());
    list("api-domains", domains.map(|host| host.text().clone()).collect());
    let hosts = roster.registry().into_iter().flat_map(|(_, registry)| &registry.hosts);
    list("registry-domains", hosts.map(|host| host.text().clone()).collect());
    if let Some(api) = &roster.cluster().api
        && let Some(host) = api.hosts.first()
    {
        // An address is no domain: where there is no name, this is empty.
        if host.value.parse::<IpAddr>().is_err() {
            data.push(("api-domain", Tree::from(host.text())));
        }
        data.extend(api.server().map(|server| ("api-server", Tree::from(server))));
    }
    if let Some((_, registry)) = roster.registry()
        && let Some(host) = registry.hosts.first()
    {
        let resolver = registry.resolver.as_ref().map_or(HTTP_RESOLVER, |resolver| resolver.as_str());
        data.push(("registry-domain", Tree::from(host.text())));
        data.push(("registry-username", Tree::from(SmolStr::from(first_user(registry)))));
        data.push(("registry-certresolver", Tree::from(SmolStr::from(resolver))));
    }
    let body = object(&id, Kind::ConfigMap, &labels(None), [("data", Tree::map(data))]);
    Resource::new(id, body, Arc::new([]), because.clone())
}

/// `kwo-dns-providers`, which lists the resolvers for programs.
fn providers(roster: &Roster, because: &Reason) -> Resource {
    let id = ResourceId::kube(Kind::ConfigMap, NAMESPACE, "kwo-dns-providers");
    let entry = |(name, resolver, _): (&Name, &Resolver, Reason)| {
        let mut entry = vec![
            ("credentials", Tree::texts(variables(resolver))),
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
    let fields = resolvers(roster);
    let fields = fields.map(|(name, _, reason)| (join("/data/providers.json", name).into(), reason));
    let fields = fields.collect::<Vec<_>>().into();
    Resource { fields, ..Resource::new(id, body, Arc::new([]), because.clone()) }
}

#[cfg(test)]
mod tests {
    use crate::domains::compile;
    use crate::domains::parse;

    use crate::roster::{SourceFile, Sources};

    #[test]
    fn a_region_in_clear_reaches_the_client_like_a_credential() {
        let text = "apiVersion: kwo/v1\nkind: Roster\ncluster: {acme: {email: ops@example.com}}\ndns:\n  resolvers:\n    \
                    letsencrypt-route53:\n      provider: route53\n      region: eu-central-1\n      credentials: \
                    {AWS_ACCESS_KEY_ID: {env: A}, AWS_SECRET_ACCESS_KEY: {env: B}}\n";
        let sources = Sources::new(vec![SourceFile { name: String::new(), text: text.to_owned() }]);
        let desired = compile(&parse(sources).unwrap()).unwrap();
        let body = |name: &str| {
            let found = desired.resources().iter().find(|resource| resource.id.to_string().ends_with(name));
            found.unwrap().body.to_string()
        };
        assert!(body("/dns-credentials").contains(r#""AWS_REGION":"ZXUtY2VudHJhbC0x""#));
        let reference = r#"{"name":"AWS_REGION","valueFrom":{"secretKeyRef":{"key":"AWS_REGION","name":"dns-credentials"}}}"#;
        assert!(body("/traefik").contains(reference), "{}", body("/traefik"));
        assert!(body("/kwo-dns-providers").contains("AWS_REGION"));
    }
}
