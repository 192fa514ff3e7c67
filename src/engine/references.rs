//! Follows the references of a roster to the bytes. What cannot be found is data, not an error: it holds the object
//! that needs it, and nothing else. No message here ever holds what was read.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kwo_planner::kinds::Kind;
use kwo_planner::resource::{Desired, ResourceId};
use kwo_planner::roster::SecretRef;
use kwo_planner::secrets::{Content, FINGERPRINT_KEY, LONGEST_PASSWORD, Missing, Password, Secret, User};
use kwo_planner::systems::Connection;
use kwo_planner::tree::join;
use secrecy::{ExposeSecret, SecretSlice};
use smol_str::SmolStr;

use crate::providers::{Home, Kv, Refusal};
use crate::regular;
use crate::secrets::SecretData;
use crate::secrets::htpasswd::{Hashed, Login, Previous, Wanted, current};
use crate::secrets::rotation::PREVIOUS;
use crate::secrets::vault::{Credentials, Held, Place, Vault, generated};

/// No secret is longer than what fits into a Kubernetes Secret.
const LONGEST: u64 = 1024 * 1024;

/// Where the references lead on this machine.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// The folder of the roster, where relative paths begin.
    pub folder: PathBuf,
    /// The key that opens age files.
    pub age_identity: Option<PathBuf>,
    /// The Vault that the roster names, where a reference leads there.
    stores: Option<Arc<Kv>>,
}

/// How long an answer of Vault may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where the key that opens age files is looked for when nothing names it.
const AGE_IDENTITY: &str = "/etc/kwo/age.key";

impl Places {
    /// Places beside this folder, with the key that is named, or else the usual one where it exists.
    #[must_use]
    pub fn usual(folder: PathBuf, age_identity: Option<PathBuf>) -> Places {
        let usual = Some(PathBuf::from(AGE_IDENTITY)).filter(|path| path.exists());
        Places { folder, age_identity: age_identity.or(usual), stores: None }
    }

    /// The same with the Vault that one of these ways leads to, for references into it. Its login is read, and nothing is
    /// sent.
    #[must_use]
    pub async fn with_vault(mut self, ways: &[Connection], provider: Option<&dyn Home>) -> Places {
        let Some(way) = Kv::way(ways) else { return self };
        let mut secrets = BTreeMap::new();
        for (name, reference) in &way.secrets {
            let missing = |why: String| Missing { reference: reference.to_string().into(), why: why.into() };
            let answer = Box::pin(follow(reference, &self, provider)).await;
            secrets.insert(name.clone(), answer.map_err(missing));
        }
        let login = Credentials { connection: way.clone(), secrets };
        self.stores = Some(Arc::new(Kv::new(&login, PATIENCE)));
        self
    }
}

/// What became of one reference: the bytes, or why there are none, as a sentence without a full stop.
pub type Answer = Result<SecretSlice<u8>, String>;

