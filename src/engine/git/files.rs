//! Lays out the files of a commit below one folder in another folder. Leaves out links and submodules, because nobody
//! reviewed what they lead to.

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use kwo_planner::roster::MAX_BYTES;

use super::clone::Clone;
use super::process::GitError;

/// A longer file is neither part of a roster nor a secret: only its length is laid out, so that whoever reads it says
/// that it is too long.
const LONGEST: u64 = MAX_BYTES as u64;

/// All other files together are at most so long; a roster and its secrets are far shorter.
const MOST: u64 = 64 * 1024 * 1024;

/// How many files and folders there may be, and how deep they may lie: a tree of a few bytes can name itself many times
/// over, and so stand for more than any disk holds.
const ENTRIES: usize = 50_000;
const DEPTH: usize = 64;

/// How many files are read at a time: one, at most, is as long as a roster may be.
const BATCH: usize = 1000;

/// How long their list may be.
const LIST: usize = 16 << 20;

/// How long their list may take.
const LIST_PATIENCE: Duration = Duration::from_secs(20);

/// Lays out the regular files that a commit has below `folder` (empty for all), with their paths in the repository.
///
/// # Errors
/// When git cannot be asked, they are too long together, or the disk says no.
pub async fn export(clone: &Clone, commit: &str, folder: &str, into: &Path) -> Result<(), GitError> {
    let ls = ["ls-tree", "-r", "-t", "-z", "--long", "--full-tree", commit, "--"];
    let below = Some(folder).filter(|folder| !folder.is_empty()).map(|folder| format!("{folder}/"));
    let listed = clone.git_for(LIST_PATIENCE).args(ls).args(below).at_most(LIST).run(None).await;
    let too_many =
        || GitError::TooMany { what: "files and folders beside the roster".to_owned(), most: ENTRIES };
    let listed = match listed {
        Err(GitError::Flood { .. }) => return Err(too_many()),
        // It goes down by calling itself, and falls where that is too deep.
        Err(GitError::Failed { status, .. }) if status.signal().is_some() => return Err(too_deep()),
        listed => listed?,
    };
    let odd = |said: String| GitError::Odd { what: "ls-tree".to_owned(), said };
    let (mut files, mut total) = (Vec::new(), 0_u64);
    for (at, line) in listed.out.split(|byte| *byte == 0).filter(|line| !line.is_empty()).enumerate() {
        if at >= ENTRIES {
            return Err(too_many());
        }
        let shown = || odd(String::from_utf8_lossy(line).into_owned());
        let tab = line.iter().position(|byte| *byte == b'\t').ok_or_else(shown)?;
        // A path need not be text.
        let path = PathBuf::from(OsStr::from_bytes(&line[tab + 1..]));
        if line[tab + 1..].iter().filter(|byte| **byte == b'/').count() >= DEPTH {
            return Err(too_deep());
        }
        let head = String::from_utf8_lossy(&line[..tab]);
        let parts: Vec<&str> = head.split_ascii_whitespace().collect();
        let [mode, "blob", id, size] = parts.as_slice() else { continue };
        if !mode.starts_with("100") {
            continue;
        }
        if !path.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(odd(format!("{} is not a path of a file", path.display())));
        }
        let size = size.parse::<u64>().map_err(|_| shown())?;
        if size > LONGEST {
            let laid = make(&into.join(&path)).and_then(|file| file.set_len(size));
            laid.map_err(GitError::io(format!("lay out {}", path.display())))?;
            continue;
        }
        total += size;
        files.push(((*id).to_owned(), path));
    }
    if total > MOST {
        return Err(GitError::TooMuch { mebibytes: total >> 20, most: MOST >> 20 });
    }
    for batch in files.chunks(BATCH) {
        let ids: Vec<&str> = batch.iter().map(|(id, _)| id.as_str()).collect();
        let contents = clone.contents("blob", &ids).await?;
        for ((_, path), content) in batch.iter().zip(contents) {
            let laid = make(&into.join(path)).and_then(|mut file| file.write_all(&content));
            laid.map_err(GitError::io(format!("lay out {}", path.display())))?;
        }
    }
    Ok(())
}

fn too_deep() -> GitError {
    GitError::TooMany { what: "folders one below the other".to_owned(), most: DEPTH }
}

fn make(path: &Path) -> std::io::Result<fs::File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::File::create_new(path)
}
