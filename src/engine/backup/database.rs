//! The database by itself, for an upgrade of k3s: a copy of it on the same disk before, and that copy back in its place after. k3s
//! is stopped while either is done. The copy is as private as the database that lies there.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use sha2::{Digest as _, Sha256};

use super::copy::{beside, copy};
use super::error::BackupError;
use super::kine::{Facts, hold};
use super::limits;
use super::place::{Machine, Store};
use crate::archive::hex;
use crate::providers::{named_temporary, replace, settle, sweep};
use crate::regular;

/// How often a newer database may be put aside.
const MOST_ASIDE: usize = 100;
/// How long another one that has it open is waited for: k3s has ended.
const PATIENCE: Duration = Duration::from_secs(1);
/// How far the revisions go on after the newest one that somebody has seen, and where nobody knows which one that is.
const MARGIN: i64 = 1000;
/// kine ends old revisions in steps of a thousand, so there are not too many.
const UNKNOWN: i64 = 10_000_000;
/// What SQLite has beside a database.
const LOG: &str = "-wal";
const INDEX: &str = "-shm";

/// The database of a server.
#[derive(Clone, Debug)]
pub struct Found {
    /// Where it is.
    pub path: PathBuf,
    /// How many bytes it has, with its log.
    pub bytes: u64,
    /// When somebody wrote to it last.
    pub written: Option<SystemTime>,
}

impl Machine {
    /// The database of the server on it.
    ///
    /// # Errors
    /// When there is none that kwo can copy.
    pub fn database(&self) -> Result<Found, BackupError> {
        let path = match self.server()?.store {
            Store::Sqlite(path) => path,
            Store::Etcd { path, .. } => return Err(BackupError::Etcd(path)),
        };
        let files = [path.clone(), beside(&path, LOG)].map(|file| fs::metadata(file).ok());
        let bytes = files.iter().flatten().map(Metadata::len).sum();
        let written = files.iter().flatten().filter_map(|found| found.modified().ok()).max();
        Ok(Found { path, bytes, written })
    }

    /// SHA-256 of the token of the server and of the certificate of its authority: what tells this cluster from another one on the
    /// same machine.
    ///
    /// # Errors
    /// When there is no server.
    pub fn identity(&self) -> Result<String, BackupError> {
        let folder = self.server()?.folder;
        let mut sum = Sha256::new();
        for file in ["token", "tls/server-ca.crt"] {
            let path = folder.join(file);
            match regular::read(&path) {
                Ok(bytes) => sum.update(&bytes),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(BackupError::io("read", &path, error)),
            }
            sum.update([0]);
        }
        Ok(hex(&sum.finalize()).to_string())
    }
}

/// Copies the database to this file, in place of an older copy, and looks at the copy. Gives its SHA-256.
///
/// # Errors
/// When it cannot be copied, or what was copied is not sound. Then the older copy is as it was.
pub fn keep(database: &Path, to: &Path) -> Result<String, BackupError> {
    let bytes = copy(database)?;
    let looked = hold(&*bytes, bytes.len() as u64).and_then(|held| held.facts());
    looked.map_err(|why| BackupError::Broken { file: database.to_owned(), why })?;
    let private = fs::Permissions::from_mode(0o600);
    replace(to, &*bytes, Some(private)).map_err(|error| BackupError::io("write", to, error))?;
    Ok(hex(&Sha256::digest(&*bytes)).to_string())
}

/// Looks at a copy that was kept.
///
/// # Errors
/// When there is none, or it is not sound.
pub fn kept(copy: &Path) -> Result<Facts, BackupError> {
    let cannot = |error: io::Error| BackupError::io("read", copy, error);
    let file = regular::open(copy).map_err(cannot)?;
    let size = file.metadata().map_err(cannot)?.len();
    let broken = |why| BackupError::Broken { file: copy.to_owned(), why };
    if size > limits::DATABASE {
        return Err(broken("it is too long".to_owned()));
    }
    hold(file, size).and_then(|held| held.facts()).map_err(broken)
}

