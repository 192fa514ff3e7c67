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
        let body = map([
            ("account", Tree::from(ACCOUNT)),
            ("maxTtl", Tree::from(TOKEN[1])),
            ("metadata", ours()),
            ("namespaceLabels", selector()),
            ("namespaces", Tree::list([])),
            ("ttl", Tree::from(TOKEN[0])),
        ]);
        resources.push(Resource::new(id, body, Arc::new([]), Reason::Roster(*at)));
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
    let name = own_role(namespace);
    let parts = |more: [(&'static str, Tree); 4]| {
        let common = [
            ("metadata", map([("labels", labels.clone())])),
            ("namespaceLabels", map([])),
            ("namespaces", Tree::texts([namespace.clone()])),
        ];
        Tree::map(common.into_iter().chain(more))
    };
    if let Some(At { value: pipelines, at: _ }) = &vault.pipelines {
        let mount = pipelines.mount();
        let policy = ResourceId::vault(VaultKind::Policy, "", pipelines_policy(mount.text()));
        let id = ResourceId::vault(VaultKind::AuthRole, mount.text().clone(), name.clone());
        let given = Tree::list([Tree::from(&policy.name)]);
        let body = parts([
            ("accounts", words(&[ACCOUNT])),
            ("audience", Tree::from(pipelines.audience())),
            ("maxTtl", Tree::from(LOGIN)),
            ("policies", given),
        ]);
        let body = body.with("/ttl", Tree::from(LOGIN));
        resources.push(Resource::new(id, body, Arc::new([policy]), because.clone()));
    }
    if let Some(At { value: mount, at: _ }) = &vault.deployers {
        let id = ResourceId::vault(VaultKind::SecretsRole, mount.text().clone(), name);
        let body = parts([
            ("account", Tree::from(ACCOUNT)),
            ("maxTtl", Tree::from(TOKEN[1])),
            ("ttl", Tree::from(TOKEN[0])),
            ("metadata", map([("labels", labels.clone())])),
        ]);
        resources.push(Resource::new(id, body, Arc::new([]), because.clone()));
    }
}

fn auth(vault: &Vault, pipelines: &Pipelines, because: &Reason, resources: &mut Vec<Resource>) {
    let mount = pipelines.mount();
    let policy = ResourceId::vault(VaultKind::Policy, "", pipelines_policy(mount.text()));
    let body = map([("metadata", ours()), ("policy", Tree::texts(policy_text(vault, &mount)))]);
    resources.push(Resource::new(policy.clone(), body, Arc::new([]), because.clone()));
    let id = ResourceId::vault(VaultKind::AuthRole, mount.text().clone(), DEPLOYER);
    let body = map([
        ("accounts", words(&[ACCOUNT])),
        ("audience", Tree::from(pipelines.audience())),
        ("maxTtl", Tree::from(LOGIN)),
        ("metadata", ours()),
        ("namespaceLabels", selector()),
        ("namespaces", Tree::list([])),
        ("policies", Tree::list([Tree::from(&policy.name)])),
        ("ttl", Tree::from(LOGIN)),
    ]);
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

/// The same by the role of this namespace. Whoever asks by it need not name the namespace, and can name no other.
pub(super) fn may_get_own_tokens(mount: &PathSegments, namespace: &SmolStr) -> [String; 7] {
    [
        format!("path {} {{", quoted(&format!("{mount}/creds/{}", own_role(namespace)))),
        "  capabilities = [\"update\"]".to_owned(),
        "  allowed_parameters = {".to_owned(),
        format!("    \"kubernetes_namespace\" = [{}]", quoted(namespace)),
        "    \"ttl\" = []".to_owned(),
        "  }".to_owned(),
        "}".to_owned(),
    ]
}

/// What an owner needs to get a token of the service account of this namespace, and of no other.
pub(super) fn may_get_tokens(mount: &PathSegments, namespace: &SmolStr) -> [String; 8] {
    [
        format!("path {} {{", quoted(&format!("{mount}/creds/{DEPLOYER}"))),
        "  capabilities = [\"update\"]".to_owned(),
        "  allowed_parameters = {".to_owned(),
        format!("    \"kubernetes_namespace\" = [{}]", quoted(namespace)),
        "    \"ttl\" = []".to_owned(),
        "  }".to_owned(),
        "  required_parameters = [\"kubernetes_namespace\"]".to_owned(),
        "}".to_owned(),
    ]
}
