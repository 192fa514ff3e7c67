//! The two rosters of `kwo diff`: which file, revision or stream a word means, and what is in it. The files of a
//! commit are laid out within the limits of `kwo sync`, and read with the same checks.

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf, absolute};

use kwo_planner::plain::one_line;
use kwo_planner::roster::spelling::did_you_mean;

use super::load::{Loaded, called, checked, checked_as, told};
use crate::report::diff::Side;
use kwo_engine::failure::Failure;
use kwo_engine::git::{Clone, GitError, export};

/// A roster that was read.
pub(super) struct Read {
    pub(super) side: Side,
    pub(super) loaded: Loaded,
}

/// What a word of the command means.
#[derive(Debug, Eq, PartialEq)]
enum Word {
    File(PathBuf),
    /// A revision, and the path that was typed with it.
    Revision(String, Option<String>),
    /// The commit in which two others parted.
    Parted(String, String),
}

/// Reads both. Where both are refused, all that is wrong is told.
pub(super) async fn both(from: &OsStr, to: Option<&OsStr>, file: &Path) -> Result<(Read, Read), Failure> {
    let (from, to) = words(from, to, file)?;
    if to == Word::File("-".into()) && from == to {
        return Err(Failure::usage("standard input can be one of the two rosters, and not both"));
    }
    let from = read(from, file).await;
    match &from {
        // What is wrong with a roster has been told, and the other one may be wrong, too.
        Err(failure) if !failure.message.is_empty() => return Err(failure.clone()),
        _ => {}
    }
    let to = read(to, file).await?;
    Ok((from?, to))
}

fn words(from: &OsStr, to: Option<&OsStr>, file: &Path) -> Result<(Word, Word), Failure> {
    let two = from.to_str().filter(|_| !is_file(from)).and_then(range);
    match (two, to) {
        (Some(_), Some(_)) => {
            Err(Failure::usage("`A..B` already names both rosters, but there is another word")
                .hint("give one of them"))
        }
        (Some((from, to, true)), None) => {
            let newest = revision(&to);
            Ok((Word::Parted(from, to), newest))
        }
        (Some((from, to, false)), None) => Ok((revision(&from), revision(&to))),
        (None, None) => Ok((word(from)?, Word::File(file.to_owned()))),
        (None, Some(to)) => Ok((word(from)?, word(to)?)),
    }
}

/// A word that names a file is the file.
fn word(typed: &OsStr) -> Result<Word, Failure> {
    match typed.to_str() {
        _ if is_file(typed) => Ok(Word::File(typed.into())),
        Some(text) => Ok(revision(text)),
        None => Err(Failure::new(format!("there is no file {}", Path::new(typed).display()))),
    }
}

/// In a bare repository `HEAD` is a file, too.
fn is_file(typed: &OsStr) -> bool {
    typed == "-" || typed != "HEAD" && Path::new(typed).symlink_metadata().is_ok_and(|found| !found.is_dir())
}

/// `A..B` and `A...B`, where none is `HEAD`. No name of git's has two dots in a row.
fn range(text: &str) -> Option<(String, String, bool)> {
    let parted = text.split_once("...").map(|(from, to)| (from, to, true));
    let (from, to, parted) = parted.or_else(|| text.split_once("..").map(|(from, to)| (from, to, false)))?;
    let or_head = |name: &str| if name.is_empty() { "HEAD".to_owned() } else { name.to_owned() };
    // It is a path.
    let path = to.starts_with('/') || to.contains("..");
    (!path).then(|| (or_head(from), or_head(to), parted))
}

/// A revision, and the path behind its colon. One in braces belongs to the revision: `HEAD^{/fix: the quota}`.
fn revision(text: &str) -> Word {
    let mut depth = 0_usize;
    for (at, char) in text.char_indices() {
        match char {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ':' if depth == 0 && at > 0 => {
                return Word::Revision(text[..at].to_owned(), Some(text[at + 1..].to_owned()));
            }
            _ => {}
        }
    }
    Word::Revision(text.to_owned(), None)
}

async fn read(word: Word, file: &Path) -> Result<Read, Failure> {
    match word {
        Word::File(path) => {
            let side = Side { roster: one_line(&called(&path)).into_owned(), commit: None };
            Ok(Read { side, loaded: checked(&path).map_err(|refused| told(&refused))? })
        }
        Word::Revision(name, typed) => {
            let (clone, within) = place(&name, file, typed.as_deref())?;
            let commit = commit(&clone, &name).await?;
            laid_out(&clone, &name, &commit, &within).await
        }
        Word::Parted(one, other) => {
            let (clone, within) = place(&one, file, None)?;
            let (first, second) = (commit(&clone, &one).await?, commit(&clone, &other).await?);
            let parted = clone.parted(&first, &second).await.map_err(|error| match error {
                GitError::Failed { .. } => {
                    Failure::new(format!("`{one}` and `{other}` have no commit in common"))
                }
                error => failed(&one, &error),
            })?;
            let name = parted.get(..12).unwrap_or(&parted);
            laid_out(&clone, name, &parted, &within).await
        }
    }
}

