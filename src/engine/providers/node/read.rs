//! Other content of a node's files, for `kwo import`, which writes a roster from it.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::file::read;
use super::provider::Node;
use crate::providers::atomic_file::{Astray, in_root};

impl Node {
    /// The text of a file, by its path from the root; nothing where there is none.
    ///
    /// # Errors
    /// When a link leads out of the root, the system says no, or it is no text.
    pub fn text(&self, path: &str) -> Result<Option<String>, String> {
        let file = read(self.root(), Path::new(path)).map_err(|astray| format!("/{path}: {astray}"))?;
        let text = file.map(|file| String::from_utf8(file.bytes));
        text.transpose().map_err(|_| format!("/{path}: it is not UTF-8"))
    }

    /// The names of the plain files in a folder, in order; none where there is no such folder.
    ///
    /// # Errors
    /// When a link leads out of the root, or the system says no.
    pub fn names(&self, folder: &str) -> Result<Vec<String>, String> {
        let cannot = |astray: Astray| format!("/{folder}: {astray}");
        let listed = || -> Result<Vec<String>, Astray> {
            let mut names = Vec::new();
            for entry in fs::read_dir(in_root(self.root(), Path::new(folder), None)?)? {
                let entry = entry?;
                if entry.file_type()?.is_file() {
                    names.extend(entry.file_name().into_string());
                }
            }
            names.sort();
            Ok(names)
        };
        match listed() {
            Err(Astray::Io(error)) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            listed => listed.map_err(cannot),
        }
    }
}
