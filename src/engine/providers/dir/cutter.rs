//! How a manifest leaves a directory, and how it comes back: its file moves to `.kwo.cut`, under a name that nobody who applies
//! the directory reads, and back again, byte for byte. If the rest of a file stays, `.kwo.cut` keeps it as it was before.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use kwo_planner::observed::{Place, Version};
use kwo_planner::offboard::{Cut, Removal};
use kwo_planner::plain::utf8;
use kwo_planner::resource::{Desired, ResourceId};

use super::directory::Dir;
use super::{observe, parts, versioned_text};
use crate::departed::Departed;
use crate::marks::{Marks, Milestone};
use crate::providers::atomic_file::{Astray, inside, replace, settle};
use crate::providers::{Cutter, Promise, Records, Refusal, Restored, VersionedText, Whole, manifest};
use crate::regular;

/// The folder of what was cut.
pub(super) const CUT: &str = ".kwo.cut";

/// What the names of records begin with.
const RECORDS: &str = ".kwo.offboard-";

const FOLDERS: u32 = 0o700;

impl Cutter for Dir {
    fn whole<'a>(&'a self, id: &'a ResourceId) -> Promise<'a, Result<Option<Whole>, Refusal>> {
        Box::pin(async move {
            let Some(Found { file, bytes, alone: _ }) = found(self.path(), id)? else { return Ok(None) };
            let text = text(&bytes)?;
            let object = parts::object(text, id).map_err(|why| by_hand(&file, &why))?;
            Ok(Some(Whole { object, version: version(&bytes), doubt: None }))
        })
    }

    fn cut<'a>(&'a self, cut: &'a Cut) -> Promise<'a, Result<(), Refusal>> {
        Box::pin(async move {
            let Some(Found { file, bytes, alone }) = found(self.path(), cut.id())? else { return Ok(()) };
            if version(&bytes) != *cut.seen() {
                return Err(Refusal::Changed { why: format!("{} has other content now", file.display()) });
            }
            if alone && cut.parts().is_empty() {
                return moved(self.path(), &file, &before(&file, cut));
            }
            let rest = parts::without(text(&bytes)?, cut).map_err(|why| by_hand(&file, &why))?;
            let before =
                inside(self.path(), &before(&file, cut), Some(FOLDERS)).map_err(|astray| said(&astray))?;
            let failed = |error: std::io::Error| refused(format!("{}: {error}", before.display()));
            replace(&before, &bytes, None).map_err(failed)?;
            put(self.path(), &file, &rest)
        })
    }

    fn restore<'a>(&'a self, cut: &'a Cut) -> Promise<'a, Result<Restored, Refusal>> {
        Box::pin(async move {
            if let Some((file, bytes)) = kept(self.path(), cut)? {
                let path = inside(self.path(), &file, None).map_err(|astray| said(&astray))?;
                let now = match regular::read(&path) {
                    Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
                    now => now.map_err(|error| refused(format!("{}: {error}", path.display())))?,
                };
                if cut.parts().is_empty() && found(self.path(), cut.id())?.is_some() {
                    return Ok(Restored::Back);
                }
                let alone = || text(&bytes).is_ok_and(|text| observe::documents(text) == 1);
                if cut.parts().is_empty() && now.is_empty() && alone() {
                    return moved(self.path(), &before(&file, cut), &file).map(|()| Restored::Back);
                }
                let all = parts::with(text(&now)?, text(&bytes)?, cut).map_err(|why| by_hand(&file, &why))?;
                return put(self.path(), &file, &all).map(|()| Restored::Back);
            }
            if found(self.path(), cut.id())?.is_some() {
                return Ok(Restored::Back);
            }
            let Some(file) = stored(self.path(), cut)? else {
                return Err(refused(format!("{CUT} does not hold {} as it was", cut.id())));
            };
            moved(self.path(), &Path::new(CUT).join(&file), &file).map(|()| Restored::Back)
        })
    }

