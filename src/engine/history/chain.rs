//! The history on the disk: one file an entry, each with the digest of the one before it, none ever written again. A run
//! that is killed leaves an entry that is whole, or none.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::entry::Entry;
use crate::providers::{settle, temporary};
use crate::regular;

/// The history in one folder.
#[derive(Clone, Debug)]
pub struct History {
    folder: PathBuf,
}

/// Why the history cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The system said no.
    #[error("cannot {what} {}: {error}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// An entry is not what it was, or one is missing.
    #[error("{} is broken: {why}", path.display())]
    Broken {
        /// Where.
        path: PathBuf,
        /// What is wrong, as a sentence without a full stop.
        why: String,
    },
}

/// The newest entry, and the digest that the next one will have to name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Head {
    /// Its number; 0 where there is none.
    pub number: u64,
    /// Its digest; empty where there is none.
    pub digest: String,
}

impl History {
    /// The history in this folder, which need not exist yet.
    #[must_use]
    pub fn new(folder: PathBuf) -> History {
        History { folder }
    }

    /// Adds an entry behind the newest one; gives it as it is kept.
    ///
    /// # Errors
    /// When it cannot be written, or somebody else was quicker.
    pub fn append(&self, entry: Entry) -> Result<(Entry, Head), HistoryError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |error| HistoryError::Io { what: "write", path, error }
        };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o750)
            .create(&self.folder)
            .map_err(failed(&self.folder))?;
        let Head { number, digest } = self.head()?;
        let entry = Entry { number: number + 1, previous: digest, ..entry };
        let path = self.path(entry.number);
        let text = serde_json::to_string_pretty(&entry)
            .map_err(|error| HistoryError::Broken { path: path.clone(), why: error.to_string() })?;
        let write = || -> io::Result<()> {
            let made = temporary(&path, &text, Some(fs::Permissions::from_mode(0o600)))?;
            // Never in place of another one.
            made.persist_noclobber(&path).map_err(|error| error.error)?;
            settle(&path)
        };
        write().map_err(failed(&path))?;
        let head = Head { number: entry.number, digest: digest_of(text.as_bytes()) };
        Ok((entry, head))
    }

    /// The newest entry's number and digest.
    ///
    /// # Errors
    /// When the folder or the entry cannot be read.
    pub fn head(&self) -> Result<Head, HistoryError> {
        let Some(number) = self.numbers()?.into_iter().max() else {
            return Ok(Head { number: 0, digest: String::new() });
        };
        Ok(Head { number, digest: digest_of(&self.bytes(number)?) })
    }

    /// One entry; nothing where there is none with this number.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn entry(&self, number: u64) -> Result<Option<Entry>, HistoryError> {
        match self.bytes(number) {
            Ok(bytes) => self.parse(number, &bytes).map(Some),
            Err(HistoryError::Io { error, .. }) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The digest of one entry; nothing where there is none with this number.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn digest(&self, number: u64) -> Result<Option<String>, HistoryError> {
        match self.bytes(number) {
            Ok(bytes) => Ok(Some(digest_of(&bytes))),
            Err(HistoryError::Io { error, .. }) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The last so many entries, the newest first.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn last(&self, most: usize) -> Result<Vec<Entry>, HistoryError> {
        let mut numbers = self.numbers()?;
        numbers.sort_unstable_by(|a, b| b.cmp(a));
        numbers.truncate(most);
        numbers.into_iter().map(|number| self.parse(number, &self.bytes(number)?)).collect()
    }

    /// Goes through the chain from its beginning; gives its head.
    ///
    /// # Errors
    /// At the first entry that is missing, unreadable or not what the next one says it was.
    pub fn verify(&self) -> Result<Head, HistoryError> {
        let mut numbers = self.numbers()?;
        numbers.sort_unstable();
        let mut head = Head { number: 0, digest: String::new() };
        for number in numbers {
            let broken = |why: String| HistoryError::Broken { path: self.path(number), why };
            if number != head.number + 1 {
                return Err(broken(format!("entry {} before it is missing", head.number + 1)));
            }
            let bytes = self.bytes(number)?;
            let entry = self.parse(number, &bytes)?;
            if entry.number != number {
                return Err(broken(format!("it says that it is entry {}", entry.number)));
            }
            if entry.previous != head.digest {
                return Err(broken(format!("entry {} was changed after this one was written", head.number)));
            }
            head = Head { number, digest: digest_of(&bytes) };
        }
        Ok(head)
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number:06}.json"))
    }

    fn bytes(&self, number: u64) -> Result<Vec<u8>, HistoryError> {
        let path = self.path(number);
        regular::read(&path).map_err(|error| HistoryError::Io { what: "read", path, error })
    }

    fn parse(&self, number: u64, bytes: &[u8]) -> Result<Entry, HistoryError> {
        serde_json::from_slice(bytes)
            .map_err(|error| HistoryError::Broken { path: self.path(number), why: error.to_string() })
    }

    fn numbers(&self) -> Result<Vec<u64>, HistoryError> {
        let failed = |error| HistoryError::Io { what: "read", path: self.folder.clone(), error };
        let found = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            found => found.map_err(failed)?,
        };
        let mut numbers = Vec::new();
        for file in found {
            let name = file.map_err(failed)?.file_name();
            let name = name.to_string_lossy();
            numbers.extend(name.strip_suffix(".json").and_then(|stem| stem.parse::<u64>().ok()));
        }
        Ok(numbers)
    }
}

fn digest_of(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(host: &str) -> Entry {
        Entry::begun(host.to_owned(), "2026-01-01T00:00:00Z".parse().unwrap())
    }

    #[test]
    fn a_chain_shows_what_was_done_to_it() {
        let root = tempfile::tempdir().unwrap();
        let history = History::new(root.path().join("history"));
        assert_eq!(history.verify().unwrap().number, 0);
        for host in ["a", "b", "c"] {
            history.append(entry(host)).unwrap();
        }
        assert_eq!(history.verify().unwrap(), history.head().unwrap());
        let hosts: Vec<String> = history.last(2).unwrap().into_iter().map(|entry| entry.host).collect();
        assert_eq!(hosts, ["c", "b"]);
        // What a killed run leaves is no entry.
        fs::write(root.path().join("history/.tmp1234"), "{").unwrap();
        assert!(history.verify().is_ok());

        let second = root.path().join("history/000002.json");
        let kept = fs::read_to_string(&second).unwrap();
        fs::write(&second, kept.replace("\"b\"", "\"x\"")).unwrap();
        let said = history.verify().unwrap_err().to_string();
        assert!(
            said.ends_with("000003.json is broken: entry 2 was changed after this one was written"),
            "{said}"
        );
        fs::remove_file(&second).unwrap();
        let said = history.verify().unwrap_err().to_string();
        assert!(said.ends_with("entry 2 before it is missing"), "{said}");
        fs::write(&second, "{").unwrap();
        assert!(history.verify().is_err());
    }
}