/// Looks every reference up once; gives what is wanted with the fingerprints, and the vault with the bytes.
pub async fn resolve(desired: Desired, places: &Places, provider: &dyn Home) -> (Desired, Vault) {
    let has_places = all(&desired).next().is_some();
    if !has_places && desired.connections().is_empty() {
        return (desired, Vault::default());
    }
    let (namespace, name, key) = FINGERPRINT_KEY;
    // What only opens a system is never compared, and needs no fingerprint.
    let fingerprint =
        if has_places { provider.read_secret(namespace, name).await.ok().flatten() } else { None };
    let fingerprint = fingerprint.and_then(|data| Some(data.get(key)?.expose_secret().to_vec()));
    let mut vault = Vault::new(fingerprint.unwrap_or_default());
    // What is made comes first: an htpasswd file may be made of it.
    let mut found = Lookup { now: Timestamp::now(), ..Lookup::default() };
    for (id, secret) in all(&desired) {
        let keeps = matches!(secret.content, Content::Plain(SecretRef::Generate(_)) | Content::Login(_));
        if keeps && !found.stored.contains_key(id) {
            let stored = provider.read_secret(&id.scope, &id.name).await;
            found.stored.insert(id.clone(), stored.map(Option::unwrap_or_default).map_err(said));
        }
        if let Content::Htpasswd(users) = &secret.content {
            let all = users.iter().map(|user| ((id.clone(), user.name.clone()), Hashed::default()));
            found.hashed.extend(all.filter(|(key, _)| !found.hashed.contains_key(key)).collect::<Vec<_>>());
        }
        if let (Content::Login(user), Some(Ok(stored))) = (&secret.content, found.stored.get(id)) {
            let name = current(secret.pointer.strip_prefix("/data/").and_then(|key| stored.get(key)), user);
            found.logins.insert((id.clone(), user.clone()), name);
        }
        if keeps {
            let there = found.make(id, secret);
            found.made.insert((id.clone(), secret.pointer.clone()), there);
        }
    }
    let ways = desired.connections().iter().flat_map(|connection| connection.secrets.values());
    let wanted: Vec<&SecretRef> =
        all(&desired).flat_map(|(_, secret)| references(&secret.content)).chain(ways).collect();
    let mut places = places.clone();
    if wanted.iter().any(|reference| matches!(reference, SecretRef::Vault { .. })) {
        places = places.with_vault(desired.connections(), Some(provider)).await;
    }
    for reference in wanted {
        if !found.answers.contains_key(reference) {
            let answer = match found.beside(reference) {
                Some(bytes) => Ok(bytes),
                None => follow(reference, &places, Some(provider)).await,
            };
            found.answers.insert(reference.clone(), answer);
        }
    }
    for (id, secret) in all(&desired) {
        let held = found.held(id, secret).unwrap_or_else(Held::Missing);
        vault.insert(id, &secret.pointer, Place { content: secret.content.clone(), held });
    }
    for connection in desired.connections() {
        let secrets = connection.secrets.iter();
        let secrets = secrets.map(|(name, reference)| (name.clone(), found.answer(reference)));
        vault.admit(Credentials { connection: connection.clone(), secrets: secrets.collect() });
    }
    let desired = desired.with_secrets(|id, secret| vault.found(id, secret));
    (desired, vault)
}

/// What the references lead to.
#[derive(Default)]
struct Lookup {
    now: Timestamp,
    /// The Secrets in which something is that kwo makes, or why they cannot be looked at.
    stored: BTreeMap<ResourceId, Result<SecretData, String>>,
    /// What kwo makes, by its place.
    made: BTreeMap<(ResourceId, SmolStr), Result<Made, String>>,
    /// The name that a user logs in with, whose password kwo makes.
    logins: BTreeMap<(ResourceId, SmolStr), SmolStr>,
    answers: BTreeMap<SecretRef, Answer>,
    /// The hashes of those who are in an htpasswd file.
    hashed: BTreeMap<(ResourceId, SmolStr), Hashed>,
}

/// Bytes that kwo makes itself, and whether they stand in the cluster already.
struct Made {
    bytes: SecretSlice<u8>,
    new: bool,
}

fn all(desired: &Desired) -> impl Iterator<Item = (&ResourceId, &Secret)> {
    desired
        .resources()
        .iter()
        .flat_map(|resource| resource.secrets.iter().map(|secret| (&resource.id, secret)))
}

/// All references in a content.
fn references(content: &Content) -> Vec<&SecretRef> {
    match content {
        Content::Plain(reference) => vec![reference],
        Content::Login(_) => Vec::new(),
        Content::Htpasswd(users) => users
            .iter()
            .filter_map(|user| match &user.password {
                Password::Reference(reference) => Some(reference),
                Password::Place(_) => None,
            })
            .collect(),
    }
}

impl Lookup {
    /// What was made for this place once, or else what it is to hold.
    fn make(&self, id: &ResourceId, Secret { pointer, content }: &Secret) -> Result<Made, String> {
        let key = pointer.strip_prefix("/data/").ok_or("only the data of a Secret can be generated")?;
        let stored = self.stored.get(id).ok_or("nobody looked")?.as_ref().map_err(Clone::clone)?;
        let there = stored.get(key).filter(|bytes| !bytes.expose_secret().is_empty());
        match (content, there) {
            (Content::Login(user), there) => {
                let bytes = current(there, user).as_bytes().to_vec().into();
                Ok(Made { bytes, new: false })
            }
            (_, Some(bytes)) => Ok(Made { bytes: bytes.clone(), new: false }),
            (Content::Plain(SecretRef::Generate(length)), None) => {
                Ok(Made { bytes: generated(*length)?, new: true })
            }
            (Content::Plain(_) | Content::Htpasswd(_), None) => Err("it is not kwo's to make".to_owned()),
        }
    }

