//! The files of a roster, to be changed: which file stands where, and new text in place of the old. What the new text is
//! comes from `edit/`, and is only written if the roster as a whole is good with it.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use kwo_planner::domains::count;
use kwo_planner::domains::{Refused, Roster, includes, parse};
use kwo_planner::plain::one_line;

use kwo_planner::roster::{Finding, Findings, SourceFile, Sources, Span};

pub use crate::beneath::Unwritten;
use crate::beneath::{Folder, names};
use crate::source::load_as;
use crate::yaml::Fault;

/// A good roster, and where its files are.
#[derive(Debug)]
pub struct Files {
    main: PathBuf,
    roster: Roster,
    /// The path of each file below the folder of the roster.
    paths: Vec<PathBuf>,
}

/// New text for one file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rewrite {
    /// Its number among the files of the roster; of a new file, their number.
    file: usize,
    path: PathBuf,
    /// What it is called.
    pub name: String,
    /// What stands in it; empty where it is new.
    pub old: String,
    /// What is to stand in it.
    pub new: String,
}

impl Files {
    /// Reads a roster and checks it.
    ///
    /// # Errors
    /// When a file cannot be read, or anything is wrong with what it says.
    pub fn read(main: &Path) -> Result<Files, Box<Refused>> {
        let seen: RefCell<Vec<(String, PathBuf)>> = RefCell::new(Vec::new());
        let named = |path: &Path| {
            let name = one_line(&path.to_string_lossy()).into_owned();
            seen.borrow_mut().push((name.clone(), path.to_owned()));
            name
        };
        let roster = load_as(main, &named)?;
        let folder = main.parent().unwrap_or(Path::new(""));
        let seen = seen.into_inner();
        let path = |file: &SourceFile| {
            let mut paths = seen.iter().filter(|(name, _)| *name == file.name).map(|(_, path)| path);
            let path = paths.next()?;
            // Two paths that look alike cannot be told apart by what they are called.
            paths.all(|other| other == path).then(|| path.strip_prefix(folder).unwrap_or(path).to_owned())
        };
        let paths = roster.sources().files().iter().map(|file| path(file).unwrap_or_default()).collect();
        Ok(Files { main: main.to_owned(), roster, paths })
    }

    /// The roster.
    #[must_use]
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// The number of the file that goes by this name or path, as seen from here or from the folder of the roster.
    #[must_use]
    pub fn number(&self, path: &Path) -> Option<usize> {
        let below = self.below(path);
        self.paths.iter().position(|have| *have == below || have == path)
    }

    fn below(&self, path: &Path) -> PathBuf {
        let folder = self.main.parent().unwrap_or(Path::new(""));
        path.strip_prefix(folder).unwrap_or(path).components().collect()
    }

    /// New text for a file of the roster.
    #[must_use]
    pub fn rewrite(&self, file: usize, new: String) -> Option<Rewrite> {
        let SourceFile { name, text } = self.roster.sources().files().get(file)?.clone();
        let path = self.paths.get(file).filter(|path| !path.as_os_str().is_empty())?.clone();
        Some(Rewrite { file, path, name, old: text, new })
    }

    /// A new file of the roster, if a pattern under `include:` names it.
    #[must_use]
    pub fn create(&self, path: &Path, new: String) -> Option<Rewrite> {
        let below = self.below(path);
        let files = self.roster.sources().files();
        let patterns = files.first().and_then(|main| includes(main).ok()).unwrap_or_default();
        patterns.iter().any(|pattern| names(&pattern.value, &below)).then(|| Rewrite {
            file: files.len(),
            name: one_line(&self.main.with_file_name(&below).to_string_lossy()).into_owned(),
            path: below,
            old: String::new(),
            new,
        })
    }

    /// Is the roster as a whole good with this text?
    ///
    /// # Errors
    /// When it is not: with all that would be wrong.
    pub fn check(&self, rewrites: &[Rewrite]) -> Result<Roster, Box<Refused>> {
        let mut files = self.roster.sources().files().to_vec();
        for Rewrite { file, name, new, .. } in rewrites {
            let source = SourceFile { name: name.clone(), text: new.clone() };
            match files.get_mut(*file) {
                Some(have) => *have = source,
                None => files.push(source),
            }
        }
        let roster = parse(Sources::new(files))?;
        match count(&roster) {
            Ok(_) => Ok(roster),
            Err(clash) => {
                let sources = (**roster.sources()).clone();
                Err(Box::new(Refused { sources, findings: vec![clash.finding()], more: 0 }))
            }
        }
    }

