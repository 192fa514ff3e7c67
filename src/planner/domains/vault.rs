//! `systems.vault`: who gets at which secrets in Vault or OpenBao. For each namespace of a tenant a policy and a group
//! for each level of access that somebody has in it, and the members of the group one by one, as RoleBindings are in the
//! cluster. Paths are by namespace and never by a person's name. How kwo comes to the server stands in `systems.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use smol_str::format_smolstr;

use super::body::{map, mark};
use super::grants::Grant;
use super::pipelines;
use super::role_bindings::{self, Person};
use super::systems::{PathSegments, Vault};
use super::tenants::{Access, Tenant};
use super::transit;
use super::user_list;
use crate::domains::Roster;
use crate::resource::{Reason, Resource, ResourceId};

use crate::roster::{Entry, Finding, Findings, Identity, Map, Name};
use crate::systems::Connection;
use crate::tree::{SmolStr, Tree};
use crate::vault::{DEPLOYER, OURS, VaultKind, own_role};

/// The paths below the store that no tenant gets by the name of its namespace: what all stand on keeps its secrets there.
const RESERVED: [&str; 2] = ["ci", "platform"];

/// Checks what no single value shows.
pub(crate) fn check(tenants: &Map<Name, Tenant>, findings: &mut Findings) {
    for (name, Entry { key, value: tenant }) in tenants {
        for (namespace, at) in tenant.placed(name, *key) {
            if !RESERVED.contains(&namespace.as_str()) {
                continue;
            }
            if findings.is_full() {
                findings.count(1);
                continue;
            }
            let message = format!("no tenant gets the secrets below `{namespace}` in Vault");
            let finding = Finding::new(
                "reserved-path",
                at,
                message,
                format!("expected another name than {}", RESERVED.join(" and ")),
            );
            findings.push(finding.hint(
                "secrets of pipelines and of the platform are usual there: name the namespace otherwise",
            ));
        }
    }
}

/// What the section asks for. Who takes it may take it from here after every namespace.
pub(crate) fn compile(
    roster: &Roster,
    resources: &mut Vec<Resource>,
    take: &mut impl FnMut(&mut Vec<Resource>, usize),
) {
    let Some((_, vault)) = roster.vault() else { return };
    let from = resources.len();
    pipelines::compile(vault, resources);
    user_list::compile(roster, vault, resources);
    take(resources, from);
    let mut logins = BTreeSet::new();
    for (name, Entry { key, value: tenant }) in roster.tenants() {
        let everybody = role_bindings::people(tenant);
        let known: Vec<&Person<'_>> =
            everybody.iter().filter(|person| logs_in(person.identity) && level(person).is_some()).collect();
        let labels = mark(Some(name.as_str()));
        for (namespace, at) in tenant.placed(name, *key) {
            let (namespace, because) = (namespace.text(), Reason::Roster(at));
            let from = resources.len();
            let transit = transit::asked(vault, tenant);
            let space = Space { vault, transit, namespace, labels: &labels, because: &because };
            space.compile(&known, &mut logins, resources);
            pipelines::of_namespace(vault, namespace, &labels, &because, resources);
            if let (Some(mount), Some(asked)) = (transit, tenant.transit) {
                let because = Reason::Roster(asked.at);
                resources.push(transit::key(mount, namespace, labels.clone(), because));
            }
            take(resources, from);
        }
    }
}

/// The way to it, with the namespaces whose roles kwo writes there.
pub(crate) fn connection(roster: &Roster) -> Option<Connection> {
    let (_, vault) = roster.vault()?;
    let way = vault.connection();
    if !vault.has_own_roles() {
        return Some(way);
    }
    let spaces = roster.tenants().iter().flat_map(|(name, entry)| entry.value.spaces(name));
    let spaces = Tree::texts(spaces.map(|space| space.text().clone()));
    Some(Connection { settings: way.settings.with("/namespaces", spaces), ..way })
}

/// Can this be somebody who logs in to Vault as a person does? Service accounts log in by other ways.
fn logs_in(identity: &Identity) -> bool {
    !identity.name().starts_with("system:")
}

/// The level of somebody; nothing for a role of others, which says nothing of secrets in Vault.
fn level(person: &Person<'_>) -> Option<Access> {
    match person.grant {
        Grant::Level(access) => Some(access),
        Grant::ClusterRole(_) | Grant::Role(_) => None,
    }
}

/// One namespace of a tenant.
struct Space<'r> {
    vault: &'r Vault,
    /// The engine that has a key for it, where the tenant asks for one.
    transit: Option<&'r PathSegments>,
    namespace: &'r SmolStr,
    labels: &'r Tree,
    because: &'r Reason,
}