    /// A Secret of the cluster that this very run makes.
    fn beside(&self, reference: &SecretRef) -> Option<SecretSlice<u8>> {
        let SecretRef::Kube { namespace, name, key } = reference else { return None };
        let id = ResourceId::kube(Kind::Secret, namespace.clone(), name.clone());
        let made = self.made.get(&(id, join("/data", key).into()))?.as_ref().ok()?;
        Some(made.bytes.clone())
    }

    fn made(&self, id: &ResourceId, pointer: &SmolStr) -> Result<&Made, String> {
        let made = self.made.get(&(id.clone(), pointer.clone())).ok_or("it was not made")?;
        made.as_ref().map_err(Clone::clone)
    }

    /// What a place has to hold, or what is missing for it.
    fn held(&self, id: &ResourceId, secret: &Secret) -> Result<Held, Missing> {
        let missing = |why: String| made_missing(&secret.pointer, &why);
        match &secret.content {
            Content::Login(_) | Content::Plain(SecretRef::Generate(_)) => {
                let made = self.made(id, &secret.pointer).map_err(missing)?;
                Ok(Held::Made(made.bytes.clone()))
            }
            Content::Plain(reference) => self.answer(reference).map(Held::Known),
            Content::Htpasswd(users) => self.htpasswd(id, users).map(Held::File),
        }
    }

    fn answer(&self, reference: &SecretRef) -> Result<SecretSlice<u8>, Missing> {
        let missing = |why: &str| Missing { reference: reference.to_string().into(), why: why.into() };
        let answer = self.answers.get(reference).ok_or_else(|| missing("nobody looked"))?;
        answer.clone().map_err(|why| missing(&why))
    }

    fn htpasswd(&self, id: &ResourceId, users: &[User]) -> Result<Wanted, Missing> {
        let stored = self.stored.get(id).and_then(|stored| stored.as_ref().ok());
        let kept = stored.and_then(|stored| stored.get(PREVIOUS));
        let kept = kept.map(|kept| Previous::parse(kept.expose_secret())).unwrap_or_default();
        let mut wanted = Wanted { logins: Vec::new(), previous: Vec::new(), new: false, now: self.now };
        for User { name: user, password } in users {
            let (name, password) = match password {
                Password::Reference(reference) => {
                    (user.clone(), self.answer(reference).and_then(|bytes| short(reference, bytes))?)
                }
                Password::Place(pointer) => {
                    let made = self.made(id, pointer).map_err(|why| made_missing(user, &why))?;
                    wanted.new |= made.new;
                    let name = self.logins.get(&(id.clone(), user.clone())).unwrap_or(user).clone();
                    wanted.previous.extend(kept.iter().filter(|kept| kept.is_of(user, &name)).cloned());
                    (name, made.bytes.clone())
                }
            };
            let hashed = self.hashed.get(&(id.clone(), user.clone())).cloned().unwrap_or_default();
            wanted.logins.push(Login { name, password, hashed });
        }
        Ok(wanted)
    }
}

fn made_missing(whose: &str, why: &str) -> Missing {
    Missing { reference: smol_str::format_smolstr!("that kwo makes for {whose}"), why: why.into() }
}

/// A password that counts to its last byte.
fn short(reference: &SecretRef, bytes: SecretSlice<u8>) -> Result<SecretSlice<u8>, Missing> {
    if bytes.expose_secret().len() <= LONGEST_PASSWORD {
        return Ok(bytes);
    }
    let why = smol_str::format_smolstr!(
        "the password there is longer than {LONGEST_PASSWORD} bytes, and a registry hashes passwords with bcrypt, which reads no more; choose a shorter one"
    );
    Err(Missing { reference: reference.to_string().into(), why })
}

/// A refusal where it is clear already that something was refused.
fn said(refusal: Refusal) -> String {
    match refusal {
        Refusal::Refused { why } => why,
        other => other.to_string(),
    }
}

