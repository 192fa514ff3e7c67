//! One cut: what ends a right or a credential, with all that brings it back. There is no cut without its inverse.

use serde::{Deserialize, Serialize};

use super::outside::{in_group, is_rest, leads, told};
use super::{Logins, Pick, hosts};
use crate::access;
use crate::domains::roles::POWER_USER;
use crate::kinds::Kind;
use crate::named::NAVIGATION;
use crate::observed::Version;
use crate::rbac::SYSTEM;
use crate::resource::ResourceId;
use crate::roster::Identity;
use crate::systems::Order;
use crate::tree::{SmolStr, Tree, tokens};

/// A part of an object that stays.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Part {
    /// Every subject of a binding that is this person: a user, or with `group:` in front of it a group.
    Subject(SmolStr),
    /// Every subject of a binding that is a service account of this namespace.
    Accounts(SmolStr),
    /// What these names log in with at the registry of the cluster.
    Logins(Logins),
    /// The field at this pointer, where it has this value.
    Field {
        /// The place.
        pointer: SmolStr,
        /// The value there.
        value: Tree,
    },
}

/// One cut. It can be made only by [`Cut::of`], and so it always has its inverse.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cut {
    id: ResourceId,
    seen: Version,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    parts: Vec<Entry>,
    inverse: Tree,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    logins: Option<Logins>,
    order: Order,
    why: SmolStr,
}

/// A value inside an object, by its place.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Where it stands.
    pub pointer: SmolStr,
    /// What stands there.
    pub value: Tree,
}

/// Why something cannot be cut.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Uncut {
    /// Nothing of it is there any more.
    #[error("it is gone already")]
    Gone,
    /// What is in it may not stand in a record, so it could not be brought back.
    #[error("{0} holds a secret that kwo keeps no copy of, so it could not be brought back")]
    Secret(ResourceId),
    /// Somebody else has something in it, by these names.
    #[error("somebody else added or changed {0} in it, so a person has to edit it")]
    Shared(String),
}

/// What the API server fills in by itself, and takes from nobody.
const FILLED: [&str; 8] = [
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "managedFields",
    "selfLink",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
];

/// What the name begins with by which a service account logs in.
const ACCOUNTS: &str = "system:serviceaccount:";

/// The type of a Secret that a controller fills with a token.
pub(super) const TOKEN: &str = "kubernetes.io/service-account-token";

impl Cut {
    /// The cut of what was picked, from the object as it stands there as a whole.
    ///
    /// # Errors
    /// When nothing of it is there any more, or it could not be brought back.
    pub fn of(pick: &Pick, object: &Tree, seen: Version) -> Result<Cut, Uncut> {
        if let Some(Part::Logins(logins)) = &pick.part {
            let logins = Some(logins.among(object).ok_or(Uncut::Gone)?);
            let (id, why) = (pick.id.clone(), pick.why.clone());
            let order = Order::Credential;
            return Ok(Cut { id, seen, parts: Vec::new(), inverse: Tree::Null, logins, order, why });
        }
        let parts = match &pick.part {
            None | Some(Part::Logins(_)) => Vec::new(),
            Some(part @ (Part::Subject(who) | Part::Accounts(who))) => {
                let subjects = object.at("/subjects").map(Tree::items).unwrap_or_default();
                let theirs = |subject: &Tree| match part {
                    Part::Subject(_) => is_person(subject, who),
                    _ => is_account_of(subject, who),
                };
                if !subjects.iter().any(theirs) {
                    return Err(Uncut::Gone);
                }
                match subjects.iter().all(theirs) {
                    true => Vec::new(),
                    false => entries("/subjects", subjects, theirs),
                }
            }
            Some(Part::Field { pointer, value }) => match found(object, pointer, value) {
                Some(entry) => vec![entry],
                None => return Err(hosts::unfound(&pick.id, object.at(pointer), value)),
            },
        };
        let inverse = if parts.is_empty() { manifest(object) } else { Tree::Null };
        let is_secret = pick.id.known_kind() == Some(Kind::Secret);
        if is_secret
            && (!parts.is_empty() || inverse.get("type").and_then(Tree::as_text).is_none_or(|of| of != TOKEN))
        {
            return Err(Uncut::Secret(pick.id.clone()));
        }
        let order = pick.id.system.rules().loses(&pick.id, parts.is_empty());
        let (id, why) = (pick.id.clone(), pick.why.clone());
        Ok(Cut { id, seen, parts, inverse, logins: None, order, why })
    }

    /// The object.
    #[must_use]
    pub fn id(&self) -> &ResourceId {
        &self.id
    }

    /// The state of the object that the cut is for; on any other it fails.
    #[must_use]
    pub fn seen(&self) -> &Version {
        &self.seen
    }

    /// The values inside the object that end, the last one first; nothing where the object ends as a whole.
    #[must_use]
    pub fn parts(&self) -> &[Entry] {
        &self.parts
    }

