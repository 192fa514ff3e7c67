//! What every secret place of this run has to hold: the bytes, and by what fingerprint they are known. Nothing here
//! reads from anywhere, and nothing prints bytes.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use kwo_planner::resource::ResourceId;
use kwo_planner::secrets::{Content, Found, Missing, STILL_ADMITS, Secret, placeholder};
use kwo_planner::systems::Connection;
use kwo_planner::tree::{SmolStr, Tree};
use secrecy::{ExposeSecret, SecretSlice};
use sha2::Sha256;

use super::htpasswd::{Says, Wanted, current};

/// The bytes in a Secret by their keys.
pub type SecretData = BTreeMap<SmolStr, SecretSlice<u8>>;

/// The secrets of one run.
#[derive(Default)]
pub struct Vault {
    key: Vec<u8>,
    places: BTreeMap<(ResourceId, SmolStr), Place>,
    ways: Vec<Credentials>,
}

/// The way to a system that the roster names, with the secrets that open it, or why one of them cannot be had.
pub struct Credentials {
    /// The way.
    pub connection: Connection,
    /// The secrets, by the name that its adapter knows them by.
    pub secrets: BTreeMap<SmolStr, Result<SecretSlice<u8>, Missing>>,
}

impl Credentials {
    /// One of its secrets.
    ///
    /// # Errors
    /// When it cannot be had; says which one it is and why.
    pub fn secret(&self, name: &str) -> Result<&SecretSlice<u8>, String> {
        match self.secrets.get(name) {
            Some(Ok(bytes)) => Ok(bytes),
            Some(Err(Missing { reference, why })) => {
                Err(format!("the {name} {reference} cannot be used: {why}"))
            }
            None => Err(format!("the roster names no {name}")),
        }
    }
}

/// One place of an object.
pub(crate) struct Place {
    pub(crate) content: Content,
    pub(crate) held: Held,
}

/// What is known of it.
pub(crate) enum Held {
    /// It has to be this.
    Known(SecretSlice<u8>),
    /// Made by kwo: what stands there already, or what is written where nothing does.
    Made(SecretSlice<u8>),
    /// An htpasswd file that says this.
    File(Wanted),
    /// A reference led to nothing.
    Missing(Missing),
}

impl Vault {
    /// A vault whose fingerprints are made with this key.
    pub(crate) fn new(key: Vec<u8>) -> Vault {
        Vault { key, ..Vault::default() }
    }

    pub(crate) fn admit(&mut self, way: Credentials) {
        self.ways.push(way);
    }

    /// The ways to the systems that the roster names.
    #[must_use]
    pub fn ways(&self) -> &[Credentials] {
        &self.ways
    }

    pub(crate) fn insert(&mut self, id: &ResourceId, pointer: &SmolStr, place: Place) {
        self.places.insert((id.clone(), pointer.clone()), place);
    }

    /// What became of the references of a place.
    #[must_use]
    pub fn found(&self, id: &ResourceId, secret: &Secret) -> Found {
        match self.places.get(&(id.clone(), secret.pointer.clone())) {
            Some(Place { held: Held::Missing(missing), .. }) => {
                let Missing { reference, why } = missing.clone();
                Found::Missing { reference, why }
            }
            Some(Place { held: Held::Known(bytes), .. }) => Found::Known(self.mac([bytes.expose_secret()])),
            Some(Place { held: Held::File(wanted), .. }) if !wanted.new => {
                Found::Known(self.fingerprint(wanted))
            }
            Some(Place { held: Held::Made(_) | Held::File(_), .. }) | None => Found::Made,
        }
    }

    /// What stands for bytes that were found at a place: the same as what is wanted there if they mean the same,
    /// otherwise a fingerprint of them.
    #[must_use]
    pub fn seen(&self, id: &ResourceId, pointer: &str, bytes: &[u8]) -> Tree {
        if let Some(Place { content, held }) = self.places.get(&(id.clone(), pointer.into())) {
            let same = match (held, content) {
                (Held::Missing(_), _) => false,
                (Held::Made(_), Content::Login(user)) => {
                    let found = bytes.to_vec().into();
                    current(Some(&found), user).as_bytes() == bytes
                }
                (Held::Made(_), _) => !bytes.is_empty(),
                (Held::Known(known), _) => known.expose_secret() == bytes,
                (Held::File(wanted), _) => match wanted.read(bytes) {
                    Says::Right => true,
                    Says::Other => false,
                    Says::Overdue(previous) => {
                        let who =
                            previous.iter().map(|old| format!("{}, good until {}", old.name, old.until));
                        let who: Vec<String> = who.collect();
                        return Tree::from(format!("{STILL_ADMITS}{}", who.join(", and ")));
                    }
                },
            };
            if same {
                let secret = Secret { pointer: pointer.into(), content: content.clone() };
                return placeholder(content, &self.found(id, &secret));
            }
        }
        match self.mac([bytes]).as_str() {
            "" => Tree::from("another value"),
            mac => Tree::from(format!("another value #{mac}")),
        }
    }

