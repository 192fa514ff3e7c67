//! Why there is no backup, or why a file is not taken for one. No message holds anything of what is in it but names.

use std::io;
use std::path::{Path, PathBuf};

/// Why it ended badly.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
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
    /// No server of k3s keeps its data there.
    #[error("there is no k3s server below {}: neither a database nor etcd", .0.display())]
    NoServer(PathBuf),
    /// k3s keeps its objects in embedded etcd.
    #[error("k3s keeps its objects in etcd on this node ({}), and kwo puts back a database of SQLite only", .0.display())]
    Etcd(PathBuf),
    /// k3s keeps its objects in a database elsewhere.
    #[error("k3s keeps its objects in another datastore ({kind}; {} names it), and kwo backs up SQLite and embedded etcd only", file.display())]
    External {
        /// What kind of database it is.
        kind: String,
        /// Where that is said.
        file: PathBuf,
    },
    /// A configuration of k3s that cannot be understood.
    #[error("cannot tell from {} where k3s keeps its objects: {why}", file.display())]
    Config {
        /// The file.
        file: PathBuf,
        /// Why, as a sentence without a full stop.
        why: String,
    },
    /// The database of k3s cannot be copied.
    #[error("cannot copy the database {}: {why}", file.display())]
    Copy {
        /// The file.
        file: PathBuf,
        /// Why, as a sentence without a full stop.
        why: String,
    },
    /// Nobody has it open, and this run cannot make the file that SQLite needs then.
    #[error("k3s does not have the database {} open, and SQLite reads it only where it may write beside it", .0.display())]
    Closed(PathBuf),
    /// The database of k3s is damaged, or is none of kine.
    #[error("the database {} is damaged: {why}", file.display())]
    Broken {
        /// The file.
        file: PathBuf,
        /// Why, as a sentence without a full stop.
        why: String,
    },
    /// It does not fit into a backup.
    #[error("{what} is too big for a backup: {why}")]
    TooBig {
        /// What does not fit.
        what: String,
        /// Why, as a sentence without a full stop.
        why: String,
    },
    /// There is too little memory.
    #[error("the database takes {need} MiB of memory, and {have} MiB are free")]
    Memory {
        /// How much is needed.
        need: u64,
        /// How much there is.
        have: u64,
    },
    /// Nothing is written into this folder.
    #[error("{} cannot hold backups: {why}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why, as a sentence without a full stop.
        why: &'static str,
    },
    /// Nothing is restored into this folder.
    #[error("kwo writes a restored node only into a new or empty folder, and not into {}: {why}", folder.display())]
    Fresh {
        /// The folder.
        folder: PathBuf,
        /// Why, as a sentence without a full stop.
        why: &'static str,
    },
    /// Another run makes a backup.
    #[error("another run makes a backup of this node into {}", .0.display())]
    Busy(PathBuf),
    /// What belongs together did not stay so.
    #[error(
        "the token of the server changed while the backup was made, and the database may need the old one"
    )]
    Changed,
    /// It was told to end.
    #[error("it was told to end, and no backup was made")]
    Stopped,
    /// Something else than a backup.
    #[error("{} is no backup of kwo: {why}", file.display())]
    NotOne {
        /// The file.
        file: PathBuf,
        /// Why, as a sentence without a full stop.
        why: String,
    },
    /// There is no key that opens it.
    #[error("{} is encrypted, and none of the keys given opens it", .0.display())]
    Sealed(PathBuf),
    /// A backup that does not hold what it says.
    #[error("{} is damaged, or somebody changed it: {why}", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// Why, as a sentence without a full stop.
        why: String,
    },
    /// It was written, and does not read back.
    #[error("the backup does not read back, so kwo did not keep it: {0}")]
    Unread(String),
}

impl BackupError {
    pub(super) fn io(what: &'static str, file: &Path, error: impl Into<io::Error>) -> BackupError {
        BackupError::Io { what, file: file.to_owned(), error: error.into() }
    }
}

/// What is wrong with the bytes of a backup, whatever the file is called.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Something else.
    NotOne(String),
    /// There is no key that opens it.
    Sealed,
    /// It does not hold what it says.
    Damaged(String),
    /// The database in it is damaged, though it is the one that was put in.
    Database(String),
    /// There is too little memory to look at it.
    Memory(u64, u64),
    /// It could not be put where it is to go.
    Put(PathBuf, io::Error),
}

impl Trouble {
    pub(super) fn damaged<T>(why: impl Into<String>) -> Result<T, Trouble> {
        Err(Trouble::Damaged(why.into()))
    }

    /// With the file that it is about.
    pub(super) fn of(self, file: &Path) -> BackupError {
        let file = file.to_owned();
        match self {
            Trouble::NotOne(why) => BackupError::NotOne { file, why },
            Trouble::Sealed => BackupError::Sealed(file),
            Trouble::Damaged(why) => BackupError::Damaged { file, why },
            Trouble::Database(why) => {
                BackupError::Damaged { file, why: format!("the database in it is not sound: {why}") }
            }
            Trouble::Memory(need, have) => BackupError::Memory { need, have },
            Trouble::Put(place, error) => BackupError::io("write", &place, error),
        }
    }

    /// The same of a backup that was written just now, of this database.
    pub(super) fn unread(self, database: &Path) -> BackupError {
        match self {
            Trouble::Database(why) => BackupError::Broken { file: database.to_owned(), why },
            Trouble::Memory(need, have) => BackupError::Memory { need, have },
            Trouble::NotOne(why) | Trouble::Damaged(why) => BackupError::Unread(why),
            Trouble::Sealed => BackupError::Unread("no key opens it".to_owned()),
            Trouble::Put(place, error) => BackupError::io("write", &place, error),
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Trouble {
        Trouble::Damaged(error.to_string())
    }
}
