//! The mirrors of other registries, and the logins at them: their types, their checks, and what stands for them in
//! `registries.yaml` of the node, beside the logins of the cluster's own registry.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::body::map;
use super::registry::Registry;
use super::shares::covering;
use crate::resource::{Reason, Resource};
use crate::roster::record::record;
use crate::roster::{
    At, Entry, Finding, Findings, HostName, LoginName, Map, MirrorEndpoint, MirroredRegistry, Name,
    RewrittenPath, RewrittenTo, SecretRef, Span, without_port,
};
use crate::secrets::Content;
use crate::tree::{SmolStr, Tree, join};

record! {
    /// Where the node pulls the images of a registry instead.
    pub struct Mirror: "a mirror" {
        /// Where it answers. k3s tries them in this order, and the registry itself last.
        pub endpoints: Vec<At<MirrorEndpoint>>,
        /// What repositories are called there, as in `"^rancher/(.*)": mirrored/rancher/$1`. Default: as they are.
        pub rewrite: Map<RewrittenPath, At<RewrittenTo>>,
        /// An endpoint may be plain http: everybody on the way can then give the node other images. Default: false.
        pub plain_http: Option<At<bool>> = "plainHttp",
    }
}

record! {
    /// How the node logs in to a mirror.
    pub struct MirrorLogin: "the login at a mirror" {
        /// The name.
        pub username: At<LoginName>,
        /// Where the password is.
        pub password: At<SecretRef>,
    }
}