/// Puts a copy in the place of the database, in one move. The newer database gets this end to its name and stays; gives its path.
/// Whoever is interrupted does it again: a database that was put back already is put aside like any other.
///
/// # Errors
/// When the copy is not sound, or cannot be put there. Then the database holds what it held.
pub fn put_back(copy: &Path, database: &Path, end: &str) -> Result<PathBuf, BackupError> {
    let facts = kept(copy)?;
    let cannot = |error: io::Error| BackupError::io("put back", database, error);
    let old = fs::symlink_metadata(database).map_err(cannot)?;
    if !old.is_file() {
        return Err(cannot(io::Error::other("it is no regular file")));
    }
    // All that needs room is written before anything is taken away.
    let folder = database.parent().unwrap_or(Path::new("/"));
    sweep(folder);
    let mut made = named_temporary(folder).map_err(cannot)?;
    let mut from = regular::open(copy).map_err(cannot)?;
    io::copy(&mut from, made.as_file_mut()).map_err(cannot)?;
    made.as_file().set_permissions(fs::Permissions::from_mode(old.mode() & 0o777)).map_err(cannot)?;
    let aside = aside(database, end).map_err(cannot)?;
    let log = beside(&aside, LOG);
    let other = |error: rusqlite::Error| io::Error::other(error.to_string());
    let ready = || -> io::Result<()> {
        // SQLite may end a log that it cannot read, so there is a copy of it before SQLite sees it.
        kept_log(&beside(database, LOG), &log)?;
        let newest = revision(database).unwrap_or(facts.revision.saturating_add(UNKNOWN));
        skip(made.path(), newest.max(facts.revision).saturating_add(MARGIN)).map_err(other)?;
        made.as_file().sync_all()?;
        match fold(database) {
            Ok(()) => {
                // All that was in the log is in the database now.
                let _ = fs::remove_file(&log);
            }
            Err(error) if is_broken(&error) => {}
            Err(error) => return Err(other(error)),
        }
        settle(&aside)
    };
    if let Err(error) = ready() {
        // Somebody has it open, or the disk is full: it is left as it is. A second name for it would be taken for a copy.
        let _ = fs::remove_file(&log);
        let _ = fs::remove_file(&aside);
        return Err(cannot(error));
    }
    // Where the log of the newer database stays, SQLite would read it into the older one.
    for rest in [LOG, INDEX] {
        match fs::remove_file(beside(database, rest)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(cannot(error)),
            _ => {}
        }
    }
    made.persist(database).map_err(|error| cannot(error.error))?;
    // It is in its place. Whether a power cut would take it away again, the next start shows: both are whole.
    let _ = settle(database);
    Ok(aside)
}

/// The newest revision that a database of kine has given away.
fn revision(database: &Path) -> Option<i64> {
    let opened = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
    opened.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).ok()?;
    opened.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false).ok()?;
    opened.query_row("SELECT max(id) FROM kine", [], |row| row.get(0)).ok().flatten()
}

/// Makes the next revision of a database come after this one. Clients remember the revision that they have seen last, and one
/// that goes back would leave them with what they saw, without an error. kine fills a gap with the same kind of row.
fn skip(database: &Path, revision: i64) -> rusqlite::Result<()> {
    let opened = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    opened.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    opened.pragma_update(None, "journal_mode", "MEMORY")?;
    opened.execute(
        "INSERT INTO kine (id, name, created, deleted, create_revision, prev_revision, lease, value, old_value)
         VALUES (?1, 'gap-' || ?1, 0, 1, 0, 0, 0, NULL, NULL)",
        [revision],
    )?;
    Ok(())
}

/// It is no database, or one that is damaged.
fn is_broken(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// Writes the log of a database into it, and ends the log. Nobody else has it open.
fn fold(database: &Path) -> rusqlite::Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let opened = Connection::open_with_flags(database, flags)?;
    opened.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    opened.busy_timeout(PATIENCE)?;
    let (busy, left): (i64, i64) =
        opened.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if busy == 0 && left <= 0 { Ok(()) } else { Err(rusqlite::Error::SqliteSingleThreadedMode) }
}

