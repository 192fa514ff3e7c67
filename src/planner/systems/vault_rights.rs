//! The rights that kwo needs in Vault, by paths: for `kwo systems check`, which asks for each, and for the page about Vault,
//! which lists them as a policy.

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

/// All of them, with those for the auth method of pipelines, the engine of their tokens and that of keys where the roster
/// names these.
#[must_use]
pub fn rights(pipelines: Option<&str>, deployers: Option<&str>, transit: Option<&str>) -> Vec<Right> {
    let always = ALWAYS.into_iter().map(|(path, can)| (path.to_owned(), can));
    let role =
        |auth: bool| move |mount: &str| (super::vault::role_path(auth, mount, super::vault::DEPLOYER), KEEP);
    let roles = pipelines.map(role(true)).into_iter().chain(deployers.map(role(false)));
    let keys = transit.into_iter().map(|mount| (format!("{mount}/keys/kwo-*"), KEEP));
    always.chain(roles).chain(keys).map(|(path, can)| Right { path, can }).collect()
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
        let all = rights(Some("prod/k8s"), None, None);
        assert_eq!(all.len(), ALWAYS.len() + 1);
        assert!(all.iter().all(|right| !right.asked().contains('*')));
        let last = all.last().unwrap();
        let lines = last.lines(last.can);
        assert_eq!(lines[0], "path \"auth/prod/k8s/role/kwo-deployer\" {");
        assert_eq!(lines[1], "  capabilities = [\"create\", \"read\", \"update\"]");
    }
}
