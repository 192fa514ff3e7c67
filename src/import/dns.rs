//! The account for certificates and the resolvers, from what two generators of the shell scripts left behind.

use std::collections::{BTreeMap, BTreeSet};

use kwo_planner::domains::dns::HTTP_RESOLVER;
use kwo_planner::domains::dns_providers::Provider;
use serde_json::Value;

use super::found::{Entry, Found, Written};
use super::page::{Page, names, quoted, refusal, word};

const FLAG: &str = "--certificatesresolvers.";
const STAGING: &str = "https://acme-staging-v02.api.letsencrypt.org/directory";

/// The `dns` section.
#[derive(Default)]
pub(super) struct Dns {
    pub(super) page: Page,
    /// The resolvers in it.
    pub(super) kept: BTreeSet<String>,
}

/// The flags of Traefik's resolvers: resolver, option in small letters, value.
fn flags(found: &Found) -> Vec<(String, String, String)> {
    let list = found.traefik.said().and_then(|values| values["additionalArguments"].as_array());
    let flag = |text: &str| {
        let (flag, value) = text.split_once('=')?;
        let start = flag.get(..FLAG.len()).filter(|start| start.eq_ignore_ascii_case(FLAG))?;
        let (name, option) = flag[start.len()..].split_once('.')?;
        Some((name.to_owned(), option.to_lowercase(), value.to_owned()))
    };
    list.into_iter().flatten().filter_map(Value::as_str).filter_map(flag).collect()
}

/// The value that the last flag with this option gives, of this resolver or of any.
fn flag(found: &Found, resolver: Option<&str>, option: &str) -> Option<String> {
    let fits = |(name, have, _): &(String, String, String)| {
        have == option && resolver.is_none_or(|resolver| resolver == name)
    };
    flags(found).into_iter().rfind(fits).map(|(_, _, value)| value)
}

/// The account for certificates; nothing where none is known.
pub(super) fn acme(found: &Found, page: &mut Page) -> Option<String> {
    let said = found.settings.as_ref().and_then(|settings| settings.get("acme-email").map(str::to_owned));
    let Some(email) = said.or_else(|| flag(found, None, "acme.email")) else {
        page.comment(
            1,
            "No account for certificates was found, so kwo leaves Traefik alone. This gives it one:",
        );
        page.command(1, "acme: {email: ops@example.com}");
        return None;
    };
    let staging = flag(found, Some(HTTP_RESOLVER), "acme.caserver").is_some_and(|server| server == STAGING);
    let more = if staging { ", staging: true" } else { "" };
    let line = format!("acme: {{email: {}{more}}}", word(&email));
    if let Some(why) = refusal(&format!("cluster: {{{line}}}\n")) {
        page.comment(
            1,
            &format!("The account for certificates is left out, and kwo leaves Traefik alone: {why}"),
        );
        return None;
    }
    page.line(1, &line);
    Some(line)
}

/// The resolvers with an account at a DNS provider.
pub(super) fn resolvers(found: &Found, acme: Option<&str>) -> Dns {
    let mut dns = Dns::default();
    let page = &mut dns.page;
    generator(found, page);
    if let Written::Broken(why) = &found.resolvers {
        page.comment(
            0,
            &format!(
                "kwo cannot read the list of resolvers, providers.json in the ConfigMap kwo-dns-providers ({why}), and holds \
                 it until you fix it. The resolvers here come from Traefik's values and from kwo-config."
            ),
        );
        page.command(0, "kubectl -n kube-system edit configmap kwo-dns-providers");
    }
    let mut entries = entries(found, page);
    // Of two accounts the one without a suffix is the one whose credentials can be there.
    entries.sort_by_key(|(name, entry)| (entry.suffix.is_some(), name.clone()));
    let mut accounts: BTreeMap<Provider, String> = BTreeMap::new();
    let mut lines = Page::default();
    for (name, entry) in entries {
        let provider: Option<Provider> = entry.provider.parse().ok();
        if let Some(first) = provider.and_then(|provider| accounts.get(&provider)) {
            lines.comment(
                2,
                &format!(
                    "{} is left out: it is a second account at {}, and Traefik has one set of credentials a provider, \
                     those of {first}. Give one credential the right to the zones of both, or use `issuer: cert-manager`.",
                    quoted(&name),
                    entry.provider
                ),
            );
            continue;
        }
        let mut drawn = Page::default();
        resolver(found, &name, &entry, provider, &mut drawn);
        let text = drawn.text();
        let account = acme.unwrap_or("acme: {email: ops@example.com}");
        match refusal(&format!("cluster: {{{account}}}\ndns:\n  resolvers:\n{text}")) {
            Some(why) => lines.comment(2, &format!("{} is left out: {why}", quoted(&name))),
            None if acme.is_none() => {
                lines.comment(2, &format!("{} is left out: it needs `cluster.acme`", quoted(&name)));
            }
            None => {
                for line in text.lines() {
                    lines.line(0, line);
                }
                accounts.extend(provider.map(|provider| (provider, name.clone())));
                dns.kept.insert(name);
            }
        }
    }
    if !lines.is_empty() {
        let page = &mut dns.page;
        page.line(0, "dns:");
        page.line(1, if dns.kept.is_empty() { "resolvers: {}" } else { "resolvers:" });
        page.append(&lines);
    }
    dns
}

