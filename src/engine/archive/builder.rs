//! What goes into an archive, before there is one: checked, stripped and in order.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;

use kwo_planner::tree::Tree;
use zeroize::Zeroizing;

use super::bare::{bare, digest, owner};
use super::entry::{ArchiveEntry, ObjectKey};
use super::error::ArchiveError;
use super::index::{LeftOut, Meta};
use super::{limits, path};
use crate::providers::yaml_text;

/// An archive that is being put together. Nothing is written before [`Builder::finish`].
#[derive(Debug)]
pub struct Builder {
    pub(super) meta: Meta,
    pub(super) parts: BTreeMap<String, Prepared>,
    pub(super) volumes: BTreeMap<String, Volume>,
    pub(super) left_out: Vec<LeftOut>,
}

/// A part whose bytes are known.
pub(super) struct Prepared {
    pub(super) bytes: Zeroizing<Vec<u8>>,
    pub(super) secret: bool,
    pub(super) entry: Option<ArchiveEntry>,
    pub(super) made_by: Option<String>,
}

/// Data that goes by as a stream; how much is known when it is over.
pub(super) struct Volume(pub(super) Box<dyn Read + Send>);

impl Builder {
    /// An archive of this, with nothing in it yet.
    #[must_use]
    pub fn new(meta: Meta) -> Builder {
        Builder { meta, parts: BTreeMap::new(), volumes: BTreeMap::new(), left_out: Vec::new() }
    }

    /// Adds an object, as the API server has it.
    ///
    /// # Errors
    /// When it does not say what it is, is in it already, or cannot be written so that it reads back the same.
    pub fn object(&mut self, object: &Tree) -> Result<(), ArchiveError> {
        let text = |pointer: &str| object.at(pointer).and_then(Tree::as_text).cloned().unwrap_or_default();
        let name = || format!("{} {}", text("/kind"), text("/metadata/name"));
        let key = ObjectKey::of(object).map_err(|why| ArchiveError::unfit(name(), why))?;
        let kept = bare(object);
        let path = path::of(&key);
        let yaml = yaml_text(&kept).map_err(|why| ArchiveError::unfit(&path, why))?;
        let secret = key.is_secret();
        let entry = ArchiveEntry {
            object: key,
            uid: text("/metadata/uid"),
            resource_version: text("/metadata/resourceVersion"),
            digest: Some(digest(&kept)),
        };
        let bytes = Zeroizing::new(yaml.into_bytes());
        self.insert(path, Prepared { bytes, secret, entry: Some(entry), made_by: owner(object) })
    }

    /// Adds a file of a system besides the objects of Kubernetes, such as `node/registries.yaml`. One that holds secrets is
    /// left out where nobody is named who may open the archive.
    ///
    /// # Errors
    /// When it cannot lie there, or is in it already.
    pub fn file(&mut self, place: &str, bytes: Vec<u8>, secret: bool) -> Result<(), ArchiveError> {
        let bytes = Zeroizing::new(bytes);
        self.insert(format!("systems/{place}"), Prepared { bytes, secret, entry: None, made_by: None })
    }

    /// Adds the data of a volume: a tar that is read when the archive is written.
    ///
    /// # Errors
    /// When it is in it already.
    pub fn volume(
        &mut self,
        namespace: &str,
        claim: &str,
        data: impl Read + Send + 'static,
    ) -> Result<(), ArchiveError> {
        let path = path::volume(namespace, claim);
        path::check(&path).map_err(|why| ArchiveError::unfit(&path, why))?;
        match self.volumes.insert(path.clone(), Volume(Box::new(data))) {
            None => Ok(()),
            Some(_) => Err(ArchiveError::unfit(path, "it is in it twice")),
        }
    }

    /// Says that something is not in it, and why, as a sentence without a full stop.
    pub fn left_out(&mut self, path: impl Into<String>, why: impl Into<String>) {
        self.left_out.push(LeftOut { path: path.into(), why: why.into() });
    }

    fn insert(&mut self, path: String, part: Prepared) -> Result<(), ArchiveError> {
        path::check(&path).map_err(|why| ArchiveError::unfit(&path, why))?;
        if part.bytes.len() as u64 > limits::PART {
            return Err(ArchiveError::unfit(path, format!("it is longer than {} bytes", limits::PART)));
        }
        match self.parts.insert(path.clone(), part) {
            None => Ok(()),
            Some(_) => Err(ArchiveError::unfit(path, "it is in it twice")),
        }
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} bytes", self.bytes.len())
    }
}

impl fmt::Debug for Volume {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a stream")
    }
}
