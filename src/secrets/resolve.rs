//! Follows the references of a roster to the bytes. What cannot be found is data, not an error: it holds the object
//! that needs it, and nothing else. No message here ever holds what was read.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use kwo_planner::kinds::Kind;
use kwo_planner::resource::{Desired, ResourceId};
use kwo_planner::roster::SecretRef;
use kwo_planner::secrets::{Content, FINGERPRINT_KEY, Found, Password, Secret};
use kwo_planner::tree::join;
use secrecy::{ExposeSecret, SecretSlice};
use smol_str::SmolStr;

use super::vault::{Held, Place, Vault, generated};
use crate::providers::Provider;

/// No secret is longer than what fits into a Kubernetes Secret.
const LONGEST: u64 = 1024 * 1024;

/// Where the references lead on this machine.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// The folder of the roster, where relative paths begin.
    pub folder: PathBuf,
    /// The key that opens age files.
    pub age_identity: Option<PathBuf>,
}

/// Where the key that opens age files is looked for when nothing names it.
const AGE_IDENTITY: &str = "/etc/kwo/age.key";

impl Places {
    /// Places beside this folder, with the key that is named, or else the usual one where it exists.
    #[must_use]
    pub fn usual(folder: PathBuf, age_identity: Option<PathBuf>) -> Places {
        let usual = Some(PathBuf::from(AGE_IDENTITY)).filter(|path| path.exists());
        Places { folder, age_identity: age_identity.or(usual) }
    }
}

/// What became of one reference: the bytes, or why there are none, as a sentence without a full stop.
pub type Answer = Result<SecretSlice<u8>, String>;

/// Looks every reference up once; gives what is wanted with the fingerprints, and the vault with the bytes.
pub async fn resolve(desired: Desired, places: &Places, provider: &dyn Provider) -> (Desired, Vault) {
    if all(&desired).next().is_none() {
        return (desired, Vault::default());
    }
    let (namespace, name, key) = FINGERPRINT_KEY;
    let fingerprint = provider.reveal(namespace, name, key).await.ok().flatten();
    let mut vault = Vault::new(fingerprint.map(|key| key.expose_secret().to_vec()).unwrap_or_default());
    // What is made comes first: an htpasswd file may be made of it.
    let mut made: BTreeMap<(ResourceId, SmolStr), Result<Made, String>> = BTreeMap::new();
    let mut answers: BTreeMap<SecretRef, Answer> = BTreeMap::new();
    for (id, secret) in all(&desired) {
        if let Content::Plain(SecretRef::Generate(length)) = secret.content {
            let there = make(id, &secret.pointer, length, provider).await;
            made.insert((id.clone(), secret.pointer.clone()), there);
        }
    }
    for reference in all(&desired).flat_map(|(_, secret)| references(&secret.content)) {
        if !answers.contains_key(reference) {
            let answer = match beside(reference, &made) {
                Some(bytes) => Ok(bytes),
                None => follow(reference, places, Some(provider)).await,
            };
            answers.insert(reference.clone(), answer);
        }
    }
    for (id, secret) in all(&desired) {
        let held = held(id, secret, &answers, &made);
        vault.insert(id, &secret.pointer, Place { content: secret.content.clone(), held });
    }
    let desired = desired.with_secrets(|id, secret| vault.found(id, secret));
    (desired, vault)
}

/// Bytes that kwo makes itself, and whether they stand in the cluster already.
struct Made {
    bytes: SecretSlice<u8>,
    new: bool,
}

/// A Secret of the cluster that this very run makes.
fn beside(
    reference: &SecretRef,
    made: &BTreeMap<(ResourceId, SmolStr), Result<Made, String>>,
) -> Option<SecretSlice<u8>> {
    let SecretRef::Kube { namespace, name, key } = reference else { return None };
    let id = ResourceId::kube(Kind::Secret, namespace.clone(), name.clone());
    let made = made.get(&(id, join("/data", key).into()))?.as_ref().ok()?;
    Some(made.bytes.clone())
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
        Content::Htpasswd(users) => users
            .iter()
            .filter_map(|user| match &user.password {
                Password::Reference(reference) => Some(reference),
                Password::Place(_) => None,
            })
            .collect(),
    }
}

/// What was made for this place once, or else what it is to hold.
async fn make(id: &ResourceId, pointer: &str, length: u16, provider: &dyn Provider) -> Result<Made, String> {
    let key = pointer.strip_prefix("/data/").ok_or("only the data of a Secret can be generated")?;
    match provider.reveal(&id.scope, &id.name, key).await {
        Ok(Some(bytes)) if !bytes.expose_secret().is_empty() => Ok(Made { bytes, new: false }),
        Ok(_) => Ok(Made { bytes: generated(length)?, new: true }),
        Err(refusal) => Err(refusal.to_string()),
    }
}

