//! A copy of the database of k3s while k3s goes on with it. `VACUUM INTO` writes what one reading transaction sees, and here it
//! writes into memory, so no byte of it comes to a disk in the clear. The database is opened for reading only. k3s reads and
//! writes meanwhile; only a checkpoint of its log waits for the end of the copy, as it does for any reader.

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::config::DbConfig;
use rusqlite::serialize::{Data, OwnedData};
use rusqlite::{Connection, Error, ErrorCode, OpenFlags};

use super::error::BackupError;
use super::limits::{self, MIB};

/// How long another one that holds the database is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// So that two copies in one program have two places.
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// A copy of the database: all that was committed when it began, and nothing that was not.
pub(super) struct Copy {
    bytes: Data<'static>,
    /// When the database was written to last.
    pub(super) written: Option<Timestamp>,
}

impl Deref for Copy {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Copies it.
pub(super) fn copy(database: &Path) -> Result<Copy, BackupError> {
    let failed = |error: &Error| cannot(database, error);
    let written = written(database);
    let source = source(database).map_err(|error| failed(&error))?;
    let size = size(&source).map_err(|error| failed(&error))?;
    if size > limits::DATABASE {
        return Err(too_big(size));
    }
    // There are two of them for a moment.
    enough(size.saturating_mul(2))?;
    let place = format!("file:/kwo-copy-{}?vfs=memdb", NUMBER.fetch_add(1, Ordering::Relaxed));
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_URI;
    let target = Connection::open_with_flags(&place, flags).map_err(|error| failed(&error))?;
    match source.execute("VACUUM INTO ?1", [&place]) {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DiskFull) => return Err(too_big(size)),
        done => done.map_err(|error| failed(&error))?,
    };
    drop(source);
    match target.serialize("main").map_err(|error| failed(&error))? {
        Data::Owned(bytes) => Ok(Copy { bytes: detached(bytes), written }),
        Data::Shared(_) => {
            Err(BackupError::Copy { file: database.to_owned(), why: "SQLite gave no copy of it".to_owned() })
        }
    }
}

fn detached(bytes: OwnedData) -> Data<'static> {
    Data::Owned(bytes)
}

/// The database, as a reader has it.
fn source(database: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let source = Connection::open_with_flags(database, flags)?;
    source.busy_timeout(PATIENCE)?;
    // Where k3s is stopped, whoever closes the database last writes its log into it.
    source.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    source.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    source.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(source)
}

/// How long a copy of it is, at most: pages that are free are not copied.
fn size(source: &Connection) -> rusqlite::Result<u64> {
    let number = |pragma: &str| source.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let used = number("page_count")?.saturating_sub(number("freelist_count")?);
    Ok(u64::try_from(used.saturating_mul(number("page_size")?)).unwrap_or(u64::MAX))
}

/// When k3s wrote to it last: its log is as new.
fn written(database: &Path) -> Option<Timestamp> {
    let times = [database.to_owned(), beside(database, "-wal")]
        .map(|file| fs::metadata(file).and_then(|meta| meta.modified()));
    let times = times.into_iter().flatten().filter_map(|time| Timestamp::try_from(time).ok());
    times.max().and_then(|time| time.round(jiff::Unit::Second).ok())
}

/// A file that SQLite has beside a database.
pub(super) fn beside(database: &Path, end: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(end);
    path.into()
}

fn too_big(size: u64) -> BackupError {
    let (size, most) = (size.div_ceil(MIB), limits::DATABASE / MIB);
    BackupError::TooBig {
        what: "the database".to_owned(),
        why: format!("its objects take {size} MiB, and kwo copies {most} MiB at most"),
    }
}

/// Is there so much memory, and some to spare? Where nobody says, nothing is said.
pub(super) fn enough(need: u64) -> Result<(), BackupError> {
    let need = need.saturating_add(limits::SPARE);
    match available().filter(|have| *have < need) {
        Some(have) => Err(BackupError::Memory { need: need.div_ceil(MIB), have: have / MIB }),
        None => Ok(()),
    }
}

fn available() -> Option<u64> {
    let said = fs::read_to_string("/proc/meminfo").ok()?;
    let line = said.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

fn cannot(database: &Path, error: &Error) -> BackupError {
    let file = database.to_owned();
    // What SQLite says names no content.
    let why = error.to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => BackupError::Broken { file, why },
        Some(ErrorCode::CannotOpen) if !beside(database, "-shm").exists() => BackupError::Closed(file),
        _ => BackupError::Copy { file, why },
    }
}