impl Space<'_> {
    fn compile<'r>(
        &self,
        known: &[&Person<'r>],
        logins: &mut BTreeSet<&'r Identity>,
        resources: &mut Vec<Resource>,
    ) {
        let mut levels: BTreeMap<&str, (Access, BTreeMap<&Identity, &Person<'r>>)> = BTreeMap::new();
        for person in known.iter().filter(|person| person.is_in(self.namespace)) {
            let Some(access) = level(person) else { continue };
            let (_, members) = levels.entry(access.as_str()).or_insert_with(|| (access, BTreeMap::new()));
            members.entry(person.identity).or_insert(person);
        }
        for (access, members) in levels.into_values() {
            let group = self.group(access, resources);
            for (identity, person) in members {
                let because = Reason::Roster(person.at);
                let login = login(identity);
                let needs: Arc<[ResourceId]> = Arc::new([group.clone(), login.clone()]);
                let id = ResourceId::vault(VaultKind::Member, group.name.clone(), identity.to_string());
                let parts =
                    [("group", Tree::from(&group.name)), ("identity", Tree::from(identity.to_string()))];
                resources.push(Resource::new(id, self.body(parts), needs, because.clone()));
                if logins.insert(identity) {
                    let parts = [
                        ("mount", Tree::from(self.vault.people.value.text())),
                        ("name", Tree::from(identity.name())),
                    ];
                    resources.push(Resource::new(login, map(parts), Arc::new([]), because));
                }
            }
        }
    }

    /// The policy and the group of a level.
    fn group(&self, access: Access, resources: &mut Vec<Resource>) -> ResourceId {
        let name = format_smolstr!("{OURS}{}-{}", self.namespace, access.as_str());
        let policy = ResourceId::vault(VaultKind::Policy, "", name.clone());
        let text = Tree::texts(policy_lines(self.vault, self.transit, self.namespace, access));
        let body = self.body([("policy", text)]);
        let role = pipelines::own_secrets_role(self.vault, self.namespace);
        let needs: Arc<[ResourceId]> = role.into_iter().filter(|_| access == Access::Owner).collect();
        resources.push(Resource::new(policy.clone(), body, needs, self.because.clone()));
        let group = ResourceId::vault(VaultKind::Group, "", name.clone());
        let body = self.body([("policies", Tree::texts([name])), ("type", Tree::from("internal"))]);
        resources.push(Resource::new(group.clone(), body, Arc::new([policy]), self.because.clone()));
        group
    }

    fn body<const N: usize>(&self, parts: [(&'static str, Tree); N]) -> Tree {
        let metadata = map([("labels", self.labels.clone())]);
        Tree::map([("metadata", metadata)].into_iter().chain(parts))
    }
}

/// What somebody's login finds: an entity, or an external group.
fn login(identity: &Identity) -> ResourceId {
    match identity {
        Identity::User(name) => ResourceId::vault(VaultKind::Entity, "", name.clone()),
        Identity::Group(name) => ResourceId::vault(VaultKind::ExternalGroup, "", name.clone()),
    }
}

/// The policy of a level in a namespace, line by line and without kwo's mark.
pub(crate) fn policy_lines(
    vault: &Vault,
    transit: Option<&PathSegments>,
    namespace: &SmolStr,
    access: Access,
) -> Vec<String> {
    let mut text = policy_text(&vault.kv(), namespace, access);
    if let Some(mount) = transit {
        text.extend(transit::may_use(mount, namespace, access));
    }
    if let (Access::Owner, Some(deployers)) = (access, &vault.deployers) {
        let roles = [Some(DEPLOYER.into()), vault.has_own_roles().then(|| own_role(namespace))];
        for role in roles.into_iter().flatten() {
            text.extend(pipelines::may_get_tokens(&deployers.value, &role, namespace));
        }
    }
    text
}

/// What a level may do with the secrets of a namespace, in HCL, line by line. A viewer sees which secrets there are and no
/// value, as in the cluster.
fn policy_text(kv: &PathSegments, namespace: &str, access: Access) -> Vec<String> {
    let mut lines = Vec::new();
    let mut allow = |verb: &str, capabilities: &[&str]| {
        // With the slash, so that the namespace `alice` gives nothing of `alice-prod`.
        for path in [format!("{kv}/{verb}/{namespace}"), format!("{kv}/{verb}/{namespace}/*")] {
            let words: Vec<String> = capabilities.iter().map(|word| quoted(word)).collect();
            lines.push(format!("path {} {{", quoted(&path)));
            lines.push(format!("  capabilities = [{}]", words.join(", ")));
            lines.push("}".to_owned());
        }
    };
    match access {
        Access::Owner => {
            allow("data", &["create", "read", "update", "patch", "delete"]);
            allow("metadata", &["read", "list", "delete"]);
            for verb in ["delete", "undelete", "destroy"] {
                allow(verb, &["update"]);
            }
        }
        Access::Deployer => {
            allow("data", &["read"]);
            allow("metadata", &["read", "list"]);
        }
        Access::Viewer => allow("metadata", &["read", "list"]),
    }
    lines
}

/// A text as HCL has it. Neither a namespace nor the path of a store can hold what would end it, and `${` begins nothing
/// in a policy; this is so that no later type can.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => out.extend(['\\', char]),
            char if char.is_control() => out.push('_'),
            char => out.push(char),
        }
    }
    out.push('"');
    out
}
