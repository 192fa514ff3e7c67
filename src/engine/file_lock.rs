//! A lock of the system on a file. It ends at once when it is dropped, or when the process is gone.

use std::fs::{File, TryLockError};

/// A file that is locked, until this is dropped.
#[derive(Debug)]
pub struct FileLock(File);

impl FileLock {
    /// Locks a file, and does not wait.
    ///
    /// # Errors
    /// When somebody else has it locked, or the file system has no locks.
    pub fn take(file: File) -> Result<FileLock, TryLockError> {
        match file.try_lock() {
            Ok(()) => Ok(FileLock(file)),
            Err(error) => Err(error),
        }
    }
}

impl Drop for FileLock {
    /// Closing the file is not enough. A process that another thread starts just then has the file open too, until it becomes
    /// another program, and keeps the lock as long.
    fn drop(&mut self) {
        // Where this fails, the lock ends with the last one who has the file open.
        let _ = self.0.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_ends_though_a_process_that_just_began_has_the_file_open() {
        let folder = tempfile::tempdir().unwrap();
        let open = || File::create(folder.path().join("lock")).unwrap();
        let file = open();
        let begun = file.try_clone().unwrap();
        let held = FileLock::take(file).unwrap();
        assert!(matches!(FileLock::take(open()), Err(TryLockError::WouldBlock)));
        drop(held);
        FileLock::take(open()).unwrap();
        drop(begun);
    }
}
