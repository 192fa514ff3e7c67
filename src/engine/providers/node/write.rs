//! One step, one file: archive the old file, record that the write begins, replace the file in one step, record that
//! it is done. After a kill at any moment the file is complete, and the next run knows which one it is.

use std::fs::{self, FileTimes, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::Path;

use kwo_planner::change::{Change, Step};
use kwo_planner::observed::Version;
use kwo_planner::tree::{SmolStr, Tree, is_below};
use tempfile::NamedTempFile;
use zeroize::Zeroizing;

use super::archive;
use super::file::{File, MODE, OWNER, path, read};
use super::record::Record;
use super::{theirs, told};
use crate::providers::atomic_file::{Astray, in_root, settle, sweep, temporary};
use crate::providers::{Refusal, manifest};
use crate::secrets::Vault;

/// Folders that are missing.
const FOLDERS: u32 = 0o755;

/// A new file for which no mode is wanted: it may come to hold a token.
const PRIVATE: u32 = 0o600;

/// The first line of every file that kwo writes.
const HEADER: &str =
    "# kwo keeps some of these keys as its roster says, and leaves all others as they are.\n";

/// What it takes where only some folders can be written.
const LEAVE: &str = "; if kwo-sync.service runs this, `sudo kwo install --node` allows it to write there";

/// What a file is to become.
pub(super) struct Next {
    pub(super) text: Zeroizing<String>,
    pub(super) mode: u32,
    pub(super) owner: (u32, u32),
}

/// Does one step.
pub(super) fn write(root: &Path, vault: &Vault, step: &Step) -> Result<(), Refusal> {
    let place = path(&step.id).map_err(refused)?;
    let said = |astray: Astray| match astray {
        Astray::Io(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Refusal::Changed { why: format!("/{} exists", step.id.name) }
        }
        Astray::Io(error) => {
            let leave = match error.kind() {
                io::ErrorKind::ReadOnlyFilesystem => LEAVE,
                _ => "",
            };
            refused(format!("/{}: {error}{leave}", step.id.name))
        }
        Astray::Link(why) => refused(why),
    };
    let mut record = Record::load(root).map_err(refused)?;
    let filled = vault.in_clear(&step.id, &step.secrets, &step.wanted).map_err(refused)?;
    let found = match (read(root, &place).map_err(said)?, &step.seen) {
        (None, None) => None,
        (Some(file), Some(seen)) if file.version() == *seen => Some(file),
        (Some(_), None) => return Err(Refusal::Changed { why: format!("/{} exists", step.id.name) }),
        (None, Some(_)) => return Err(Refusal::Changed { why: format!("/{} is gone", step.id.name) }),
        (Some(_), Some(Version(_))) => {
            return Err(Refusal::Changed { why: format!("/{} has changed", step.id.name) });
        }
    };
    let next = match &found {
        None => new(root, &filled),
        Some(file) => revised(root, step, &filled, file),
    }
    .map_err(refused)?;
    let hash = manifest::version(next.text.as_bytes());
    let covers = |file: &File| {
        let entry = record.get(&step.id.name);
        entry.is_some_and(|entry| entry.covers(&manifest::version(&file.bytes)))
    };
    let own = theirs::own(step, found.as_ref().is_some_and(|file| !covers(file)));
    let entry = record.entry(&step.id.name);
    entry.add(&own);
    entry.wrote = entry.wrote.take().map(|wrote| theirs::kept(&step.id, wrote, &next.text));
    if !found.as_ref().is_some_and(|file| next.is(file)) {
        if let Some(file) = &found {
            archive::keep(root, &place, &file.bytes).map_err(said)?;
        }
        entry.begun = Some(hash.clone());
        record.save(root).map_err(said)?;
        replace(root, &place, &next, found.as_ref()).map_err(said)?;
    }
    let entry = record.entry(&step.id.name);
    (entry.written, entry.begun) = (Some(hash), None);
    record.save(root).map_err(said)
}

fn new(root: &Path, filled: &Tree) -> Result<Next, String> {
    let mode = filled.get("mode").map_or(Ok(PRIVATE), mode)?;
    Ok(Next { text: text(filled)?.into(), mode, owner: owner_of(root)? })
}

/// The file with the changes of the step; every byte that they do not change is as it is.
fn revised(root: &Path, step: &Step, filled: &Tree, file: &File) -> Result<Next, String> {
    let (mut next_mode, mut owner) = (file.meta.mode() & MODE, (file.meta.uid(), file.meta.gid()));
    let changes = in_clear(&step.changes, filled);
    for change in &changes {
        match (change.pointer(), change.value()) {
            (Some("/mode"), Some(value)) => next_mode = mode(value)?,
            (Some("/owner"), Some(value)) if value.as_text().is_some_and(|owner| owner == OWNER) => {
                owner = owner_of(root)?;
            }
            // The mark is not in the file, but on record.
            (Some(pointer), _) if ["/content", "/metadata"].iter().any(|part| is_below(pointer, part)) => {}
            _ => return Err("a change is none that a file can have".to_owned()),
        }
    }
    let changes = changes.iter().filter_map(|change| Some((change.pointer()?, change.value()?)));
    let text = told::edited(&step.id, file, changes)?;
    Ok(Next { text: text.into(), mode: next_mode, owner })
}

/// The changes with the secrets themselves; in the step stands what stands for them.
fn in_clear(changes: &[Change], filled: &Tree) -> Vec<Change> {
    let value = |pointer: &str, value: &Tree| filled.at(pointer).unwrap_or(value).clone();
    let clear = |change: &Change| match change.clone() {
        Change::Extend { pointer, value: shown, tightens, because } => {
            Change::Extend { value: value(&pointer, &shown), pointer, tightens, because }
        }
        Change::Revise { pointer, from, to, cause, tightens, because } => {
            Change::Revise { to: value(&pointer, &to), pointer, from, cause, tightens, because }
        }
        Change::Create => Change::Create,
    };
    changes.iter().map(clear).collect()
}

fn text(body: &Tree) -> Result<String, String> {
    let content = body.get("content").ok_or("there is nothing to write")?;
    Ok(format!("{HEADER}{}", manifest::write(content)?))
}

fn mode(mode: &Tree) -> Result<u32, String> {
    let text = mode.as_text().map(SmolStr::as_str).unwrap_or_default();
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode & !MODE == 0);
    mode.ok_or_else(|| format!("`{text}` is not a valid mode of a file: expected digits such as 0600"))
}

