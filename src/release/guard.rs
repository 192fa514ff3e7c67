//! Who may change what a program becomes: only root and whoever runs kwo, and only one update at a time.

use std::fs::{self, Metadata, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use kwo_engine::failure::{Exit, Failure};
use kwo_engine::file_lock::FileLock;
use kwo_engine::regular;
use kwo_planner::plain::shell_word;
use rustix::process::geteuid;

/// The file that an update locks. It stays: whoever removed it would let two updates lock two files.
pub(super) const LOCK: &str = ".kwo.lock";

/// Refuses what somebody else owns or may write to. The sticky bit of a folder does not help: it lets everybody put in what is
/// not there yet. The bits of the group also stand for whatever an access list allows.
pub(super) fn trusted(path: &Path, found: &Metadata) -> Result<(), Failure> {
    only(path, found, geteuid().as_raw())
}

fn only(path: &Path, found: &Metadata, caller: u32) -> Result<(), Failure> {
    let shown = path.display();
    let word = shell_word(&shown.to_string()).into_owned();
    if found.uid() != 0 && found.uid() != caller {
        return Err(Failure::new(format!(
            "{shown} belongs to the user {}, and kwo trusts only root and you, the user {caller}",
            found.uid()
        ))
        .hint(format!(
            "if what is in it is right, run `chown root {word}`; or run it as the user {}",
            found.uid()
        )));
    }
    if found.mode() & 0o022 != 0 {
        return Err(Failure::new(format!(
            "others than the owner may write to {shown}: its mode is {:04o}",
            found.mode() & 0o7777
        ))
        .hint(format!("if what is in it is right, run `chmod go-w {word}`")));
    }
    Ok(())
}

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
    trusted(&path, &found)?;
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
    fn only_root_and_the_caller_are_trusted_and_nobody_else_may_write() {
        let folder = tempfile::tempdir().unwrap();
        let own = geteuid().as_raw();
        for mode in [0o755, 0o700, 0o1755] {
            fs::set_permissions(folder.path(), Permissions::from_mode(mode)).unwrap();
            trusted(folder.path(), &fs::metadata(folder.path()).unwrap()).unwrap();
        }
        for mode in [0o775, 0o757, 0o1777, 0o2775] {
            fs::set_permissions(folder.path(), Permissions::from_mode(mode)).unwrap();
            let failure = trusted(folder.path(), &fs::metadata(folder.path()).unwrap()).unwrap_err();
            assert!(failure.message.contains(&format!("its mode is {mode:04o}")), "{failure:?}");
            assert!(failure.hints[0].contains("chmod go-w"), "{failure:?}");
        }
        // The command can be pasted, whatever the name.
        let spaced = folder.path().join("my programs");
        fs::create_dir(&spaced).unwrap();
        fs::set_permissions(&spaced, Permissions::from_mode(0o777)).unwrap();
        let failure = trusted(&spaced, &fs::metadata(&spaced).unwrap()).unwrap_err();
        assert!(failure.hints[0].contains("my programs'`"), "{failure:?}");
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        // Somebody else than its owner asks, where the owner is not root; and root trusts no other owner.
        let found = fs::metadata(folder.path()).unwrap();
        if own == 0 {
            only(folder.path(), &found, 1000).unwrap();
            std::os::unix::fs::chown(folder.path(), Some(1000), None).unwrap();
        }
        let found = fs::metadata(folder.path()).unwrap();
        only(folder.path(), &found, found.uid()).unwrap();
        let failure = only(folder.path(), &found, found.uid() + 1).unwrap_err();
        assert!(failure.message.contains(&format!("belongs to the user {}", found.uid())), "{failure:?}");
        assert!(own != 0 || trusted(folder.path(), &found).is_err());
    }

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