    fn remove<'a>(&'a self, removal: &'a Removal) -> Promise<'a, Result<(), Refusal>> {
        Box::pin(async move {
            let found = removal.found();
            let path =
                inside(self.path(), Path::new(found.path.as_str()), None).map_err(|astray| said(&astray))?;
            match regular::read(&path) {
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
                Err(error) => Err(refused(format!("{}: {error}", path.display()))),
                Ok(bytes) if version(&bytes) != found.seen => {
                    Err(Refusal::Changed { why: format!("{} has other content now", path.display()) })
                }
                Ok(_) => fs::remove_file(&path)
                    .and_then(|()| settle(&path))
                    .map_err(|error| refused(format!("{}: {error}", path.display()))),
            }
        })
    }
}

impl Records for Dir {
    fn record<'a>(&'a self, name: &'a str) -> Promise<'a, Result<Option<VersionedText>, Refusal>> {
        Box::pin(async move { load(self.path(), name) })
    }

    // Nobody destroys what is in a directory, so nothing counts from a date.
    fn mark<'a>(&'a self, _: &'a str, _: Milestone, _: u64) -> Promise<'a, Result<(), Refusal>> {
        Box::pin(async { Ok(()) })
    }

    fn marks<'a>(&'a self, _: &'a str) -> Promise<'a, Result<Marks, Refusal>> {
        Box::pin(async { Ok(Marks::default()) })
    }

    fn keep<'a>(
        &'a self,
        name: &'a str,
        (text, _): (&'a str, &'a Departed),
        seen: Option<&'a VersionedText>,
    ) -> Promise<'a, Result<VersionedText, Refusal>> {
        Box::pin(async move {
            let (older, now) = (older(name), place(name));
            // Of two that differ it says no.
            load(self.path(), name)?;
            if versioned_text::load(self.path(), &older)?.is_some() {
                moved(self.path(), Path::new(&older), Path::new(&now))?;
            }
            versioned_text::save(self.path(), &now, text, seen)
        })
    }
}

/// The file of the record of somebody who left. Whoever applies the directory takes each file that ends as a manifest does, also
/// a hidden one, and a record is none.
fn place(name: &str) -> String {
    format!("{RECORDS}{name}")
}

/// Where an older kwo kept it.
fn older(name: &str) -> String {
    format!("{RECORDS}{name}.json")
}

/// The record, under either name. A run that was killed leaves both names to one text.
fn load(root: &Path, name: &str) -> Result<Option<VersionedText>, Refusal> {
    let (older, now) = (older(name), place(name));
    match (versioned_text::load(root, &now)?, versioned_text::load(root, &older)?) {
        (Some(new), Some(old)) if new != old => Err(refused(format!(
            "{now} and {older} are two records of one offboarding; an older kwo wrote one of them: look at both, and move the wrong one away"
        ))),
        (new, old) => Ok(new.or(old)),
    }
}

/// The file that holds an object, from the directory on.
struct Found {
    file: PathBuf,
    bytes: Vec<u8>,
    /// It holds nothing else.
    alone: bool,
}

fn found(root: &Path, id: &ResourceId) -> Result<Option<Found>, Refusal> {
    let observed = observe::observe(root, &Desired::default());
    let (path, alone) = match observed.reach.places.get(id) {
        None => return Ok(None),
        Some(Place::Among(file)) => (PathBuf::from(file.as_str()), false),
        Some(Place::Alone(file)) => (PathBuf::from(file.as_str()), true),
    };
    let base = root.canonicalize().map_err(|error| refused(error.to_string()))?;
    let absolute = std::path::absolute(root).map_err(|error| refused(error.to_string()))?;
    let file = path.strip_prefix(&base).or_else(|_| path.strip_prefix(&absolute));
    let file = file.map_err(|_| refused(format!("{} is not in the directory", path.display())))?.to_owned();
    let path = inside(root, &file, None).map_err(|astray| said(&astray))?;
    let bytes = regular::read(&path).map_err(|error| refused(format!("{}: {error}", path.display())))?;
    Ok(Some(Found { file, bytes, alone }))
}

/// Where a file is kept as it was before it, or a part of it, was cut.
fn before(file: &Path, cut: &Cut) -> PathBuf {
    let version: String = cut.seen().0.chars().filter(char::is_ascii_alphanumeric).collect();
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    Path::new(CUT).join(file).with_file_name(format!("{name}.{version}"))
}

