//! One step, one file: a new one that never replaces another, or a changed one that takes the old one's place in one
//! move. Whoever reads at any moment finds the one or the other, complete.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use kwo_planner::change::{Change, Step};
use kwo_planner::kinds::Kind;
use kwo_planner::tree::Tree;
use tempfile::NamedTempFile;

use super::layout::{Astray, file, inside};
use crate::providers::documents::{fold, unfold};
use crate::providers::{Refusal, manifest};

/// Does one step.
pub(super) fn write(root: &Path, step: &Step) -> Result<(), Refusal> {
    let file = file(&step.id).map_err(refused)?;
    let said = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => Refusal::Changed { why: format!("{} exists", file.display()) },
        io::ErrorKind::NotFound => Refusal::Changed { why: format!("{} is gone", file.display()) },
        _ => Refusal::Refused { why: format!("{}: {error}", file.display()) },
    };
    let astray = |astray: Astray| match astray {
        Astray::Link(why) => refused(why),
        Astray::Io(error) => said(error),
    };
    if step.creates() {
        fs::create_dir_all(root).map_err(said)?;
        let path = inside(root, &file, true).map_err(astray)?;
        let object = fold(kind(step)?, step.wanted.clone()).map_err(refused)?;
        let text = manifest::write(&object).map_err(refused)?;
        let made = temporary(&path, &text, None).map_err(said)?;
        made.persist_noclobber(&path).map_err(|error| said(error.error))?;
        return settle(&path).map_err(said);
    }

    let path = inside(root, &file, false).map_err(astray)?;
    let bytes = fs::read(&path).map_err(said)?;
    if step.seen.as_ref().is_none_or(|seen| seen.0 != manifest::version(&bytes)) {
        return Err(Refusal::Changed { why: format!("{} has other content now", file.display()) });
    }
    let text = std::str::from_utf8(&bytes).map_err(|error| refused(error.to_string()))?;
    let documents = manifest::read(text).map_err(refused)?;
    let [object] = documents.as_slice() else {
        return Err(refused(format!("{} does not hold one object", file.display())));
    };
    let kind = kind(step)?;
    let object = unfold(kind, object.clone()).map_err(refused)?;
    let object = fold(kind, changed(&object, &step.changes).map_err(refused)?).map_err(refused)?;
    let text = manifest::write(&object).map_err(refused)?;
    let mode = fs::metadata(&path).map_err(said)?.permissions();
    let made = temporary(&path, &text, Some(mode)).map_err(said)?;
    made.persist(&path).map_err(|error| said(error.error))?;
    settle(&path).map_err(said)
}

fn kind(step: &Step) -> Result<Kind, Refusal> {
    step.id
        .known_kind()
        .filter(|kind| *kind != Kind::Secret)
        .ok_or_else(|| refused(format!("a {} is not written to a directory", step.id.kind)))
}

/// The object with the changes made, by the rules of a JSON patch: what something is added to has to be there, and so
/// has what is replaced.
fn changed(object: &Tree, changes: &[Change]) -> Result<Tree, String> {
    let mut object = object.clone();
    for change in changes {
        let (pointer, value) = match change {
            Change::Create => return Err("a step that creates can do nothing else".to_owned()),
            Change::Extend { pointer, value, because: _ } => (pointer, value),
            Change::Revise { pointer, from: _, to, cause: _, tightens: _, because: _ } => {
                if object.at(pointer).is_none() {
                    return Err(format!("there is nothing at {pointer} to replace"));
                }
                (pointer, to)
            }
        };
        let (parent, key) = pointer.rsplit_once('/').unwrap_or_default();
        match object.at(parent) {
            Some(Tree::Map(_)) => {}
            Some(Tree::List(_)) if key == "-" || object.at(pointer).is_some() => {}
            _ => return Err(format!("there is nothing at {parent} to add to")),
        }
        object = object.with(pointer, value.clone());
    }
    Ok(object)
}

/// A temporary file beside the path with this text, safely on the disk.
fn temporary(path: &Path, text: &str, mode: Option<fs::Permissions>) -> io::Result<NamedTempFile> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".kwo-").suffix(".tmp");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As any other new file; the umask takes away from it.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let mut made = builder.tempfile_in(folder)?;
    made.write_all(text.as_bytes())?;
    if let Some(mode) = mode {
        made.as_file().set_permissions(mode)?;
    }
    made.as_file().sync_all()?;
    Ok(made)
}

/// Makes sure that the name of a file is on the disk as well.
fn settle(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

fn refused(why: impl Into<String>) -> Refusal {
    Refusal::Refused { why: why.into() }
}
