//! The rules that are built in: what each of them looks at, and what it says.

use crate::plain::counted;
use std::collections::BTreeSet;

use super::document::Policy;
use super::judge::Found;
use crate::kinds::Kind;
use crate::named::DOMAINS_ANNOTATION;
use crate::plan::tenant;
use crate::resource::{Desired, Reason, Resource, ResourceId};
use crate::reviews::OwnRoles;
use crate::roster::{At, Span};
use crate::tree::{SmolStr, Tree, join};

pub(super) const NO_CLUSTER_SECRETS: &str = "noClusterSecrets";
pub(super) const NO_WILDCARD_VERBS: &str = "noWildcardVerbs";
pub(super) const NO_PRIVILEGED: &str = "noPrivileged";
pub(super) const MAX_ADMINS: &str = "maxAdmins";
pub(super) const REQUIRE_QUOTA: &str = "requireQuota";
pub(super) const HOST_ZONES: &str = "hostZones";

/// The label with the level that the namespace enforces.
const LEVEL: &str = "/metadata/labels/pod-security.kubernetes.io~1enforce";

/// So many names stand in one sentence.
const NAMES: usize = 10;

/// Does one of these policies ask what the roles of the admin's own let?
#[must_use]
pub fn needs_roles<'p>(mut policies: impl Iterator<Item = &'p Policy>) -> bool {
    policies.any(|policy| policy.no_wildcard_verbs.is_some_and(|on| on.value))
}

/// What breaks the rules that are built in.
pub(super) fn found<'d>(policy: &Policy, desired: &'d Desired, roles: &OwnRoles) -> Vec<Found<'d>> {
    let mut all = Vec::new();
    let on = |field: Option<At<bool>>| field.filter(|field| field.value).map(|field| field.at);
    if let Some(at) = on(policy.no_cluster_secrets) {
        all.extend(cluster_secrets(at, desired));
    }
    if let Some(at) = on(policy.no_wildcard_verbs) {
        all.extend(wildcards(at, desired, roles));
    }
    if let Some(at) = on(policy.no_privileged) {
        all.extend(privileged(at, desired));
    }
    if let Some(max) = &policy.max_admins {
        all.extend(admins(max.at, max.value.number(), desired));
    }
    if let Some(at) = on(policy.require_quota) {
        all.extend(without_quota(at, desired));
    }
    if let Some(first) = policy.host_zones.first() {
        all.extend(hosts(first.at, policy, desired));
    }
    all
}

fn of<'d>(
    rule: &'static str,
    at: Span,
    resource: &'d Resource,
    what: String,
    reason: &'d Reason,
) -> Found<'d> {
    Found {
        rule: SmolStr::new_static(rule),
        at,
        object: Some(resource),
        what: what.into(),
        reason: Some(reason),
        known: true,
    }
}

fn of_kind(desired: &Desired, kind: Kind) -> impl Iterator<Item = &Resource> {
    desired.resources().iter().filter(move |resource| resource.id.known_kind() == Some(kind))
}

/// The namespaces of tenants.
fn namespaces(desired: &Desired) -> impl Iterator<Item = (&Resource, SmolStr)> {
    let all = of_kind(desired, Kind::Namespace).map(|resource| (resource, tenant(&resource.body)));
    all.filter(|(_, tenant)| !tenant.is_empty())
}

/// Whom a binding is for.
fn who(binding: &Resource) -> String {
    let subjects = binding.body.get("subjects").map(Tree::items).unwrap_or_default();
    let names: Vec<&str> =
        subjects.iter().filter_map(|subject| subject.get("name")?.as_text()).map(SmolStr::as_str).collect();
    names.join(", ")
}

fn cluster_secrets(at: Span, desired: &Desired) -> Vec<Found<'_>> {
    let bindings = of_kind(desired, Kind::ClusterRoleBinding);
    let given = bindings.filter_map(|binding| {
        let role = crate::reviews::role_of(binding)?;
        let reads = ["get", "list", "watch"];
        // Nothing but these roles is bound in the whole cluster: kwo's own, and that for everything.
        let gives = role.name == EVERYTHING
            || desired.get(&role).is_some_and(|made| reads.iter().any(|verb| lets(made, verb)));
        let what = format!(
            "{} may read the Secrets of the whole cluster, by the role `{}`",
            who(binding),
            role.name
        );
        gives.then(|| of(NO_CLUSTER_SECRETS, at, binding, what, &binding.because))
    });
    given.collect()
}

/// The role that lets everything.
const EVERYTHING: &str = "cluster-admin";

/// Do the rules of this role let somebody do this with Secrets?
fn lets(role: &Resource, verb: &str) -> bool {
    let rules = role.body.get("rules").map(Tree::items).unwrap_or_default();
    let has = |rule: &Tree, key: &str, wanted: &str| {
        let words = rule.get(key).map(Tree::items).unwrap_or_default();
        words.iter().filter_map(Tree::as_text).any(|word| word == wanted || word == "*")
    };
    rules.iter().any(|rule| {
        has(rule, "verbs", verb) && has(rule, "apiGroups", "") && has(rule, "resources", "secrets")
    })
}

