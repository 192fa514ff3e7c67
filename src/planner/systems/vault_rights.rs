//! The rights that kwo needs in Vault, by paths: for `kwo systems check`, which asks for each, and for the page about Vault,
//! which lists them as a policy.

use smol_str::SmolStr;

use super::vault::{DEPLOYER, own_role, role_path, roles_path};

/// A right on a path.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Right {
    /// The path, as a policy has it.
    pub path: String,
    /// What kwo does there.
    pub can: &'static [&'static str],
}

const READ: &[&str] = &["read"];
const LIST: &[&str] = &["list"];
const MAKE: &[&str] = &["create", "update"];
const KEEP: &[&str] = &["create", "read", "update"];
const MARK: &[&str] = &["read", "patch"];
const WRITE: &[&str] = &["create", "read", "update", "patch"];

/// What kwo does in every Vault.
const ALWAYS: [(&str, &[&str]); 17] = [
    ("sys/auth", READ),
    ("sys/policies/detailed/acl", LIST),
    ("sys/policies/acl", LIST),
    ("sys/policies/acl/kwo-*", KEEP),
    ("sys/capabilities-self", &["update"]),
    ("identity/group/id", LIST),
    ("identity/group/id/*", &["read", "update"]),
    ("identity/group/name/kwo-*", READ),
    ("identity/group", MAKE),
    ("identity/entity-alias/id", LIST),
    ("identity/entity-alias", MAKE),
    ("identity/group-alias/id", LIST),
    ("identity/group-alias", MAKE),
    ("identity/entity", MAKE),
    ("identity/entity/name/kwo-login-*", READ),
    ("identity/lookup/entity", MAKE),
    ("identity/lookup/group", MAKE),
];

/// What the roster names beside what is in every Vault.
#[derive(Clone, Copy, Debug, Default)]
pub struct Named<'n> {
    /// The path of the auth method of pipelines.
    pub pipelines: Option<&'n str>,
    /// That of the engine of their tokens.
    pub deployers: Option<&'n str>,
    /// That of the engine of keys.
    pub transit: Option<&'n str>,
    /// The namespaces that have roles of their own, where kwo looks for such roles.
    pub own_roles: Option<&'n [SmolStr]>,
    /// The store, and the path in it of the list of users.
    pub users: Option<(&'n str, &'n str)>,
}

/// All of them, with those for what the roster names.
#[must_use]
pub fn rights(named: Named<'_>) -> Vec<Right> {
    let Named { pipelines, deployers, transit, own_roles, users } = named;
    let always = ALWAYS.into_iter().map(|(path, can)| (path.to_owned(), can));
    let role = |auth: bool| move |mount: &str| (role_path(auth, mount, DEPLOYER), KEEP);
    let roles = pipelines.map(role(true)).into_iter().chain(deployers.map(role(false)));
    let own =
        [(true, pipelines), (false, deployers)].into_iter().filter_map(|(auth, mount)| Some((auth, mount?)));
    let own = own.zip(own_roles.into_iter().cycle()).flat_map(|((auth, mount), spaces)| {
        let role = move |space: &SmolStr| (role_path(auth, mount, &own_role(space)), KEEP);
        let all = [(roles_path(auth, mount), LIST), (role_path(auth, mount, "*"), READ)];
        all.into_iter().chain(spaces.iter().map(role))
    });
    let keys = transit.into_iter().map(|mount| (format!("{mount}/keys/kwo-*"), KEEP));
    let entry = users.into_iter().flat_map(|(kv, path)| {
        [(format!("{kv}/data/{path}"), WRITE), (format!("{kv}/metadata/{path}"), MARK)]
    });
    always.chain(roles).chain(own).chain(keys).chain(entry).map(|(path, can)| Right { path, can }).collect()
}

impl Right {
    /// A path that it is asked for by: a server says what may be done at a path, and not what a pattern gives.
    #[must_use]
    pub fn asked(&self) -> String {
        self.path.replace('*', "x")
    }

    /// The lines of a policy that give this.
    #[must_use]
    pub fn lines(&self, can: &[&str]) -> [String; 3] {
        let can: Vec<String> = can.iter().map(|word| format!("\"{word}\"")).collect();
        [
            format!("path \"{}\" {{", self.path),
            format!("  capabilities = [{}]", can.join(", ")),
            "}".to_owned(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_is_asked_for_at_a_path_that_can_be() {
        let all = rights(Named { pipelines: Some("prod/k8s"), ..Named::default() });
        assert_eq!(all.len(), ALWAYS.len() + 1);
        assert!(all.iter().all(|right| !right.asked().contains('*')));
        let last = all.last().unwrap();
        let lines = last.lines(last.can);
        assert_eq!(lines[0], "path \"auth/prod/k8s/role/kwo-deployer\" {");
        assert_eq!(lines[1], "  capabilities = [\"create\", \"read\", \"update\"]");
    }
}
