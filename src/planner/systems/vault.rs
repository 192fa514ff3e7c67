//! What kwo keeps in Vault or OpenBao: policies, groups, who is in them, and the entities of people who have not logged
//! in yet. Their ids and how their fields are compared; what is in them is the domain's business. No id of Vault's own is
//! in an id or a body: the adapter translates.

use std::collections::BTreeMap;

use smol_str::format_smolstr;

use super::{Connection, Order, Rules, System, vault_users as users};
use crate::compare::Difference;
use crate::endings::word;
use crate::observed::{Present, Reach};
use crate::plain::one_line;
use crate::resource::ResourceId;
use crate::roster::{Identity, SecretRef};
use crate::shapes::{PLAIN, Shape};
use crate::tree::{SmolStr, Tree};

/// A kind of thing in Vault.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum VaultKind {
    /// What whoever has it may do. Its body is `policy`, line by line, without the first line, which is kwo's mark.
    Policy,
    /// An internal group. Its body is `policies` and `type`.
    Group,
    /// Somebody in a group. Its scope is the group, its name the identity as the roster writes it.
    Member,
    /// An entity with an alias: what the first login of a person finds. Its name is the identity.
    Entity,
    /// An external group with an alias: what the login of somebody finds who is in a group of the login system.
    ExternalGroup,
    /// How pipelines log in: a role of a Kubernetes auth method. Its scope is the path of the method.
    AuthRole,
    /// Where tokens of the cluster come from: a role of a Kubernetes secrets engine. Its scope is the path of the engine.
    SecretsRole,
    /// What a namespace encrypts with: a key of a transit engine. Its scope is the path of the engine.
    TransitKey,
    /// The list of users that stacks of Terraform read: a key of an entry in the store. Its scope and its name together are the
    /// path of the entry. Its body is `users`: of each the fields that kwo writes, and nothing else of the entry.
    UserList,
}

/// The key of the entry that has the list of users.
pub const USERS: &str = "k8s_users";

/// What the name of every object begins with that kwo makes in Vault, but the list of users. It touches nothing that is named
/// otherwise.
pub const OURS: &str = "kwo-";

/// The name of the one part that Vault has: all of it.
pub const PART: &str = "vault";

/// The name of the roles, and of the policy of whoever logs in by one.
pub const DEPLOYER: &str = "kwo-deployer";

/// The policy of the pipelines that log in by the auth method at this path. Several clusters may share a server, and each
/// has an auth method of its own; no policy of a namespace has a dot in its name.
#[must_use]
pub fn pipelines_policy(mount: &str) -> SmolStr {
    match mount {
        "kubernetes" => SmolStr::new_static(DEPLOYER),
        // The server keeps the names of policies without capitals.
        mount => format_smolstr!("{DEPLOYER}.{}", mount.replace('/', ".").to_ascii_lowercase()),
    }
}

/// What the name of a role of one namespace ends with.
const OWN_ROLE: &str = "-deployer";

/// The name of the roles of a namespace, as setups from before kwo have it.
#[must_use]
pub fn own_role(namespace: &str) -> SmolStr {
    format_smolstr!("{namespace}{OWN_ROLE}")
}

/// Can a role of this name be kwo's?
#[must_use]
pub fn is_role(name: &str) -> bool {
    name.strip_suffix(OWN_ROLE).is_some_and(|rest| !rest.is_empty())
}

