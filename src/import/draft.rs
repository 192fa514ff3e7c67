//! The whole roster, from its first comment to its last.

use std::net::IpAddr;

use kwo_planner::roster::{HostName, NodeName};

use super::found::{Found, Settings, Written};
use super::page::{Page, list, names, word};
use super::{dns, people, registry, tenants};

/// The text of the roster that takes the cluster over. Nothing where the shell scripts never were there.
#[must_use]
pub fn draft(found: &Found) -> Option<String> {
    let mut page = Page::default();
    head(found, &mut page);
    let (spaces, count) = tenants::tenants(found);
    if found.settings.is_none() && count == 0 {
        return None;
    }
    page.line(0, "apiVersion: kwo/v1");
    page.line(0, "kind: Roster");
    page.line(0, "cluster:");
    let (api, node) = machine(found, &mut page);
    let acme = dns::acme(found, &mut page);
    if !api && !node && acme.is_none() {
        page.line(1, "{}");
    }
    let dns = dns::resolvers(found, acme.as_deref());
    page.append(&dns.page);
    page.append(&registry::registry(found, &dns.kept));
    page.append(&spaces);
    afterwards(found, count, &mut page);
    page.append(&people::people(found));
    Some(page.text())
}

fn head(found: &Found, page: &mut Page) {
    page.comment(
        0,
        &format!("Written by `kwo import` from {}, which shell scripts set up. Read it, then:", found.server),
    );
    let node = match found.files.as_ref().map(|files| files.root.as_str()) {
        None => String::new(),
        Some("/") => "--node ".to_owned(),
        Some(root) => format!("--node --root {root} "),
    };
    page.command(0, &format!("kwo plan {node}--adopt      # shows what would be added"));
    page.command(
        0,
        &format!(
            "kwo apply {node}--adopt     # adds it; --allow-restart lets it restart k3s where it has to"
        ),
    );
    page.comment(
        0,
        "Do not use the shell commands (kwo-create-tenant, kwo-dns, …) any more: from now on kwo treats their changes as drift.",
    );
    if found.files.is_none() {
        page.comment(
            0,
            "The files of the node were not looked at: what /var/lib/kwo/metadata says of tenants and people, and the \
             names in /etc/rancher/k3s/config.yaml, are not in here. On the node, `kwo import --node` reads them.",
        );
    }
    if found.settings.as_ref().is_some_and(|settings| settings.marked) {
        page.comment(
            0,
            "This cluster was taken over before: its ConfigMap kwo-config carries kwo's mark. The roster that did so knows \
             more than can be read here; use that one.",
        );
    }
}

/// The names of the API and of the node; says which of the two are there.
fn machine(found: &Found, page: &mut Page) -> (bool, bool) {
    let config = found.files.as_ref().map(|files| &files.config);
    if let Some(Written::Broken(why)) = config {
        page.comment(
            1,
            &format!("kwo cannot read /etc/rancher/k3s/config.yaml ({why}), and holds it until you fix it."),
        );
    }
    if let Some(Written::Broken(why)) = found.files.as_ref().map(|files| &files.registries) {
        page.comment(
            1,
            &format!(
                "kwo cannot read /etc/rancher/k3s/registries.yaml ({why}), and holds it until you fix it."
            ),
        );
    }
    let config = config.and_then(Written::said);
    let nothing = Settings::default();
    let settings = found.settings.as_ref().unwrap_or(&nothing);
    let server = settings.get("api-server").and_then(|server| server.strip_prefix("https://"));
    let (host, port) = server.map_or((None, None), |server| match server.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (Some(host), Some(port)),
        _ => (Some(server), None),
    });
    let first = settings.get("api-domain").or(host.map(|host| host.trim_matches(['[', ']'])));
    let more = settings.get("api-domains").into_iter().flat_map(|domains| domains.split(',').map(str::trim));
    let san = config.map(|config| &config["tls-san"]);
    let single = san.and_then(|san| san.as_str());
    let several = san.and_then(|san| san.as_array()).into_iter().flatten().filter_map(|name| name.as_str());
    let all = first.into_iter().chain(more).chain(single).chain(several).filter(|host| !host.is_empty());
    let mut hosts: Vec<&str> = Vec::new();
    for host in all {
        if hosts.contains(&host) {
            continue;
        }
        match host.parse::<HostName>() {
            Ok(_) => hosts.push(host),
            Err(why) => page.comment(1, &format!("A name of the API is left out: {}", why.message)),
        }
    }
    if !hosts.is_empty() {
        if hosts.first().is_some_and(|first| first.parse::<IpAddr>().is_ok()) {
            page.comment(
                1,
                "If the API has a name, put it first: a name still works when the address changes.",
            );
        }
        let port = port.filter(|port| *port != "6443" && port.parse::<u16>().is_ok_and(|port| port > 0));
        let port = port.map(|port| format!(", port: {port}")).unwrap_or_default();
        page.line(1, &format!("api: {{hosts: {}{port}}}", list(hosts.iter().copied())));
    }
    let node = config.and_then(|config| config["node-name"].as_str());
    let node = node.and_then(|name| match name.parse::<NodeName>() {
        Ok(_) => Some(name),
        Err(why) => {
            page.comment(1, &format!("The name of the node is left out: {}", why.message));
            None
        }
    });
    if let Some(name) = node {
        page.line(1, &format!("node: {{name: {}}}", word(name)));
    }
    (!hosts.is_empty(), node.is_some())
}

/// What is to be done by hand once all is taken over.
fn afterwards(found: &Found, tenants: usize, page: &mut Page) {
    if tenants > 0 {
        page.line(0, "");
        page.comment(
            0,
            "Each tenant's Secret `deployer-token` holds a token that never ends, and so do the files in \
             /var/lib/kwo/kubeconfigs. `cluster.kubeconfigs` keeps files there whose tokens end, and renews them; \
             `--adopt=TENANT` lets it replace the old ones, which are archived. `kwo kubeconfig NAMESPACE` prints one. Once \
             no pipeline uses the old token, delete it; who still needs it writes `longLivedToken: true` at the tenant:",
        );
        page.command(0, "kubectl -n NAMESPACE delete secret deployer-token");
    }
    if found.namespaces.iter().any(|namespace| !namespace.hosts.is_empty()) {
        page.comment(
            0,
            "No tenant has `domains`: as soon as one lists them, the Ingresses of all tenants may claim listed hosts only. \
             The hosts that are served today stand beside the tenants.",
        );
    }
    if !found.copies.is_empty() {
        page.comment(
            0,
            &format!(
                "An annotation also holds the content of these Secrets of kube-system: {}. To remove it there:",
                names(found.copies.iter().map(String::as_str))
            ),
        );
        for secret in &found.copies {
            page.command(
                0,
                &format!(
                    "kubectl -n kube-system annotate secret {secret} kubectl.kubernetes.io/last-applied-configuration-"
                ),
            );
        }
    }
}
