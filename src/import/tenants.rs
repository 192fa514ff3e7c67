//! The tenants, in a tier that binds them to nothing that did not bind them before.

use std::collections::BTreeSet;

use kwo_planner::observed::TENANT_LABEL;

use super::found::{Files, Found, Namespace, TenantFile, Written};
use super::page::{Page, list, names, quoted, refusal, word};

/// The tier of tenants that are taken over.
const TIER: &str = "as-found";
const ENFORCE: &str = "pod-security.kubernetes.io/enforce";
const LEVELS: [&str; 3] = ["privileged", "baseline", "restricted"];

/// The sections `tiers` and `tenants`, and how many tenants there are.
pub(super) fn tenants(found: &Found) -> (Page, usize) {
    let mut tenants = Page::default();
    let mut levels: BTreeSet<usize> = BTreeSet::new();
    let mut taken: BTreeSet<&str> = BTreeSet::new();
    for namespace in &found.namespaces {
        let file = said(found.files.as_ref()).find(|file| space(file) == namespace.name);
        let name = file.map_or(&namespace.name, |file| &file.name);
        let drawn = match taken.contains(name.as_str()) {
            true => Err(format!("another namespace is that of the tenant {} already", quoted(name))),
            false => tenant(namespace, file, found.files.is_some()),
        };
        match drawn {
            Ok((page, level)) => {
                levels.insert(level);
                taken.insert(name);
                tenants.append(&page);
            }
            Err(why) => tenants.comment(1, &format!("{} is left out: {why}", quoted(&namespace.name))),
        }
    }
    strays(found, &mut tenants);
    let mut page = Page::default();
    if !taken.is_empty() {
        page.line(0, "");
        tiers(&levels, &mut page);
    }
    if !tenants.is_empty() {
        page.line(0, if taken.is_empty() { "tenants: {}" } else { "tenants:" });
        page.append(&tenants);
    }
    (page, taken.len())
}

/// What the files of the node say of tenants.
fn said(files: Option<&Files>) -> impl Iterator<Item = &TenantFile> {
    files.into_iter().flat_map(|files| files.tenants.values()).filter_map(Written::said)
}

fn space(file: &TenantFile) -> &str {
    file.namespace.as_ref().unwrap_or(&file.name)
}

fn tier(level: usize) -> String {
    if level == 0 { TIER.to_owned() } else { format!("{TIER}-{}", LEVELS[level]) }
}

fn tiers(levels: &BTreeSet<usize>, page: &mut Page) {
    page.comment(
        0,
        "The shell scripts set no bounds, so this tier sets none: no quota, no limits, no network policy, and the Pod \
         Security level that was found. The pipelines may do what they could, and `kubectl exec` besides. Move one tenant after the other to a tier with bounds, `standard` for one. The \
         plan shows the ResourceQuota, LimitRange and NetworkPolicy that come with it. The first two hold for new pods \
         only, the policy for those that run as well. What a Pod Security level would refuse is said by:",
    );
    page.command(0, &format!("kubectl label --dry-run=server --overwrite namespace NAME {ENFORCE}=baseline"));
    page.line(0, "tiers:");
    for level in levels {
        let (name, level) = (tier(*level), LEVELS[*level]);
        page.line(
            1,
            &format!("{name}: {{rest: unbounded, podSecurity: {level}, network: open, clusterRead: none}}"),
        );
    }
}

/// One tenant and its Pod Security level, or why it cannot be one.
fn tenant(namespace: &Namespace, file: Option<&TenantFile>, looked: bool) -> Result<(Page, usize), String> {
    let Namespace { name, labels, deployer, role, bounds, hosts } = namespace;
    if let Some(owner) = labels.get(TENANT_LABEL) {
        return Err(format!("kwo manages it already, for the tenant {}", quoted(owner)));
    }
    if !deployer {
        return Err(
            "there is a file that calls it a tenant, but no service account `deployer` in it".to_owned()
        );
    }
    if file.is_none() && !role {
        return Err(
            "there is a service account `deployer` in it, but no Role `tenant-deployer`, and no file of \
                    the node calls it a tenant"
                .to_owned(),
        );
    }
    let level = labels.get(ENFORCE).and_then(|level| LEVELS.iter().position(|have| have == level));
    let level = level.unwrap_or_default();
    let own = file.map_or(name, |file| &file.name);
    let spaces = if own == name { String::new() } else { format!(", namespaces: {}", list([name.as_str()])) };
    let line = |tier: &str| format!("{}: {{tier: {tier}{spaces}}}", word(own));
    if let Some(why) = refusal(&format!("tenants:\n  {}\n", line("standard"))) {
        return Err(why);
    }
    let mut page = Page::default();
    if file.is_none() && looked {
        page.comment(1, "No file of the node names this tenant:");
    }
    if !bounds.is_empty() {
        let bounds = names(bounds.iter().map(String::as_str));
        page.comment(1, &format!("These bounds exist already, and stay as they are: {bounds}"));
    }
    if !hosts.is_empty() {
        let hosts = list(hosts.iter().map(String::as_str));
        page.comment(1, &format!("The Ingresses of this one serve: domains: {hosts}"));
    }
    page.line(1, &line(&tier(level)));
    Ok((page, level))
}

/// Files that speak of a tenant that is not there, and files that say nothing.
fn strays(found: &Found, page: &mut Page) {
    let there: BTreeSet<&str> = found.namespaces.iter().map(|namespace| namespace.name.as_str()).collect();
    for (file, said) in found.files.iter().flat_map(|files| &files.tenants) {
        match said {
            Written::Says(tenant) if !there.contains(space(tenant)) => page.comment(
                1,
                &format!(
                    "{} is left out: the file {} speaks of it, and there is no namespace {}, which `kwo apply` would \
                     make",
                    quoted(&tenant.name),
                    quoted(file),
                    quoted(space(tenant))
                ),
            ),
            Written::Broken(why) => {
                page.comment(1, &format!("The file {} cannot be read: {why}", quoted(file)));
            }
            Written::Says(_) | Written::Nowhere => {}
        }
    }
}
