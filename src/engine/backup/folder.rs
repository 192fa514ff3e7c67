//! The folder of the backups: nobody else may write there, one run at a time does, and of what is there only what has the
//! name of a backup of this node, or of a half one, is ever removed.

use std::fs::{self, DirBuilder, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rustix::process::geteuid;
use tempfile::NamedTempFile;

use super::error::BackupError;
use crate::file_lock::FileLock;
use crate::providers::settle;
use crate::regular;

/// What the names of backups begin and end with.
const PREFIX: &str = "kwo-node-";
const SUFFIX: &str = ".tar.zst.age";
/// What stands before that in the name of one that lacks something. No such one counts as a backup.
const LACKING: &str = "-lacking";
/// How the time is written in a name.
const TIME: &str = "%Y%m%dT%H%M%SZ";
/// What half backups end with. They begin with a dot, and nobody takes them for backups.
const HALF: &str = ".part";
/// How many files are looked at for the newest backup.
const MOST: usize = 10_000;
/// How many seconds a name may be ahead of the time, where others are taken.
const AHEAD: i64 = 1000;
/// How far the clock of whoever made a backup may be ahead.
const AHEAD_OF_NOW: SignedDuration = SignedDuration::from_hours(24);

/// What the names of the backups in a folder say.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Newest {
    /// When the newest one was made.
    pub made: Option<Timestamp>,
    /// A time that is still to come: a clock was wrong when that one was made. It does not count.
    pub ahead: Option<Timestamp>,
}

/// When the newest whole backup in a folder was made, by the names alone: of this node, or of whichever where none is named.
///
/// # Errors
/// When the folder cannot be read.
pub fn newest(folder: &Path, node: Option<&str>, now: Timestamp) -> io::Result<Newest> {
    let latest = now.saturating_add(AHEAD_OF_NOW).unwrap_or(now);
    let mut newest = Newest::default();
    for entry in fs::read_dir(folder)?.take(MOST) {
        let entry = entry?;
        let name = entry.file_name().into_string().unwrap_or_default();
        let made = name.strip_prefix(PREFIX).and_then(|rest| rest.strip_suffix(SUFFIX));
        let made = made.and_then(|rest| rest.rsplit_once('-'));
        let made =
            made.filter(|(of, _)| node.is_none_or(|node| node == *of)).and_then(|(_, time)| timed(time));
        // A copy that was never finished has nothing in it.
        let best = if made > Some(latest) { &mut newest.ahead } else { &mut newest.made };
        if made > *best && entry.metadata()?.is_file() && entry.metadata()?.len() > 0 {
            *best = made;
        }
    }
    Ok(newest)
}

/// The time in a name.
fn timed(text: &str) -> Option<Timestamp> {
    let time = DateTime::strptime(TIME, text).ok().filter(|_| text.len() == 16)?;
    TimeZone::UTC.to_timestamp(time).ok()
}

/// A folder that this run alone writes to.
pub(super) struct Folder {
    path: PathBuf,
    node: String,
    _lock: FileLock,
}