/// Is it such a policy, by its name?
#[must_use]
pub fn is_of_pipelines(policy: &str) -> bool {
    policy.strip_prefix(DEPLOYER).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

static GROUP: Shape = Shape { sets: &["/policies"], immutable: &["/type"], grants: true, ..PLAIN };
static MEMBER: Shape = Shape { grants: true, ..PLAIN };
static AUTH_ROLE: Shape = Shape { sets: &["/policies"], whole: &["/namespaceLabels"], grants: true, ..PLAIN };
static SECRETS_ROLE: Shape = Shape { whole: &["/namespaceLabels"], grants: true, ..PLAIN };
static USER_LIST: Shape = Shape {
    sets: &["/users/*/domains", "/users/*/namespaces"],
    quantities: &["/users/*/quota/*"],
    ours: &[("/users", |_| true)],
    ..PLAIN
};
static TRANSIT_KEY: Shape = Shape { immutable: &["/exportable", "/type"], ..PLAIN };

/// Vault or OpenBao.
pub struct OfVault;

impl Rules for OfVault {
    fn name(&self) -> &'static str {
        "vault"
    }

    fn forms(&self) -> &'static [&'static str] {
        &["vault:KIND/name", "vault:Member/group/identity", "vault:AuthRole/path/name"]
    }

    fn pattern(&self) -> &'static str {
        "vault:[^/]+/.+"
    }

    /// An identity may have slashes of its own, and so may a path.
    fn parts<'t>(&self, rest: &'t str) -> Option<[&'t str; 3]> {
        let (kind, name) = rest.split_once('/')?;
        if VaultKind::AT_A_PATH.into_iter().any(|placed| placed.name() == kind) {
            let (mount, name) = name.rsplit_once('/')?;
            return (!mount.is_empty()).then_some([kind, mount, name]);
        }
        if kind != VaultKind::Member.name() {
            return Some([kind, "", name]);
        }
        let (group, identity) = name.split_once('/')?;
        (!group.is_empty()).then_some([kind, group, identity])
    }

    fn shape(&self, id: &ResourceId) -> Option<&'static Shape> {
        Some(match id.vault_kind()? {
            VaultKind::Policy | VaultKind::Entity | VaultKind::ExternalGroup => &PLAIN,
            VaultKind::Group => &GROUP,
            VaultKind::Member => &MEMBER,
            VaultKind::AuthRole => &AUTH_ROLE,
            VaultKind::SecretsRole => &SECRETS_ROLE,
            VaultKind::TransitKey => &TRANSIT_KEY,
            VaultKind::UserList => &USER_LIST,
        })
    }

    /// Whoever reads a group of kwo's must learn of every policy that it has.
    fn recorded_sets(&self, _: &ResourceId) -> &'static [&'static str] {
        &[]
    }

    fn can_be_kwos(&self, _: &ResourceId, _: &Present) -> bool {
        true
    }

    /// Only the adapter knows the ids that lead to a member, an entity or a group with an alias.
    fn ending(&self, id: &ResourceId, reach: &Reach) -> String {
        if id.vault_kind() == Some(VaultKind::UserList) {
            return self.showing(id, reach);
        }
        if let Some(command) = reach.commands.get(id) {
            return command.to_string();
        }
        let bao = bao(reach);
        match id.vault_kind() {
            Some(VaultKind::Policy) => format!("{bao} policy delete {}", word(&id.name)),
            Some(VaultKind::Group) => format!("{bao} delete {}", group(&id.name)),
            Some(VaultKind::AuthRole | VaultKind::SecretsRole) => format!("{bao} delete {}", role(id)),
            Some(VaultKind::TransitKey) => {
                // The server deletes no key before somebody has said that it may.
                let (config, key) = (word(&format!("{}/config", key_path(id))), word(&key_path(id)));
                format!("{bao} write {config} deletion_allowed=true && {bao} delete {key}")
            }
            _ => self.showing(id, reach),
        }
    }

    fn ending_of_field(&self, id: &ResourceId, pointer: &str, value: Option<&Tree>, reach: &Reach) -> String {
        if id.vault_kind() == Some(VaultKind::UserList) {
            return users::without(&bao(reach), id, (pointer, value), reach)
                .unwrap_or_else(|| self.showing(id, reach));
        }
        match (id.vault_kind(), value.and_then(Tree::as_text)) {
            (Some(VaultKind::Group), Some(policy)) => {
                without(&bao(reach), &group(&id.name), "policies", policy)
            }
            (Some(VaultKind::AuthRole), Some(policy)) => {
                // It needs all of a role again.
                let (bao, path) = (bao(reach), role(id));
                let entry = Tree::from(policy).to_string();
                let filter = word(&format!(".data | .token_policies -= [{entry}]"));
                format!("{bao} read -format=json {path} | jq {filter} | {bao} write {path} -")
            }
            _ => self.showing(id, reach),
        }
    }

    fn showing(&self, id: &ResourceId, reach: &Reach) -> String {
        let bao = bao(reach);
        match id.vault_kind() {
            Some(VaultKind::Policy) => format!("{bao} policy read {}", word(&id.name)),
            Some(VaultKind::Member) => format!("{bao} read {}", group(&id.scope)),
            Some(VaultKind::Entity) => format!("{bao} list -detailed identity/entity-alias/id"),
            Some(VaultKind::ExternalGroup) => format!("{bao} list -detailed identity/group-alias/id"),
            Some(VaultKind::AuthRole | VaultKind::SecretsRole) => format!("{bao} read {}", role(id)),
            Some(VaultKind::TransitKey) => format!("{bao} read {}", word(&key_path(id))),
            Some(VaultKind::UserList) => format!("{bao} kv get -field={USERS} {}", word(&id.place())),
            Some(VaultKind::Group) | None => format!("{bao} read {}", group(&id.name)),
        }
    }

    fn editor(&self) -> &'static str {
        "${EDITOR:-vi}"
    }

    fn still_gives(&self, id: &ResourceId) -> Option<String> {
        match id.vault_kind()? {
            VaultKind::Member => {
                Some(format!("{} is still in the Vault group {}", one_line(&id.name), one_line(&id.scope)))
            }
            VaultKind::Policy => {
                Some(format!("whoever has the Vault policy {} may still do what it says", one_line(&id.name)))
            }
            VaultKind::AuthRole => {
                Some(format!("pipelines still log in to Vault at auth/{}", one_line(&id.scope)))
            }
            VaultKind::SecretsRole => Some(format!(
                "whoever may ask {}/creds/{} in Vault still gets tokens of the cluster",
                one_line(&id.scope),
                one_line(&id.name)
            )),
            VaultKind::Group
            | VaultKind::Entity
            | VaultKind::ExternalGroup
            | VaultKind::TransitKey
            | VaultKind::UserList => None,
        }
    }

    fn entry_gives(&self, id: &ResourceId, entry: &Tree) -> Option<String> {
        let policy = one_line(entry.as_text()?);
        match id.vault_kind()? {
            VaultKind::Group => Some(format!(
                "whoever is in the Vault group {} still has the policy {policy}",
                one_line(&id.name)
            )),
            VaultKind::AuthRole => Some(format!(
                "pipelines that log in to Vault at auth/{} still have the policy {policy}",
                one_line(&id.scope)
            )),
            _ => None,
        }
    }

    fn field_gives(&self, id: &ResourceId, pointer: &str, value: Option<&Tree>) -> Option<String> {
        (id.vault_kind()? == VaultKind::UserList).then(|| users::still(id, pointer, value))?
    }

    fn field_is_of(&self, id: &ResourceId, pointer: &str) -> Option<SmolStr> {
        (id.vault_kind()? == VaultKind::UserList).then(|| users::of(pointer))?
    }

    /// An entity or an external group is whose it is: kwo makes one where there is none, and never changes one.
    fn is_nobodys(&self, id: &ResourceId) -> bool {
        matches!(id.vault_kind(), Some(VaultKind::Entity | VaultKind::ExternalGroup))
    }

    /// A policy leads to roles, and a group gives policies.
    fn hands_on(&self, id: &ResourceId) -> bool {
        matches!(id.vault_kind(), Some(VaultKind::Policy | VaultKind::Group))
    }

    fn lost_with(&self, id: &ResourceId) -> Option<&'static str> {
        (id.vault_kind() == Some(VaultKind::TransitKey))
            .then_some("nobody can decrypt afterwards what it encrypted")
    }

    /// Who is in a group, and what a policy says, ends with whoever leaves. A group that nobody is in and an entity without a
    /// group give nothing, and have ids on the server that nothing brings back. The roles and the policy of pipelines are
    /// those of all tenants.
    fn ends_by_hand(&self, id: &ResourceId, whole: bool) -> bool {
        let theirs = match id.vault_kind() {
            Some(VaultKind::Member) => true,
            Some(VaultKind::Policy) => !is_of_pipelines(&id.name),
            _ => false,
        };
        !(whole && theirs)
    }

    fn only_by_name(&self, id: &ResourceId, differences: &[Difference]) -> Option<SmolStr> {
        let of_others = match id.vault_kind()? {
            VaultKind::UserList => true,
            VaultKind::AuthRole | VaultKind::SecretsRole => id.name != DEPLOYER,
            _ => false,
        };
        let told = differences.iter().filter(|_| of_others).filter_map(|difference| match difference {
            Difference::Other { pointer, from, to } => Some(format!("{pointer} is {from}, and not {to}")),
            Difference::Missing { .. } => None,
        });
        let told: Vec<String> = told.collect();
        (!told.is_empty()).then(|| told.join(", ").into())
    }

    fn is_reviewed(&self) -> bool {
        false
    }

    fn is_of(&self, id: &ResourceId, person: &str) -> bool {
        id.vault_kind() == Some(VaultKind::Member) && member(&id.name).called() == person
    }

    fn loses(&self, id: &ResourceId, _: bool) -> Order {
        match id.vault_kind() {
            Some(
                VaultKind::Member
                | VaultKind::Group
                | VaultKind::Policy
                | VaultKind::AuthRole
                | VaultKind::SecretsRole,
            ) => Order::Right,
            Some(VaultKind::Entity | VaultKind::ExternalGroup) => Order::Credential,
            Some(VaultKind::TransitKey | VaultKind::UserList) | None => Order::Rest,
        }
    }

    fn part(&self, _: &ResourceId) -> Option<SmolStr> {
        Some(SmolStr::new_static(PART))
    }

    fn not_asked(&self) -> SmolStr {
        "kwo looks at Vault only where the roster names it under `systems`".into()
    }
}

