//! Seals: keyed digests by which kwo recognises a plan that it saved itself. One key is in the cluster, for everybody
//! who may read it there. The other one is in the home of a person, for the same person on the same machine.

use std::env;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit as _, Mac as _};
use kwo_planner::k3s::NodePlan;
use kwo_planner::saved::{SavedPlan, Seals};
use kwo_planner::secrets::FINGERPRINT_KEY;
use kwo_planner::tree::SmolStr;
use secrecy::{ExposeSecret as _, SecretSlice};
use sha2::Sha256;

use crate::providers::Home;
use crate::regular;

/// Sets seals apart from fingerprints, which are made with the same key and begin with a zero byte.
const PURPOSE: &[u8] = b"kwo saved plan\n";
/// The same for a plan of a node: neither is ever taken for the other.
const PURPOSE_NODE: &[u8] = b"kwo saved plan of a node\n";
/// How many random bytes a person's key has.
const LENGTH: usize = 32;
/// The person's key, below the folder for the state of programs.
const PLACE: &str = "kwo/plan.key";

/// The keys at hand.
#[derive(Default)]
pub struct Keys {
    cluster: Option<SecretSlice<u8>>,
    person: Option<SecretSlice<u8>>,
}

/// Whose key a plan was sealed with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Seal {
    /// The cluster's.
    Cluster,
    /// The person's.
    Person,
}

impl Keys {
    /// The cluster's key, where there is one and it may be read, and the person's, which is made where it is missing.
    pub async fn find(provider: &dyn Home) -> Keys {
        Keys { cluster: cluster(provider).await, person: person() }
    }

    /// Only the person's key, which is made where it is missing: a machine that becomes a node has no cluster yet.
    #[must_use]
    pub fn of_person() -> Keys {
        Keys { cluster: None, person: person() }
    }

    /// Only this key, for where no cluster is asked.
    #[must_use]
    pub fn of(person: Vec<u8>) -> Keys {
        Keys { cluster: None, person: Some(person.into()) }
    }

    /// The seals for a plan.
    #[must_use]
    pub fn seals(&self, plan: &SavedPlan) -> Seals {
        self.made(PURPOSE, &plan.sealable())
    }

    /// The seals for a plan of a node.
    #[must_use]
    pub fn seals_of_node(&self, plan: &NodePlan) -> Seals {
        self.made(PURPOSE_NODE, &plan.sealable())
    }

    fn made(&self, purpose: &[u8], text: &[u8]) -> Seals {
        let seal = |key: &Option<SecretSlice<u8>>| {
            let bytes = mac(key.as_ref()?, purpose, text)?.finalize().into_bytes();
            Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<SmolStr>())
        };
        Seals { cluster: seal(&self.cluster), person: seal(&self.person) }
    }

    /// Whose seal on it is right; nobody's where none is.
    #[must_use]
    pub fn check(&self, plan: &SavedPlan) -> Option<Seal> {
        self.right(&plan.saved.as_ref()?.seals, PURPOSE, &plan.sealable())
    }

    /// The same of a plan of a node.
    #[must_use]
    pub fn check_of_node(&self, plan: &NodePlan) -> Option<Seal> {
        self.right(&plan.seals, PURPOSE_NODE, &plan.sealable())
    }

    fn right(&self, seals: &Seals, purpose: &[u8], text: &[u8]) -> Option<Seal> {
        let right = |key: &Option<SecretSlice<u8>>, seal: &Option<SmolStr>| {
            let (Some(key), Some(seal)) = (key, seal.as_ref().and_then(|seal| unhex(seal))) else {
                return false;
            };
            mac(key, purpose, text).is_some_and(|mac| mac.verify_slice(&seal).is_ok())
        };
        match () {
            () if right(&self.cluster, &seals.cluster) => Some(Seal::Cluster),
            () if right(&self.person, &seals.person) => Some(Seal::Person),
            () => None,
        }
    }
}

