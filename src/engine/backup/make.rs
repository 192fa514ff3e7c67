//! Makes a backup: copies the database or takes a snapshot of etcd, gathers the files, writes both, reads back what was written by a key that nobody else
//! ever has, and only then gives it its name and lets older ones go.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustix::fs::{Advice, fadvise};
use sha2::{Digest as _, Sha256};

use super::error::BackupError;
use super::files::{Files, gather, token};
use super::folder::Folder;
use super::manifest::{KIND, KeptFile, Manifest};
use super::objects::{Objects, objects};
use super::place::{Machine, Server, Store};
use super::read::{Checked, read};
use super::seal::{For, Heard, Told, seal};
use crate::archive::{Identities, Recipient, hex};

/// The backup that somebody wants.
#[derive(Debug)]
pub struct Wanted<'w> {
    /// The machine.
    pub machine: &'w Machine,
    /// Who may open it: at least one.
    pub recipients: &'w [Recipient],
    /// The folder for it.
    pub folder: &'w Path,
    /// How many backups of this node stay in the folder. All, if nobody says.
    pub keep: Option<usize>,
    /// The version of kwo.
    pub kwo: &'w str,
    /// What time it is.
    pub now: Timestamp,
}

/// A backup that was made and read back.
#[derive(Debug)]
pub struct Made {
    /// The file.
    pub file: PathBuf,
    /// What was read back.
    pub checked: Checked,
    /// Older ones that were removed, the oldest first.
    pub removed: Vec<PathBuf>,
    /// Why an older one that is too many is still there.
    pub not_removed: Option<String>,
    /// How many whole backups of this node are in the folder now.
    pub kept: usize,
}

/// Makes it. The database is read while k3s writes it; nothing of the node is written. Without a snapshot of etcd that is whole the
/// backup lacks its objects.
///
/// # Errors
/// When there is no datastore of k3s, or no backup can be written that reads back. Then there is no file with its name, and older
/// backups stay.
pub fn make(wanted: &Wanted<'_>, told: Told<'_>) -> Result<Made, BackupError> {
    let server = wanted.machine.server()?;
    let folder = Folder::open(wanted.folder, &server.node)?;
    let token = token(&server);
    let (objects, not_taken) =
        objects(&server, wanted.now, token.as_ref().map(|token| token.as_slice()), told)?;
    let mut files = gather(wanted.machine, &server)?;
    files.left_out.extend(not_taken);
    if !files.has(token.as_ref()) {
        return Err(BackupError::Changed);
    }
    drop(token);
    let manifest = manifest(wanted, &server, &objects, &files);
    // What nobody could read again is not written.
    manifest.check().map_err(|why| BackupError::TooBig { what: "the node".to_owned(), why })?;
    if told() {
        return Err(BackupError::Stopped);
    }
    let half = folder.begin()?;
    let cannot = |error: io::Error| match told() {
        true => BackupError::Stopped,
        // The name of a half backup tells nobody anything.
        false => BackupError::io("write a backup into", wanted.folder, plain(error)),
    };
    // It can be opened with this key as long as this function runs.
    let own = age::x25519::Identity::generate();
    let whom = For { recipients: wanted.recipients, own: &own };
    let opened = half.reopen().map_err(cannot)?;
    let written = seal(opened, &whom, &manifest, (&objects, &files.files), told).map_err(cannot)?;
    // The memory is needed for the one that comes back. It is to come from the disk; where that cannot be had, from memory.
    drop((objects, files));
    let _ = fadvise(&written, 0, None, Advice::DontNeed);
    drop(written);
    let bytes = File::open(half.path()).map_err(cannot)?;
    let size = bytes.metadata().map_err(cannot)?.len();
    let keys = Identities(vec![Box::new(own)]);
    let (Store::Sqlite(store) | Store::Etcd { path: store, .. }) = &server.store;
    let checked = read(Heard { raw: bytes, told }, size, &keys).map_err(|trouble| match told() {
        true => BackupError::Stopped,
        false => trouble.unread(store),
    })?;
    if checked.manifest != manifest {
        return Err(BackupError::Unread("it is something else than was written".to_owned()));
    }
    if told() {
        return Err(BackupError::Stopped);
    }
    let whole = checked.missing().is_empty();
    let file = folder.end(half, wanted.now, whole)?;
    let (removed, not_removed) = retain(wanted, &folder, &file, &checked);
    // It is made, whatever the folder says by now.
    let kept = folder.all().map_or(usize::from(whole), |all| all.len());
    Ok(Made { file, checked, removed, not_removed, kept })
}

/// Lets older ones go. One that lacks something takes the place of none.
fn retain(
    wanted: &Wanted<'_>,
    folder: &Folder,
    new: &Path,
    checked: &Checked,
) -> (Vec<PathBuf>, Option<String>) {
    let Some(most) = wanted.keep else { return (Vec::new(), None) };
    if !checked.missing().is_empty() {
        return (Vec::new(), Some("the new one lacks something, so it takes the place of none".to_owned()));
    }
    let (removed, ended) = folder.keep(most, new);
    let why = ended.err().map(|error| crate::failure::Failure::new("").because(&error).causes.join(": "));
    (removed, why)
}

fn manifest(wanted: &Wanted<'_>, server: &Server, objects: &Objects, found: &Files) -> Manifest {
    let kept = |path: &str, mode: u32, bytes: &[u8]| KeptFile {
        path: path.to_owned(),
        size: bytes.len() as u64,
        mode,
        sha256: hex(&Sha256::digest(bytes)).to_string(),
    };
    let mut files: Vec<KeptFile> =
        found.files.iter().map(|file| kept(&file.path, file.mode, &file.bytes)).collect();
    files.extend(objects.kept());
    files.sort_by(|one, other| one.path.cmp(&other.path));
    Manifest {
        kind: KIND.to_owned(),
        format_version: objects.version().to_owned(),
        kwo: wanted.kwo.to_owned(),
        node: server.node.clone(),
        time: Timestamp::from_second(wanted.now.as_second()).unwrap_or(wanted.now),
        data_dir: server.named.to_string_lossy().into_owned(),
        database: objects.database(server.joins.clone()),
        files,
        needed: server.needed.clone(),
        left_out: found.left_out.clone(),
    }
}

/// What the system said, without the path that a library adds to it.
fn plain(error: io::Error) -> io::Error {
    match error.raw_os_error().or_else(|| inner(&error)) {
        Some(code) => io::Error::from_raw_os_error(code),
        None => error,
    }
}

fn inner(error: &io::Error) -> Option<i32> {
    error.get_ref()?.source()?.downcast_ref::<io::Error>()?.raw_os_error()
}
