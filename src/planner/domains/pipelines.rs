//! `systems.vault.pipelines` and `systems.vault.deployers`: how the pipelines of all namespaces come to Vault, and how owners
//! come to a token for a pipeline. One policy and one role each do for every namespace: the server puts the namespace in.

use std::sync::Arc;

use smol_str::{SmolStr, format_smolstr};

use super::body::{map, mark, words};
use super::systems::{PathSegments, Pipelines, Vault};
use super::transit;
use super::vault::quoted;
use crate::named::ACCOUNT;
use crate::observed::MARK;
use crate::resource::{Reason, Resource, ResourceId};
use crate::roster::At;
use crate::tree::Tree;
use crate::vault::{DEPLOYER, VaultKind, own_role, pipelines_policy};

/// For how many seconds a login of a pipeline is good.
const LOGIN: u64 = 3600;

/// For how many seconds a token of the cluster is good, where nobody says how long, and at most.
const TOKEN: [u64; 2] = [1800, 3600];

/// What pipelines have in common. Nothing of it is any tenant's.
pub(super) fn compile(vault: &Vault, resources: &mut Vec<Resource>) {
    if let Some(At { value: pipelines, at }) = &vault.pipelines {
        auth(vault, pipelines, &Reason::Roster(*at), resources);
    }
    if let Some(At { value: mount, at }) = &vault.deployers {
        let id = ResourceId::vault(VaultKind::SecretsRole, mount.text().clone(), DEPLOYER);
        let body =
            map([("metadata", ours()), ("namespaceLabels", selector()), ("namespaces", Tree::list([]))]);
        resources.push(Resource::new(id, gives_tokens(&body), Arc::new([]), Reason::Roster(*at)));
    }
}

/// The roles that are there for one namespace alone, where the roster asks for them.
pub(super) fn of_namespace(
    vault: &Vault,
    namespace: &SmolStr,
    labels: &Tree,
    because: &Reason,
    resources: &mut Vec<Resource>,
) {
    if !vault.has_own_roles() {
        return;
    }
    let body = map([
        ("metadata", map([("labels", labels.clone())])),
        ("namespaceLabels", map([])),
        ("namespaces", Tree::texts([namespace.clone()])),
    ]);
    if let Some(At { value: pipelines, at: _ }) = &vault.pipelines {
        let mount = pipelines.mount();
        let policy = ResourceId::vault(VaultKind::Policy, "", pipelines_policy(mount.text()));
        let id = ResourceId::vault(VaultKind::AuthRole, mount.text().clone(), own_role(namespace));
        let body = logs_in(&body, pipelines, &policy);
        resources.push(Resource::new(id, body, Arc::new([policy]), because.clone()));
    }
    if let Some(id) = own_secrets_role(vault, namespace) {
        resources.push(Resource::new(id, gives_tokens(&body), Arc::new([]), because.clone()));
    }
}

/// The role by which a pipeline logs in. With a period its token could be renewed for ever.
fn logs_in(body: &Tree, pipelines: &Pipelines, policy: &ResourceId) -> Tree {
    body.with("/accounts", words(&[ACCOUNT]))
        .with("/audience", Tree::from(pipelines.audience()))
        .with("/maxTtl", Tree::from(LOGIN))
        .with("/period", Tree::from(0))
        .with("/policies", Tree::list([Tree::from(&policy.name)]))
        .with("/ttl", Tree::from(LOGIN))
}

/// The role that gives tokens of the account. The server refuses one that has an account and roles of the cluster or rules
/// besides, so these are empty, and a plan shows what was there.
fn gives_tokens(body: &Tree) -> Tree {
    body.with("/account", Tree::from(ACCOUNT))
        .with("/maxTtl", Tree::from(TOKEN[1]))
        .with("/roleName", Tree::from(""))
        .with("/rules", Tree::from(""))
        .with("/ttl", Tree::from(TOKEN[0]))
}

fn auth(vault: &Vault, pipelines: &Pipelines, because: &Reason, resources: &mut Vec<Resource>) {
    let mount = pipelines.mount();
    let policy = ResourceId::vault(VaultKind::Policy, "", pipelines_policy(mount.text()));
    let body = map([("metadata", ours()), ("policy", Tree::texts(policy_text(vault, &mount)))]);
    resources.push(Resource::new(policy.clone(), body, Arc::new([]), because.clone()));
    let id = ResourceId::vault(VaultKind::AuthRole, mount.text().clone(), DEPLOYER);
    let body = map([("metadata", ours()), ("namespaceLabels", selector()), ("namespaces", Tree::list([]))]);
    let body = logs_in(&body, pipelines, &policy);
    resources.push(Resource::new(id, body, Arc::new([policy]), because.clone()));
}

fn ours() -> Tree {
    map([("labels", mark(None))])
}

/// The namespaces that kwo makes for tenants: no tenant can give a namespace this label.
fn selector() -> Tree {
    map([(MARK.0, Tree::from(MARK.1))])
}

/// What a pipeline may do with the secrets of its own namespace: read and write them, and end none. And what with its key.
fn policy_text(vault: &Vault, mount: &PathSegments) -> Vec<String> {
    let kv = vault.kv();
    let namespace =
        format_smolstr!("{{{{identity.entity.aliases.<auth/{mount}>.metadata.service_account_namespace}}}}");
    let mut lines = Vec::new();
    for (verb, can) in
        [("data", &["create", "read", "update", "patch"][..]), ("metadata", &["read", "list"][..])]
    {
        // With the slash, so that the namespace `alice` gives nothing of `alice-prod`.
        for path in [format!("{kv}/{verb}/{namespace}"), format!("{kv}/{verb}/{namespace}/*")] {
            let can: Vec<String> = can.iter().map(|word| quoted(word)).collect();
            lines.push(format!("path {} {{", quoted(&path)));
            lines.push(format!("  capabilities = [{}]", can.join(", ")));
            lines.push("}".to_owned());
        }
    }
    if let Some(transit) = &vault.transit {
        lines.extend(transit::uses(&transit.value, &transit::name(&namespace)));
    }
    lines
}

/// The role by which an owner gets tokens of this namespace, where it has one of its own. Its name has no prefix of kwo's, so it
/// may be somebody else's and give anything: no policy leads to it before it is known to be kwo's.
pub(super) fn own_secrets_role(vault: &Vault, namespace: &SmolStr) -> Option<ResourceId> {
    let mount = vault.deployers.as_ref().filter(|_| vault.has_own_roles())?;
    Some(ResourceId::vault(VaultKind::SecretsRole, mount.value.text().clone(), own_role(namespace)))
}

/// What an owner needs to get a token of the service account of this namespace, and of no other, by a role. Without the name of
/// a namespace the server takes the one of the role.
pub(super) fn may_get_tokens(mount: &PathSegments, role: &str, namespace: &SmolStr) -> [String; 8] {
    [
        format!("path {} {{", quoted(&format!("{mount}/creds/{role}"))),
        "  capabilities = [\"update\"]".to_owned(),
        "  allowed_parameters = {".to_owned(),
        format!("    \"kubernetes_namespace\" = [{}]", quoted(namespace)),
        "    \"ttl\" = []".to_owned(),
        "  }".to_owned(),
        "  required_parameters = [\"kubernetes_namespace\"]".to_owned(),
        "}".to_owned(),
    ]
}