/// Follows one reference. Without a provider those into the cluster lead to nothing.
///
/// # Errors
/// When it leads to nothing; says why.
pub async fn follow(reference: &SecretRef, places: &Places, provider: Option<&dyn Home>) -> Answer {
    let bytes = match reference {
        SecretRef::Env(name) => match std::env::var_os(name.as_str()) {
            Some(value) => value.into_encoded_bytes(),
            None => return Err("the environment variable is not set".to_owned()),
        },
        SecretRef::File(path) => read(Path::new(path.as_str()))?,
        SecretRef::Credential(name) => match std::env::var_os("CREDENTIALS_DIRECTORY") {
            Some(folder) => {
                let path = Path::new(&folder).join(name.as_str());
                if !path.exists() && std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() {
                    return Err(format!(
                        "the Secret that the pod mounts at {} has no key `{name}`",
                        Path::new(&folder).display()
                    ));
                }
                if !path.exists() {
                    return Err(format!(
                        "systemd did not pass it to the unit; `LoadCredential={name}` in the unit takes it from /etc/credstore/{name}"
                    ));
                }
                read(&path)?
            }
            None => {
                return Err("there is no $CREDENTIALS_DIRECTORY; a systemd unit sets it that has \
                            LoadCredential= or SetCredential="
                    .to_owned());
            }
        },
        SecretRef::Age(path) => return opened(&places.folder.join(path.as_str()), places),
        SecretRef::Kube { namespace, name, key } => {
            let provider = provider.ok_or("there is no cluster to ask for it")?;
            let found = provider.read_secret(namespace, name).await;
            return match found.map(|data| data.and_then(|mut data| data.remove(key))) {
                Ok(Some(bytes)) => not_empty(bytes),
                Ok(None) => Err(format!("there is no key {key} in a Secret {name} of {namespace}")),
                Err(refusal) => Err(said(refusal)),
            };
        }
        SecretRef::Vault { path, key } => {
            let nobody = "the roster has no `systems.vault`, by whose login kwo would read it";
            return not_empty(places.stores.as_ref().ok_or(nobody)?.value(path, key).await?);
        }
        // Only a place of its own can be generated, not a part of one.
        SecretRef::Generate(_) => return Err("it cannot be generated here".to_owned()),
    };
    not_empty(trimmed(bytes).into())
}

fn not_empty(bytes: SecretSlice<u8>) -> Answer {
    if bytes.expose_secret().is_empty() { Err("it is empty".to_owned()) } else { Ok(bytes) }
}

/// Without the end of the last line, which editors and `echo` add.
fn trimmed(mut bytes: Vec<u8>) -> Vec<u8> {
    while bytes.last().is_some_and(|last| matches!(last, b'\n' | b'\r')) {
        bytes.pop();
    }
    bytes
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let cannot = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => format!("there is no file {}", path.display()),
        _ => format!("{} cannot be read: {error}", path.display()),
    };
    let mut bytes = Vec::new();
    let file = regular::open(path).map_err(cannot)?;
    file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > LONGEST {
        return Err(format!("{} is over 1 MiB", path.display()));
    }
    Ok(bytes)
}