impl VaultKind {
    /// All of them.
    pub const ALL: [VaultKind; 9] = [
        VaultKind::Policy,
        VaultKind::Group,
        VaultKind::Member,
        VaultKind::Entity,
        VaultKind::ExternalGroup,
        VaultKind::AuthRole,
        VaultKind::SecretsRole,
        VaultKind::TransitKey,
        VaultKind::UserList,
    ];

    /// Those of which there may be one at each path of a method or an engine.
    const AT_A_PATH: [VaultKind; 4] =
        [VaultKind::AuthRole, VaultKind::SecretsRole, VaultKind::TransitKey, VaultKind::UserList];

    /// Its name in ids.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            VaultKind::Policy => "Policy",
            VaultKind::Group => "Group",
            VaultKind::Member => "Member",
            VaultKind::Entity => "Entity",
            VaultKind::ExternalGroup => "ExternalGroup",
            VaultKind::AuthRole => "AuthRole",
            VaultKind::SecretsRole => "SecretsRole",
            VaultKind::TransitKey => "TransitKey",
            VaultKind::UserList => "UserList",
        }
    }
}

impl ResourceId {
    /// Something in Vault. The scope of a member is its group, that of a role or a key the path it is at; nothing else has
    /// one.
    pub fn vault(kind: VaultKind, scope: impl Into<SmolStr>, name: impl Into<SmolStr>) -> ResourceId {
        let kind = SmolStr::new_static(kind.name());
        ResourceId { system: System::Vault, kind, scope: scope.into(), name: name.into() }
    }

