//! A directory as a provider: hands each promise of the contract to the file that fulfils it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use kwo_planner::change::Step;
use kwo_planner::observed::{Observed, Sighting};
use kwo_planner::resource::Desired;
use smol_str::SmolStr;

use super::{lock, observe, versioned_text, write};
use crate::departed::Departed;
use crate::providers::{
    Account, Home, Identity, Lock, LockRefusal, Promise, Provider, Refusal, VersionedText,
};
use crate::secrets::SecretData;
use crate::secrets::Vault;

/// A directory of manifests. It is made when it is first written to.
#[derive(Clone, Debug)]
pub struct Dir {
    path: PathBuf,
}

impl Dir {
    /// The directory at this path, which need not exist yet.
    ///
    /// # Errors
    /// When something else is there, or nobody may look.
    pub fn new(path: impl Into<PathBuf>) -> io::Result<Dir> {
        let path = path.into();
        match fs::metadata(&path) {
            Ok(found) if !found.is_dir() => Err(io::ErrorKind::NotADirectory.into()),
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(Dir { path }),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Provider for Dir {
    fn observe<'a>(&'a self, wanted: &'a Desired) -> Promise<'a, Observed> {
        Box::pin(async move { observe::observe(&self.path, wanted) })
    }

    fn look<'a>(&'a self, step: &'a Step) -> Promise<'a, Sighting> {
        Box::pin(async move { observe::again(&self.path, step) })
    }

    fn set_secrets(&self, _: Arc<Vault>) {
        // Secrets are left out of a directory, so it has no use for them.
    }

    fn write<'a>(&'a self, step: &'a Step) -> Promise<'a, Result<(), Refusal>> {
        Box::pin(async move { write::write(&self.path, step) })
    }
}

impl Home for Dir {
    fn read_secret<'a>(&'a self, _: &'a str, _: &'a str) -> Promise<'a, Result<Option<SecretData>, Refusal>> {
        Box::pin(async {
            Err(Refusal::Refused { why: "a directory of manifests holds no secrets; once the cluster stands, run without `--target dir:…`"
                    .to_owned() })
        })
    }

    fn identity(&self) -> Promise<'_, Result<Identity, Refusal>> {
        Box::pin(async move {
            let path = place(&self.path)
                .map_err(|error| Refusal::Unreachable { why: format!("{}: {error}", self.path.display()) })?;
            let path = SmolStr::from(path.to_string_lossy());
            Ok(Identity { id: path.clone(), address: path })
        })
    }

    fn load_checkpoint(&self) -> Promise<'_, Result<Option<VersionedText>, Refusal>> {
        Box::pin(async move { versioned_text::load(&self.path, versioned_text::SYNC) })
    }

    fn save_checkpoint<'a>(
        &'a self,
        text: &'a str,
        seen: Option<&'a VersionedText>,
    ) -> Promise<'a, Result<VersionedText, Refusal>> {
        Box::pin(async move { versioned_text::save(&self.path, versioned_text::SYNC, text, seen) })
    }

    fn departed(&self) -> Promise<'_, Result<Vec<Departed>, Refusal>> {
        // Nobody lives in a directory; whoever applies it sees in git what became of its files.
        Box::pin(async { Ok(Vec::new()) })
    }

    fn account(&self) -> Promise<'_, Result<Option<Account>, Refusal>> {
        Box::pin(async { Ok(None) })
    }

    fn lock(&self, patience: Duration) -> Promise<'_, Result<Lock, LockRefusal>> {
        Box::pin(lock::lock(&self.path, patience))
    }
}

/// The canonical path, of a directory that need not exist yet.
fn place(path: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    let mut missing = Vec::new();
    let mut here = path.as_path();
    loop {
        match fs::canonicalize(here) {
            Ok(found) => return Ok(missing.iter().rev().fold(found, |path, part| path.join(part))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let (Some(parent), Some(name)) = (here.parent(), here.file_name()) else { return Err(error) };
                missing.push(name.to_owned());
                here = parent;
            }
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_the_same_before_and_after_it_is_made() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a/b");
        let before = place(&path).unwrap();
        fs::create_dir_all(&path).unwrap();
        assert_eq!(before, place(&path).unwrap());
    }
}