/// The content of an age file.
fn opened(path: &Path, places: &Places) -> Answer {
    let Some(identity) = &places.age_identity else {
        return Err("there is no key to open age files with; `--age-identity` names it".to_owned());
    };
    let sealed = read(path)?;
    let name = identity.display();
    let identity =
        String::from_utf8(read(identity)?).map_err(|_| format!("{name} is not an age identity"))?;
    let identities = age::IdentityFile::from_buffer(identity.as_bytes())
        .and_then(|file| file.into_identities().map_err(std::io::Error::other))
        .map_err(|_| format!("{name} is not an age identity"))?;
    let cannot = || format!("{} cannot be opened with {name}", path.display());
    let armored = age::armor::ArmoredReader::new(sealed.as_slice());
    let decryptor = age::Decryptor::new(armored)
        .map_err(|error| format!("{} is not an age file: {error}", path.display()))?;
    let opening = decryptor.decrypt(identities.iter().map(|identity| &**identity as &dyn age::Identity));
    let mut bytes = Vec::new();
    // What is in it is shorter than the file, which is not too long.
    opening
        .map_err(|error| format!("{}: {error}", cannot()))?
        .read_to_end(&mut bytes)
        .map_err(|_| cannot())?;
    not_empty(trimmed(bytes).into())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use age::secrecy::ExposeSecret as _;
    use kwo_planner::domains::compile;
    use kwo_planner::domains::parse;

    use kwo_planner::roster::{SourceFile, Sources};
    use kwo_planner::systems::System;
    use kwo_planner::tree::Tree;

    use super::*;
    use crate::providers::Dir;

    /// What comes of a file that was sealed around so many bytes.
    async fn unsealed(length: usize) -> Result<usize, String> {
        let folder = tempfile::tempdir().unwrap();
        let identity = age::x25519::Identity::generate();
        let recipient = identity.to_public();
        let recipients = std::iter::once(&recipient as &dyn age::Recipient);
        let mut sealed = Vec::new();
        let mut writer =
            age::Encryptor::with_recipients(recipients).unwrap().wrap_output(&mut sealed).unwrap();
        writer.write_all(&vec![b'x'; length]).unwrap();
        writer.finish().unwrap();
        let key = folder.path().join("age.key");
        std::fs::write(&key, identity.to_string().expose_secret()).unwrap();
        std::fs::write(folder.path().join("long.age"), sealed).unwrap();
        let places = Places { folder: folder.path().to_owned(), age_identity: Some(key), stores: None };
        let answer = follow(&SecretRef::Age("long.age".into()), &places, None).await;
        let name = folder.path().join("long.age").display().to_string();
        answer.map(|bytes| bytes.expose_secret().len()).map_err(|why| why.replace(&name, "long.age"))
    }

    #[tokio::test]
    async fn an_age_file_is_taken_whole_or_not_at_all() {
        assert_eq!(unsealed(1_000_000).await, Ok(1_000_000));
        // The secret is just short enough, the file is not.
        assert_eq!(unsealed(1024 * 1024).await, Err("long.age is over 1 MiB".to_owned()));
        assert_eq!(unsealed(3 * 1024 * 1024).await, Err("long.age is over 1 MiB".to_owned()));
    }

    #[tokio::test]
    async fn what_opens_a_system_goes_to_it_and_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        std::fs::write(&file, "s3cret\n").unwrap();
        let text = |path: &Path| SmolStr::from(path.to_string_lossy());
        let secrets = [
            ("key".into(), SecretRef::File(text(&file))),
            ("other".into(), SecretRef::File(text(&folder.path().join("gone")))),
        ];
        let connection = Connection {
            system: System::Node,
            part: "p".into(),
            settings: Tree::Null,
            secrets: BTreeMap::from(secrets),
        };
        let desired = Desired::default().reached_by(vec![connection.clone()]);
        let nowhere = Dir::new(folder.path()).unwrap();
        let (desired, vault) = resolve(desired, &Places::default(), &nowhere).await;
        let [way] = vault.ways() else { panic!("{vault:?}") };
        assert_eq!((&way.connection, desired.connections()), (&connection, &[connection.clone()][..]));
        assert_eq!(way.secret("key").unwrap().expose_secret(), b"s3cret");
        assert!(!format!("{vault:?} {desired:?}").contains("s3cret"));
        let missing = way.secret("other").unwrap_err();
        let path = folder.path().join("gone");
        let path = path.display();
        assert_eq!(missing, format!("the other file {path} cannot be used: there is no file {path}"));
        assert_eq!(way.secret("third").unwrap_err(), "the roster names no third");
    }

    #[tokio::test]
    async fn what_kwo_would_have_made_is_missing_in_plain_words() {
        let text = "{apiVersion: kwo/v1, kind: Roster, registry: {hosts: [registry.example.com]}}".to_owned();
        let roster = parse(Sources::new(vec![SourceFile { name: String::new(), text }])).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let nowhere = Dir::new(folder.path()).unwrap();
        let (desired, _) = resolve(compile(&roster).unwrap(), &Places::default(), &nowhere).await;
        let missing = |kind: &str| {
            let found = desired.resources().iter().find(|resource| resource.id.to_string().contains(kind));
            kwo_planner::change::Hold::from(*found.unwrap().missing.clone().unwrap()).to_string()
        };
        let why = "a directory of manifests holds no secrets; once the cluster stands, run without `--target dir:…`";
        assert_eq!(
            missing("registry-auth"),
            format!("the secret that kwo makes for docker cannot be used: {why}")
        );
        let node = "the secret kube kube-system/registry-auth/password cannot be used";
        assert_eq!(missing("registries.yaml"), format!("{node}: {why}"));
    }
}
