//! Who somebody is to the API server: a name and groups. A service account is a user with a name of a certain form; the
//! authorizer knows no other difference, and neither does anything here.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use smol_str::format_smolstr;

use crate::foreign::clipped;
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
                None => clipped(name),
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

/// As people write it: `bob@example.com`, `group:ops`, `serviceaccount:shop/deployer`. With `user:` in front it is a name
/// whatever it looks like.
impl FromStr for Who {
    type Err = Infallible;
    fn from_str(text: &str) -> Result<Who, Infallible> {
        if let Some(name) = text.strip_prefix("user:") {
            return Ok(Who::User(name.into()));
        }
        if let Some(name) = text.strip_prefix("group:") {
            return Ok(Who::Group(name.into()));
        }
        let account = text.strip_prefix("serviceaccount:").and_then(|rest| rest.split_once('/'));
        Ok(account.map_or_else(|| Who::User(text.into()), |(namespace, name)| Who::account(namespace, name)))
    }
}

/// As people write it, so that it can be read again.
impl fmt::Display for Who {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, self.as_account()) {
            (_, Some((namespace, name))) => write!(out, "serviceaccount:{namespace}/{name}"),
            (Who::Group(name), None) => write!(out, "group:{name}"),
            (Who::User(name), None) => {
                let alike =
                    ["user:", "group:", "serviceaccount:"].iter().any(|start| name.starts_with(start));
                write!(out, "{}{name}", if alike { "user:" } else { "" })
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
            let Ok(who) = text.parse::<Who>();
            assert_eq!(who.to_string(), text);
        }
        let Ok(same) = "system:serviceaccount:shop:deployer".parse::<Who>();
        assert_eq!(same, Who::account("shop", "deployer"));
    }

    #[test]
    fn a_service_account_has_its_groups_and_a_name_like_one_has_not() {
        let groups = |text: &str| {
            let Ok(who) = text.parse::<Who>();
            who.asks(&[]).groups.join(" ")
        };
        let all = "system:authenticated system:serviceaccounts system:serviceaccounts:shop";
        assert_eq!(groups("serviceaccount:shop/deployer"), all);
        assert_eq!(groups("system:serviceaccount:shop:deployer:x"), "system:authenticated");
        assert_eq!(groups("group:system:serviceaccounts:shop"), all);
        assert_eq!(groups("system:anonymous"), "system:unauthenticated");
        assert_eq!(groups("group:system:unauthenticated"), "system:unauthenticated");
    }
}
