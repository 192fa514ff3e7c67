//! The users of the registry: where each password is, who stands first, and the Secret that the registry and the node
//! read them from.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::body::{labels, object};
use super::registry::{Registry, RegistryUser};
use crate::kinds::Kind;
use crate::named::{PULLERS, PUSHERS, REGISTRY_AUTH, REGISTRY_NAMESPACE, auth_id};
use crate::resource::{Reason, Resource};
use crate::roster::{Entry, SecretRef, Span};
use crate::secrets::{Content, Password, User};
use crate::tree::{SmolStr, Tree};

/// Of the keys of that Secret, the ones that other programs of such a node know.
pub(super) const USERNAME: &str = "username";
pub(super) const PASSWORD: &str = "password";
/// The user of a registry whose section names none.
const DEFAULT_USER: &str = "docker";
const DEFAULT_LENGTH: u16 = 32;

/// The first user, as whom the node pulls.
pub(crate) fn first_user(registry: &Registry) -> &str {
    registry.in_order().first().map_or(DEFAULT_USER, |(name, _)| name.as_str())
}

/// A user, and where the password is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Account {
    /// The name in the roster.
    pub user: SmolStr,
    /// Is it let in by the instance that takes pushes, too?
    pub pushes: bool,
    /// Where the password is: one that kwo made is in the cluster.
    pub password: SecretRef,
    /// What kwo made of it.
    pub made: Option<Made>,
}

impl Account {
    /// The lists of that Secret that this user is in; the first one says whether the user is let in at all.
    #[must_use]
    pub fn lists(&self) -> &'static [&'static str] {
        if self.pushes { &[PUSHERS, PULLERS] } else { &[PULLERS] }
    }
}

/// A password that kwo made, by the keys of the Secret that it stands in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Made {
    /// The key of the name that goes with the password.
    pub username: SmolStr,
    /// The key of the password.
    pub password: SmolStr,
    /// How many characters it has.
    pub length: u16,
}

/// The users; the node pulls as the first one.
#[must_use]
pub fn accounts(registry: &Registry) -> Vec<Account> {
    let default = SecretRef::Generate(DEFAULT_LENGTH);
    let users: Vec<(SmolStr, bool, &SecretRef)> = match registry.users.is_empty() {
        true => vec![(SmolStr::new_static(DEFAULT_USER), true, &default)],
        false => {
            let users = registry.in_order().into_iter();
            users.map(|(name, user)| (name.text().clone(), user.pushes(), &user.password.value)).collect()
        }
    };
    let whole = |(user, pushes, reference): (SmolStr, bool, &SecretRef)| match reference {
        SecretRef::Generate(length) => {
            let [username, password] = [USERNAME, PASSWORD].map(|stem| key(stem, &user));
            let made = Some(Made { username, password: password.clone(), length: *length });
            Account { user, pushes, password: stored(&password), made }
        }
        reference => Account { user, pushes, password: reference.clone(), made: None },
    };
    users.into_iter().map(whole).collect()
}

/// The key of the Secret for something that kwo makes for a user. It hangs on nobody but the user, so that users who come
/// and go leave the others' passwords alone; that of the usual one has no name in it, as other programs know it.
fn key(stem: &'static str, name: &str) -> SmolStr {
    if name == DEFAULT_USER { SmolStr::new_static(stem) } else { smol_str::format_smolstr!("{stem}-{name}") }
}

/// What stands under a key of the Secret.
pub(super) fn stored(key: &str) -> SecretRef {
    SecretRef::Kube { namespace: REGISTRY_NAMESPACE.into(), name: REGISTRY_AUTH.into(), key: key.into() }
}

/// The users as two htpasswd files, and the first of them in clear, as the node needs it to pull.
pub(super) fn auth(registry: &Registry, at: Span) -> Resource {
    let id = auth_id();
    let default = SecretRef::Generate(DEFAULT_LENGTH);
    let mut users: Vec<(SmolStr, &SecretRef, Span)> = registry
        .users
        .iter()
        .map(|(name, Entry { key: _, value })| {
            (name.text().clone(), &value.password.value, value.password.at)
        })
        .collect();
    if users.is_empty() {
        users.push((SmolStr::new_static(DEFAULT_USER), &default, at));
    }
    let pushes = |user: &User| {
        registry.users.get(user.name.as_str()).is_none_or(|entry: &Entry<RegistryUser>| entry.value.pushes())
    };
    // Of a first user whose password is elsewhere other programs find name and password here, unless the keys are taken:
    // by a password that kwo makes, or by one that has no other place.
    let is_made = |reference: &SecretRef| matches!(reference, SecretRef::Generate(_));
    let here = stored(PASSWORD);
    let taken = users.iter().any(|(name, reference, _)| name == DEFAULT_USER && is_made(reference));
    let keeps = users.iter().find(|(_, reference, _)| **reference == here);
    let first = users.iter().find(|(name, ..)| name == first_user(registry));
    let shown = keeps.or(first).filter(|(_, reference, _)| !taken && !is_made(reference)).cloned();
    let data = shown.iter().map(|(name, ..)| (USERNAME, Tree::from(STANDARD.encode(name))));
    let parts = [("data", Tree::map(data)), ("type", Tree::from("Opaque"))];
    let body = object(&id, Kind::Secret, &labels(None), parts);
    let mut contents: Vec<(SmolStr, Content, Span)> = Vec::new();
    if let Some((_, reference, at)) = shown {
        contents.push((PASSWORD.into(), Content::Plain(reference.clone()), at));
    }
    let mut lines = Vec::with_capacity(users.len());
    for (name, reference, at) in users {
        let password = if is_made(reference) {
            let [login, place] = [USERNAME, PASSWORD].map(|stem| key(stem, &name));
            let password = Password::Place(smol_str::format_smolstr!("/data/{place}"));
            contents.push((place, Content::Plain(reference.clone()), at));
            contents.push((login, Content::Login(name.clone()), at));
            password
        } else {
            Password::Reference(reference.clone())
        };
        lines.push(User { name, password });
    }
    let bare = Resource::new(id, body, Arc::new([]), Reason::Roster(at));
    let place = |key: &SmolStr| smol_str::format_smolstr!("/data/{key}");
    let fields: Vec<_> = contents.iter().map(|(key, _, at)| (place(key), Reason::Roster(*at))).collect();
    let secrets = contents.into_iter().map(|(key, content, _)| (key, content));
    // Both files are there even if all users push: the second instance may run still when the last one who only pulls has
    // left the roster.
    let pushers = lines.iter().filter(|user| pushes(user)).cloned().collect();
    let lists = [(PUSHERS, pushers), (PULLERS, lines)];
    let secrets = secrets.chain(lists.map(|(key, users)| (key.into(), Content::Htpasswd(users))));
    Resource { fields: fields.into(), ..bare }.with_secrets_in("/data", secrets.collect())
}

