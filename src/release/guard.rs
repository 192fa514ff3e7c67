//! Only one update of a program at a time, by a lock that nobody else can take.

use std::fs::{self, Metadata, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use kwo_engine::failure::{Exit, Failure};
use kwo_engine::file_lock::FileLock;
use kwo_engine::regular;
use kwo_engine::trust::only_own;

/// The file that an update locks. It stays: whoever removed it would let two updates lock two files.
pub(super) const LOCK: &str = ".kwo.lock";

/// Locks the folder of a program by a file that nobody else can open: who can open a file can lock it for ever.
pub(super) fn locked(folder: &Path, program: &Path) -> Result<Option<FileLock>, Failure> {
    let path = folder.join(LOCK);
    let cannot = |error: io::Error| {
        Failure::new(format!("cannot lock {}", path.display())).because(&error).hint(
            "kwo needs a file of its own there; remove what is there, or run it as the owner of the folder",
        )
    };
    let lock = regular::open_own_lock(&path).map_err(cannot)?;
    let found = lock.metadata().map_err(cannot)?;
    only_own(&path, &found)?;
    if found.mode() & 0o077 != 0 {
        lock.set_permissions(Permissions::from_mode(0o600)).map_err(cannot)?;
    }
    // Some network file systems have no such lock. There, too, each step of an update is whole.
    match FileLock::take(lock) {
        Ok(lock) => Ok(Some(lock)),
        Err(TryLockError::Error(_)) => Ok(None),
        Err(TryLockError::WouldBlock) => Err(Failure {
            exit: Exit::Locked,
            ..Failure::new(format!("another update of {} is running", program.display()))
        }
        .hint("wait until it ends")),
    }
}

/// What is there by this name, if it is a file.
pub(super) fn is_file(path: &Path) -> Option<Metadata> {
    fs::symlink_metadata(path).ok().filter(Metadata::is_file)
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn the_lock_is_a_file_of_ones_own() {
        let folder = tempfile::tempdir().unwrap();
        let (lock, program) = (folder.path().join(LOCK), folder.path().join("kwo"));
        // A lock on the folder, which everybody can take who may read it, stops nothing.
        let _of_folder = FileLock::take(File::open(folder.path()).unwrap()).unwrap();
        let held = locked(folder.path(), &program).unwrap();
        assert_eq!(fs::metadata(&lock).unwrap().mode() & 0o7777, 0o600);
        assert_eq!(locked(folder.path(), &program).unwrap_err().exit, Exit::Locked);
        drop(held);
        fs::set_permissions(&lock, Permissions::from_mode(0o644)).unwrap();
        locked(folder.path(), &program).unwrap();
        assert_eq!(fs::metadata(&lock).unwrap().mode() & 0o7777, 0o600);
        fs::set_permissions(&lock, Permissions::from_mode(0o666)).unwrap();
        assert!(locked(folder.path(), &program).unwrap_err().message.contains("may write to"));
        fs::remove_file(&lock).unwrap();
        std::os::unix::fs::symlink("kwo", &lock).unwrap();
        fs::write(&program, "x").unwrap();
        let failure = locked(folder.path(), &program).unwrap_err();
        assert!(failure.causes[0].contains("symbolic link"), "{failure:?}");
        assert_eq!(fs::read(&program).unwrap(), b"x");
    }
}
