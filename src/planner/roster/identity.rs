//! Who somebody is to Kubernetes: a user or a group, by the name that the login system gives it.

use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use sha2::{Digest as _, Sha256};
use smol_str::{SmolStr, format_smolstr};

use super::editors::in_words;
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

    /// As the command line and records name somebody whom the roster may not know. A cluster can have a user whose name
    /// begins like a group's: that one has `user:` in front, as in `kwo access`.
    #[must_use]
    pub fn called(&self) -> SmolStr {
        match self {
            Identity::User(name) if alike(name) => format_smolstr!("user:{name}"),
            Identity::User(name) => name.clone(),
            Identity::Group(name) => format_smolstr!("group:{name}"),
        }
    }

    /// Who is called so.
    #[must_use]
    pub fn of_called(who: &str) -> Identity {
        match (who.strip_prefix("group:"), who.strip_prefix("user:").filter(|name| alike(name))) {
            (Some(group), _) => Identity::Group(group.into()),
            (None, Some(name)) => Identity::User(name.into()),
            (None, None) => Identity::User(who.into()),
        }
    }

    /// What a person would call it, which names its bindings: a user's part before the `@`, or the group's name. What
    /// cannot be a part of a name becomes words, with a hash that keeps it apart from others of the same words.
    #[must_use]
    pub fn person(&self) -> SmolStr {
        let person = match self {
            Identity::User(name) => match name.split_once('@') {
                Some((person, _)) if !person.is_empty() => person,
                _ => name,
            },
            Identity::Group(name) => name,
        };
        if person.chars().all(|char| visible(char) && !matches!(char, '/' | '%')) && person.len() <= LONGEST {
            return person.into();
        }
        let mut words = String::new();
        for char in self.name().chars().flat_map(char::to_lowercase) {
            match char.is_ascii_alphanumeric() {
                true => words.push(char),
                false if !words.is_empty() && !words.ends_with('-') => words.push('-'),
                false => {}
            }
        }
        words.truncate(40);
        let words = words.trim_end_matches('-');
        if words.is_empty() { self.hash() } else { format_smolstr!("{words}-{}", self.hash()) }
    }

    /// What tells it apart from everybody of the same name for people.
    #[must_use]
    pub fn hash(&self) -> SmolStr {
        let digest = Sha256::digest(self.to_string());
        digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect::<String>().into()
    }
}

/// Would the name of a user be read as somebody else?
fn alike(name: &str) -> bool {
    ["group:", "user:group:", "user:user:"].iter().any(|begin| name.starts_with(begin))
}

/// How long a part of a name may be that is taken as it is.
const LONGEST: usize = 200;

