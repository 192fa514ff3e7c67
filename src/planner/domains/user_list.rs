//! `systems.vault.k8sUsers`: the list of users that stacks of Terraform read which were there before kwo. It is one entry in the
//! store, with the same facts that the roster has, and no secret.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::body::{map, mark};
use super::effective::Tiers;
use super::operators::{Operator, Role};
use super::systems::{Systems, Vault};
use super::tenants::Tenant;
use crate::domains::Roster;
use crate::resource::{Reason, Reasons, Resource, ResourceId};
use crate::roster::{At, Entry, Finding, Findings, Identity, Map, Name};
use crate::tree::{SmolStr, Tree, join};
use crate::vault::VaultKind;

/// What of a quota the stacks know, by the name that they have for it.
const AMOUNTS: [(&str, &str); 4] = [
    ("cpu_requests", "requests.cpu"),
    ("memory_limits", "limits.memory"),
    ("memory_requests", "requests.memory"),
    ("pods", "pods"),
];

/// Checks that the entry is in the store, and where no tenant can write: whoever writes it makes admins of a cluster.
pub(crate) fn check(systems: &Systems, tenants: &Map<Name, Tenant>, findings: &mut Findings) {
    let Some(At { value: vault, .. }) = &systems.vault else { return };
    let Some(At { value: path, at }) = &vault.k8s_users else { return };
    let kv = vault.kv();
    let inside = path.strip_prefix(kv.as_str()).and_then(|rest| rest.strip_prefix('/'));
    let Some(inside) = inside else {
        let message = format!("`{path}` is not in the store `{kv}`");
        let finding = Finding::new("not-in-store", *at, message, format!("expected a path below `{kv}/`"));
        return findings.push(finding.hint(format!("write `{kv}/{path}`, or name the store with `kv`")));
    };
    let first = inside.split('/').next().unwrap_or_default();
    for (name, Entry { key, value: tenant }) in tenants {
        if tenant.placed(name, *key).any(|(namespace, _)| namespace.as_str() == first) {
            let message = format!("the tenant `{name}` writes what is below `{kv}/{first}`");
            let finding =
                Finding::new("users-of-a-tenant", *at, message, "expected a path that is no namespace's");
            findings.push(finding.hint(format!("write `{kv}/platform`, say: no tenant gets that one")));
            return;
        }
    }
}

/// The entry, where the roster asks for it.
pub(super) fn compile(roster: &Roster, vault: &Vault, resources: &mut Vec<Resource>) {
    let Some(At { value: path, at }) = &vault.k8s_users else { return };
    let Some((scope, name)) = path.rsplit_once('/') else { return };
    let mut users: BTreeMap<SmolStr, Vec<(&'static str, Tree)>> = BTreeMap::new();
    let mut reasons = Vec::new();
    let mut add = |name: &Name, at, parts: Vec<(&'static str, Tree)>| {
        // Somebody who looks after the cluster and has a tenant of the same name is one user to the stacks.
        let user = users.entry(name.text().clone()).or_default();
        let new: Vec<_> =
            parts.into_iter().filter(|(key, _)| user.iter().all(|(have, _)| have != key)).collect();
        user.extend(new);
        reasons.push((join("/users", name).into(), Reason::Roster(at)));
    };
    for (name, Entry { key, value: Operator { identity, role } }) in roster.operators() {
        let Identity::User(email) = &identity.value else { continue };
        let role = match role.value {
            Role::Admin => "admin",
            Role::PowerUser => "power-user",
        };
        add(name, *key, vec![("email", Tree::from(email)), ("role", Tree::from(role))]);
    }
    let mut tiers = Tiers::new(roster.tiers());
    for (name, Entry { key, value: tenant }) in roster.tenants() {
        add(name, *key, user(name, tenant, &mut tiers));
    }
    let users = users.into_iter().map(|(name, parts)| {
        (name, Tree::map(parts.into_iter().map(|(key, value)| (SmolStr::new_static(key), value))))
    });
    let body = map([("metadata", map([("labels", mark(None))])), ("users", Tree::map(users))]);
    let id = ResourceId::vault(VaultKind::UserList, scope, name);
    let resource = Resource::new(id, body, Arc::new([]), Reason::Roster(*at));
    resources.push(Resource { fields: Reasons::from(reasons), ..resource });
}

/// A tenant as the stacks know one: a person with namespaces.
fn user(name: &Name, tenant: &Tenant, tiers: &mut Tiers<'_>) -> Vec<(&'static str, Tree)> {
    let people = tenant.owners.iter().filter_map(|owner| match &owner.value {
        Identity::User(email) if !email.starts_with("system:") => Some(email),
        Identity::User(_) | Identity::Group(_) => None,
    });
    let hosts = tenant.domains.iter().map(|domain| SmolStr::from(domain.host.value.to_string()));
    let (effective, _) = tiers.of(tenant);
    let amounts = AMOUNTS.into_iter().filter_map(|(key, bound)| {
        let (amount, _) = effective.quota.get(bound)?;
        Some((SmolStr::new_static(key), Tree::from(SmolStr::from(amount.as_str()))))
    });
    let email = people.take(1).map(|email| ("email", Tree::from(email)));
    [
        ("domains", Tree::texts(hosts)),
        ("namespaces", Tree::texts(tenant.spaces(name).map(|space| space.text().clone()))),
        ("quota", Tree::map(amounts)),
        ("role", Tree::from("namespace-owner")),
    ]
    .into_iter()
    .chain(email)
    .collect()
}