#[cfg(test)]
mod tests {
    use super::super::registry_objects::in_cluster;
    use super::*;
    use crate::domains::{Roster, parse};

    use crate::roster::{SourceFile, Sources};

    fn roster(users: &str) -> Roster {
        let text = format!(
            "{{apiVersion: kwo/v1, kind: Roster, registry: {{hosts: [r.example.com], users: {users}}}}}"
        );
        parse(Sources::new(vec![SourceFile { name: String::new(), text }])).unwrap()
    }

    /// The places of all secrets in the Secret, for these users.
    fn places(users: &str) -> Vec<(SmolStr, String)> {
        let desired = in_cluster(&roster(users)).unwrap();
        let auth = desired.get(&auth_id()).unwrap();
        auth.secrets.iter().map(|secret| (secret.pointer.clone(), secret.content.to_string())).collect()
    }

    #[test]
    fn users_who_come_leave_the_others_passwords_alone() {
        let made = "{password: {generate: 32}}";
        let usual = places("{}");
        assert_eq!(usual, places(&format!("{{docker: {made}}}")));
        let before = places(&format!("{{ci: {made}}}"));
        let after =
            places(&format!("{{aa: {made}, ci: {made}, docker: {made}, zz: {{password: {{env: Z}}}}}}"));
        let is_htpasswd = |place: &&(SmolStr, String)| place.0.starts_with("/data/htpasswd");
        for place in before.iter().chain(&usual).filter(|place| !is_htpasswd(place)) {
            assert!(after.contains(place), "{place:?} of {after:?}");
        }
        let own: std::collections::BTreeSet<&SmolStr> = after.iter().map(|(pointer, _)| pointer).collect();
        assert_eq!(own.len(), after.len(), "two share a key: {after:?}");
    }

    #[test]
    fn who_only_pulls_is_in_the_list_of_the_instance_that_only_reads() {
        let made = "{password: {generate: 32}}";
        let pulls = "{password: {generate: 32}, access: pull}";
        let lists = |users: &str| {
            let places = places(users);
            let list = |key: &str| {
                places.iter().find(|(pointer, _)| pointer == key).map(|(_, content)| content.clone()).unwrap()
            };
            [list("/data/htpasswd"), list("/data/htpasswd-pull")]
        };
        let [docker, web] = ["docker (/data/password)", "web (/data/password-web)"];
        let all = format!("htpasswd of {docker}, {web}");
        assert_eq!(lists(&format!("{{docker: {made}, web: {made}}}")), [all.clone(), all.clone()]);
        let one = format!("htpasswd of {docker}");
        assert_eq!(lists(&format!("{{docker: {made}, web: {pulls}}}")), [one.clone(), all]);
        assert_eq!(lists("{}"), [one.clone(), one]);
    }

    #[test]
    fn nobody_is_shown_where_another_users_password_is() {
        let kept = "docker: {password: {kube: kube-system/registry-auth/password}}";
        let alone = places(&format!("{{{kept}}}"));
        assert_eq!(alone[0], ("/data/password".into(), "kube kube-system/registry-auth/password".to_owned()));
        // That of `ci` there would be the end of that of `docker`.
        assert_eq!(places(&format!("{{ci: {{password: {{env: CI}}}}, {kept}}}"))[0], alone[0]);
        assert_eq!(places(&format!("{{{kept}, zz: {{password: {{env: Z}}}}}}"))[0], alone[0]);
    }

    #[test]
    fn the_node_pulls_as_the_user_who_stands_first() {
        let first = |users: &str| {
            let roster = roster(users);
            let (_, registry) = roster.registry().unwrap();
            assert_eq!(accounts(registry)[0].user, first_user(registry));
            first_user(registry).to_owned()
        };
        let made = "{password: {generate: 32}}";
        assert_eq!(first("{}"), "docker");
        // Who comes behind does not take the place, whatever the name.
        assert_eq!(first(&format!("{{docker: {made}, ci: {made}}}")), "docker");
        assert_eq!(first(&format!("{{ci: {made}, docker: {made}}}")), "ci");
    }
}