/// The repository, and the path of the roster in it. A path that was typed behind a colon begins at the top, as git has
/// it, unless it begins with a dot.
fn place(name: &str, file: &Path, typed: Option<&str>) -> Result<(Clone, String), Failure> {
    let none = || {
        Failure::new(format!(
            "`{}` is not a file, and there is no git repository here that could have such a revision",
            one_line(name)
        ))
        .hint("name a file, or run kwo in the repository that has the revision")
    };
    let dotted = |path: &&str| path.starts_with("./") || path.starts_with("../");
    if let Some(path) = typed.filter(|path| !dotted(path)) {
        let (clone, _) = Clone::around(Path::new(".")).ok_or_else(none)?;
        let plain = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
        return match plain && !path.is_empty() {
            true => Ok((clone, path.to_owned())),
            false => Err(Failure::usage(format!(
                "`{}` is not a valid path of a file in a repository",
                one_line(path)
            ))),
        };
    }
    let file = typed.map_or(file, Path::new);
    if file == Path::new("-") {
        return Err(Failure::usage("standard input is not part of a revision")
            .hint("name the path of the roster in it: REVISION:PATH"));
    }
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // The folder may be gone by now.
    let (clone, top) = Clone::around(parent).or_else(|| Clone::around(Path::new("."))).ok_or_else(none)?;
    let folder = parent.canonicalize().or_else(|_| absolute(parent)).unwrap_or_default();
    let whole = folder.join(file.file_name().unwrap_or_default());
    match whole.strip_prefix(&top).ok().and_then(Path::to_str) {
        Some(within) => Ok((clone, within.to_owned())),
        None => Err(Failure::new(format!("{} is not in the repository {}", file.display(), top.display()))
            .hint("name the path of the roster in it: REVISION:PATH")),
    }
}

async fn commit(clone: &Clone, name: &str) -> Result<String, Failure> {
    match clone.commit(name).await {
        Err(GitError::Failed { status, .. }) if status.code() == Some(1) => {
            let names = clone.names().await;
            let hint = did_you_mean(name, names.iter().map(String::as_str));
            Err(Failure::new(format!(
                "`{}` is neither a file nor a revision of this git repository",
                one_line(name)
            ))
            .hint(hint.unwrap_or_else(|| "`git branch --all` and `git tag` list revisions".to_owned())))
        }
        found => found.map_err(|error| failed(name, &error)),
    }
}

/// The roster of a commit, read from a folder of its own.
async fn laid_out(clone: &Clone, name: &str, commit: &str, within: &str) -> Result<Read, Failure> {
    let into = tempfile::tempdir().map_err(|error| Failure::new("cannot make a folder").because(&error))?;
    let folder = Path::new(within).parent().and_then(Path::to_str).unwrap_or_default();
    export(clone, commit, folder, into.path()).await.map_err(|error| failed(name, &error))?;
    let path = into.path().join(within);
    if !path.is_file() {
        return Err(Failure::new(format!("there is no file {} in `{}`", one_line(within), one_line(name)))
            .hint("`-f PATH` or REVISION:PATH names the roster in the repository; kwo follows no link"));
    }
    let named = |path: &Path| {
        let within = path.strip_prefix(into.path()).unwrap_or(path).to_string_lossy();
        one_line(&format!("{name}:{within}")).into_owned()
    };
    let side = Side { roster: named(&path), commit: Some(commit.to_owned()) };
    let loaded = checked_as(&path, &named).map_err(|refused| told(&refused))?;
    Ok(Read { side, loaded })
}

fn failed(name: &str, error: &GitError) -> Failure {
    let failure = Failure::new(format!("`{}` cannot be read", one_line(name))).because(error);
    if error.lacks_program() { failure.hint("`git` has to be installed") } else { failure }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_revisions_paths_and_both() {
        let named = |name: &str, path: Option<&str>| Word::Revision(name.to_owned(), path.map(str::to_owned));
        let read = |from: &str, to: Option<&str>| {
            words(OsStr::new(from), to.map(OsStr::new), Path::new("roster.yaml")).unwrap()
        };
        let file = || Word::File("roster.yaml".into());
        assert_eq!(read("main", None), (named("main", None), file()));
        assert_eq!(read("v1..v2", None), (named("v1", None), named("v2", None)));
        assert_eq!(read("v1..", None), (named("v1", None), named("HEAD", None)));
        assert_eq!(
            read("v1:a.yaml..v2:b.yaml", None),
            (named("v1", Some("a.yaml")), named("v2", Some("b.yaml")))
        );
        assert_eq!(read("main...", None), (Word::Parted("main".into(), "HEAD".into()), named("HEAD", None)));
        assert_eq!(read("HEAD^{/a: b}", Some("-")), (named("HEAD^{/a: b}", None), Word::File("-".into())));
        assert_eq!(read("../not/here.yaml", None).0, named("../not/here.yaml", None));
        assert_eq!(
            read("./Cargo.toml", Some("Cargo.toml")),
            (Word::File("./Cargo.toml".into()), Word::File("Cargo.toml".into()))
        );
        assert!(words(OsStr::new("a..b"), Some(OsStr::new("c")), Path::new("r")).is_err());
    }
}
