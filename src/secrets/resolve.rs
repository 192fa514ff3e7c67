//! Follows the references of a roster to the bytes. What cannot be found is data, not an error: it holds the object
//! that needs it, and nothing else. No message here ever holds what was read.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use kwo_planner::resource::Desired;
use kwo_planner::roster::SecretRef;
use kwo_planner::secrets::{Content, FINGERPRINT_KEY, Found};
use secrecy::{ExposeSecret, SecretSlice};

use super::vault::{Held, Place, Vault};
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

/// What became of one reference.
type Answer = Result<SecretSlice<u8>, String>;

/// Looks every reference up once; gives what is wanted with the fingerprints, and the vault with the bytes.
pub async fn resolve(desired: Desired, places: &Places, provider: &dyn Provider) -> (Desired, Vault) {
    if desired.resources().iter().all(|resource| resource.secrets.is_empty()) {
        return (desired, Vault::default());
    }
    let (namespace, name, key) = FINGERPRINT_KEY;
    let fingerprint = provider.reveal(namespace, name, key).await.ok().flatten();
    let mut vault = Vault::new(fingerprint.map(|key| key.expose_secret().to_vec()).unwrap_or_default());
    let mut answers: BTreeMap<SecretRef, Answer> = BTreeMap::new();
    for resource in desired.resources() {
        for secret in &resource.secrets {
            let held = match &secret.content {
                Content::Plain(SecretRef::Generate(length)) => Held::Made(*length),
                content => {
                    for reference in content.references() {
                        if !answers.contains_key(reference) {
                            let answer = follow(reference, places, provider).await;
                            answers.insert(reference.clone(), answer);
                        }
                    }
                    held(content, &answers)
                }
            };
            let place = Place { content: secret.content.clone(), held };
            vault.insert(&resource.id, &secret.pointer, place);
        }
    }
    let desired = desired.with_secrets(|id, secret| vault.found(id, secret));
    (desired, vault)
}

fn held(content: &Content, answers: &BTreeMap<SecretRef, Answer>) -> Held {
    let mut known = Vec::new();
    for reference in content.references() {
        match answers.get(reference) {
            Some(Ok(bytes)) => known.push(bytes.clone()),
            Some(Err(why)) => {
                return Held::Missing(Found::Missing {
                    reference: reference.clone(),
                    why: why.as_str().into(),
                });
            }
            None => {}
        }
    }
    Held::Known(known)
}

async fn follow(reference: &SecretRef, places: &Places, provider: &dyn Provider) -> Answer {
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
        SecretRef::Kube { namespace, name, key } => match provider.reveal(namespace, name, key).await {
            Ok(Some(bytes)) => return not_empty(bytes),
            Ok(None) => return Err(format!("there is no key {key} in a Secret {name} of {namespace}")),
            Err(refusal) => return Err(refusal.to_string()),
        },
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
        .take(LONGEST)
        .read_to_end(&mut bytes)
        .map_err(|_| cannot())?;
    not_empty(trimmed(bytes).into())
}
