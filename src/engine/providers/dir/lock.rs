//! The lock of a directory: the file `.kwo.lock` in it, locked by the operating system, so that it is free again the
//! moment its holder is gone.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::providers::{Lock, LockRefusal, Refusal};
use crate::regular;

const FILE: &str = ".kwo.lock";
const PAUSE: Duration = Duration::from_millis(50);

/// Takes the lock, waiting up to `patience` for whoever has it.
pub(super) async fn lock(root: &Path, patience: Duration) -> Result<Lock, LockRefusal> {
    let path = root.join(FILE);
    let failed = |error: io::Error| {
        LockRefusal::Failed(Refusal::Refused { why: format!("cannot lock {}: {error}", path.display()) })
    };
    let mut file = open(root, &path).map_err(failed)?;
    let give_up = Instant::now() + patience;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if Instant::now() >= give_up => {
                return Err(LockRefusal::Held { by: holder(&mut file) });
            }
            Err(TryLockError::WouldBlock) => sleep(PAUSE).await,
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
    }
    sign(&mut file).map_err(failed)?;
    // Nobody can take it away, so nobody ever says that it was lost.
    let (keep, lost) = watch::channel(false);
    let release = Box::pin(async move {
        drop(keep);
        // The file stays: removing it would let two runs lock two files of the same name.
        if let Err(error) = file.set_len(0).and_then(|()| file.unlock()) {
            tracing::debug!(%error, "the lock was not given back in good order");
        }
    });
    Ok(Lock { lost, release })
}

fn open(root: &Path, path: &Path) -> io::Result<File> {
    fs::create_dir_all(root)?;
    regular::open_lock(path)
}

/// Writes down who has it, for the one who is kept out.
fn sign(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    write!(file, "process {}, since {:.0}", std::process::id(), Timestamp::now())
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    match file.rewind().and_then(|()| file.take(200).read_to_string(&mut text)) {
        Ok(_) if !text.is_empty() => text,
        _ => "another run".to_owned(),
    }
}