impl Folder {
    /// Opens it, and makes it where it is missing. What a run left behind that was killed is removed.
    pub(super) fn open(path: &Path, node: &str) -> Result<Folder, BackupError> {
        let cannot = |error| BackupError::io("use the folder", path, error);
        // A path of one part names no folder that it lies in.
        let path = &std::path::absolute(path).map_err(cannot)?;
        let cannot = |error| BackupError::io("use the folder", path, error);
        let unfit = |why| Err(BackupError::Folder { folder: path.to_owned(), why });
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(cannot)?;
                settle(path).map_err(cannot)?;
            }
            Err(error) => return Err(cannot(error)),
            Ok(found) if found.is_symlink() => return unfit("it is a symbolic link"),
            Ok(found) if !found.is_dir() => return unfit("it is no folder"),
            Ok(found) if found.uid() != geteuid().as_raw() => return unfit("it belongs to another user"),
            Ok(found) if found.mode() & 0o022 != 0 => return unfit("other users can write to it"),
            Ok(_) => {}
        }
        let name = path.join(format!(".{PREFIX}{node}.lock"));
        let lock = regular::open_lock(&name).map_err(|error| BackupError::io("lock", &name, error))?;
        let lock = match FileLock::take(lock) {
            Ok(lock) => lock,
            Err(TryLockError::WouldBlock) => return Err(BackupError::Busy(path.to_owned())),
            Err(TryLockError::Error(error)) => return Err(BackupError::io("lock", &name, error)),
        };
        let folder = Folder { path: path.to_owned(), node: node.to_owned(), _lock: lock };
        folder.sweep();
        Ok(folder)
    }

    /// What half backups of this node begin with.
    fn half(&self) -> String {
        // The colon is in no name of a node, so no other node's half backups begin so.
        format!(".{PREFIX}{}:", self.node)
    }

    /// Removes half backups. Whoever has the lock knows that nobody writes them any more.
    fn sweep(&self) {
        for found in fs::read_dir(&self.path).into_iter().flatten().flatten() {
            let Ok(name) = found.file_name().into_string() else { continue };
            let plain = found.file_type().is_ok_and(|kind| kind.is_file());
            if plain && name.starts_with(&self.half()) && name.ends_with(HALF) {
                // A next run tries it again.
                let _ = fs::remove_file(found.path());
            }
        }
    }

    /// A half backup with nothing in it yet, for its owner's eyes.
    pub(super) fn begin(&self) -> Result<NamedTempFile, BackupError> {
        let made = tempfile::Builder::new().prefix(&self.half()).suffix(HALF).tempfile_in(&self.path);
        made.map_err(|error| BackupError::io("write into", &self.path, error))
    }

    /// Gives one that was read back its name, safely on the disk: the first second from this time on that is free. One that
    /// lacks something has a name that counts for nothing.
    pub(super) fn end(
        &self,
        mut made: NamedTempFile,
        time: Timestamp,
        whole: bool,
    ) -> Result<PathBuf, BackupError> {
        for ahead in 0..AHEAD {
            let time = time.saturating_add(SignedDuration::from_secs(ahead)).unwrap_or(time);
            let named = |lacks: &str| {
                self.path.join(format!("{PREFIX}{}-{}{lacks}{SUFFIX}", self.node, time.strftime(TIME)))
            };
            let (name, other) = if whole { (named(""), named(LACKING)) } else { (named(LACKING), named("")) };
            if fs::symlink_metadata(other).is_ok() {
                continue;
            }
            let cannot = |error| BackupError::io("write", &name, error);
            match made.persist_noclobber(&name) {
                Ok(_) => match settle(&name) {
                    Ok(()) => return Ok(name),
                    Err(error) => {
                        // Whether it would be there after a power cut, only the disk knows.
                        let _ = fs::remove_file(&name);
                        return Err(cannot(error));
                    }
                },
                Err(taken) if taken.error.kind() == ErrorKind::AlreadyExists => made = taken.file,
                Err(error) => return Err(cannot(error.error)),
            }
        }
        Err(BackupError::Folder {
            folder: self.path.clone(),
            why: "too many backups have a time that is still to come",
        })
    }

    /// The whole backups of this node in it, the newest first.
    pub(super) fn all(&self) -> Result<Vec<PathBuf>, BackupError> {
        let cannot = |error| BackupError::io("list", &self.path, error);
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(cannot)? {
            let entry = entry.map_err(cannot)?;
            let plain = entry.file_type().map_err(cannot)?.is_file();
            let name = entry.file_name().into_string();
            if let Some(name) = name.ok().filter(|name| plain && self.is_one(name)) {
                found.push(name);
            }
        }
        found.sort_by(|one, other| other.cmp(one));
        Ok(found.into_iter().map(|name| self.path.join(name)).collect())
    }

    /// Is it the name of a whole backup of this node?
    fn is_one(&self, name: &str) -> bool {
        let time = name.strip_prefix(PREFIX).and_then(|rest| rest.strip_prefix(self.node.as_str()));
        let time = time.and_then(|rest| rest.strip_prefix('-')).and_then(|rest| rest.strip_suffix(SUFFIX));
        time.is_some_and(|time| timed(time).is_some())
    }

    /// Removes what is more than so many, the oldest first, and never this one. Gives those that are gone also where it ends
    /// early.
    pub(super) fn keep(&self, most: usize, new: &Path) -> (Vec<PathBuf>, Result<(), BackupError>) {
        let all = match self.all() {
            Ok(all) => all,
            Err(error) => return (Vec::new(), Err(error)),
        };
        let others = all.into_iter().filter(|file| file != new);
        let old: Vec<PathBuf> = others.skip(most.saturating_sub(1)).collect();
        let mut gone = Vec::new();
        for file in old.into_iter().rev() {
            if let Err(error) = fs::remove_file(&file) {
                let error = BackupError::io("remove", &file, error);
                return (gone, Err(error));
            }
            gone.push(file);
        }
        (gone, Ok(()))
    }
}
