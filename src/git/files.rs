//! The files of a commit below one folder, laid out in another one. Links and submodules are left out: what they lead to
//! was reviewed by nobody.

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use kwo_planner::roster::MAX_BYTES;

use super::clone::Clone;
use super::process::GitError;

/// A longer file is neither part of a roster nor a secret: only its length is laid out, so that whoever reads it says
/// that it is too long.
const LONGEST: u64 = MAX_BYTES as u64;

/// All other files together are at most so long; a roster and its secrets are far shorter.
const MOST: u64 = 64 * 1024 * 1024;

/// Lays out the regular files that a commit has below `folder` (empty for all), with their paths in the repository.
///
/// # Errors
/// When git cannot be asked, they are too long together, or the disk says no.
pub async fn export(clone: &Clone, commit: &str, folder: &str, into: &Path) -> Result<(), GitError> {
    let listed = clone
        .git()
        .args(["ls-tree", "-r", "-z", "--long", "--full-tree", commit, "--"])
        .args(Some(folder).filter(|folder| !folder.is_empty()).map(|folder| format!("{folder}/")))
        .run(None)
        .await?;
    let odd = |said: String| GitError::Odd { what: "ls-tree".to_owned(), said };
    let (mut files, mut total) = (Vec::new(), 0_u64);
    for line in listed.out.split(|byte| *byte == 0).filter(|line| !line.is_empty()) {
        let shown = || odd(String::from_utf8_lossy(line).into_owned());
        let tab = line.iter().position(|byte| *byte == b'\t').ok_or_else(shown)?;
        // A path need not be text.
        let path = PathBuf::from(OsStr::from_bytes(&line[tab + 1..]));
        let head = String::from_utf8_lossy(&line[..tab]);
        let parts: Vec<&str> = head.split_ascii_whitespace().collect();
        let [mode, "blob", id, size] = parts.as_slice() else { continue };
        if !mode.starts_with("100") {
            continue;
        }
        if !path.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(odd(format!("{} is no path of a file", path.display())));
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
    let asked: Vec<u8> = files.iter().flat_map(|(id, _)| format!("{id}\n").into_bytes()).collect();
    let given = clone.git().args(["cat-file", "--batch"]).run(Some(asked)).await?;
    let mut rest = given.out.as_slice();
    for (id, path) in &files {
        let content = next(&mut rest, id).ok_or_else(|| GitError::Odd {
            what: "cat-file".to_owned(),
            said: format!("{} is not whole", path.display()),
        })?;
        let laid = make(&into.join(path)).and_then(|mut file| file.write_all(content));
        laid.map_err(GitError::io(format!("lay out {}", path.display())))?;
    }
    Ok(())
}

/// The next object of a batch, which has to be this one.
fn next<'o>(rest: &mut &'o [u8], id: &str) -> Option<&'o [u8]> {
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    let head = std::str::from_utf8(&rest[..end]).ok()?;
    let size: usize = head.strip_prefix(id)?.strip_prefix(" blob ")?.parse().ok()?;
    let content = rest.get(end + 1..end + 1 + size)?;
    *rest = rest.get(end + 2 + size..)?;
    Some(content)
}

fn make(path: &Path) -> std::io::Result<fs::File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::File::create_new(path)
}