/// Do several people stand in one text? Names of an LDAP directory have commas too, and an `@` in none of their parts.
fn several(name: &str) -> bool {
    let people = |between: fn(char) -> bool| {
        let mut parts = name.split(between).filter(|part| !part.is_empty()).peekable();
        let many = name.contains(between);
        many && parts.peek().is_some() && parts.all(|part| part.contains('@'))
    };
    people(|char| matches!(char, ',' | ';')) || people(char::is_whitespace)
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
        let wrong = |why: &str| {
            Refusal::new("bad-identity", format!("{} is not a valid identity: {why}", quote(text)))
        };
        let (group, name) = match text.strip_prefix("group:") {
            Some(name) => (true, name),
            None => (false, text),
        };
        if name.trim().is_empty() {
            return Err(if group {
                wrong("`group:` is not followed by a name")
                    .hint("write the group's name, as in `group:alice-team`")
            } else {
                wrong("it is empty")
            });
        }
        if let Some(bad) = name.chars().find(|char| *char != ' ' && !visible(*char)) {
            return Err(wrong(&format!("{} is not allowed in it", show(bad)))
                .hint("write the name that the login system gives"));
        }
        if several(name) {
            return Err(wrong("it names several people").hint("write each person as an item of its own"));
        }
        let trimmed = name.trim();
        if trimmed != name {
            let group = if group { "group:" } else { "" };
            return Err(wrong("a space is not allowed at its start or end")
                .hint(format!("write `{group}{trimmed}`, with no space around it")));
        }
        if name.len() > 1024 {
            return Err(wrong("it is over 1024 characters"));
        }
        if name.starts_with("system:") {
            let account = name.strip_prefix("system:serviceaccount:").filter(|_| !group);
            let account = account
                .and_then(|account| account.split_once(':'))
                .is_some_and(|(namespace, name)| dns_label(namespace).is_ok() && service_account(name));
            let accounts = name.strip_prefix("system:serviceaccounts:").filter(|_| group);
            if !account && accounts.is_none_or(|namespace| dns_label(namespace).is_err()) {
                return Err(wrong("names that start with `system:` are Kubernetes' own").hint(
                    "of these, only service accounts may be named: `system:serviceaccount:NAMESPACE:NAME`, or all of a \
                     namespace with `group:system:serviceaccounts:NAMESPACE`",
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
        in_words::<Identity>(json_schema!({
            "description": "A user such as `alice@example.com`, or a group: `group:alice-team`.",
            "type": ["string", "number", "boolean"],
            "pattern": "^(group:\\S(.*\\S)?|(?!group:)\\S(.*\\S)?)$",
        }))
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

    /// To Kubernetes such a name is another person, and to whoever reads the roster the same.
    #[test]
    fn a_name_with_something_in_it_that_nobody_sees_is_refused() {
        for hidden in
            ['\u{3164}', '\u{2800}', '\u{34f}', '\u{115f}', '\u{fe0f}', '\u{e0100}', '\u{200b}', '\u{a0}']
        {
            for text in [format!("viktor@example.com{hidden}"), format!("group:a{hidden}b")] {
                let refused = text.parse::<Identity>().unwrap_err().to_string();
                assert!(refused.contains(&format!("U+{:04X}", u32::from(hidden))), "{refused}");
            }
        }
    }

    #[test]
    fn names_that_login_systems_really_give_are_taken() {
        let person = |text: &str| {
            let who = text.parse::<Identity>().unwrap();
            assert_eq!(who.to_string(), text);
            who.person()
        };
        for (text, words) in [
            ("group:/team-a", "team-a-"),
            ("group:/a/b", "a-b-"),
            ("https://login.example.com/realms/x#8f14e45f", "https-login-example-com-realms-x-8f14e45-"),
            ("group:CN=K8s Admins,OU=Groups,DC=corp,DC=example", "cn-k8s-admins-ou-groups-dc-corp-dc-examp-"),
            ("group:Platform Engineers", "platform-engineers-"),
            ("group:100%", "100-"),
            ("group:/", ""),
        ] {
            let person = person(text);
            assert_eq!(person.strip_prefix(words).map(str::len), Some(8), "{text}: {person}");
        }
        // Such as were taken before keep the name that their bindings have.
        for text in [
            "group:CN=admins,OU=x",
            "group:system:serviceaccounts:ci",
            "group:f1a2b3c4-0000-4000-8000-000000000000",
        ] {
            assert_eq!(person(text), text.trim_start_matches("group:"));
        }
        assert_ne!(person("group:/team-a"), person("group:team-a"));
        assert_ne!(person("group:a b"), person("group:a/b"));
    }

    #[test]
    fn what_kubernetes_keeps_for_itself_is_refused() {
        for bad in [
            "",
            "group:",
            "group: team",
            " ",
            "group: ",
            "system:masters",
            "group:system:masters",
            "group:system:serviceaccounts",
            "system:serviceaccount:ci",
            "system:serviceaccount:ci:a:b",
            "group:system:serviceaccounts:",
            "group:system:authenticated",
            "group:system:unauthenticated",
            "system:anonymous",
            " a",
            "a@x.example ",
            "a@x.example, b@x.example",
            "a@x.example;b@x.example",
            "a@x.example b@x.example",
            "a\tb",
            "a\u{a0}b",
            "a\u{0}b",
        ] {
            assert!(bad.parse::<Identity>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_user_and_a_group_are_never_called_the_same() {
        let names =
            ["x", "group:x", "user:x", "user:group:x", "user:user:x", "user:user:group:x", "group:group:x"];
        let all =
            names.iter().flat_map(|name| [Identity::User((*name).into()), Identity::Group((*name).into())]);
        let mut called = std::collections::BTreeMap::new();
        for who in all {
            assert_eq!(Identity::of_called(&who.called()), who);
            assert_eq!(called.insert(who.called(), who.clone()), None, "{who:?}");
        }
        assert_eq!(Identity::User("group:x".into()).called(), "user:group:x");
        assert_eq!(Identity::Group("x".into()).called(), "group:x");
    }
}