/// Says so where the generator of `kwo-dns` wrote Traefik's values.
fn generator(found: &Found, page: &mut Page) {
    let values = match &found.traefik {
        Written::Nowhere => return,
        Written::Says(values) => values,
        Written::Broken(why) => {
            page.comment(
                0,
                &format!("kwo cannot read Traefik's values ({why}), and holds them until you fix them:"),
            );
            return page.command(0, "kubectl -n kube-system edit helmchartconfig traefik");
        }
    };
    let map = values["env"].is_object();
    let lists = values["certificatesResolvers"].as_object().into_iter().flat_map(|map| map.values());
    let bare = lists.into_iter().any(|resolver| resolver.get("acme").is_none());
    if !map && !bare {
        return;
    }
    let env = "`env`, which has to be a list; kwo can change nothing until you remove it";
    let both = if map && bare { ", and " } else { "" };
    page.comment(
        0,
        &format!(
            "Traefik's values are those that the command `kwo-dns` wrote: resolvers under `certificatesResolvers` without \
             `acme`, and under `env` as a map. Traefik takes neither, and fetches no certificates. kwo adds the right \
             flags beside them and never removes, so delete by hand {}{both}{}:",
            if map { env } else { "" },
            if bare { "`certificatesResolvers`" } else { "" },
        ),
    );
    page.command(0, "kubectl -n kube-system edit helmchartconfig traefik");
}

/// The resolvers with what is known of each: from the list, from Traefik's flags, or from the names of providers.
fn entries(found: &Found, page: &mut Page) -> Vec<(String, Entry)> {
    let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
    for (name, value) in found.resolvers.said().into_iter().flatten() {
        match serde_json::from_value::<Entry>(value.clone()) {
            Ok(mut entry) => {
                entry.suffix = entry.suffix.filter(|suffix| !suffix.is_empty());
                entries.insert(name.clone(), entry);
            }
            Err(_) => page.comment(
                0,
                &format!(
                    "{} is left out: providers.json in the ConfigMap kwo-dns-providers does not say what it is",
                    quoted(name)
                ),
            ),
        }
    }
    for (name, option, provider) in flags(found) {
        if option == "acme.dnschallenge.provider" && !entries.contains_key(&name) {
            let start = format!("{HTTP_RESOLVER}-{provider}-");
            let suffix = name.strip_prefix(&start).map(str::to_owned);
            entries.insert(name, Entry { provider, suffix, credentials: Vec::new() });
        }
    }
    if entries.is_empty() && found.resolvers.said().is_none() {
        let list = found.settings.as_ref().and_then(|settings| settings.get("dns-providers"));
        for provider in
            list.into_iter().flat_map(|list| list.split([' ', ','])).filter(|name| !name.is_empty())
        {
            let entry = Entry { provider: provider.to_owned(), ..Entry::default() };
            entries.insert(format!("{HTTP_RESOLVER}-{provider}"), entry);
        }
    }
    entries.into_iter().collect()
}

/// One resolver; its credentials stay where they are.
fn resolver(found: &Found, name: &str, entry: &Entry, provider: Option<Provider>, page: &mut Page) {
    let facts = provider.map(Provider::facts);
    let known = |variable: &str| {
        facts.is_some_and(|facts| facts.needs.contains(&variable) || facts.takes.contains(&variable))
    };
    let (mut variables, strange): (BTreeSet<&str>, BTreeSet<&str>) =
        entry.credentials.iter().map(String::as_str).partition(|variable| known(variable));
    variables.extend(facts.into_iter().flat_map(|facts| facts.needs).copied());
    let keys = found.credentials.as_deref().unwrap_or_default();
    let missing: Vec<&str> =
        variables.iter().copied().filter(|variable| !keys.iter().any(|key| key == variable)).collect();
    page.line(2, &format!("{}:", word(name)));
    page.line(3, &format!("provider: {}", word(&entry.provider)));
    if let Some(suffix) = &entry.suffix {
        page.line(3, &format!("suffix: {}", word(suffix)));
    }
    if !strange.is_empty() {
        page.comment(
            3,
            &format!("Not taken over, because no client of this provider reads it: {}", names(strange)),
        );
    }
    if !missing.is_empty() {
        page.comment(
            3,
            &format!(
                "Not in the Secret dns-credentials. kwo holds this until you write another reference here: {}",
                names(missing)
            ),
        );
    }
    page.line(3, "credentials:");
    for variable in variables {
        page.line(4, &format!("{0}: {{kube: kube-system/dns-credentials/{0}}}", word(variable)));
    }
}
