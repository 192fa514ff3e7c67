//! Hosts and certificates as `kwo-hosts` judges them: what of an Ingress, a Certificate or an annotation asks for more
//! than the hosts of the tenant.

use super::rules::{Broken, Hosts, Rules};
use crate::domains::{Policy, asks_for_more, covering, of_cert_manager};
use crate::tree::{SmolStr, Tree};

const RULE: &str = "a rule is for a host that is not the tenant's";
const TLS: &str = "an entry under tls is for a host that is not the tenant's";
const DEFAULT: &str = "its defaultBackend takes every host";
const BACKEND: &str = "a backend is not a Service";
const PATH: &str = "a path holds a character that is refused";
const SECRET: &str = "under tls it names a Secret that the tenant may not name";
const ANNOTATION: &str =
    "an annotation for a controller is not one that tenants may use, or it asks for too much";
const NAMES: &str = "it is for a host that is not the tenant's";
const BESIDES: &str = "it names something besides its dnsNames";

fn broken(why: &'static str, what: &str) -> Broken {
    Broken { of: Policy::Hosts, why, what: what.into() }
}

fn items<'t>(tree: &'t Tree, pointer: &str) -> &'t [Tree] {
    tree.at(pointer).map_or(&[], Tree::items)
}

fn text<'t>(tree: &'t Tree, key: &str) -> &'t str {
    tree.get(key).and_then(Tree::as_text).map_or("", SmolStr::as_str)
}

/// Is this host one of the tenant's, or below one of its patterns?
fn is_own(hosts: &Hosts, host: &str) -> bool {
    let label = |label: &str| {
        let plain = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit();
        label.starts_with(plain)
            && label.ends_with(plain)
            && label.chars().all(|char| plain(char) || char == '-')
    };
    let is_name = || host.strip_prefix("*.").unwrap_or(host).split('.').all(label);
    covering(host).any(|pattern| {
        let deep = pattern.starts_with("**.");
        // `**` asks for nothing itself.
        hosts.own.iter().any(|own| *own == pattern) && if deep { pattern != host && is_name() } else { true }
    })
}

/// What of an Ingress is refused.
pub(super) fn ingress(rules: &Rules, ingress: &Tree) -> Vec<Broken> {
    let Some(hosts) = &rules.hosts else { return Vec::new() };
    let mut found = Vec::new();
    let all = items(ingress, "/spec/rules");
    let foreign = all.iter().map(|rule| text(rule, "host")).find(|host| !is_own(hosts, host));
    found.extend(foreign.map(|host| broken(RULE, if host.is_empty() { "no host" } else { host })));
    let tls = items(ingress, "/spec/tls");
    let named = tls.iter().flat_map(|tls| items(tls, "/hosts")).filter_map(Tree::as_text);
    found.extend(named.into_iter().find(|host| !is_own(hosts, host)).map(|host| broken(TLS, host)));
    if ingress.at("/spec/defaultBackend").is_some_and(|backend| *backend != Tree::Null) {
        found.push(broken(DEFAULT, ""));
    }
    let paths = || all.iter().flat_map(|rule| items(rule, "/http/paths"));
    if let Some(path) = paths().find(|path| path.at("/backend/resource").is_some()) {
        found.push(broken(BACKEND, text(path, "path")));
    }
    let odd =
        |char: char| "`\"#;{}\\".contains(char) || char.is_ascii_whitespace() || char.is_ascii_control();
    if let Some(path) = paths().find(|path| text(path, "path").contains(odd)) {
        found.push(broken(PATH, text(path, "path")));
    }
    let fetched = ingress.at("/metadata/annotations/cert-manager.io~1cluster-issuer").is_some();
    let secret = tls.iter().find(|tls| {
        let name = text(tls, "secretName");
        !name.is_empty()
            && hosts.wildcard.as_ref().is_none_or(|own| own != name)
            && (hosts.traefik || !of_cert_manager(name, fetched && !items(tls, "/hosts").is_empty()))
    });
    found.extend(secret.map(|tls| broken(SECRET, text(tls, "secretName"))));
    found.extend(annotations(rules, ingress));
    found
}

/// What of the annotations is refused.
pub(super) fn annotations(rules: &Rules, object: &Tree) -> Vec<Broken> {
    let Some(hosts) = &rules.hosts else { return Vec::new() };
    let all = object.at("/metadata/annotations").map_or(&[][..], Tree::entries);
    let more = all.iter().find(|(key, value)| {
        asks_for_more(key, value.as_text().map_or("", SmolStr::as_str), |host| is_own(hosts, host))
    });
    more.map(|(key, _)| broken(ANNOTATION, key)).into_iter().collect()
}

/// What of a Certificate is refused.
pub(super) fn certificate(rules: &Rules, certificate: &Tree) -> Vec<Broken> {
    let Some(hosts) = &rules.hosts else { return Vec::new() };
    let mut found = Vec::new();
    let names = items(certificate, "/spec/dnsNames");
    let foreign = names.iter().filter_map(Tree::as_text).find(|host| !is_own(hosts, host));
    match foreign {
        Some(host) => found.push(broken(NAMES, host)),
        None if names.is_empty() => found.push(broken(NAMES, "no dnsNames")),
        None => {}
    }
    let spec = certificate.get("spec").unwrap_or(&Tree::Null);
    let common = text(spec, "commonName");
    let lists = ["ipAddresses", "uris", "emailAddresses", "otherNames"];
    let more = lists.into_iter().find(|part| spec.get(part).is_some_and(|part| !part.items().is_empty()));
    let more =
        more.or_else(|| ["subject", "literalSubject"].into_iter().find(|part| spec.get(part).is_some()));
    let more = more.or_else(|| (spec.get("isCA") == Some(&Tree::from(true))).then_some("isCA"));
    let common = (!common.is_empty() && !is_own(hosts, common)).then_some("commonName");
    found.extend(more.or(common).map(|part| broken(BESIDES, part)));
    found.extend(annotations(rules, certificate));
    found
}