    /// Why a file cannot be changed, at its place.
    #[must_use]
    pub fn located(&self, file: usize, fault: &Fault) -> Refused {
        let Fault { line, why } = fault;
        let sources = (**self.roster.sources()).clone();
        let text = sources.files().get(file).map_or("", |file| file.text.as_str());
        let finding = Finding::new("cannot-edit", place(text, file, *line), why.as_str(), "left as it is")
            .hint("change it in an editor");
        let mut findings = Findings::default();
        findings.push(finding);
        Refused::new(sources, findings)
    }

    /// Writes it.
    ///
    /// # Errors
    /// When the file is another one than was read, or the system says no; then it is as it was.
    pub fn write(&self, rewrite: &Rewrite) -> Result<(), Unwritten> {
        let Rewrite { file, path, name: _, old, new } = rewrite;
        let folder = Folder::of(&self.main)?;
        match *file < self.roster.sources().files().len() {
            true => folder.replace(path, old, new),
            false => folder.create(path, new),
        }
    }
}

/// A line of a text, without the space around what stands on it.
fn place(text: &str, file: usize, line: Option<usize>) -> Span {
    let number = line.unwrap_or(1).max(1);
    let offset = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
    let mut start = 0;
    for (at, line) in text.split_inclusive('\n').enumerate() {
        if at + 1 == number {
            let space = line.len() - line.trim_start_matches([' ', '\u{feff}']).len();
            let column = line[..space].chars().filter(|char| *char == ' ').count();
            return Span {
                file: u16::try_from(file).unwrap_or(u16::MAX),
                line: offset(number),
                column: offset(column + 1),
                start: offset(start + space),
                end: offset(start + line.trim_end().len().max(space)),
            };
        }
        start += line.len();
    }
    Span { file: u16::try_from(file).unwrap_or(u16::MAX), line: 1, column: 1, start: 0, end: 0 }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    const MAIN: &str = "apiVersion: kwo/v1\nkind: Roster\ninclude: ['tenants/*.yaml']\ntenants: {a: {}}\n";

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("tenants")).unwrap();
        fs::write(folder.path().join("roster.yaml"), MAIN).unwrap();
        fs::write(folder.path().join("tenants/b.yaml"), "tenants: {b: {}}\n").unwrap();
        folder
    }

    #[test]
    fn a_file_is_replaced_in_one_move_and_keeps_its_mode() {
        let folder = folder();
        let path = folder.path().join("tenants/b.yaml");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let files = Files::read(&folder.path().join("roster.yaml")).unwrap();
        assert_eq!(files.number(&path), Some(1));
        let rewrite = files.rewrite(1, "tenants: {b: {tier: large}}\n".to_owned()).unwrap();
        files.check(std::slice::from_ref(&rewrite)).unwrap();
        files.write(&rewrite).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), rewrite.new);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o640);
        assert_eq!(folder.path().join("tenants").read_dir().unwrap().count(), 1, "a temporary file is left");
        // It is another one now.
        assert!(matches!(files.write(&rewrite), Err(Unwritten::Changed)));
        fs::remove_file(&path).unwrap();
        symlink("../roster.yaml", &path).unwrap();
        assert!(matches!(files.write(&rewrite), Err(Unwritten::Refused(_))));
        assert_eq!(fs::read_to_string(folder.path().join("roster.yaml")).unwrap(), MAIN);
    }

    #[test]
    fn a_new_file_is_one_that_the_roster_includes_and_takes_the_place_of_none() {
        let folder = folder();
        let files = Files::read(&folder.path().join("roster.yaml")).unwrap();
        let text = "tenants: {c: {}}\n".to_owned();
        for other in ["c.yaml", "tenants/c.txt", "tenants/.c.yaml", "tenants/d/c.yaml"] {
            assert_eq!(files.create(&folder.path().join(other), text.clone()), None, "{other}");
        }
        let rewrite = files.create(&folder.path().join("tenants/c.yaml"), text).unwrap();
        assert_eq!(files.check(std::slice::from_ref(&rewrite)).unwrap().tenants().len(), 3);
        files.write(&rewrite).unwrap();
        assert!(matches!(files.write(&rewrite), Err(Unwritten::Changed)));
        assert_eq!(Files::read(&folder.path().join("roster.yaml")).unwrap().roster().tenants().len(), 3);
    }

    #[test]
    fn a_roster_that_would_not_be_good_is_refused_at_its_place() {
        let folder = folder();
        let files = Files::read(&folder.path().join("roster.yaml")).unwrap();
        let rewrite = files.rewrite(1, "tenants: {b: {tier: none}}\n".to_owned()).unwrap();
        let refused = files.check(&[rewrite]).unwrap_err();
        assert_eq!((refused.findings[0].code, refused.findings[0].at.file), ("unknown-tier", 1));
        let refused = files.located(1, &Fault::at(1, "it is so"));
        assert_eq!(refused.sources.line(refused.findings[0].at), "tenants: {b: {}}");
    }
}