    /// The path of an entry in a store, as clients name it.
    #[must_use]
    pub fn place(&self) -> SmolStr {
        format_smolstr!("{}/{}", self.scope, self.name)
    }

    /// The kind, where it is one of Vault's.
    #[must_use]
    pub fn vault_kind(&self) -> Option<VaultKind> {
        VaultKind::ALL.into_iter().find(|kind| self.system == System::Vault && self.kind == kind.name())
    }
}

/// The way to the server.
pub(crate) fn connection(settings: Tree, secrets: BTreeMap<SmolStr, SecretRef>) -> Connection {
    Connection { system: System::Vault, part: SmolStr::new_static(PART), settings, secrets }
}

/// Who a member of a group is, by the name that the roster has.
pub(crate) fn member(name: &str) -> Identity {
    match name.strip_prefix("group:") {
        Some(group) => Identity::Group(group.into()),
        None => Identity::User(name.into()),
    }
}

/// The client, with the address of the server.
fn bao(reach: &Reach) -> SmolStr {
    reach.parts.get(PART).cloned().unwrap_or_else(|| SmolStr::new_static("bao"))
}

fn group(name: &str) -> String {
    word(&format!("identity/group/name/{name}"))
}

/// Where a role is.
fn role(id: &ResourceId) -> String {
    word(&role_path(id.vault_kind() == Some(VaultKind::AuthRole), &id.scope, &id.name))
}