    /// The bytes for a place.
    ///
    /// # Errors
    /// When nothing is known of the place, or a reference led to nothing.
    pub fn bytes(&self, id: &ResourceId, pointer: &str) -> Result<SecretSlice<u8>, String> {
        let place = self.places.get(&(id.clone(), pointer.into()));
        match place.map(|Place { content: _, held }| held) {
            None => Err(format!("nothing is known of the secret at {pointer}")),
            Some(Held::Missing(_)) => Err(format!("the secret for {pointer} is missing")),
            Some(Held::Made(bytes) | Held::Known(bytes)) => Ok(bytes.clone()),
            Some(Held::File(wanted)) => wanted.file(),
        }
    }

    /// A body with the bytes in place of the fingerprints, in base64 as the data of a Secret.
    ///
    /// # Errors
    /// When a secret in it cannot be had.
    pub fn filled(&self, id: &ResourceId, secrets: &[Secret], body: &Tree) -> Result<Tree, String> {
        self.fill(id, secrets, body, |bytes| Ok(STANDARD.encode(bytes)))
    }

    /// A body with the secrets as they are in place of the fingerprints, for a file.
    ///
    /// # Errors
    /// When a secret in it cannot be had, or is no text.
    pub fn in_clear(&self, id: &ResourceId, secrets: &[Secret], body: &Tree) -> Result<Tree, String> {
        self.fill(id, secrets, body, |bytes| {
            String::from_utf8(bytes.to_vec())
                .map_err(|_| "it is not text, and a file of text needs it".to_owned())
        })
    }

    fn fill(
        &self,
        id: &ResourceId,
        secrets: &[Secret],
        body: &Tree,
        text: impl Fn(&[u8]) -> Result<String, String>,
    ) -> Result<Tree, String> {
        let mut filled = body.clone();
        for Secret { pointer, content } in secrets.iter().filter(|secret| body.at(&secret.pointer).is_some())
        {
            let bytes = self.bytes(id, pointer)?;
            let text = text(bytes.expose_secret())
                .map_err(|why| format!("the secret {content} for {pointer}: {why}"))?;
            filled = filled.with(pointer, Tree::from(text));
        }
        Ok(filled)
    }

    fn fingerprint(&self, wanted: &Wanted) -> SmolStr {
        let logins = wanted.logins.iter().map(|login| (&login.name, login.password.expose_secret()));
        let still = wanted.still().map(|previous| (&previous.name, previous.hash.as_bytes()));
        self.mac(logins.chain(still).flat_map(|(name, bytes)| [name.as_bytes(), bytes]))
    }

    /// The first half of an HMAC-SHA-256; one part makes the same whatever it stands for.
    fn mac<'a>(&self, parts: impl IntoIterator<Item = &'a [u8]>) -> SmolStr {
        if self.key.is_empty() {
            return SmolStr::default();
        }
        // HMAC takes keys of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key) else { return SmolStr::default() };
        for part in parts {
            mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Vault { key: _, places, ways } = self;
        let mut out = out.debug_struct("Vault");
        out.field("places", &places.len()).field("ways", &ways.len()).finish_non_exhaustive()
    }
}

/// So many letters and digits, each as likely as any other.
pub(crate) fn generated(length: u16) -> Result<SecretSlice<u8>, String> {
    const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut made = Vec::with_capacity(length.into());
    let mut random = [0; 64];
    while made.len() < usize::from(length) {
        getrandom::fill(&mut random).map_err(|error| format!("the system gives no random bytes: {error}"))?;
        let fair = random.iter().filter(|byte| **byte < 248).map(|byte| ALPHABET[usize::from(byte % 62)]);
        made.extend(fair.take(usize::from(length) - made.len()));
    }
    Ok(made.into())
}

#[cfg(test)]
mod tests {
    use kwo_planner::kinds::Kind;
    use kwo_planner::roster::SecretRef;
    use kwo_planner::secrets::{Password, User};

    use super::*;
    use crate::secrets::htpasswd::{Login, Previous, hash};

    fn id() -> ResourceId {
        ResourceId::kube(Kind::Secret, "kube-system", "dns-credentials")
    }

    fn vault(content: Content, held: Held) -> (Vault, Secret) {
        let mut vault = Vault::new(b"key".to_vec());
        vault.insert(&id(), &"/data/T".into(), Place { content: content.clone(), held });
        (vault, Secret { pointer: "/data/T".into(), content })
    }

    fn known(bytes: &[u8]) -> Held {
        Held::Known(bytes.to_vec().into())
    }