/// The file that a part was cut from, and its bytes before that, in the very state in which it was cut.
fn kept(root: &Path, cut: &Cut) -> Result<Option<(PathBuf, Vec<u8>)>, Refusal> {
    let version_of: String = cut.seen().0.chars().filter(char::is_ascii_alphanumeric).collect();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(root.join(CUT).join(&folder)) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            entries => entries.map_err(|error| refused(format!("{CUT}: {error}")))?,
        };
        for entry in entries {
            let entry = entry.map_err(|error| refused(format!("{CUT}: {error}")))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.file_type().is_ok_and(|of| of.is_dir()) {
                folders.push(folder.join(&name));
            }
            let Some(own) = name.strip_suffix(&version_of).and_then(|name| name.strip_suffix('.')) else {
                continue;
            };
            let bytes = regular::read(&entry.path()).map_err(|error| refused(format!("{CUT}: {error}")))?;
            let holds = text(&bytes).is_ok_and(|text| parts::object(text, cut.id()).is_ok());
            if version(&bytes) == *cut.seen() && holds {
                return Ok(Some((folder.join(own), bytes)));
            }
        }
    }
    Ok(None)
}

/// Puts a text in the place of a file, for whoever could read that.
fn put(root: &Path, file: &Path, text: &str) -> Result<(), Refusal> {
    let path = inside(root, file, Some(FOLDERS)).map_err(|astray| said(&astray))?;
    let mode = fs::metadata(&path).ok().map(|found| found.permissions());
    replace(&path, text, mode).map_err(|error| refused(format!("{}: {error}", path.display())))
}

fn text(bytes: &[u8]) -> Result<&str, Refusal> {
    utf8(bytes).map_err(refused)
}

/// Where an older kwo put what was cut, in the very state in which it was cut.
fn stored(root: &Path, cut: &Cut) -> Result<Option<PathBuf>, Refusal> {
    let store = root.join(CUT);
    let observed = observe::observe(&store, &Desired::default());
    let Some(Place::Alone(file)) = observed.reach.places.get(cut.id()) else { return Ok(None) };
    let bytes = regular::read(Path::new(file.as_str())).map_err(|error| refused(error.to_string()))?;
    let file = Path::new(file.as_str());
    let bases = [store.canonicalize(), std::path::absolute(&store)];
    let inner = bases.iter().flatten().find_map(|base| file.strip_prefix(base).ok());
    Ok(inner.filter(|_| version(&bytes) == *cut.seen()).map(Path::to_owned))
}

/// Moves a file, never over another one.
fn moved(root: &Path, from: &Path, to: &Path) -> Result<(), Refusal> {
    let at = |file: &Path, make| inside(root, file, make).map_err(|astray| said(&astray));
    let from = at(from, None)?;
    let to = at(to, Some(FOLDERS))?;
    let failed = |error: std::io::Error| refused(format!("{}: {error}", to.display()));
    match fs::hard_link(&from, &to) {
        // A run was killed between the two: both names are one file then.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let same = fs::read(&from).map_err(failed)? == fs::read(&to).map_err(failed)?;
            if !same {
                // An earlier cut of the same object: the newest one counts, the older one keeps its bytes.
                let kept = to.with_extension(format!("{}.before", Timestamp::now().as_second()));
                fs::rename(&to, kept).map_err(failed)?;
                fs::hard_link(&from, &to).map_err(failed)?;
            }
        }
        linked => linked.map_err(failed)?,
    }
    settle(&to).map_err(failed)?;
    fs::remove_file(&from).and_then(|()| settle(&from)).map_err(failed)
}

fn version(bytes: &[u8]) -> Version {
    Version(manifest::version(bytes).into())
}

fn by_hand(file: &Path, why: &str) -> Refusal {
    refused(format!("{}: {why}, so a person has to edit it", file.display()))
}

fn said(astray: &Astray) -> Refusal {
    refused(astray.to_string())
}

fn refused(why: impl Into<String>) -> Refusal {
    Refusal::Refused { why: why.into() }
}
