//! What runs leave for each other in a directory: a hidden file in it, such as `.kwo.sync`.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::providers::atomic_file::{Astray, inside, replace};
use crate::providers::{Refusal, VersionedText};
use crate::regular;

/// Where runs of `kwo sync` leave theirs.
pub(super) const SYNC: &str = ".kwo.sync";

/// The text, where there is one.
pub(super) fn load(root: &Path, file: &str) -> Result<Option<VersionedText>, Refusal> {
    let path = root.join(file);
    match regular::text(&path) {
        Ok(text) => Ok(Some(versioned(text))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Refusal::Refused { why: format!("{} cannot be read: {error}", path.display()) }),
    }
}

fn versioned(text: String) -> VersionedText {
    let version = Sha256::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect();
    VersionedText { text, version, made: None }
}

/// Leaves this text in place of the one that was read.
pub(super) fn save(
    root: &Path,
    file: &str,
    text: &str,
    seen: Option<&VersionedText>,
) -> Result<VersionedText, Refusal> {
    let now = load(root, file)?;
    if now.as_ref() != seen {
        return Err(Refusal::Changed { why: format!("{file} was written by somebody else") });
    }
    let write = || -> Result<(), Astray> {
        fs::create_dir_all(root)?;
        let path = inside(root, Path::new(file), None)?;
        Ok(replace(&path, text, None)?)
    };
    write().map_err(|astray| Refusal::Refused { why: format!("{file} cannot be written: {astray}") })?;
    Ok(versioned(text.to_owned()))
}