fn held(
    id: &ResourceId,
    secret: &Secret,
    answers: &BTreeMap<SecretRef, Answer>,
    made: &BTreeMap<(ResourceId, SmolStr), Result<Made, String>>,
) -> Held {
    let missing =
        |reference: SecretRef, why: &str| Held::Missing(Found::Missing { reference, why: why.into() });
    let users = match &secret.content {
        Content::Plain(reference @ SecretRef::Generate(_)) => {
            return match made.get(&(id.clone(), secret.pointer.clone())) {
                Some(Ok(made)) => Held::Made(made.bytes.clone()),
                Some(Err(why)) => missing(reference.clone(), why),
                None => missing(reference.clone(), "it was not made"),
            };
        }
        Content::Plain(reference) => {
            return match answers.get(reference) {
                Some(Ok(bytes)) => Held::Known(vec![bytes.clone()]),
                Some(Err(why)) => missing(reference.clone(), why),
                None => missing(reference.clone(), "nobody looked"),
            };
        }
        Content::Htpasswd(users) => users,
    };
    let (mut parts, mut any_new) = (Vec::with_capacity(users.len()), false);
    for user in users {
        let part = match &user.password {
            Password::Reference(reference) => match answers.get(reference) {
                Some(Ok(bytes)) => bytes.clone(),
                Some(Err(why)) => return missing(reference.clone(), why),
                None => return missing(reference.clone(), "it cannot be generated here"),
            },
            Password::Place(pointer) => match made.get(&(id.clone(), pointer.clone())) {
                Some(Ok(made)) => {
                    any_new |= made.new;
                    made.bytes.clone()
                }
                Some(Err(why)) => return missing(SecretRef::Generate(0), why),
                None => return missing(SecretRef::Generate(0), "it was not made"),
            },
        };
        parts.push(part);
    }
    if any_new { Held::New(parts) } else { Held::Known(parts) }
}

/// Follows one reference. Without a provider those into the cluster lead to nothing.
///
/// # Errors
/// When it leads to nothing; says why.
pub async fn follow(reference: &SecretRef, places: &Places, provider: Option<&dyn Provider>) -> Answer {
    let bytes = match reference {
        SecretRef::Env(name) => match std::env::var_os(name.as_str()) {
            Some(value) => value.into_encoded_bytes(),
            None => return Err("the environment variable is not set".to_owned()),
        },
        SecretRef::File(path) => read(Path::new(path.as_str()))?,
        SecretRef::Credential(name) => match std::env::var_os("CREDENTIALS_DIRECTORY") {
            Some(folder) => read(&Path::new(&folder).join(name.as_str()))?,
            None => {
                return Err("there is no $CREDENTIALS_DIRECTORY; a systemd unit sets it that has \
                            LoadCredential= or SetCredential="
                    .to_owned());
            }
        },
        SecretRef::Age(path) => return opened(&places.folder.join(path.as_str()), places),
        SecretRef::Kube { namespace, name, key } => {
            let provider = provider.ok_or("there is no cluster to ask for it")?;
            return match provider.reveal(namespace, name, key).await {
                Ok(Some(bytes)) => not_empty(bytes),
                Ok(None) => Err(format!("there is no key {key} in a Secret {name} of {namespace}")),
                Err(refusal) => Err(refusal.to_string()),
            };
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
    let file = std::fs::File::open(path).map_err(cannot)?;
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
    let identity = String::from_utf8(read(identity)?).map_err(|_| format!("{name} is no age identity"))?;
    let identities = age::IdentityFile::from_buffer(identity.as_bytes())
        .and_then(|file| file.into_identities().map_err(std::io::Error::other))
        .map_err(|_| format!("{name} is no age identity"))?;
    let cannot = || format!("{} cannot be opened with {name}", path.display());
    let armored = age::armor::ArmoredReader::new(sealed.as_slice());
    let decryptor = age::Decryptor::new(armored)
        .map_err(|error| format!("{} is no age file: {error}", path.display()))?;
    let opening = decryptor.decrypt(identities.iter().map(|identity| &**identity as &dyn age::Identity));
    let mut bytes = Vec::new();
    opening
        .map_err(|error| format!("{}: {error}", cannot()))?
        .take(LONGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(|_| cannot())?;
    if bytes.len() as u64 > LONGEST {
        return Err(format!("what {} holds is over 1 MiB", path.display()));
    }
    not_empty(trimmed(bytes).into())
}
