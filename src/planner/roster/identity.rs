//! Who somebody is to Kubernetes: a user or a group, by the name that the login system gives it.

use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use smol_str::SmolStr;

use super::names::{dns_label, show, visible};
use super::scalar::{Refusal, Scalar, quote};

/// A user or a group. `group:NAME` is a group, anything else is a user, usually a mail address.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Identity {
    /// One user.
    User(SmolStr),
    /// Everybody in a group.
    Group(SmolStr),
}

impl Identity {
    /// The name that Kubernetes sees.
    #[must_use]
    pub fn name(&self) -> &SmolStr {
        match self {
            Identity::User(name) | Identity::Group(name) => name,
        }
    }

    /// What a person would call it, which names its bindings: a user's part before the `@`, or the group's name.
    #[must_use]
    pub fn person(&self) -> SmolStr {
        match self {
            Identity::User(name) => match name.split_once('@') {
                Some((person, _)) if !person.is_empty() => person.into(),
                _ => name.clone(),
            },
            Identity::Group(name) => name.clone(),
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Identity::User(name) => out.write_str(name),
            Identity::Group(name) => write!(out, "group:{name}"),
        }
    }
}

impl FromStr for Identity {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<Identity, Refusal> {
        let wrong =
            |why: &str| Refusal::new("bad-identity", format!("{} is no identity: {why}", quote(text)));
        let (group, name) = match text.strip_prefix("group:") {
            Some(name) => (true, name),
            None => (false, text),
        };
        if name.is_empty() {
            return Err(if group {
                wrong("`group:` is not followed by a name")
                    .hint("write the group's name, as in `group:alice-team`")
            } else {
                wrong("it is empty")
            });
        }
        if let Some(bad) = name.chars().find(|char| matches!(char, '/' | '%') || !visible(*char)) {
            let refusal = wrong(&format!("{} is not allowed in it", show(bad)));
            let trimmed = name.trim();
            return Err(match trimmed.chars().all(|char| visible(char) && !matches!(char, '/' | '%')) {
                true if group && !trimmed.is_empty() => {
                    refusal.hint(format!("write `group:{trimmed}`, with no space in it"))
                }
                _ if name.contains([',', ' ']) => {
                    refusal.hint("of several people, each is an item of its own")
                }
                _ => refusal.hint("write the name that the login system gives"),
            });
        }
        if name.len() > 253 {
            return Err(wrong("it is over 253 characters"));
        }
        if name.starts_with("system:") {
            let account = name.strip_prefix("system:serviceaccount:").filter(|_| !group);
            let fine = account
                .and_then(|account| account.split_once(':'))
                .is_some_and(|(namespace, name)| dns_label(namespace).is_ok() && service_account(name));
            if !fine {
                return Err(wrong("names that start with `system:` are Kubernetes' own").hint(
                    "of these, only a service account may be named: `system:serviceaccount:NAMESPACE:NAME`",
                ));
            }
        }
        Ok(if group { Identity::Group(name.into()) } else { Identity::User(name.into()) })
    }
}

fn service_account(name: &str) -> bool {
    name.split('.').all(|label| dns_label(label).is_ok())
}

impl Scalar for Identity {
    fn expected() -> String {
        "a user such as `alice@example.com`, or `group:NAME`".to_owned()
    }
}

impl JsonSchema for Identity {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Identity".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A user such as `alice@example.com`, or a group: `group:alice-team`.",
            "type": ["string", "number", "boolean"],
            "pattern": "^(group:[^\\s/%]+|(?!group:)[^\\s/%]+)$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_groups_and_service_accounts() {
        let who = |text: &str| text.parse::<Identity>().unwrap();
        assert_eq!(who("bob@example.com").person(), "bob");
        assert_eq!(who("group:team@x"), Identity::Group("team@x".into()));
        assert_eq!(who("group:team").person(), "team");
        assert_eq!(who("no"), Identity::User("no".into()));
        assert_eq!(who("@x").person(), "@x");
        assert!(matches!(who("system:serviceaccount:ci:builder"), Identity::User(_)));
    }

    #[test]
    fn what_kubernetes_keeps_for_itself_is_refused() {
        for bad in [
            "",
            "group:",
            "group: team",
            "system:masters",
            "group:system:masters",
            "group:system:serviceaccounts",
            "system:serviceaccount:ci",
            "system:serviceaccount:ci:a:b",
            "a b",
            "a/b",
            "a%b",
            "a\u{0}b",
        ] {
            assert!(bad.parse::<Identity>().is_err(), "{bad:?}");
        }
    }
}
