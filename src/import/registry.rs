//! The registry, as it runs.

use std::collections::BTreeSet;

use kwo_planner::domains::dns::HTTP_RESOLVER;
use kwo_planner::roster::HostName;

use super::found::{Found, Registry};
use super::page::{Page, list, names, quoted, refusal, word};

const USER: &str = "docker";

/// The `registry` section, where there is a registry.
pub(super) fn registry(found: &Found, resolvers: &BTreeSet<String>) -> Page {
    let mut page = Page::default();
    let enabled =
        found.settings.as_ref().is_some_and(|settings| settings.get("registry-enabled") == Some("true"));
    let nothing = Registry::default();
    let Some(registry) = found.registry.as_ref().or(enabled.then_some(&nothing)) else { return page };
    let hosts = hosts(found, registry, &mut page);
    if hosts.is_empty() {
        page.comment(
            0,
            "There are parts of a registry, but kwo does not know its host, and does not touch them.",
        );
        return page;
    }
    if registry.image.is_some() {
        page.comment(
            0,
            "When kwo takes over the registry, its pod restarts once. Traefik restarts too, and gets more time for a push.",
        );
    }
    page.line(0, "registry:");
    page.line(1, &format!("hosts: {}", list(hosts.iter().map(String::as_str))));
    let mut keep = |key: &str, value: Option<String>| {
        let Some(value) = value else { return };
        let line = format!("{key}: {value}");
        match refusal(&format!("registry: {{hosts: [r.example.com], {line}}}\n")) {
            None => page.line(1, &line),
            Some(why) => page.comment(1, &format!("`{key}` is left out, and kwo sets its own: {why}")),
        }
    };
    keep("storage", registry.storage.as_deref().map(word));
    keep("image", registry.image.as_deref().map(word));
    resolver(found, registry, resolvers, &mut page);
    users(found, registry, &mut page);
    runs_as(registry, &mut page);
    others(registry, &hosts, &mut page);
    page
}

/// The hosts that can be hosts; the first one is the one that other programs know.
fn hosts(found: &Found, registry: &Registry, page: &mut Page) -> Vec<String> {
    let said = |key| found.settings.as_ref().and_then(|settings| settings.get(key));
    let told = said("registry-domains").or_else(|| said("registry-domain")).unwrap_or_default();
    let told = told.split(',').map(str::trim).filter(|host| !host.is_empty());
    let served = registry.ingresses.iter().flat_map(|(_, hosts, _)| hosts).map(String::as_str);
    let mut hosts: Vec<String> = Vec::new();
    for host in told.chain(served) {
        if hosts.iter().any(|have| have == host) {
            continue;
        }
        let no_name = host.parse::<HostName>().err().map(|why| why.message);
        match no_name.or_else(|| refusal(&format!("registry: {{hosts: {}}}\n", list([host])))) {
            None => hosts.push(host.to_owned()),
            Some(why) => page.comment(0, &format!("A host of the registry is left out: {why}")),
        }
    }
    hosts
}

fn resolver(found: &Found, registry: &Registry, resolvers: &BTreeSet<String>, page: &mut Page) {
    let told = found.settings.as_ref().and_then(|settings| settings.get("registry-certresolver"));
    let annotated = registry.ingresses.iter().filter_map(|(_, _, resolver)| resolver.as_deref());
    let named: Vec<&str> = told.into_iter().chain(annotated).collect();
    let known = |name: &str| name == HTTP_RESOLVER || resolvers.contains(name);
    match named.iter().find(|name| known(name)) {
        Some(resolver) => page.line(1, &format!("resolver: {}", word(resolver))),
        None => {
            if let Some(name) = named.first() {
                page.comment(
                    1,
                    &format!(
                        "Its resolver was {}, which this roster does not have; it becomes {HTTP_RESOLVER}.",
                        quoted(name)
                    ),
                );
            }
        }
    }
}

fn users(found: &Found, registry: &Registry, page: &mut Page) {
    let told = found.settings.as_ref().and_then(|settings| settings.get("registry-username"));
    let line = |user: &str, password: &str| format!("users: {{{}: {{password: {password}}}}}", word(user));
    let stored = registry.keys.iter().flatten().any(|key| key == "password");
    let password = if stored { "{kube: kube-system/registry-auth/password}" } else { "{generate: 32}" };
    if !stored {
        page.comment(1, "No password was found in the Secret registry-auth, so kwo makes one.");
    }
    let written = line(told.unwrap_or(USER), password);
    match refusal(&format!("registry: {{hosts: [r.example.com], {written}}}\n")) {
        None => {
            if stored {
                let becomes = match told.unwrap_or(USER) {
                    USER => "the password that is there is kept",
                    _ => "it is another password then",
                };
                page.comment(
                    1,
                    &format!(
                        "With `{{generate: 32}}` in place of this reference `kwo registry rotate` can change the password; \
                         {becomes}."
                    ),
                );
            }
            page.line(1, &written);
        }
        Some(why) => {
            page.comment(1, &format!("The user gets another name from now on: {why}"));
            page.line(1, &line(USER, "{generate: 32}"));
        }
    }
}

fn runs_as(registry: &Registry, page: &mut Page) {
    if registry.image.is_none() {
        return;
    }
    let user = registry.user.unwrap_or(0);
    if user == 0 {
        page.comment(
            1,
            "It runs as root, and its volume belongs to root. Once the volume belongs to user 1000, delete this line:",
        );
    }
    page.line(1, &format!("user: {user}"));
}

/// What stays beside what kwo adds.
fn others(registry: &Registry, hosts: &[String], page: &mut Page) {
    let own = |name: &str| hosts.iter().any(|host| name == format!("registry-{host}"));
    let old: Vec<&str> =
        registry.ingresses.iter().map(|(name, _, _)| name.as_str()).filter(|name| !own(name)).collect();
    if old.is_empty() {
        return;
    }
    page.comment(
        1,
        &format!(
            "kwo adds an Ingress a host, under a name of its own. The old ones stay beside them, and buffer every push \
             until they are deleted: {}. Once a push works:",
            names(old.iter().copied())
        ),
    );
    page.command(1, &format!("kubectl -n kube-system delete ingress {}", old.join(" ")));
    page.command(1, "kubectl -n kube-system delete middleware registry-timeouts --ignore-not-found");
}
