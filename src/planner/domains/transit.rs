//! `systems.vault.transit`: a key for each namespace of the tenants that ask for one, which never leaves Vault. What the key
//! encrypts lies elsewhere: files of sops, the state of Terraform.

use std::sync::Arc;

use smol_str::{SmolStr, format_smolstr};

use super::body::map;
use super::systems::{PathSegments, Systems, Vault};
use super::tenants::{Access, Tenant};
use super::vault::quoted;
use crate::resource::{Reason, Resource, ResourceId};
use crate::roster::{Entry, Finding, Findings, Map, Name};
use crate::tree::Tree;
use crate::vault::{OURS, VaultKind};

/// What a key is made as. What one encrypts it also proves to be unchanged.
const TYPE: &str = "aes256-gcm96";

/// What is done with a key, by paths; `rewrap` and data keys are what tools do that encrypt much.
const USES: [&str; 5] = ["encrypt", "decrypt", "rewrap", "datakey/plaintext", "datakey/wrapped"];

/// Checks that there is an engine for those who ask for a key.
pub(crate) fn check(systems: &Systems, tenants: &Map<Name, Tenant>, findings: &mut Findings) {
    if systems.vault.as_ref().is_some_and(|vault| vault.value.transit.is_some()) {
        return;
    }
    for (name, Entry { value: tenant, .. }) in tenants {
        let Some(asked) = tenant.transit.filter(|asked| asked.value) else { continue };
        if findings.is_full() {
            findings.count(1);
            continue;
        }
        let finding = Finding::new(
            "no-transit",
            asked.at,
            format!("the roster names no transit engine that could have a key for `{name}`"),
            "expected `systems.vault.transit`",
        );
        findings.push(finding.hint("write `transit: transit` below `systems.vault`, or leave this out"));
    }
}

/// The engine that has a key for each namespace of this tenant, where the tenant asks for one.
pub(super) fn asked<'v>(vault: &'v Vault, tenant: &Tenant) -> Option<&'v PathSegments> {
    tenant.transit.filter(|asked| asked.value)?;
    vault.transit.as_ref().map(|mount| &mount.value)
}

/// The key of a namespace.
pub(super) fn key(mount: &PathSegments, namespace: &SmolStr, labels: Tree, because: Reason) -> Resource {
    let id = ResourceId::vault(VaultKind::TransitKey, mount.text().clone(), name(namespace));
    let body = map([
        ("exportable", Tree::from(false)),
        ("metadata", map([("labels", labels)])),
        ("type", Tree::from(TYPE)),
    ]);
    Resource::new(id, body, Arc::new([]), because)
}

/// What whoever has this level may do with the key. `update` alone makes no key: the server makes one that is not there for
/// whoever may `create` at `encrypt`.
pub(super) fn may_use(mount: &PathSegments, namespace: &SmolStr, access: Access) -> Vec<String> {
    let name = name(namespace);
    let mut lines = match access {
        Access::Owner | Access::Deployer => uses(mount, &name),
        Access::Viewer => Vec::new(),
    };
    if access == Access::Owner {
        lines.extend(may(&format!("{mount}/keys/{name}"), "read"));
        lines.extend(may(&format!("{mount}/keys/{name}/rotate"), "update"));
    }
    lines
}

/// The lines of a policy by which a key of this name encrypts and decrypts.
pub(super) fn uses(mount: &PathSegments, name: &str) -> Vec<String> {
    USES.iter().flat_map(|way| may(&format!("{mount}/{way}/{name}"), "update")).collect()
}

fn may(path: &str, can: &str) -> [String; 3] {
    [format!("path {} {{", quoted(path)), format!("  capabilities = [{}]", quoted(can)), "}".to_owned()]
}

/// The name of the key of a namespace.
pub(super) fn name(namespace: &str) -> SmolStr {
    format_smolstr!("{OURS}{namespace}")
}
