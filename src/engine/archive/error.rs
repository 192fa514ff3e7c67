//! Why an archive was not written, or is not taken for one. No message holds anything of what is in it but names.

use std::io;
use std::path::{Path, PathBuf};

/// Why there is no archive.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file system said no.
    #[error("cannot {what} {}", file.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// The file or the folder.
        file: PathBuf,
        /// What it said.
        #[source]
        error: io::Error,
    },
    /// A file that is to hold keys.
    #[error("{} holds no keys of age", .0.display())]
    NoKeys(PathBuf),
    /// Others can look into the folder, and that cannot be ended.
    #[error("others can look into the folder {}, and an archive may hold secrets", .0.display())]
    Open(PathBuf),
    /// The folder is another user's.
    #[error("the folder {} belongs to another user, and an archive may hold secrets", .0.display())]
    Theirs(PathBuf),
    /// It cannot go into an archive.
    #[error("{part} cannot be archived: {why}")]
    Unfit {
        /// Its path in the archive, or its name.
        part: String,
        /// Why, as a sentence without a full stop.
        why: String,
    },
    /// Something else than an archive.
    #[error("{} is no archive of kwo: {why}", file.display())]
    NotOne {
        /// The file.
        file: PathBuf,
        /// Why, as a sentence without a full stop.
        why: String,
    },
    /// Encrypted, and there is no key that opens it.
    #[error("{} is encrypted, and {why}", file.display())]
    Sealed {
        /// The file.
        file: PathBuf,
        /// Why, as a sentence without a full stop.
        why: &'static str,
    },
    /// An archive that does not hold what it says, or whose form is refused.
    #[error("{} is damaged, or somebody changed it: {why}", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// Why, as a sentence without a full stop.
        why: String,
    },
    /// It was written, and does not read back as what it is to be.
    #[error("{} does not read back, so kwo did not keep it: {why}", file.display())]
    Unread {
        /// The file.
        file: PathBuf,
        /// Why, as a sentence without a full stop.
        why: String,
    },
    /// Not the file that was read back once.
    #[error("{} is not the archive that was read back: it has the digest {found}, expected {expected}", file.display())]
    Another {
        /// The file.
        file: PathBuf,
        /// SHA-256 of the one that was.
        expected: String,
        /// SHA-256 of this one.
        found: String,
    },
}

impl ArchiveError {
    pub(super) fn io(what: &'static str, file: &Path, error: io::Error) -> ArchiveError {
        ArchiveError::Io { what, file: file.to_owned(), error }
    }

    pub(super) fn unfit(part: impl Into<String>, why: impl Into<String>) -> ArchiveError {
        ArchiveError::Unfit { part: part.into(), why: why.into() }
    }
}

/// What is wrong with the bytes of an archive, whatever the file is called.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Trouble {
    /// Something else.
    NotOne(String),
    /// There is no key that opens it.
    Sealed(&'static str),
    /// It does not hold what it says.
    Damaged(String),
}

impl Trouble {
    pub(super) fn damaged<T>(why: impl Into<String>) -> Result<T, Trouble> {
        Err(Trouble::Damaged(why.into()))
    }

    /// The same of a file that was written just now.
    pub(super) fn unread(self, file: &Path) -> ArchiveError {
        let why = match self {
            Trouble::NotOne(why) | Trouble::Damaged(why) => why,
            Trouble::Sealed(why) => why.to_owned(),
        };
        ArchiveError::Unread { file: file.to_owned(), why }
    }

    /// With the file it is about.
    pub(super) fn of(self, file: &Path) -> ArchiveError {
        let file = file.to_owned();
        match self {
            Trouble::NotOne(why) => ArchiveError::NotOne { file, why },
            Trouble::Sealed(why) => ArchiveError::Sealed { file, why },
            Trouble::Damaged(why) => ArchiveError::Damaged { file, why },
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Trouble {
        Trouble::Damaged(error.to_string())
    }
}