fn wildcards<'d>(at: Span, desired: &'d Desired, roles: &OwnRoles) -> Vec<Found<'d>> {
    let bindings =
        desired.resources().iter().filter_map(|binding| Some((binding, crate::reviews::role_of(binding)?)));
    let all = bindings.filter_map(|(binding, role)| {
        let kind = role.known_kind()?.name();
        let why = match () {
            () if role.name == EVERYTHING => "which allows every verb (`*`)".to_owned(),
            // What kwo writes is the same in every cluster, and no choice of the roster.
            () if desired.get(&role).is_some() => return None,
            () => match roles.verbs(&role)? {
                Ok(verbs) if verbs.contains("*") => "which allows every verb (`*`)".to_owned(),
                Ok(_) => return None,
                Err(why) => format!("and kwo cannot look at what it allows: {why}"),
            },
        };
        let what = format!("{} gets the {kind} `{}`, {why}", who(binding), role.name);
        Some(of(NO_WILDCARD_VERBS, at, binding, what, &binding.because))
    });
    all.collect()
}

fn privileged(at: Span, desired: &Desired) -> Vec<Found<'_>> {
    let all = namespaces(desired).filter_map(|(namespace, _)| {
        let what = match namespace.body.at(LEVEL).and_then(Tree::as_text).map(SmolStr::as_str) {
            Some("privileged") => "its pods may be privileged (Pod Security level `privileged`)",
            Some(_) => return None,
            None => "it has no Pod Security level, so its pods may be privileged",
        };
        Some(of(NO_PRIVILEGED, at, namespace, what.to_owned(), namespace.reason(LEVEL)))
    });
    all.collect()
}

fn admins(at: Span, most: usize, desired: &Desired) -> Option<Found<'_>> {
    let everything = ResourceId::kube(Kind::ClusterRole, "", EVERYTHING);
    let bindings = of_kind(desired, Kind::ClusterRoleBinding);
    let mut all: Vec<&Resource> =
        bindings.filter(|binding| crate::reviews::role_of(binding).as_ref() == Some(&everything)).collect();
    if all.len() <= most {
        return None;
    }
    // The one that stands last in the roster is most likely the new one.
    all.sort_by_key(|binding| match binding.because {
        Reason::Roster(at) => Some(at),
        _ => None,
    });
    let last = *all.last()?;
    let names: Vec<String> = all.iter().take(NAMES).map(|binding| who(binding)).collect();
    let more = if all.len() > NAMES { ", …" } else { "" };
    let count = counted(all.len(), "operator is an admin", "operators are admins");
    let what =
        format!("{count} of the whole cluster ({}{more}), and the rule allows {most}", names.join(", "));
    Some(of(MAX_ADMINS, at, last, what, &last.because))
}

/// The amounts that bound the CPU and the memory of all pods of a namespace, one of each.
const AMOUNTS: [(&str, [&str; 3]); 2] = [
    ("CPU", ["cpu", "requests.cpu", "limits.cpu"]),
    ("memory", ["memory", "requests.memory", "limits.memory"]),
];

fn without_quota(at: Span, desired: &Desired) -> Vec<Found<'_>> {
    let whole = |quota: &&Resource| {
        // What counts only some pods bounds the others by nothing.
        ["/spec/scopes", "/spec/scopeSelector"].iter().all(|part| quota.body.at(part).is_none())
    };
    let mut bounded: BTreeSet<(&SmolStr, &str)> = BTreeSet::new();
    for quota in of_kind(desired, Kind::ResourceQuota).filter(whole) {
        let hard = quota.body.at("/spec/hard").map(Tree::entries).unwrap_or_default();
        for (what, names) in AMOUNTS {
            if hard.iter().any(|(key, _)| names.contains(&key.as_str())) {
                bounded.insert((&quota.id.scope, what));
            }
        }
    }
    let all = namespaces(desired).filter_map(|(namespace, _)| {
        let free: Vec<&str> = AMOUNTS
            .iter()
            .map(|(what, _)| *what)
            .filter(|what| !bounded.contains(&(&namespace.id.name, *what)))
            .collect();
        let what = format!("no quota bounds the {} of its pods", free.join(" and the "));
        (!free.is_empty()).then(|| of(REQUIRE_QUOTA, at, namespace, what, &namespace.because))
    });
    all.collect()
}

fn hosts<'d>(at: Span, policy: &Policy, desired: &'d Desired) -> Vec<Found<'d>> {
    let place = join("/metadata/annotations", DOMAINS_ANNOTATION);
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    for (namespace, tenant) in namespaces(desired) {
        let hosts = namespace.body.at(&place).and_then(Tree::as_text).cloned().unwrap_or_default();
        for host in hosts.split(',').filter(|host| !host.is_empty()) {
            let inside = policy.host_zones.iter().any(|zone| zone.value.has(host, &tenant));
            // All namespaces of a tenant have the same hosts.
            if inside || !seen.insert((tenant.clone(), host.to_owned())) {
                continue;
            }
            let zones: Vec<&str> = policy.host_zones.iter().map(|zone| zone.value.as_str()).collect();
            let what = format!("the host {host} of {tenant} is in none of the zones {}", zones.join(", "));
            all.push(of(HOST_ZONES, at, namespace, what, namespace.reason(&place)));
        }
    }
    all
}
