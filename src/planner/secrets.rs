//! Secrets as the planner knows them: a reference to what belongs at a place of an object, and a keyed fingerprint of
//! it. The bytes are never here; the caller says what became of each reference.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::change::Hold;
use crate::resource::{Desired, Resource, ResourceId};
use crate::roster::SecretRef;
use crate::tree::{SmolStr, Tree, join};

/// The Secret of the cluster whose key the fingerprints are made with: namespace, name and key. Without it (nothing
/// was ever applied, or nobody may look at it) there are no fingerprints.
pub const FINGERPRINT_KEY: (&str, &str, &str) = ("kube-system", "kwo-fingerprint", "key");

/// What has to stand at one place of an object.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Content {
    /// The secret itself.
    Plain(#[schemars(with = "String")] SecretRef),
    /// An htpasswd file with bcrypt hashes of these passwords.
    Htpasswd(Vec<User>),
    /// The name that a user logs in with, one of [`logins`].
    Login(SmolStr),
}

/// How many bytes of a password count in an htpasswd file: bcrypt looks at no more.
pub const LONGEST_PASSWORD: usize = 72;

/// What a plan shows of an htpasswd file in which somebody still stands whose time is over; the names follow.
pub const STILL_ADMITS: &str = "still admits ";

/// The two names of a user whose password kwo makes. A registry knows one password a name, so a new password that is to
/// work beside the old one goes with the other name.
#[must_use]
pub fn logins(user: &str) -> [SmolStr; 2] {
    [user.into(), smol_str::format_smolstr!("{user}-2")]
}

/// A user of an htpasswd file.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct User {
    /// The name.
    pub name: SmolStr,
    /// The password.
    pub password: Password,
}

/// Where a password comes from.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Password {
    /// From a reference.
    Reference(#[schemars(with = "String")] SecretRef),
    /// It stands at this place of the same object.
    Place(SmolStr),
}

/// A place of an object and what has to stand there.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Secret {
    /// Where.
    pub pointer: SmolStr,
    /// What.
    pub content: Content,
}

/// What became of the references of one content.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Found {
    /// All were found; this is a keyed fingerprint of what has to stand there, or empty where there is no key yet.
    Known(SmolStr),
    /// Whatever stands there is right; where nothing does, it is made.
    Made,
    /// One was not found.
    Missing {
        /// Which, as in the roster.
        reference: SmolStr,
        /// Why, as a sentence without a full stop.
        why: SmolStr,
    },
}

/// A reference that leads to nothing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Missing {
    /// The reference, as in the roster.
    pub reference: SmolStr,
    /// Why, as a sentence without a full stop.
    pub why: SmolStr,
}

impl From<Missing> for Hold {
    fn from(missing: Missing) -> Hold {
        let Missing { reference, why } = missing;
        Hold::SecretMissing { secret: reference, why }
    }
}

impl fmt::Display for Content {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Content::Plain(reference) => reference.fmt(out),
            Content::Login(user) => {
                let [first, second] = logins(user);
                write!(out, "{first} or {second}, whose turn it is")
            }
            Content::Htpasswd(users) => {
                out.write_str("htpasswd of")?;
                for (at, User { name, password }) in users.iter().enumerate() {
                    out.write_str(if at == 0 { " " } else { ", " })?;
                    match password {
                        Password::Reference(reference) => write!(out, "{name} ({reference})")?,
                        Password::Place(pointer) => write!(out, "{name} ({pointer})")?,
                    }
                }
                Ok(())
            }
        }
    }
}

/// What stands in a body in place of the bytes.
#[must_use]
pub fn placeholder(content: &Content, found: &Found) -> Tree {
    Tree::from(match found {
        Found::Known(fingerprint) if !fingerprint.is_empty() => format!("{content} #{fingerprint}"),
        Found::Known(_) | Found::Made | Found::Missing { .. } => content.to_string(),
    })
}

impl Desired {
    /// The same with every reference looked up: its fingerprint is in the body, or the resource knows that it lacks it.
    #[must_use]
    pub fn with_secrets(self, find: impl Fn(&ResourceId, &Secret) -> Found) -> Desired {
        self.map(|resource| {
            let mut resource = resource;
            for secret in resource.secrets.clone() {
                let found = find(&resource.id, &secret);
                resource.body = resource.body.with(&secret.pointer, placeholder(&secret.content, &found));
                if let Found::Missing { reference, why } = found {
                    resource.missing = Some(Box::new(Missing { reference, why }));
                }
            }
            resource
        })
    }
}

impl Resource {
    /// The same with a secret at this place.
    #[must_use]
    pub fn with_secret(mut self, pointer: impl Into<SmolStr>, content: Content) -> Resource {
        let pointer = pointer.into();
        let unknown = placeholder(&content, &Found::Made);
        self.body = self.body.with(&pointer, unknown);
        self.secrets.push(Secret { pointer, content });
        self
    }

    /// The same with secrets in the map at this place, by their keys. There may be many.
    #[must_use]
    pub(crate) fn with_secrets_in(mut self, place: &str, secrets: Vec<(SmolStr, Content)>) -> Resource {
        let have = self.body.at(place).map(Tree::entries).unwrap_or_default().iter().cloned();
        let unknown = secrets.iter().map(|(key, content)| (key.clone(), placeholder(content, &Found::Made)));
        self.body = self.body.with(place, Tree::map(have.chain(unknown)));
        let secrets = secrets.into_iter();
        let secrets = secrets.map(|(key, content)| Secret { pointer: join(place, &key).into(), content });
        self.secrets.extend(secrets);
        self
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::kinds::Kind;
    use crate::observed::{Observed, Sighting};
    use crate::plan::{Adopt, Provenance, plan};
    use crate::resource::Reason;

    fn desired(found: &Found) -> Desired {
        let id = ResourceId::kube(Kind::Secret, "kube-system", "dns-credentials");
        let body = Tree::map([("data", Tree::map::<SmolStr>([]))]);
        let resource = Resource::new(id, body, Arc::new([]), Reason::Always)
            .with_secret("/data/TOKEN", Content::Plain(SecretRef::Env("TOKEN".into())));
        Desired::new(vec![resource], Arc::default()).unwrap().with_secrets(|_, _| found.clone())
    }

    #[test]
    fn a_body_holds_a_fingerprint_and_no_bytes() {
        let desired = desired(&Found::Known("3f2a".into()));
        assert_eq!(desired.resources()[0].body.to_string(), r##"{"data":{"TOKEN":"env TOKEN #3f2a"}}"##);
    }

    #[test]
    fn a_secret_that_is_missing_holds_its_object() {
        let why = "the variable is not set";
        let desired = desired(&Found::Missing { reference: "env TOKEN".into(), why: why.into() });
        let seen: Observed = [(desired.resources()[0].id.clone(), Sighting::Absent)].into_iter().collect();
        let plan = plan(&desired, &seen, &Adopt::Nothing, Provenance::default());
        assert!(plan.steps.is_empty());
        assert_eq!(plan.held[0].hold, Hold::SecretMissing { secret: "env TOKEN".into(), why: why.into() });
    }
}