/// The path of a role of an auth method, or else of a secrets engine.
#[must_use]
pub fn role_path(auth: bool, mount: &str, name: &str) -> String {
    if auth { format!("auth/{mount}/role/{name}") } else { format!("{mount}/roles/{name}") }
}

/// Where all roles of an auth method, or else of a secrets engine, are listed.
#[must_use]
pub fn roles_path(auth: bool, mount: &str) -> String {
    if auth { format!("auth/{mount}/role") } else { format!("{mount}/roles") }
}

/// Where a key is.
fn key_path(id: &ResourceId) -> String {
    format!("{}/keys/{}", id.scope, id.name)
}

/// The command that takes one entry out of a list of the object at this path, which is a word of a shell already. The
/// server takes only the whole list, so it is read right before. An empty list it tells as none.
#[must_use]
pub fn without(bao: &str, path: &str, list: &str, entry: &str) -> String {
    let entry = Tree::from(SmolStr::from(entry)).to_string();
    let filter = word(&format!("{{{list}: ((.data.{list} // []) - [{entry}])}}"));
    format!("{bao} read -format=json {path} | jq {filter} | {bao} write {path} -")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The server keeps names of policies without capitals, and a policy of another name would be left over.
    #[test]
    fn a_policy_of_pipelines_is_named_as_the_server_keeps_it() {
        assert_eq!(pipelines_policy("kubernetes"), "kwo-deployer");
        assert_eq!(pipelines_policy("Prod/K8s"), "kwo-deployer.prod.k8s");
        assert!(is_of_pipelines(&pipelines_policy("Prod/K8s")));
    }

    #[test]
    fn ids_print_and_parse_whatever_an_identity_holds() {
        for text in [
            "vault:Policy/kwo-alice-owner",
            "vault:Member/kwo-alice-owner/alice@example.com",
            "vault:Member/kwo-alice-owner/group:/staff/a:b",
            "vault:Entity/a/b c",
            "vault:AuthRole/prod/kubernetes/kwo-deployer",
            "vault:SecretsRole/kubernetes/kwo-deployer",
            "vault:TransitKey/team/transit/kwo-alice",
            "vault:UserList/team/secret/platform",
        ] {
            let id: ResourceId = text.parse().unwrap();
            assert_eq!(id.to_string(), text);
            assert!(id.vault_kind().is_some() && id.node_kind().is_none() && id.known_kind().is_none());
        }
        let bad = [
            "vault:",
            "vault:Policy",
            "vault:Policy/",
            "vault:Member/g",
            "vault:Member//a",
            "vault:Member/g/",
            "vault:AuthRole/kwo-deployer",
            "vault:AuthRole/a/",
        ];
        for text in bad {
            assert!(text.parse::<ResourceId>().is_err(), "{text}");
        }
        let unknown: ResourceId = "vault:Mount/x".parse().unwrap();
        assert!(unknown.vault_kind().is_none() && unknown.shape().is_none());
    }

    #[test]
    fn what_others_wrote_is_one_word_of_the_command() {
        let reach = Reach::default();
        let id = ResourceId::vault(VaultKind::Group, "", "kwo-a-owner");
        let hostile = Tree::from("x'; rm -rf ~ #\\\"]".to_owned());
        let said = OfVault.ending_of_field(&id, "/policies/1", Some(&hostile), &reach);
        assert_eq!(
            said,
            r#"bao read -format=json identity/group/name/kwo-a-owner | jq '{policies: ((.data.policies // []) - ["x'\''; rm -rf ~ #\\\"]"])}' | bao write identity/group/name/kwo-a-owner -"#
        );
    }
}