    /// The object as it is made again, where it ends as a whole. Of kubeconfigs on a node there is none: they hold tokens,
    /// and the roster has them made anew.
    #[must_use]
    pub fn inverse(&self) -> &Tree {
        &self.inverse
    }

    /// Who can log in at the registry no longer. The inverse is kept in the very Secret that lets them in, under
    /// [`OFFBOARDED`](super::OFFBOARDED), for no record holds a hash.
    #[must_use]
    pub fn logins(&self) -> Option<&Logins> {
        self.logins.as_ref()
    }

    /// The same, and of the logins of an earlier one as well: what was cut then is still to come back.
    #[must_use]
    pub fn with_logins_of(mut self, earlier: &Cut) -> Cut {
        if let (Some(logins), Some(before)) = (&mut self.logins, &earlier.logins) {
            logins.add(before);
        }
        self
    }

    /// The same with the inverse of an earlier one that did not come to its end, where this is what that one left: some servers
    /// of zones end a set record by record.
    #[must_use]
    pub fn or_all_of(mut self, earlier: &Cut) -> Cut {
        if is_rest(&self, earlier) {
            self.inverse = earlier.inverse.clone();
        }
        self
    }

    /// What it ends.
    #[must_use]
    pub fn order(&self) -> Order {
        self.order
    }

    /// The right that it ends, as a sentence.
    #[must_use]
    pub fn why(&self) -> &SmolStr {
        &self.why
    }

    /// The users and groups that lose it, as the roster writes them.
    #[must_use]
    pub fn people(&self) -> Vec<SmolStr> {
        let whole = self.inverse.get("subjects").map(Tree::items).unwrap_or_default();
        let bound = whole.iter().chain(self.parts.iter().map(|entry| &entry.value)).filter_map(person);
        bound.chain(in_group(&self.id)).collect()
    }

    /// Everybody who loses it, service accounts too, as `system:serviceaccount:NAMESPACE:NAME`.
    #[must_use]
    pub fn holders(&self) -> Vec<SmolStr> {
        let whole = self.inverse.get("subjects").map(Tree::items).unwrap_or_default();
        let bound = whole.iter().chain(self.parts.iter().map(|entry| &entry.value)).filter_map(holder);
        bound.chain(in_group(&self.id)).collect()
    }

    /// What an undo gives, read off what it would write. A record can be written by others than kwo, and what it says of
    /// itself proves nothing.
    #[must_use]
    pub fn gives(&self) -> Vec<String> {
        if let Some(Logins { of: _, names }) = &self.logins {
            return names.iter().map(|name| format!("the registry lets in {name} again")).collect();
        }
        if let Some(kind) = self.id.vault_kind() {
            return told(self, kind);
        }
        let led = self.id.record().map(|(_, name)| leads(self, name));
        if let Some(told) = led.or_else(|| hosts::given_to_node(self)) {
            return told;
        }
        if self.parts.is_empty() {
            let sentences = access::sentences(&self.id, &self.inverse, "becomes");
            // What is no sentence is shown as it would be written.
            let plain = sentences.is_empty() && self.inverse != Tree::Null;
            return if plain { vec![self.inverse.to_string()] } else { sentences };
        }
        let part = |entry: &Entry| match person(&entry.value) {
            Some(who) => format!("{who} gets back what {} gives", self.id),
            None => format!("{} of {} becomes {}", entry.pointer, self.id, entry.value),
        };
        self.parts.iter().map(part).collect()
    }

    /// Does it give more than a tenant has: a role in the whole cluster, or one in the namespace of Kubernetes?
    #[must_use]
    pub fn is_wide(&self) -> bool {
        let role = self.inverse.at("/roleRef/name").and_then(Tree::as_text).map(SmolStr::as_str);
        match self.id.known_kind() {
            Some(Kind::ClusterRoleBinding) => {
                !role.is_some_and(|role| [NAVIGATION, POWER_USER].contains(&role))
            }
            Some(Kind::RoleBinding) => self.id.scope == SYSTEM,
            _ => false,
        }
    }

    /// Does this object give all that the inverse gives? Somebody may have made another one of the same name.
    #[must_use]
    pub fn is_back(&self, object: &Tree) -> bool {
        let gives = ["roleRef", "subjects", "rules", "aggregationRule"];
        let wanted = gives.iter().filter_map(|key| Some((key, self.inverse.get(key)?)));
        wanted.into_iter().all(|(key, wanted)| object.get(key).is_some_and(|found| within(wanted, found)))
    }
}

/// Is all of this in that?
fn within(wanted: &Tree, found: &Tree) -> bool {
    match wanted {
        Tree::Map(_) => wanted
            .entries()
            .iter()
            .all(|(key, value)| found.get(key).is_some_and(|found| within(value, found))),
        Tree::List(items) => items.iter().all(|item| found.items().iter().any(|found| within(item, found))),
        _ => wanted == found,
    }
}

