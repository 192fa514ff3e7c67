//! Who somebody is to the API server: a name and groups. A service account is a user with a name of a certain form; the
//! authorizer knows no other difference, and neither does anything here.

use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use smol_str::format_smolstr;

use crate::foreign::clipped;
use crate::plain::user;
use crate::tree::SmolStr;

/// Whom the API server asks nothing: the authorizer lets them do everything.
pub const MASTERS: &str = "system:masters";
pub(super) const AUTHENTICATED: &str = "system:authenticated";
pub(super) const UNAUTHENTICATED: &str = "system:unauthenticated";
pub(super) const ANONYMOUS: &str = "system:anonymous";
const ACCOUNT: &str = "system:serviceaccount:";
/// All service accounts; with a colon and a namespace behind it, those of the namespace.
pub(super) const ACCOUNTS: &str = "system:serviceaccounts";

/// Whom a binding names.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Who {
    /// Somebody by a name; a service account as well.
    User(SmolStr),
    /// Everybody in a group.
    Group(SmolStr),
}

/// Somebody who asks: a name, and the groups that the login gives.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Asker {
    /// The name.
    pub user: SmolStr,
    /// The groups.
    pub groups: Vec<SmolStr>,
}

impl Who {
    /// A service account.
    #[must_use]
    pub fn account(namespace: &str, name: &str) -> Who {
        Who::User(format_smolstr!("{ACCOUNT}{namespace}:{name}"))
    }

    /// The namespace and the name of a service account.
    #[must_use]
    pub fn as_account(&self) -> Option<(&str, &str)> {
        let Who::User(name) = self else { return None };
        let (namespace, name) = name.strip_prefix(ACCOUNT)?.split_once(':')?;
        // With more colons in it, it is the name of no service account that there can be.
        (!namespace.is_empty() && !name.is_empty() && !name.contains(':')).then_some((namespace, name))
    }

    /// The namespace whose service accounts the group is.
    #[must_use]
    pub fn as_accounts_of(&self) -> Option<&str> {
        let Who::Group(name) = self else { return None };
        name.strip_prefix(ACCOUNTS)?.strip_prefix(':')
    }

    /// Is it one of the cluster's own, of which no person can have the name?
    #[must_use]
    pub fn is_clusters(&self) -> bool {
        let (Who::User(name) | Who::Group(name)) = self;
        name.starts_with("system:") && self.as_account().is_none() && !self.is_everybody()
    }

    /// Is it everybody of a kind?
    #[must_use]
    pub fn is_everybody(&self) -> bool {
        match self {
            Who::User(name) => name == ANONYMOUS,
            Who::Group(name) => {
                [AUTHENTICATED, UNAUTHENTICATED, ACCOUNTS].contains(&name.as_str())
                    || self.as_accounts_of().is_some()
            }
        }
    }

    /// The one who asks, with the groups that everybody of that kind has, and those that a login gives besides.
    #[must_use]
    pub fn asks(&self, more: &[SmolStr]) -> Asker {
        let mut groups: Vec<SmolStr> = more.to_vec();
        let user = match self {
            Who::User(name) => name.clone(),
            Who::Group(name) => {
                groups.push(name.clone());
                SmolStr::default()
            }
        };
        if let Some((namespace, _)) = self.as_account() {
            groups.push(ACCOUNTS.into());
            groups.push(format_smolstr!("{ACCOUNTS}:{namespace}"));
        } else if self.as_accounts_of().is_some() {
            groups.push(ACCOUNTS.into());
        }
        let without = user == ANONYMOUS || groups.iter().any(|group| group == UNAUTHENTICATED);
        groups.push(if without { UNAUTHENTICATED.into() } else { AUTHENTICATED.into() });
        groups.sort();
        groups.dedup();
        Asker { user, groups }
    }

    /// In words.
    #[must_use]
    pub fn told(&self) -> SmolStr {
        match self {
            Who::User(name) if name == ANONYMOUS => "everybody without a login".into(),
            Who::User(name) => match self.as_account() {
                Some((namespace, name)) => {
                    format_smolstr!("service account {}/{}", clipped(namespace), clipped(name))
                }
                None => clipped(&user(name)),
            },
            Who::Group(name) => match (name.as_str(), self.as_accounts_of()) {
                (UNAUTHENTICATED, _) => "everybody without a login (group)".into(),
                (AUTHENTICATED, _) => "everybody who logs in".into(),
                (ACCOUNTS, _) => "every service account".into(),
                (_, Some(namespace)) => format_smolstr!("every service account of {}", clipped(namespace)),
                (name, None) => format_smolstr!("group {}", clipped(name)),
            },
        }
    }
}

impl Asker {
    /// All that bindings may name to mean it.
    pub(super) fn names(&self) -> impl Iterator<Item = Who> {
        let Asker { user, groups } = self;
        let user = (!user.is_empty()).then(|| Who::User(user.clone()));
        user.into_iter().chain(groups.iter().cloned().map(Who::Group))
    }

    /// Does the API server let it do everything without a look at any role?
    #[must_use]
    pub fn is_master(&self) -> bool {
        self.groups.iter().any(|group| group == MASTERS)
    }
}

/// Why a word says nobody.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotWho {
    /// There is no name in it.
    #[error(
        "`{0}` names nobody; expected a user such as `bob@example.com`, `group:NAME` or `serviceaccount:NAMESPACE/NAME`"
    )]
    Nobody(String),
    /// A service account is named by its namespace and its name.
    #[error(
        "`{0}` names no service account; expected `serviceaccount:NAMESPACE/NAME`, or `user:{0}` for a user of this name"
    )]
    NotAccount(String),
    /// What stands before the colon is written otherwise.
    #[error("did you mean `{meant}`? A user of this name is `user:{typed}`")]
    Alike {
        /// As it is written.
        meant: String,
        /// As it was typed.
        typed: String,
    },
}

