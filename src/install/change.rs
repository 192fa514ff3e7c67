//! Puts the files in place and takes them away again. What somebody has changed is neither replaced nor removed unless
//! that is asked for; settings, state and history are never touched.

use std::borrow::Cow;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::files::{Choice, FIRST_SETTINGS, PROGRAM, SETTINGS, chosen, packaged};
use super::record::{Record, digest, write};
use kwo_engine::providers::{Astray, inside};
use kwo_engine::regular;

/// A file, and what became of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Change {
    /// Where it is.
    pub path: PathBuf,
    /// What became of it.
    pub what: What,
}

/// What became of a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum What {
    /// It is new.
    Installed,
    /// It was as an earlier kwo had written it.
    Updated,
    /// It was somebody's own, and was replaced as asked.
    Replaced,
    /// It is as it was.
    Unchanged,
    /// It is somebody's own, and stays.
    Kept,
    /// It is there by a package, and nothing is put before it.
    Packaged,
    /// It is gone.
    Removed,
}

/// What goes wrong, and at which file.
pub type Refused = (PathBuf, Astray);

/// Puts the files in place.
///
/// # Errors
/// When one cannot be read or written; those before it are in place.
pub fn install(root: &Path, program: &Path, choice: Choice, force: bool) -> Result<Vec<Change>, Refused> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |why: Astray| (path, why)
    };
    let mut record = Record::load(root).map_err(at(root))?;
    let content = fs::read(program).map_err(|error| (program.to_owned(), error.into()))?;
    let files = std::iter::once((PROGRAM, Cow::Owned(content), 0o755))
        .chain(chosen(choice).map(|(path, text)| (path, Cow::Borrowed(text.as_bytes()), 0o644)));
    let mut changes = Vec::new();
    for (file, content, mode) in files {
        let path = root.join(file);
        let found = read(root, file).map_err(at(&path))?;
        if found.is_none()
            && let Some(path) = packaged(root, file)
        {
            changes.push(Change { path, what: What::Packaged });
            continue;
        }
        let what = match &found {
            None => What::Installed,
            Some(found) if **found == *content => What::Unchanged,
            Some(found) if record.files.get(file) == Some(&digest(found)) => What::Updated,
            Some(_) if force => What::Replaced,
            Some(_) => What::Kept,
        };
        if !matches!(what, What::Unchanged | What::Kept) {
            write(root, file, &content, mode).map_err(at(&path))?;
        }
        if what != What::Kept {
            record.files.insert(file.to_owned(), digest(&content));
            // At once: a run that is killed now has not lost sight of the file.
            record.save(root).map_err(at(root))?;
        }
        changes.push(Change { path, what });
    }
    let settings = root.join(SETTINGS);
    let what = match read(root, SETTINGS).map_err(at(&settings))? {
        Some(_) => What::Unchanged,
        None => {
            write(root, SETTINGS, FIRST_SETTINGS.as_bytes(), 0o600).map_err(at(&settings))?;
            What::Installed
        }
    };
    changes.push(Change { path: settings, what });
    Ok(changes)
}

/// What `install` put in place, by its path from the root.
///
/// # Errors
/// When the record of that cannot be read.
pub fn installed(root: &Path) -> Result<Vec<String>, Refused> {
    let record = Record::load(root).map_err(|why| (root.to_owned(), why))?;
    Ok(record.files.into_keys().collect())
}

/// Does one of these files stand in front of what a package has?
#[must_use]
pub fn in_front(root: &Path, files: &[String]) -> bool {
    files.iter().any(|file| root.join(file).exists() && packaged(root, file).is_some())
}

/// Says in the record that kwo replaced the program which `install` put in place: it is no change of somebody else.
///
/// # Errors
/// When the record cannot be read or written.
pub fn program_replaced(program: &Path, before: &[u8], after: &[u8]) -> Result<(), Refused> {
    let Some(root) = program.to_str().and_then(|path| path.strip_suffix(PROGRAM)).map(Path::new) else {
        return Ok(());
    };
    let mut record = Record::load(root).map_err(|why| (root.to_owned(), why))?;
    match record.files.get_mut(PROGRAM) {
        Some(written) if *written == digest(before) => *written = digest(after),
        _ => return Ok(()),
    }
    record.save(root).map_err(|why| (root.to_owned(), why))
}

/// Takes away what `install` put in place, and nothing else.
///
/// # Errors
/// When a file cannot be read or removed; those before it are gone.
pub fn uninstall(root: &Path) -> Result<Vec<Change>, Refused> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |why: Astray| (path, why)
    };
    let mut record = Record::load(root).map_err(at(root))?;
    let mut changes = Vec::new();
    for (file, written) in record.files.clone() {
        let path = root.join(&file);
        match read(root, &file).map_err(at(&path))? {
            Some(found) if digest(&found) != written => {
                changes.push(Change { path, what: What::Kept });
                continue;
            }
            Some(_) => {
                fs::remove_file(&path).map_err(|error| at(&path)(error.into()))?;
                changes.push(Change { path, what: What::Removed });
            }
            None => {}
        }
        record.files.remove(&file);
        record.save(root).map_err(at(root))?;
    }
    // Where somebody else has put something there they stay.
    for folder in ["usr/local/lib/systemd/system/kwo-sync.service.d", "usr/local/share/kwo"] {
        let _ = fs::remove_dir(root.join(folder));
    }
    Ok(changes)
}

/// What is in a file below the root; nothing where there is none.
fn read(root: &Path, file: &str) -> Result<Option<Vec<u8>>, Astray> {
    let nothing = |error: &std::io::Error| error.kind() == ErrorKind::NotFound;
    match inside(root, Path::new(file), None) {
        Err(Astray::Io(error)) if nothing(&error) => Ok(None),
        Err(astray) => Err(astray),
        Ok(path) => match regular::read(&path) {
            Err(error) if nothing(&error) => Ok(None),
            content => Ok(Some(content?)),
        },
    }
}
