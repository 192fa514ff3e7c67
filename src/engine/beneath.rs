//! Files beneath a folder that strangers may have filled: opened part by part from the folder itself and through no link,
//! so that what is read lies there, whatever is moved about meanwhile. Only regular files are read, and no more of them
//! than asked for. New text takes the place of old in one move. Which files those are is decided in `source.rs`.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{File, Permissions};
use std::io::{self, Read as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::{Component, Path, PathBuf};

use glob::{MatchOptions, Pattern, PatternError};
use kwo_planner::plain::one_line;
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, fstat, openat, statat};
use rustix::io::Errno;

use crate::providers::{settle, temporary};

/// How many files and folders are looked at for the patterns of one roster.
const MOST_ENTRIES: usize = 100_000;
/// How deep folders are looked into.
const DEEPEST: usize = 32;

/// Why a file beneath a folder is not read.
#[derive(Debug)]
pub(crate) enum Astray {
    /// This is a link.
    Link(PathBuf),
    /// This is a folder, a device, a pipe or a socket.
    Special(PathBuf),
    /// The system said no.
    Io(io::Error),
    /// Nobody looks at so many files.
    TooMany,
    /// No pattern.
    Pattern(PatternError),
}

impl From<Errno> for Astray {
    fn from(error: Errno) -> Astray {
        Astray::Io(error.into())
    }
}

impl std::fmt::Display for Astray {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let plain = |path: &PathBuf| one_line(&path.to_string_lossy()).into_owned();
        match self {
            Astray::Link(path) => write!(out, "{} is a link", plain(path)),
            Astray::Special(path) => write!(out, "{} is not a regular file", plain(path)),
            Astray::Io(error) => error.fmt(out),
            Astray::TooMany => write!(out, "there are over {MOST_ENTRIES} files and folders to look at"),
            Astray::Pattern(error) => error.fmt(out),
        }
    }
}

/// A folder that is held open.
pub(crate) struct Folder {
    opened: OwnedFd,
    /// How many more entries are looked at.
    left: usize,
}

/// A regular file that is held open.
pub(crate) struct Opened {
    file: File,
    /// Which file it is, under whatever name.
    pub identity: (u64, u64),
    /// Its length as it was opened.
    pub size: u64,
}

impl Folder {
    /// The folder of a file that a person named. What lies below the folder in which kwo runs may be a stranger's
    /// checkout, and is reached through no link; a path that begins elsewhere is the person's own.
    pub(crate) fn of(file: &Path) -> Result<Folder, Astray> {
        let parent = file.parent().unwrap_or(Path::new(""));
        let here = std::env::current_dir().ok();
        let below = here.and_then(|here| parent.strip_prefix(here).ok()).unwrap_or(parent);
        let plain = |part| matches!(part, Component::Normal(_) | Component::CurDir);
        let folder = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = if below.components().all(plain) {
            let here = openat(CWD, ".", folder, Mode::empty())?;
            descend(here, below)?
        } else {
            openat(CWD, parent, folder, Mode::empty())?
        };
        Ok(Folder { opened, left: MOST_ENTRIES })
    }

    /// The file with this path below the folder.
    pub(crate) fn open(&self, path: &Path) -> Result<Opened, Astray> {
        let name = path.file_name().ok_or_else(|| Astray::Special(path.to_owned()))?;
        let start = openat(&self.opened, ".", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        let folder = descend(start, path.parent().unwrap_or(Path::new("")))?;
        // To open a device can have effects, so it is looked at before; what counts is what was opened.
        kind(&folder, name, path)?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let opened = match openat(&folder, name, flags, Mode::empty()) {
            Err(Errno::LOOP) => return Err(Astray::Link(path.to_owned())),
            opened => opened?,
        };
        let found = fstat(&opened)?;
        if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
            return Err(Astray::Special(path.to_owned()));
        }
        let size = u64::try_from(found.st_size).unwrap_or(u64::MAX);
        Ok(Opened { file: opened.into(), identity: (found.st_dev, found.st_ino), size })
    }