/// A second name for the database, that no other file has.
fn aside(database: &Path, end: &str) -> io::Result<PathBuf> {
    for number in 1..=MOST_ASIDE {
        let number = if number == 1 { String::new() } else { format!(".{number}") };
        let name = beside(database, &format!(".{end}{number}"));
        match fs::hard_link(database, &name) {
            Ok(()) => return Ok(name),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("too many databases were put aside; remove those that nobody needs"))
}

fn kept_log(log: &Path, to: &Path) -> io::Result<()> {
    match fs::copy(log, to) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        copied => copied.and_then(|_| File::open(to)?.sync_all()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A database as k3s has it, with these names of objects, whose log was not written into it.
    fn database(path: &Path, names: &[&str]) {
        let made = Connection::open(path).unwrap();
        made.pragma_update(None, "journal_mode", "WAL").unwrap();
        made.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
        made.execute_batch(
            "CREATE TABLE IF NOT EXISTS kine (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, created INTEGER,
             deleted INTEGER, create_revision INTEGER, prev_revision INTEGER, lease INTEGER, value BLOB, old_value BLOB)",
        )
        .unwrap();
        for name in names {
            made.execute("INSERT INTO kine (name, deleted) VALUES (?1, 0)", [name]).unwrap();
        }
    }

    fn names(path: &Path) -> Vec<String> {
        let opened = Connection::open(path).unwrap();
        opened.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
        let mut found = opened.prepare("SELECT name FROM kine WHERE deleted = 0 ORDER BY id").unwrap();
        let rows = found.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }

    #[test]
    fn an_older_database_comes_back_and_the_newer_one_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (live, copy) = (folder.path().join("state.db"), folder.path().join("kept"));
        database(&live, &["/registry/pods/a/old"]);
        assert!(beside(&live, LOG).exists());
        assert_eq!(keep(&live, &copy).unwrap().len(), 64);
        assert_eq!(kept(&copy).unwrap().objects, 1);
        assert_eq!(fs::metadata(&copy).unwrap().mode() & 0o777, 0o600);
        // What is only in the log of the newer one belongs to the newer one.
        database(&live, &["/registry/pods/a/new"]);
        let log = fs::metadata(beside(&live, LOG)).unwrap().len();
        assert!(log > 0);
        let aside = put_back(&copy, &live, "after-v1.38.0+k3s1").unwrap();
        assert_eq!(aside, folder.path().join("state.db.after-v1.38.0+k3s1"));
        assert!(!beside(&live, LOG).exists() && !beside(&live, INDEX).exists());
        assert_eq!(names(&live), ["/registry/pods/a/old"]);
        assert_eq!(names(&aside), ["/registry/pods/a/old", "/registry/pods/a/new"]);
        // No revision is given away twice, and no object came with that.
        assert!(revision(&live).unwrap() > revision(&aside).unwrap());
        assert_eq!(kept(&live).unwrap().objects, 1);
        // Whoever was interrupted does it again, and nothing that was put aside is written over.
        let again = put_back(&copy, &live, "after-v1.38.0+k3s1").unwrap();
        assert_eq!(again, folder.path().join("state.db.after-v1.38.0+k3s1.2"));
        assert_eq!(names(&live), ["/registry/pods/a/old"]);
        assert_eq!(names(&aside).len(), 2);
    }

    #[test]
    fn a_newer_database_that_is_damaged_stays_with_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let (live, copy) = (folder.path().join("state.db"), folder.path().join("kept"));
        database(&live, &["/registry/pods/a/old"]);
        keep(&live, &copy).unwrap();
        fs::write(&live, "no database").unwrap();
        fs::write(beside(&live, LOG), "no log").unwrap();
        let aside = put_back(&copy, &live, "after").unwrap();
        assert_eq!(fs::read_to_string(&aside).unwrap(), "no database");
        assert_eq!(fs::read_to_string(beside(&aside, LOG)).unwrap(), "no log");
        assert_eq!(names(&live), ["/registry/pods/a/old"]);
    }

    #[test]
    fn a_database_that_somebody_has_open_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let (live, copy) = (folder.path().join("state.db"), folder.path().join("kept"));
        database(&live, &["/registry/pods/a/old"]);
        keep(&live, &copy).unwrap();
        database(&live, &["/registry/pods/a/new"]);
        let other = Connection::open(&live).unwrap();
        other.execute_batch("BEGIN; SELECT count(*) FROM kine").unwrap();
        assert!(put_back(&copy, &live, "after").is_err());
        drop(other);
        assert_eq!(names(&live), ["/registry/pods/a/old", "/registry/pods/a/new"]);
        let left = fs::read_dir(folder.path()).unwrap().map(|one| one.unwrap().file_name());
        let left = left.filter(|name| name.to_string_lossy().contains("after")).count();
        assert_eq!(left, 0);
    }

    /// An upgrade could not put etcd back: it asks for the database, and is told why there is none.
    #[test]
    fn etcd_is_no_database_to_put_back() {
        let root = tempfile::tempdir().unwrap();
        let server = root.path().join("var/lib/rancher/k3s/server");
        fs::create_dir_all(server.join("db/etcd/member/wal")).unwrap();
        let machine = Machine::at(root.path(), None).unwrap();
        let said = machine.database().unwrap_err().to_string();
        assert!(said.contains("k3s keeps its objects in etcd on this node"), "{said}");
        assert!(machine.node().is_some() && machine.identity().is_ok());
        // Nor is it where an old database is still there.
        database(&server.join("db/state.db"), &["/registry/pods/a/b"]);
        assert!(machine.database().is_err());
        fs::remove_dir(server.join("db/etcd/member/wal")).unwrap();
        assert!(machine.database().is_ok());
    }

    #[test]
    fn a_copy_that_is_not_sound_takes_the_place_of_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (live, copy) = (folder.path().join("state.db"), folder.path().join("kept"));
        database(&live, &["/registry/pods/a/old"]);
        assert!(put_back(&copy, &live, "after").is_err());
        fs::write(&copy, "no database").unwrap();
        assert!(put_back(&copy, &live, "after").is_err());
        assert_eq!(names(&live), ["/registry/pods/a/old"]);
        // A copy that cannot be made leaves the older one.
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&live, &link).unwrap();
        assert!(keep(&link, &copy).is_err());
        assert_eq!(fs::read_to_string(&copy).unwrap(), "no database");
        assert!(put_back(&copy, &link, "after").is_err());
    }
}
