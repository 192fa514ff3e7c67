//! What a node keeps between runs: the lock, the clone, what was applied last, the last run, and the intent of the one
//! that goes on. Every file is replaced in one move, so that a killed run leaves the old one or the new one.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use crate::file_lock::FileLock;
use crate::history::{Entry, History};
use crate::providers::replace;
use crate::regular;

/// The run that others were told of last.
const TOLD: &str = "sync/told.json";
/// The last run.
const LAST: &str = "sync/last.json";
/// The last run that succeeded.
const SUCCEEDED: &str = "sync/succeeded.json";

/// The state in one folder.
#[derive(Debug)]
pub struct State {
    folder: PathBuf,
    /// Locked by the system, so that it is free the moment this run is gone.
    _lock: FileLock,
}

/// Why the state cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Another run on this machine is at work.
    #[error("another `kwo sync` on this machine is at work")]
    Held,
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
}

/// The commit that this node applied last.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Applied {
    /// Its id.
    pub commit: String,
    /// When the branch was last seen to be at it, or beyond it.
    pub fetched: Timestamp,
    /// The tenants of its roster.
    pub tenants: BTreeSet<String>,
}

/// What a run is about to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Intent {
    /// The entry as it would be if every step were still to be done.
    pub entry: Entry,
}

/// How the folders begin that the files of a commit are laid out in.
const CHECKOUT: &str = "checkout-";

impl State {
    /// The state in this folder, for this run alone; waits up to `patience` for another one.
    ///
    /// # Errors
    /// When another run is at work, or the folder cannot be written.
    pub async fn open(folder: &Path, patience: Duration) -> Result<State, StateError> {
        let sync = folder.join("sync");
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |error| StateError::Io { what: "write", path, error }
        };
        DirBuilder::new().recursive(true).mode(0o755).create(folder).map_err(failed(folder))?;
        DirBuilder::new().recursive(true).mode(0o700).create(&sync).map_err(failed(&sync))?;
        let path = sync.join("lock");
        let give_up = Instant::now() + patience;
        let lock = loop {
            match FileLock::take(regular::open_lock(&path).map_err(failed(&path))?) {
                Ok(lock) => break lock,
                Err(TryLockError::WouldBlock) if Instant::now() >= give_up => return Err(StateError::Held),
                Err(TryLockError::WouldBlock) => sleep(Duration::from_millis(50)).await,
                Err(TryLockError::Error(error)) => return Err(failed(&path)(error)),
            }
        };
        // What a killed run laid out.
        for found in fs::read_dir(&sync).map_err(failed(&sync))?.flatten() {
            if found.file_name().to_string_lossy().starts_with(CHECKOUT) {
                let _ = fs::remove_dir_all(found.path());
            }
        }
        Ok(State { folder: folder.to_owned(), _lock: lock })
    }

    /// Where the clone is.
    #[must_use]
    pub fn clone_folder(&self) -> PathBuf {
        self.folder.join("sync/repository.git")
    }

    /// A folder for the files of a commit, which is gone with what is given.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn checkout(&self) -> Result<tempfile::TempDir, StateError> {
        let sync = self.folder.join("sync");
        let failed = |error| StateError::Io { what: "write", path: sync.clone(), error };
        tempfile::Builder::new().prefix(CHECKOUT).tempdir_in(&sync).map_err(failed)
    }

    /// The history.
    #[must_use]
    pub fn history(&self) -> History {
        History::new(self.folder.join("history"))
    }

    /// What was applied last; nothing where nothing was, or where what is kept is no longer to be read.
    pub fn applied(&self) -> Option<Applied> {
        self.read("applied.json")
    }

    /// Keeps what is applied.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep_applied(&self, applied: &Applied) -> Result<(), StateError> {
        self.write("applied.json", applied)
    }

    /// The last run.
    #[must_use]
    pub fn last(&self) -> Option<Entry> {
        read(&self.folder.join(LAST))
    }

    /// Keeps the last run, and the last one that succeeded: a run without news is in no history.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep_last(&self, entry: &Entry) -> Result<(), StateError> {
        if entry.outcome.is_success() {
            write(&self.folder.join(SUCCEEDED), entry)?;
        }
        write(&self.folder.join(LAST), entry)
    }

    /// What a run was about to do that never said how it ended.
    #[must_use]
    pub fn intent(&self) -> Option<Intent> {
        self.read("running.json")
    }

    /// Keeps what this run is about to do. What cannot be kept must not be begun.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep_intent(&self, intent: &Intent) -> Result<(), StateError> {
        self.write("running.json", intent)
    }

    /// The run has said how it ended.
    pub fn drop_intent(&self) {
        // Where it stays, the next run finds it in the history.
        let _ = fs::remove_file(self.path("running.json"));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join("sync").join(name)
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        read(&self.path(name))
    }

    fn write<T: Serialize>(&self, name: &str, value: &T) -> Result<(), StateError> {
        write(&self.path(name), value)
    }
}

/// The last run of the state in this folder, and the last one that succeeded.
#[must_use]
pub fn last_runs(folder: &Path) -> [Option<Entry>; 2] {
    [LAST, SUCCEEDED].map(|name| read(&folder.join(name)))
}

/// The run that others were told of last.
#[must_use]
pub(super) fn told(folder: &Path) -> Option<Entry> {
    read(&folder.join(TOLD))
}

/// Keeps the run that others were told of.
///
/// # Errors
/// When it cannot be written.
pub(super) fn keep_told(folder: &Path, entry: &Entry) -> Result<(), StateError> {
    write(&folder.join(TOLD), entry)
}

fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&regular::read(path).ok()?).ok()
}

fn write<T: Serialize>(path: &Path, value: &T) -> Result<(), StateError> {
    let write = || -> io::Result<()> {
        replace(path, serde_json::to_string_pretty(value)?, Some(Permissions::from_mode(0o600)))
    };
    write().map_err(|error| StateError::Io { what: "write", path: path.to_owned(), error })
}