    /// The paths below the folder that a pattern names, in one order everywhere. As in a shell, `*` stands for no name
    /// that begins with a dot. `**` goes through no link; a link that a pattern names is given, and cannot be opened.
    pub(crate) fn find(&mut self, pattern: &str) -> Result<BTreeSet<PathBuf>, Astray> {
        let parts = parts(pattern).map_err(Astray::Pattern)?;
        let mut found = BTreeSet::new();
        let start = openat(&self.opened, ".", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        self.look(&start, Path::new(""), &parts, &reached(&parts, [0]), &mut found)?;
        Ok(found)
    }

    /// Looks into one folder, of which these parts of a pattern may name something.
    fn look(
        &mut self,
        folder: &OwnedFd,
        path: &Path,
        parts: &[Part<'_>],
        wanted: &BTreeSet<usize>,
        found: &mut BTreeSet<PathBuf>,
    ) -> Result<(), Astray> {
        if path.components().count() > DEEPEST {
            return Ok(());
        }
        let named = |at: &usize| match parts.get(*at) {
            Some(Part::Name(name)) => Some(*name),
            None => Some(""),
            Some(Part::Like(_) | Part::Deep) => None,
        };
        // Where all parts are names, nothing has to be listed.
        let names = match wanted.iter().map(named).collect::<Option<Vec<_>>>() {
            Some(names) => names.into_iter().filter(|name| !name.is_empty()).map(Into::into).collect(),
            None => self.list(folder)?,
        };
        for name in names {
            let text = name.to_str().unwrap_or("\u{fffd}");
            let next = next(parts, wanted, text);
            let then = reached(parts, next.iter().map(|(at, _)| *at));
            if then.is_empty() {
                continue;
            }
            let here = path.join(&name);
            let file = match statat(folder, &name, AtFlags::SYMLINK_NOFOLLOW) {
                // It may have gone meanwhile.
                Err(Errno::NOENT) => continue,
                found => FileType::from_raw_mode(found?.st_mode),
            };
            match file {
                FileType::Directory => {
                    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                    let opened = openat(folder, &name, flags, Mode::empty())?;
                    self.look(&opened, &here, parts, &then, found)?;
                }
                FileType::Symlink if !then.contains(&parts.len()) && next.iter().any(|(_, deep)| !deep) => {
                    return Err(Astray::Link(here));
                }
                _ if then.contains(&parts.len()) => {
                    found.insert(here);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// What a folder holds.
    fn list(&mut self, folder: &OwnedFd) -> Result<Vec<std::ffi::OsString>, Astray> {
        use std::os::unix::ffi::OsStrExt as _;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mut names = Vec::new();
        for entry in Dir::new(openat(folder, ".", flags, Mode::empty())?)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            self.left = self.left.checked_sub(1).ok_or(Astray::TooMany)?;
            names.push(OsStr::from_bytes(name).to_owned());
        }
        Ok(names)
    }
}

impl Folder {
    /// The text in place of the old one in the file with this path below the folder, in one move. Its mode and its owner
    /// stay; a file in which anything else stands than the old text is left as it is.
    pub(crate) fn replace(&self, path: &Path, old: &str, new: &str) -> Result<(), Unwritten> {
        let same = || -> Result<Opened, Unwritten> {
            let opened = self.open(path)?;
            let identity = opened.identity;
            let bytes = self.open(path)?.read(old.len())?;
            if bytes != old.as_bytes() { Err(Unwritten::Changed) } else { Ok(Opened { identity, ..opened }) }
        };
        let before = same()?;
        let found = before.file.metadata()?;
        let place = self.place(path)?;
        let made = temporary(&place.1, new, Some(Permissions::from_mode(found.mode() & 0o7777)))?;
        let own = made.as_file().metadata()?;
        if (own.uid(), own.gid()) != (found.uid(), found.gid()) {
            fchown(made.as_file(), Some(found.uid()), Some(found.gid()))?;
            made.as_file().set_permissions(found.permissions())?;
        }
        if same()?.identity != before.identity {
            return Err(Unwritten::Changed);
        }
        made.persist(&place.1).map_err(|error| error.error)?;
        Ok(settle(&place.1)?)
    }

    /// A new file with this path below the folder.
    pub(crate) fn create(&self, path: &Path, text: &str) -> Result<(), Unwritten> {
        let place = self.place(path)?;
        let made = temporary(&place.1, text, None)?;
        match made.persist_noclobber(&place.1).map_err(|error| error.error) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(Unwritten::Changed),
            made => Ok(made.map(|_| ()).and_then(|()| settle(&place.1))?),
        }
    }

    /// The folder of a file, held open, and the path of the file by way of it, whoever moves what about meanwhile.
    fn place(&self, path: &Path) -> Result<(OwnedFd, PathBuf), Unwritten> {
        let name = path.file_name().ok_or_else(|| Astray::Special(path.to_owned()))?;
        let start =
            openat(&self.opened, ".", OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).map_err(Astray::from)?;
        let folder = descend(start, path.parent().unwrap_or(Path::new("")))?;
        let held = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())).join(name);
        Ok((folder, held))
    }
}

/// Does the pattern name a file with this path, if there is one?
pub(crate) fn names(pattern: &str, path: &Path) -> bool {
    let Ok(parts) = parts(pattern) else { return false };
    let mut wanted = reached(&parts, [0]);
    for name in path.components() {
        let Component::Normal(name) = name else { return false };
        let text = name.to_str().unwrap_or("\u{fffd}");
        wanted = reached(&parts, next(&parts, &wanted, text).into_iter().map(|(at, _)| at));
    }
    wanted.contains(&parts.len())
}

/// Why a file was not written.
#[derive(Debug)]
pub enum Unwritten {
    /// Somebody has changed it meanwhile.
    Changed,
    /// It cannot be written: why.
    Refused(String),
}

impl From<Astray> for Unwritten {
    fn from(astray: Astray) -> Unwritten {
        Unwritten::Refused(astray.to_string())
    }
}

impl From<io::Error> for Unwritten {
    fn from(error: io::Error) -> Unwritten {
        Unwritten::Refused(error.to_string())
    }
}

impl std::fmt::Display for Unwritten {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Unwritten::Changed => out.write_str("somebody has changed it meanwhile"),
            Unwritten::Refused(why) => out.write_str(why),
        }
    }
}