/// What people write before the colon for a kind of somebody.
const ALIKE: [(&str, &str); 9] = [
    ("user", "user"),
    ("users", "user"),
    ("group", "group"),
    ("groups", "group"),
    ("serviceaccount", "serviceaccount"),
    ("serviceaccounts", "serviceaccount"),
    ("service-account", "serviceaccount"),
    ("service_account", "serviceaccount"),
    ("sa", "serviceaccount"),
];

/// As people write it: `bob@example.com`, `group:ops`, `serviceaccount:shop/deployer`. With `user:` in front it is a name
/// whatever it looks like.
impl FromStr for Who {
    type Err = NotWho;
    fn from_str(text: &str) -> Result<Who, NotWho> {
        let named = |name: &str| match name.trim().is_empty() {
            true => Err(NotWho::Nobody(text.to_owned())),
            false => Ok(SmolStr::from(name)),
        };
        let Some((kind, name)) = text.split_once(':') else { return named(text).map(Who::User) };
        match kind {
            "user" => named(name).map(Who::User),
            "group" => named(name).map(Who::Group),
            "serviceaccount" => {
                let account = name.split_once('/').map(|(namespace, name)| Who::account(namespace, name));
                let account = account.filter(|who| who.as_account().is_some() && !name.ends_with('/'));
                let account = account.filter(|_| name.matches('/').count() == 1);
                account.ok_or_else(|| NotWho::NotAccount(text.to_owned()))
            }
            _ => {
                let folded = kind.to_ascii_lowercase();
                match ALIKE.iter().find(|(alike, _)| *alike == folded) {
                    Some((_, kind)) => {
                        Err(NotWho::Alike { meant: format!("{kind}:{name}"), typed: text.to_owned() })
                    }
                    None => named(text).map(Who::User),
                }
            }
        }
    }
}

/// As people write it, so that it can be read again.
impl fmt::Display for Who {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, self.as_account()) {
            (_, Some((namespace, name))) => write!(out, "serviceaccount:{namespace}/{name}"),
            (Who::Group(name), None) => write!(out, "group:{name}"),
            (Who::User(name), None) => {
                let plain = matches!(name.parse(), Ok(Who::User(same)) if same == *name);
                write!(out, "{}{name}", if plain { "" } else { "user:" })
            }
        }
    }
}

impl Serialize for Who {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Who {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Who".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A user by the name (`bob@example.com`), `group:NAME`, or `serviceaccount:NAMESPACE/NAME`. `user:` \
                            is in front of a user's name that begins like one of the others.",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_written_can_be_read_again() {
        for text in [
            "bob@example.com",
            "group:ops",
            "serviceaccount:shop/deployer",
            "user:group:ops",
            "user:user:x",
            "user:serviceaccount:a/b",
            "system:serviceaccount:a:b:c",
            "group:system:serviceaccount:a:b",
            "*",
        ] {
            assert_eq!(text.parse::<Who>().unwrap().to_string(), text);
        }
        let same = "system:serviceaccount:shop:deployer".parse::<Who>().unwrap();
        assert_eq!(same, Who::account("shop", "deployer"));
        // A cluster may have a user of any name.
        for name in ["sa:shop/deployer", "serviceaccount:bad", "Group:ops", "group:", "user:"] {
            let user = Who::User(name.into());
            assert_eq!(user.to_string().parse(), Ok(user), "{name}");
        }
    }

    #[test]
    fn a_word_that_names_nobody_is_told_the_right_form() {
        for (text, said) in [
            ("", "expected a user such as `bob@example.com`"),
            ("  ", "expected a user"),
            ("group:", "`group:` names nobody"),
            ("user:", "`user:` names nobody"),
            ("serviceaccount:bad", "expected `serviceaccount:NAMESPACE/NAME`, or `user:serviceaccount:bad`"),
            ("serviceaccount:shop/", "expected `serviceaccount:NAMESPACE/NAME`"),
            ("serviceaccount:/deployer", "expected `serviceaccount:NAMESPACE/NAME`"),
            ("serviceaccount:a/b/c", "expected `serviceaccount:NAMESPACE/NAME`"),
            ("serviceaccount:a/b:c", "expected `serviceaccount:NAMESPACE/NAME`"),
            (
                "sa:shop/deployer",
                "did you mean `serviceaccount:shop/deployer`? A user of this name is `user:sa:",
            ),
            ("Group:ops", "did you mean `group:ops`?"),
            ("ServiceAccount:shop/x", "did you mean `serviceaccount:shop/x`?"),
        ] {
            let why = text.parse::<Who>().unwrap_err().to_string();
            assert!(why.contains(said), "{text}: {why}");
        }
    }

    #[test]
    fn a_service_account_has_its_groups_and_a_name_like_one_has_not() {
        let groups = |text: &str| text.parse::<Who>().unwrap().asks(&[]).groups.join(" ");
        let all = "system:authenticated system:serviceaccounts system:serviceaccounts:shop";
        assert_eq!(groups("serviceaccount:shop/deployer"), all);
        assert_eq!(groups("system:serviceaccount:shop:deployer:x"), "system:authenticated");
        assert_eq!(groups("group:system:serviceaccounts:shop"), all);
        assert_eq!(groups("system:anonymous"), "system:unauthenticated");
        assert_eq!(groups("group:system:unauthenticated"), "system:unauthenticated");
    }
}
