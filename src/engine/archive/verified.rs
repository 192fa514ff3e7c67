//! An archive that was read to its end and is what it says it is. There is no other way to have one: what is deleted on the
//! strength of an archive asks for this.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use kwo_planner::resource::ResourceId;
use kwo_planner::tree::SmolStr;
use serde::{Deserialize, Serialize};

use super::entry::{ArchiveEntry, ObjectKey};
use super::error::ArchiveError;
use super::index::{FORMAT_VERSION, Index};
use super::keys::Identities;
use super::path;
use super::read::{Contents, Each, read};
use super::stream::Hashed;
use crate::regular;

/// An archive that was read back.
#[derive(Clone, Debug)]
pub struct Verified {
    file: PathBuf,
    sha256: SmolStr,
    size: u64,
    encrypted: bool,
    index: Index,
    places: BTreeMap<ObjectKey, usize>,
}

/// What is kept of an archive that was read back, so that later its digest is enough to know it. It is as good as the place
/// where it is kept, and holds nothing by which secrets could be found.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Receipt {
    /// The version of this form.
    format_version: SmolStr,
    /// SHA-256 of the file.
    sha256: SmolStr,
    /// How long it is, in bytes.
    size: u64,
    /// It is encrypted.
    encrypted: bool,
    /// What is in it.
    archive: Index,
}

/// Reads an archive.
///
/// # Errors
/// When it cannot be read, no key opens it, or it is not what it says.
pub fn open(file: &Path, keys: &Identities) -> Result<Verified, ArchiveError> {
    opened(file, keys, &mut |_, _| {})
}

/// The same; each of its objects is handed on, and counts only if this ends well.
pub(super) fn opened(file: &Path, keys: &Identities, each: &mut Each<'_>) -> Result<Verified, ArchiveError> {
    let (bytes, size) = bytes(file)?;
    let contents = read(bytes, size, keys, each).map_err(|trouble| trouble.of(file))?;
    Ok(Verified::new(file, size, contents))
}

fn bytes(file: &Path) -> Result<(File, u64), ArchiveError> {
    let cannot = |error| ArchiveError::io("read", file, error);
    let bytes = regular::open(file).map_err(cannot)?;
    let size = bytes.metadata().map_err(cannot)?.len();
    Ok((bytes, size))
}

impl Verified {
    pub(super) fn new(file: &Path, size: u64, contents: Contents) -> Verified {
        let Contents { index, sha256, encrypted } = contents;
        let places = index.parts.iter().enumerate();
        let places =
            places.filter_map(|(at, part)| Some((part.entry.as_ref()?.object.clone(), at))).collect();
        Verified { file: file.to_owned(), sha256, size, encrypted, index, places }
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// SHA-256 of the file.
    #[must_use]
    pub fn sha256(&self) -> &SmolStr {
        &self.sha256
    }

    /// How long the file is, in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Does it take a key to read it?
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    /// The tenant that it is of.
    #[must_use]
    pub fn tenant(&self) -> &SmolStr {
        &self.index.meta.tenant
    }

    /// The uid of the cluster that it is of.
    #[must_use]
    pub fn cluster(&self) -> &SmolStr {
        &self.index.meta.cluster
    }

    /// When it was made.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        self.index.meta.time
    }

    /// All that it says of itself.
    #[must_use]
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// The object with this id, if it is in it.
    #[must_use]
    pub fn holds(&self, id: &ResourceId) -> Option<&ArchiveEntry> {
        self.holds_object(&ObjectKey::of_id(id)?)
    }

    /// The object that Kubernetes calls so, if it is in it.
    #[must_use]
    pub fn holds_object(&self, key: &ObjectKey) -> Option<&ArchiveEntry> {
        self.index.parts.get(*self.places.get(key)?)?.entry.as_ref()
    }

    /// Is there a part at this path?
    #[must_use]
    pub fn holds_part(&self, path: &str) -> bool {
        self.index.parts.iter().any(|part| part.path == path)
    }

    /// Is the data of this volume in it?
    #[must_use]
    pub fn holds_volume(&self, namespace: &str, claim: &str) -> bool {
        self.holds_part(&format!("{}.{:05}", path::volume(namespace, claim), 0))
    }

    /// What is to be kept of it.
    #[must_use]
    pub fn receipt(&self) -> Receipt {
        let Verified { file: _, sha256, size, encrypted, index, places: _ } = self;
        Receipt {
            format_version: FORMAT_VERSION.into(),
            sha256: sha256.clone(),
            size: *size,
            encrypted: *encrypted,
            archive: index.clone().in_the_clear(),
        }
    }
}

impl Receipt {
    /// SHA-256 of the file that was read back.
    #[must_use]
    pub fn sha256(&self) -> &SmolStr {
        &self.sha256
    }

    /// Does it take a key to open it?
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    /// What is in it.
    #[must_use]
    pub fn index(&self) -> &Index {
        &self.archive
    }

    /// The archive, if this file is the one that was read back. A receipt lies where others may write, so it says which file it
    /// is, and the file says what is in it.
    ///
    /// # Errors
    /// When it cannot be read, is another one, or no key opens it.
    pub fn check(&self, file: &Path, keys: &Identities) -> Result<Verified, ArchiveError> {
        let cannot = |error| ArchiveError::io("read", file, error);
        let (bytes, _) = bytes(file)?;
        if !bytes.metadata().map_err(cannot)?.is_file() {
            return Err(cannot(io::Error::other("it is no regular file")));
        }
        let another = |found: SmolStr| {
            let (expected, found) = (self.sha256.to_string(), found.to_string());
            Err(ArchiveError::Another { file: file.to_owned(), expected, found })
        };
        let found = summed(bytes.take(self.size.saturating_add(1))).map_err(cannot)?;
        if found != self.sha256 {
            return another(found);
        }
        let verified = opened(file, keys, &mut |_, _| {})?;
        if verified.sha256 == self.sha256 { Ok(verified) } else { another(verified.sha256) }
    }
}

/// SHA-256 of a file.
///
/// # Errors
/// When it cannot be read.
pub fn sum(file: &Path) -> Result<SmolStr, ArchiveError> {
    let (bytes, _) = bytes(file)?;
    summed(bytes).map_err(|error| ArchiveError::io("read", file, error))
}

fn summed(bytes: impl Read) -> io::Result<SmolStr> {
    let budget = Cell::new(u64::MAX);
    let mut hashed = Hashed::new(bytes, &budget);
    io::copy(&mut hashed, &mut io::sink())?;
    Ok(hashed.sum())
}
