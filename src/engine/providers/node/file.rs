//! One file as it is: its bytes, its mode, its owner and its state. Never follows a link out of the root, and reads
//! only regular files.

use std::fs::{self, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use kwo_planner::observed::Version;
use kwo_planner::plain::utf8;
use kwo_planner::resource::ResourceId;
use kwo_planner::tree::{SmolStr, Tree};
use smol_str::format_smolstr;

use crate::providers::atomic_file::{Astray, in_root};
use crate::regular;
use crate::yaml;

/// No file that kwo keeps is longer.
const LONGEST: u64 = 1024 * 1024;

/// The mode bits that are told of a file.
pub(super) const MODE: u32 = 0o7777;

/// How the owner of the root folder is called, which is root where the root is `/`.
pub(super) const OWNER: &str = "root:root";

/// A file that is there.
pub(super) struct File {
    pub(super) bytes: Vec<u8>,
    pub(super) meta: Metadata,
}

/// The root folder as the beginning of a path.
pub(super) fn root(root: &Path) -> SmolStr {
    let root = std::path::absolute(root).unwrap_or_else(|_| root.to_owned());
    SmolStr::from(root.to_string_lossy().trim_end_matches('/'))
}

/// The path of a file from the root.
pub(super) fn path(id: &ResourceId) -> Result<PathBuf, String> {
    let path = PathBuf::from(id.name.as_str());
    let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    if plain && path.file_name().is_some() {
        Ok(path)
    } else {
        Err(format!("/{} is not a plain path", id.name))
    }
}

/// Reads a file; nothing where there is none.
pub(super) fn read(root: &Path, path: &Path) -> Result<Option<File>, Astray> {
    let read = || -> Result<File, Astray> {
        let full = in_root(root, path, None)?;
        if !fs::symlink_metadata(&full)?.is_file() {
            return Err(io::Error::other("it is not a plain file").into());
        }
        let file = regular::open(&full)?;
        // Of the file that was opened, whatever has its name by now.
        let meta = file.metadata()?;
        let mut bytes = Vec::new();
        file.take(LONGEST + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > LONGEST {
            return Err(io::Error::other("it is over 1 MiB").into());
        }
        Ok(File { bytes, meta })
    };
    match read() {
        Ok(file) => Ok(Some(file)),
        Err(Astray::Io(error)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(astray) => Err(astray),
    }
}

impl File {
    /// The state of it. No hash of the bytes: a plan is shown to many, and secrets may be short.
    pub(super) fn version(&self) -> Version {
        let meta = &self.meta;
        let (dev, ino, size) = (meta.dev(), meta.ino(), meta.len());
        Version(format_smolstr!("{dev}:{ino}:{}.{:09}:{size}", meta.ctime(), meta.ctime_nsec()))
    }

    pub(super) fn mode(&self) -> SmolStr {
        format_smolstr!("{:04o}", self.meta.mode() & MODE)
    }

    pub(super) fn owner(&self, root: &Path) -> io::Result<SmolStr> {
        let (own, base) = (&self.meta, fs::metadata(root)?);
        if (own.uid(), own.gid()) == (base.uid(), base.gid()) {
            return Ok(SmolStr::new_static(OWNER));
        }
        Ok(format_smolstr!("{}:{}", own.uid(), own.gid()))
    }

    /// The YAML in it: the keys in their order, and the whole.
    pub(super) fn document(&self) -> Result<(Vec<(SmolStr, Tree)>, Tree), String> {
        let mut documents = yaml::documents(self.text()?)?;
        if documents.len() > 1 {
            return Err(format!("it holds {} documents, expected one", documents.len()));
        }
        let Some(document) = documents.pop() else { return Ok((Vec::new(), Tree::map::<SmolStr>([]))) };
        match document.tree() {
            Tree::Null => Ok((Vec::new(), Tree::map::<SmolStr>([]))),
            Tree::Map(_) => Ok((document.entries(), document.tree().clone())),
            _ => Err("it does not hold a map".to_owned()),
        }
    }

    pub(super) fn text(&self) -> Result<&str, String> {
        utf8(&self.bytes)
    }

    /// The YAML in it, in the form of what is wanted: a list wherever a set is, since k3s takes a single text for a
    /// list of one, and an empty map or list where a key has no value.
    pub(super) fn content(&self, wanted: &Tree, sets: &[&str]) -> Result<Tree, String> {
        let (_, mut content) = self.document()?;
        for place in sets.iter().filter_map(|set| set.strip_prefix("/content")) {
            if let Some(single @ Tree::Text(_)) = content.at(place).cloned() {
                content = content.with(place, Tree::list([single]));
            }
        }
        Ok(wanted.get("content").map_or_else(|| content.clone(), |wanted| opened(&content, wanted)))
    }
}

/// With something to add to where a key without a value stands.
fn opened(found: &Tree, wanted: &Tree) -> Tree {
    match (found, wanted) {
        (Tree::Null, Tree::Map(_)) => Tree::map::<SmolStr>([]),
        (Tree::Null, Tree::List(_)) => Tree::list([]),
        (Tree::Map(entries), Tree::Map(_)) => Tree::map(entries.iter().map(|(key, below)| {
            let below = wanted.get(key).map_or_else(|| below.clone(), |wanted| opened(below, wanted));
            (key.clone(), below)
        })),
        _ => found.clone(),
    }
}