fn mac(key: &SecretSlice<u8>, purpose: &[u8], text: &[u8]) -> Option<Hmac<Sha256>> {
    // A key of nothing would be everybody's.
    let key = Some(key.expose_secret()).filter(|key| !key.is_empty())?;
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(purpose);
    mac.update(text);
    Some(mac)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    digits.chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

async fn cluster(provider: &dyn Home) -> Option<SecretSlice<u8>> {
    let (namespace, name, key) = FINGERPRINT_KEY;
    let data = provider.read_secret(namespace, name).await.ok().flatten()?;
    data.get(key).cloned()
}

/// Without a home, or where others could have read or put the key, there is none.
fn person() -> Option<SecretSlice<u8>> {
    let absolute = |path: PathBuf| Some(path).filter(|path| path.is_absolute());
    let state = env::var_os("XDG_STATE_HOME").map(PathBuf::from).and_then(absolute);
    let state = state.or_else(|| Some(absolute(env::home_dir()?)?.join(".local/state")))?;
    kept(&state.join(PLACE)).ok().flatten().map(Into::into)
}

/// The key in this file, made where it is missing.
fn kept(path: &Path) -> io::Result<Option<Vec<u8>>> {
    if let Some(folder) = path.parent().filter(|_| fs::symlink_metadata(path).is_err()) {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let mut key = [0; LENGTH];
        getrandom::fill(&mut key).map_err(io::Error::other)?;
        // For its owner alone, and whole or not at all; of two runs at once, one makes it for both.
        let mut made = tempfile::NamedTempFile::new_in(folder)?;
        made.write_all(&key)?;
        made.as_file().sync_all()?;
        if let Err(error) = made.persist_noclobber(path)
            && error.error.kind() != io::ErrorKind::AlreadyExists
        {
            return Err(error.error);
        }
    }
    let found = fs::symlink_metadata(path)?;
    let own =
        found.is_file() && found.mode() & 0o077 == 0 && found.uid() == rustix::process::geteuid().as_raw();
    if !own {
        return Ok(None);
    }
    let key = regular::read(path)?;
    Ok(Some(key).filter(|key| key.len() == LENGTH))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use kwo_planner::domains::compile;
    use kwo_planner::domains::parse;
    use kwo_planner::observed::{Observed, Sighting};
    use kwo_planner::plan::{Adopt, Provenance, plan};

    use kwo_planner::roster::{SourceFile, Sources};
    use kwo_planner::saved::Saved;

    use super::*;

    /// A plan as `kwo plan --out` saves it.
    fn saved(keys: &Keys) -> SavedPlan {
        let text =
            "{apiVersion: kwo/v1, kind: Roster, tenants: {alice: {owners: [a@example.com]}}}".to_owned();
        let roster = parse(Sources::new(vec![SourceFile { name: "roster.yaml".into(), text }])).unwrap();
        let desired = compile(&roster).unwrap();
        let nothing: Observed =
            desired.resources().iter().map(|resource| (resource.id.clone(), Sighting::Absent)).collect();
        let plan = plan(&desired, &nothing, &Adopt::Nothing, Provenance::default());
        let mut saved =
            SavedPlan { plan, saved: Some(Saved::of(roster.sources())), hits: None, overcommitted: None };
        let seals = keys.seals(&saved);
        saved.saved.as_mut().unwrap().seals = seals;
        saved
    }

    #[test]
    fn a_key_is_made_once_and_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state").join(PLACE);
        let key = kept(&path).unwrap().unwrap();
        assert_eq!(kept(&path).unwrap(), Some(key));
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(kept(&path).unwrap(), None, "others may have read it");
    }

    #[test]
    fn a_seal_of_a_node_is_none_of_a_roster() {
        let keys = Keys::of(vec![7; LENGTH]);
        let seals = keys.made(PURPOSE, b"text");
        assert_eq!(keys.right(&seals, PURPOSE, b"text"), Some(Seal::Person));
        assert_eq!(keys.right(&seals, PURPOSE_NODE, b"text"), None);
        assert_eq!(keys.right(&keys.made(PURPOSE_NODE, b"text"), PURPOSE, b"text"), None);
    }

    #[test]
    fn nobody_vouches_with_another_key_or_none() {
        let honest = saved(&Keys::of(vec![7; LENGTH]));
        assert_eq!(Keys::of(vec![8; LENGTH]).check(&honest), None);
        assert_eq!(Keys::default().check(&honest), None);
        assert_eq!(saved(&Keys::of(Vec::new())).saved.unwrap().seals, Seals::default());
    }
}