/// The owner of what kwo makes.
pub(super) fn owner_of(root: &Path) -> Result<(u32, u32), String> {
    let base = fs::metadata(root).map_err(|error| error.to_string())?;
    Ok((base.uid(), base.gid()))
}

/// Puts the file in its place, which has to be free where there was none.
pub(super) fn replace(root: &Path, place: &Path, next: &Next, found: Option<&File>) -> Result<(), Astray> {
    let path = in_root(root, place, found.is_none().then_some(FOLDERS))?;
    path.parent().into_iter().for_each(sweep);
    let made = temporary(&path, &next.text, Some(Permissions::from_mode(next.mode)))?;
    let meta = made.as_file().metadata()?;
    if (meta.uid(), meta.gid()) != next.owner {
        fchown(made.as_file(), Some(next.owner.0), Some(next.owner.1))?;
        // A change of owner takes some bits of the mode away.
        made.as_file().set_permissions(Permissions::from_mode(next.mode))?;
    }
    match found {
        None => made.persist_noclobber(&path).map_err(|error| error.error)?,
        Some(file) => {
            keep_time(&made, next, file)?;
            made.persist(&path).map_err(|error| error.error)?
        }
    };
    Ok(settle(&path)?)
}

/// What is in the file is as old as it was, so that nothing is restarted for a mode.
fn keep_time(made: &NamedTempFile, next: &Next, file: &File) -> io::Result<()> {
    if next.text.as_bytes() != file.bytes {
        return Ok(());
    }
    made.as_file().set_times(FileTimes::new().set_modified(file.meta.modified()?))
}

impl Next {
    /// Is the file like this already?
    fn is(&self, file: &File) -> bool {
        let Next { text, mode, owner } = self;
        text.as_bytes() == file.bytes
            && *mode == file.meta.mode() & MODE
            && *owner == (file.meta.uid(), file.meta.gid())
    }
}

pub(super) fn refused(why: impl Into<String>) -> Refusal {
    Refusal::Refused { why: why.into() }
}
