//! The files of a commit below one folder, laid out in another one. Links and submodules are left out: what they lead to
//! was reviewed by nobody.

use std::fs;
use std::io::Write as _;
use std::path::{Component, Path};

use super::clone::Clone;
use super::process::GitError;

/// All files together are at most so long; a roster and its secrets are far shorter.
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
        let line = String::from_utf8(line.to_vec()).map_err(|_| odd("a path is not UTF-8".to_owned()))?;
        let (head, path) = line.split_once('\t').ok_or_else(|| odd(line.clone()))?;
        let parts: Vec<&str> = head.split_ascii_whitespace().collect();
        let [mode, "blob", id, size] = parts.as_slice() else { continue };
        if !mode.starts_with("100") {
            continue;
        }
        if !Path::new(path).components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(odd(format!("{path} is no path of a file")));
        }
        total += size.parse::<u64>().map_err(|_| odd(line.clone()))?;
        files.push(((*id).to_owned(), path.to_owned()));
    }
    if total > MOST {
        let said = format!(
            "the files beside the roster are {} MiB together; at most {} are read",
            total >> 20,
            MOST >> 20
        );
        return Err(odd(said));
    }
    let asked: Vec<u8> = files.iter().flat_map(|(id, _)| format!("{id}\n").into_bytes()).collect();
    let given = clone.git().args(["cat-file", "--batch"]).run(Some(asked)).await?;
    let mut rest = given.out.as_slice();
    for (id, path) in &files {
        let content = next(&mut rest, id).ok_or_else(|| GitError::Odd {
            what: "cat-file".to_owned(),
            said: format!("{path} is not whole"),
        })?;
        write(&into.join(path), content).map_err(GitError::io(format!("lay out {path}")))?;
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

fn write(path: &Path, content: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::File::create_new(path)?.write_all(content)
}