    #[test]
    fn the_same_bytes_are_known_again_and_others_are_not() {
        let (vault, secret) = vault(Content::Plain(SecretRef::Env("T".into())), known(b"hunter2"));
        let wanted = placeholder(&secret.content, &vault.found(&id(), &secret));
        assert_eq!(vault.seen(&id(), "/data/T", b"hunter2"), wanted);
        let other = vault.seen(&id(), "/data/T", b"hunter3");
        assert_ne!(other, wanted);
        assert!(!format!("{other}{wanted}{vault:?}").contains("hunter"));
    }

    #[test]
    fn fingerprints_depend_on_the_key() {
        let (first, secret) = vault(Content::Plain(SecretRef::Env("T".into())), known(b"hunter2"));
        let second = Vault { key: b"other".to_vec(), ..vault(secret.content.clone(), known(b"hunter2")).0 };
        assert_ne!(first.found(&id(), &secret), second.found(&id(), &secret));
    }

    #[test]
    fn what_was_generated_is_never_changed() {
        let made = generated(32).unwrap();
        let (vault, secret) = vault(Content::Plain(SecretRef::Generate(32)), Held::Made(made));
        let wanted = placeholder(&secret.content, &Found::Made);
        assert_eq!(vault.seen(&id(), "/data/T", b"whatever stands there"), wanted);
        assert_ne!(vault.seen(&id(), "/data/T", b""), wanted);
        let made = vault.bytes(&id(), "/data/T").unwrap();
        assert_eq!(made.expose_secret().len(), 32);
        assert!(made.expose_secret().iter().all(u8::is_ascii_alphanumeric));
        assert_ne!(made.expose_secret(), generated(32).unwrap().expose_secret());
    }

    #[test]
    fn a_body_is_filled_where_it_asks_for_it() {
        let (vault, secret) = vault(Content::Plain(SecretRef::Env("T".into())), known(b"hunter2"));
        let body: Tree = serde_json::from_str(r#"{"data":{"T":"env T #12","other":"x"}}"#).unwrap();
        let filled = vault.filled(&id(), std::slice::from_ref(&secret), &body).unwrap();
        assert_eq!(filled.to_string(), r#"{"data":{"T":"aHVudGVyMg==","other":"x"}}"#);
        let elsewhere: Tree = serde_json::from_str(r#"{"data":{"other":"x"}}"#).unwrap();
        assert_eq!(vault.filled(&id(), &[secret], &elsewhere).unwrap(), elsewhere);
    }

    #[test]
    fn an_htpasswd_file_is_known_by_whom_it_admits() {
        let login = |name: &str| Login::new(name.into(), b"hunter2".to_vec().into());
        let old = Previous {
            until: "2026-11-21T13:00:00Z".parse().unwrap(),
            name: "docker".into(),
            hash: hash("docker", &b"hunter1".to_vec().into()).unwrap(),
        };
        let file = |previous: &[Previous], now: &str| {
            let users =
                vec![User { name: "docker".into(), password: Password::Place("/data/password".into()) }];
            let previous = previous.to_vec();
            let now = now.parse().unwrap();
            let wanted = Wanted { logins: vec![login("docker-2")], previous, new: false, now };
            vault(Content::Htpasswd(users), Held::File(wanted))
        };
        let (alone, secret) = file(&[], "2026-11-21T12:00:00Z");
        let (within, _) = file(std::slice::from_ref(&old), "2026-11-21T12:00:00Z");
        let (after, _) = file(&[old], "2026-11-21T14:00:00Z");
        let wanted = |vault: &Vault| placeholder(&secret.content, &vault.found(&id(), &secret));
        let written = |vault: &Vault| vault.bytes(&id(), "/data/T").unwrap();
        let seen = |vault: &Vault, file: &SecretSlice<u8>| vault.seen(&id(), "/data/T", file.expose_secret());
        for vault in [&alone, &within, &after] {
            assert_eq!(seen(vault, &written(vault)), wanted(vault));
            assert_ne!(vault.seen(&id(), "/data/T", b"docker:$2y$05$abc\n"), wanted(vault));
        }
        // A plan that was saved within the time is another one after it.
        assert_ne!(wanted(&within), wanted(&after));
        assert_eq!(wanted(&alone), wanted(&after));
        let overdue = Tree::from("still admits docker, good until 2026-11-21T13:00:00Z".to_owned());
        assert_eq!(seen(&after, &written(&within)), overdue);
    }

    #[test]
    fn a_user_is_known_by_both_names() {
        let (vault, secret) = vault(Content::Login("docker".into()), Held::Made(b"docker-2".to_vec().into()));
        let wanted = placeholder(&secret.content, &vault.found(&id(), &secret));
        for name in ["docker", "docker-2"] {
            assert_eq!(vault.seen(&id(), "/data/T", name.as_bytes()), wanted);
        }
        assert_ne!(vault.seen(&id(), "/data/T", b"docker-3"), wanted);
        assert_ne!(vault.seen(&id(), "/data/T", b""), wanted);
    }
}