/// Is this subject of a binding who is called so? A user and a group of one name are two, and a user can have a name that
/// begins with `group:`.
pub(super) fn is_person(subject: &Tree, who: &str) -> bool {
    let text = |key: &str| subject.get(key).and_then(Tree::as_text).map(|text| text.as_str());
    let who = Identity::of_called(who);
    let kind = match who {
        Identity::Group(_) => "Group",
        Identity::User(_) => "User",
    };
    text("kind") == Some(kind) && text("name") == Some(who.name().as_str())
}

/// The user or the group that a subject is, as it is called.
pub(super) fn person(subject: &Tree) -> Option<SmolStr> {
    let text = |key: &str| subject.get(key).and_then(Tree::as_text);
    match text("kind")?.as_str() {
        "User" => text("name").map(|name| Identity::User(name.clone()).called()),
        "Group" => text("name").map(|name| Identity::Group(name.clone()).called()),
        _ => None,
    }
}

/// Everybody whom a subject can be: a person, or a service account as it logs in.
pub(super) fn holder(subject: &Tree) -> Option<SmolStr> {
    let text = |key: &str| subject.get(key).and_then(Tree::as_text);
    person(subject).or_else(|| match text("kind")?.as_str() {
        "ServiceAccount" => {
            let (namespace, name) = (text("namespace")?, text("name")?);
            Some(smol_str::format_smolstr!("{ACCOUNTS}{namespace}:{name}"))
        }
        _ => None,
    })
}

/// Is this, as it logs in, a service account of this namespace?
pub(super) fn is_account(who: &str, namespace: &str) -> bool {
    let rest = who.strip_prefix(ACCOUNTS).and_then(|rest| rest.strip_prefix(namespace));
    rest.is_some_and(|rest| rest.starts_with(':'))
}

/// Is this subject of a binding a service account of this namespace, or all of them?
pub(super) fn is_account_of(subject: &Tree, namespace: &str) -> bool {
    let text = |key: &str| subject.get(key).and_then(Tree::as_text).map(|text| text.as_str());
    match text("kind") {
        Some("ServiceAccount") => text("namespace") == Some(namespace),
        Some("User") => text("name").is_some_and(|name| is_account(name, namespace)),
        Some("Group") => {
            text("name").and_then(|name| name.strip_prefix("system:serviceaccounts:")) == Some(namespace)
        }
        _ => false,
    }
}

/// The entries of a list that these are, the last one first so that those before it stay where they are.
fn entries(list: &str, items: &[Tree], those: impl Fn(&Tree) -> bool) -> Vec<Entry> {
    let found = items.iter().enumerate().filter(|(_, item)| those(item));
    let entry = |(at, item): (usize, &Tree)| Entry {
        pointer: smol_str::format_smolstr!("{list}/{at}"),
        value: item.clone(),
    };
    let mut entries: Vec<Entry> = found.map(entry).collect();
    entries.reverse();
    entries
}

/// A value where it stands now: an entry of a list may have moved.
fn found(object: &Tree, pointer: &str, value: &Tree) -> Option<Entry> {
    if object.at(pointer) == Some(value) {
        return Some(Entry { pointer: pointer.into(), value: value.clone() });
    }
    let (list, last) = pointer.rsplit_once('/')?;
    let items = object.at(list).filter(|_| last.bytes().all(|byte| byte.is_ascii_digit()))?.items();
    entries(list, items, |item| item == value).into_iter().next()
}

/// An object without what the API server fills in, and without the bytes of a secret.
#[must_use]
pub fn manifest(object: &Tree) -> Tree {
    let kept = |(key, value): &(SmolStr, Tree)| match key.as_str() {
        "status" | "data" | "stringData" if key == "status" || is_secret(object) => None,
        "metadata" => {
            let fields = value.entries().iter().filter(|(key, _)| !FILLED.contains(&key.as_str()));
            let fields = fields.map(|(key, value)| match key.as_str() {
                "annotations" => (key.clone(), Tree::map(value.entries().iter().filter(kept_note).cloned())),
                _ => (key.clone(), value.clone()),
            });
            Some((key.clone(), Tree::map(fields)))
        }
        _ => Some((key.clone(), value.clone())),
    };
    Tree::map(object.entries().iter().filter_map(kept))
}

/// A Secret that names the uid of an account that is gone is deleted by the controller that fills it.
fn kept_note((key, _): &&(SmolStr, Tree)) -> bool {
    key != "kubernetes.io/service-account.uid"
}

fn is_secret(object: &Tree) -> bool {
    object.get("kind").and_then(Tree::as_text).is_some_and(|kind| kind == "Secret")
}

/// The list and nothing else, where a pointer leads to an entry of one.
#[must_use]
pub fn list_of(pointer: &str) -> Option<&str> {
    let (list, _) = pointer.rsplit_once('/')?;
    tokens(pointer).last().filter(|last| last.bytes().all(|byte| byte.is_ascii_digit()))?;
    Some(list)
}

#[cfg(test)]
mod tests;