impl Opened {
    /// What is in it, and at most one byte more than this many.
    pub(crate) fn read(self, most: usize) -> io::Result<Vec<u8>> {
        bounded(self.file, most)
    }
}

/// All that can be read, and at most one byte more than this many.
pub(crate) fn bounded(file: impl io::Read, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(most as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// One part of a pattern, between two `/`.
enum Part<'p> {
    Name(&'p str),
    Like(Pattern),
    Deep,
}

impl Part<'_> {
    fn is(&self, name: &str) -> bool {
        let options = MatchOptions { require_literal_leading_dot: true, ..MatchOptions::new() };
        match self {
            Part::Name(wanted) => *wanted == name,
            Part::Like(pattern) => pattern.matches_with(name, options),
            Part::Deep => false,
        }
    }
}

/// The parts of a pattern.
fn parts(pattern: &str) -> Result<Vec<Part<'_>>, PatternError> {
    let parts = pattern.split('/').filter(|part| !matches!(*part, "" | "."));
    let parts = parts.map(|part| match part {
        "**" => Ok(Part::Deep),
        part if part.contains(['*', '?', '[']) => Pattern::new(part).map(Part::Like),
        part => Ok(Part::Name(part)),
    });
    parts.collect()
}

/// The parts that this name may lead on to, and whether it was one of the folders that `**` stands for.
fn next(parts: &[Part<'_>], wanted: &BTreeSet<usize>, name: &str) -> Vec<(usize, bool)> {
    let next = wanted.iter().filter_map(|at| match parts.get(*at)? {
        Part::Deep => (!name.starts_with('.')).then_some((*at, true)),
        part => part.is(name).then_some((at + 1, false)),
    });
    next.collect()
}

/// The parts that can come next: `**` also stands for no folder at all.
fn reached(parts: &[Part<'_>], from: impl IntoIterator<Item = usize>) -> BTreeSet<usize> {
    let mut all: BTreeSet<usize> = from.into_iter().collect();
    for (at, part) in parts.iter().enumerate() {
        if all.contains(&at) && matches!(part, Part::Deep) {
            all.insert(at + 1);
        }
    }
    all
}

/// The folder below another one, through no link.
fn descend(mut folder: OwnedFd, path: &Path) -> Result<OwnedFd, Astray> {
    let mut walked = PathBuf::new();
    for part in path.components() {
        let part = match part {
            Component::Normal(part) => part,
            Component::CurDir => continue,
            _ => return Err(Astray::Special(path.to_owned())),
        };
        walked.push(part);
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        folder = match openat(&folder, part, flags, Mode::empty()) {
            Err(Errno::NOTDIR | Errno::LOOP) => {
                kind(&folder, part, &walked)?;
                return Err(Astray::Special(walked));
            }
            opened => opened?,
        };
    }
    Ok(folder)
}

/// Says no to everything but a regular file.
fn kind(folder: &OwnedFd, name: &OsStr, path: &Path) -> Result<(), Astray> {
    match FileType::from_raw_mode(statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode) {
        FileType::RegularFile => Ok(()),
        FileType::Symlink => Err(Astray::Link(path.to_owned())),
        _ => Err(Astray::Special(path.to_owned())),
    }
}
