//! What `kwo install` wrote, and what was in it: a file that is another by now is somebody's own.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use kwo_engine::providers::{Astray, inside, replace};
use kwo_engine::regular;

const FILE: &str = "usr/local/share/kwo/installed.json";

/// The files that were written, by their path from the root, with the SHA-256 of their content.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(super) struct Record {
    pub(super) files: BTreeMap<String, String>,
}

impl Record {
    /// The record below this root; an empty one where there is none.
    pub(super) fn load(root: &Path) -> Result<Record, Astray> {
        let text = match regular::read(&root.join(FILE)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Record::default()),
            text => text?,
        };
        serde_json::from_slice(&text).map_err(|error| {
            let why = format!("{} is not as kwo wrote it: {error}", root.join(FILE).display());
            Astray::Io(io::Error::new(ErrorKind::InvalidData, why))
        })
    }

    /// Puts it on the disk; takes it away once nothing is in it.
    pub(super) fn save(&self, root: &Path) -> Result<(), Astray> {
        if self.files.is_empty() {
            return match fs::remove_file(root.join(FILE)) {
                Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
                _ => Ok(()),
            };
        }
        let text = serde_json::to_string_pretty(self).map_err(io::Error::other)? + "\n";
        write(root, FILE, text.as_bytes(), 0o644)
    }
}

/// A file below the root with this content, in place of an old one in one move. Missing folders are open to all.
pub(super) fn write(root: &Path, file: &str, content: &[u8], mode: u32) -> Result<(), Astray> {
    let path = inside(root, Path::new(file), Some(0o755))?;
    Ok(replace(&path, content, Some(Permissions::from_mode(mode)))?)
}

pub(super) fn digest(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}