/// The hosts of tenants, with the tenant and where the roster says so.
type Claims<'r> = BTreeMap<Cow<'r, str>, (&'r Name, Span)>;

/// The most mirrors, and the most endpoints and rewrites of one.
const MAX: usize = 100;

/// Checks what no single value shows.
pub(crate) fn check(registry: &Registry, tenants: &Claims<'_>, findings: &mut Findings) {
    // Whatever the port: the registry answers at one, and whoever has another one of that host is not known.
    let own = |host: &str| registry.hosts.iter().find(|own| own.value.as_str() == without_port(host));
    if let Some((name, entry)) = registry.mirrors.iter().nth(MAX) {
        findings
            .push(too_many(entry.key, &format!("the mirror of {name} is one too many: {MAX} are allowed")));
        return;
    }
    for (name, Entry { key, value: At { value: mirror, at } }) in &registry.mirrors {
        if let Some(host) = own(name) {
            let message = format!("`{name}` is the cluster's own registry, which has no mirror");
            let finding = Finding::new("mirror-of-itself", *key, message, "expected a registry elsewhere");
            findings.push(finding.also(host.at, "its host").hint("take this mirror out"));
        }
        check_endpoints((name, *at), mirror, findings);
        for endpoint in &mirror.endpoints {
            check_whose(endpoint, own(endpoint.value.host()), tenants, findings);
        }
        check_rewrites(mirror, findings);
    }
    check_logins(registry, findings);
}

fn too_many(at: Span, message: &str) -> Finding {
    Finding::new("too-many-mirrors", at, message, "expected no more from here on")
        .hint("`*` is the mirror of each registry that has none of its own")
}

fn check_endpoints((name, at): (&str, Span), mirror: &Mirror, findings: &mut Findings) {
    let Mirror { endpoints, rewrite: _, plain_http } = mirror;
    if endpoints.is_empty() && !findings.has("bad-endpoint", at) {
        let message = format!("the mirror of `{name}` has no `endpoints`");
        let finding = Finding::new("missing-field", at, message, "expected at least one address");
        findings.push(finding.hint("add `endpoints: [https://mirror.example.com]`"));
    }
    if let Some(past) = endpoints.get(MAX) {
        findings.push(too_many(past.at, &format!("a mirror has at most {MAX} endpoints")));
        return;
    }
    let allowed = plain_http.as_ref().is_some_and(|allowed| allowed.value);
    let mut seen: BTreeMap<&str, Span> = BTreeMap::new();
    for endpoint in endpoints {
        if let Some(first) = seen.insert(endpoint.value.bare(), endpoint.at) {
            let message = format!("`{endpoint}` appears twice");
            let finding = Finding::new("endpoint-twice", endpoint.at, message, "expected each endpoint once");
            findings.push(finding.also(first, "the first one"));
        }
        if endpoint.value.place() == without_own_port(name, endpoint.value.is_open()) {
            let message = format!("the mirror of `{name}` leads to `{name}` itself");
            let finding = Finding::new("mirror-of-itself", endpoint.at, message, "expected another host");
            findings.push(finding.hint("k3s asks the registry itself anyway, after all its endpoints"));
        }
        if endpoint.value.is_open() && !allowed {
            let whoever = match endpoint.value.is_here() {
                true => "a tenant who has this port of the node",
                false => "everybody on the way",
            };
            let message = format!("`{endpoint}` is plain http: {whoever} can give the node other images");
            let finding =
                Finding::new("plain-http", endpoint.at, message, "expected an address with `https://`");
            findings.push(finding.hint("if it has to be so, say it with `plainHttp: true`"));
        }
    }
    if let Some(said) = plain_http.as_ref().filter(|said| said.value)
        && !endpoints.iter().any(|endpoint| endpoint.value.is_open())
        && !endpoints.is_empty()
    {
        let message = format!("no endpoint of the mirror of `{name}` is plain http");
        let finding = Finding::new("plain-http", said.at, message, "expected an endpoint with `http://`");
        findings.push(finding.hint("take `plainHttp` out"));
    }
}

/// A tenant who serves a mirror, or may push to it, gives all others their images.
fn check_whose(
    endpoint: &At<MirrorEndpoint>,
    own: Option<&At<HostName>>,
    tenants: &Claims<'_>,
    findings: &mut Findings,
) {
    let name = without_port(endpoint.value.host());
    if let Some((tenant, theirs)) = covering(name).find_map(|pattern| tenants.get(pattern.as_str())) {
        let message =
            format!("`{endpoint}` belongs to tenant `{tenant}`, who could give every pod other images");
        let finding =
            Finding::new("host-claimed-twice", endpoint.at, message, "expected a host that no tenant serves");
        findings.push(finding.also(*theirs, format!("claimed here by tenant `{tenant}`")));
    }
    if let Some(own) = own {
        let message = format!(
            "`{endpoint}` is at the cluster's own registry: whoever may push there could give every pod other images"
        );
        let finding =
            Finding::new("mirror-anyone-fills", endpoint.at, message, "expected a registry elsewhere");
        let hint = "take this endpoint out, and let those who trust an image there name it in full";
        findings.push(finding.also(own.at, "its host").hint(hint));
    }
}

/// The name of a registry without the port that this way to it has anyway.
fn without_own_port(name: &str, open: bool) -> &str {
    name.strip_suffix(if open { ":80" } else { ":443" }).unwrap_or(name)
}

/// No name of a repository is meant by two of them: which one k3s would take is left to chance.
fn check_rewrites(mirror: &Mirror, findings: &mut Findings) {
    if let Some((_, entry)) = mirror.rewrite.iter().nth(MAX) {
        findings.push(too_many(entry.key, &format!("a mirror has at most {MAX} rewrites")));
        return;
    }
    let mut all: Vec<(&str, Span)> =
        mirror.rewrite.iter().map(|(path, entry)| (path.beginning(), entry.key)).collect();
    all.sort_unstable();
    // Those with one beginning stand side by side in this order.
    for pair in all.windows(2) {
        let [(wide, first), (narrow, at)] = pair else { continue };
        if narrow.starts_with(wide) {
            let message = "two rewrites are about the same repositories".to_owned();
            let finding =
                Finding::new("rewrite-twice", *at, message, "expected each repository in one of them");
            findings.push(finding.also(*first, "the other one").hint("k3s takes any of them; leave one"));
        }
    }
}

fn check_logins(registry: &Registry, findings: &mut Findings) {
    if let Some((_, entry)) = registry.logins.iter().nth(MAX) {
        findings.push(too_many(entry.key, &format!("the node has at most {MAX} logins at mirrors")));
        return;
    }
    let endpoints = || {
        let mirrors = registry.mirrors.values();
        mirrors.flat_map(|Entry { key: _, value }| &value.value.endpoints)
    };
    for (host, Entry { key, value: login }) in &registry.logins {
        if let Some(own) = registry.hosts.iter().find(|own| own.value.as_str() == without_port(host)) {
            let message =
                format!("`{host}` is the cluster's own registry, and the node has its login already");
            let finding = Finding::new("login-elsewhere", *key, message, "expected the host of a mirror");
            findings
                .push(finding.also(own.at, "its host").hint("the node pulls as the first one of `users:`"));
        } else if !endpoints().any(|endpoint| endpoint.value.host() == host.as_str()) {
            let message = format!("no mirror has an endpoint at `{host}`");
            let finding = Finding::new("login-elsewhere", *key, message, "expected the host of a mirror");
            findings.push(finding.hint("write host and port as they stand in the endpoint"));
        }
        let open =
            endpoints().find(|endpoint| endpoint.value.is_open() && endpoint.value.host() == host.as_str());
        if let Some(open) = open {
            let message = format!("the password for `{host}` would cross the network in the clear");
            let finding = Finding::new("plain-http", *key, message, "expected an endpoint with `https://`");
            findings.push(finding.also(open.at, "plain http"));
        }
        if matches!(login.password.value, SecretRef::Generate(_)) {
            let message = "kwo cannot make the password: it is the mirror that knows it";
            let finding = Finding::new(
                "bad-login",
                login.password.at,
                message,
                "expected a reference to one that is there",
            );
            findings.push(finding.hint("write `{env: NAME}`, `{file: PATH}` or `{credential: NAME}`"));
        }
    }
}

/// What k3s is told of the mirrors.
pub(crate) fn told(registry: &Registry) -> Option<Tree> {
    let mirror = |(name, Entry { key: _, value }): (&MirroredRegistry, &Entry<At<Mirror>>)| {
        let At { value, at: _ } = value;
        let endpoints = value.endpoints.iter().map(|endpoint| endpoint.value.text());
        let mut told = vec![("endpoint", Tree::texts(endpoints))];
        if !value.rewrite.is_empty() {
            let rewrite = value.rewrite.iter();
            let rewrite = rewrite.map(|(from, to)| (from.text().clone(), Tree::from(to.value.value.text())));
            told.push(("rewrite", Tree::map(rewrite)));
        }
        (name.text().clone(), Tree::map(told))
    };
    (!registry.mirrors.is_empty()).then(|| Tree::map(registry.mirrors.iter().map(mirror)))
}

/// What k3s is told of the logins, without the passwords.
pub(crate) fn logins(registry: &Registry) -> impl Iterator<Item = (SmolStr, Tree)> {
    registry.logins.iter().map(|(host, Entry { key: _, value })| {
        let auth = map([("username", Tree::from(value.username.value.text()))]);
        (host.text().clone(), map([("auth", auth)]))
    })
}

/// The file with the passwords of the logins, and with the lines of the roster that ask for each mirror and login.
pub(crate) fn filled(registry: &Registry, file: Resource) -> Resource {
    let mut fields: Vec<(SmolStr, Reason)> = Vec::new();
    for (name, entry) in &registry.mirrors {
        fields.push((join("/content/mirrors", name.as_str()).into(), Reason::Roster(entry.key)));
    }
    let mut file = file;
    for (host, Entry { key, value }) in &registry.logins {
        let at = join("/content/configs", host.as_str());
        let password = format!("{at}/auth/password");
        fields.push((at.into(), Reason::Roster(*key)));
        file = file.with_secret(password, Content::Plain(value.password.value.clone()));
    }
    Resource { fields: file.fields.and(fields), ..file }
}
