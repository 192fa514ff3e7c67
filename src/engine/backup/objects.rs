//! The objects of a cluster on their way into a backup: a copy of the database in memory, or a snapshot of etcd that is open.

use std::io::{self, Read, Write};

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::copy::{Copy, copy};
use super::error::BackupError;
use super::manifest::{DATABASE, Database, ETCD, ETCD_VERSION, FORMAT_VERSION, KeptFile, LeftOut, SQLITE};
use super::place::{Server, Store};
use super::seal::Told;
use super::snapshots::{Taken, pick};
use crate::archive::hex;

/// What holds them.
pub(super) enum Objects {
    /// All that was committed.
    Copied(Copy),
    /// The newest snapshot that is whole.
    Taken(Box<Taken>),
    /// There is no such snapshot.
    Nothing,
}

/// Copies them, or opens what has them; and says what was not taken for them.
pub(super) fn objects(
    server: &Server,
    now: Timestamp,
    token: Option<&[u8]>,
    told: Told<'_>,
) -> Result<(Objects, Vec<LeftOut>), BackupError> {
    match &server.store {
        Store::Sqlite(database) => Ok((Objects::Copied(copy(database)?), Vec::new())),
        Store::Etcd { snapshots, .. } => {
            let picked = pick(snapshots, now, token, told)?;
            let taken = picked.taken.map(|taken| Objects::Taken(Box::new(taken)));
            Ok((taken.unwrap_or(Objects::Nothing), picked.left_out))
        }
    }
}

impl Objects {
    /// The version of the form of a backup with them in it.
    pub(super) fn version(&self) -> &'static str {
        match self {
            Objects::Copied(_) => FORMAT_VERSION,
            Objects::Taken(_) | Objects::Nothing => ETCD_VERSION,
        }
    }

    /// What a backup says of their datastore.
    pub(super) fn database(&self, joins: Option<String>) -> Database {
        match self {
            Objects::Copied(copy) => {
                Database { kind: SQLITE.to_owned(), written: copy.written, snapshot: None, joins: None }
            }
            Objects::Taken(_) | Objects::Nothing => {
                let snapshot = match self {
                    Objects::Taken(taken) => Some(taken.snapshot.clone()),
                    _ => None,
                };
                Database { kind: ETCD.to_owned(), written: None, snapshot, joins }
            }
        }
    }

    /// Their file in a backup.
    pub(super) fn kept(&self) -> Option<KeptFile> {
        match self {
            Objects::Copied(copy) => Some(KeptFile {
                path: DATABASE.to_owned(),
                size: copy.len() as u64,
                mode: 0o600,
                sha256: hex(&Sha256::digest(&**copy)).to_string(),
            }),
            Objects::Taken(taken) => Some(taken.kept.clone()),
            Objects::Nothing => None,
        }
    }

    /// Writes them as a part of a backup.
    pub(super) fn append(
        &self,
        tar: &mut tar::Builder<impl Write>,
        mut header: tar::Header,
    ) -> io::Result<()> {
        match self {
            Objects::Copied(copy) => tar.append_data(&mut header, DATABASE, &copy[..]),
            Objects::Taken(taken) => {
                let KeptFile { path, size, sha256, .. } = &taken.kept;
                let mut summed = Summed { raw: (&taken.file).take(*size), sum: Sha256::new(), read: 0 };
                tar.append_data(&mut header, path, &mut summed)?;
                // It was summed before, for what the backup says of itself.
                match summed.read == *size && hex(&summed.sum.finalize()) == sha256.as_str() {
                    true => Ok(()),
                    false => Err(io::Error::other("the snapshot of etcd changed while it was read")),
                }
            }
            Objects::Nothing => Ok(()),
        }
    }
}

/// A reader that knows the sum of what was read by it.
pub(super) struct Summed<R> {
    pub(super) raw: R,
    pub(super) sum: Sha256,
    pub(super) read: u64,
}

impl<R: Read> Read for Summed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.raw.read(buffer)?;
        self.sum.update(buffer.get(..read).unwrap_or_default());
        self.read += read as u64;
        Ok(read)
    }
}
