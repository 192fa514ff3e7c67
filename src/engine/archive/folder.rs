//! A folder as a tar that goes by as a stream. Strangers fill the folder while it is read: everything is opened from the
//! folder itself and through no link, and what changes meanwhile ends the stream with an error, so that no half of it counts.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use kwo_planner::plain::one_line;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, fstat, open, openat, readlinkat, statat};
use tar::{EntryType, Header};

use super::limits;

/// How deep folders are looked into.
const DEEPEST: usize = 200;
/// How many pieces wait to be read, and how long one is.
const WAITING: usize = 4;
const PIECE: usize = 1 << 20;

/// Where the paths in the tar begin. A long one is cut to its first bytes that are text, and these are some.
const TOP: &str = "./";
/// How much the files of a volume may be together: an archive has no place for more.
const MOST: u64 = limits::PARTS as u64 * limits::PART;

/// The folder as a tar, with itself as the first entry. It holds folders, regular files and links; sockets, pipes and devices
/// have no content, and are left out. A file with several names is in it once, and the other names lead to it.
///
/// # Errors
/// When it cannot be opened.
pub fn tarred(folder: &Path) -> io::Result<impl Read + Send + 'static> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = open(folder, flags, Mode::empty())?;
    let (sender, pieces) = sync_channel(WAITING);
    let writer = thread::Builder::new().name("volume".to_owned());
    writer.spawn(move || {
        let end = sender.clone();
        let whole = written(&opened, sender);
        // Only what says that it is the end is the end. Whoever no longer listens needs none.
        let _ = end.send(whole.map(|()| Vec::new()));
    })?;
    Ok(Stream { pieces, now: Vec::new(), at: 0, ended: false })
}

struct Stream {
    pieces: Receiver<io::Result<Vec<u8>>>,
    now: Vec<u8>,
    at: usize,
    ended: bool,
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.now.len() && !self.ended {
            self.now = self.pieces.recv().map_err(|_| io::Error::other("it was broken off"))??;
            self.at = 0;
            self.ended = self.now.is_empty();
        }
        let rest = self.now.get(self.at..).unwrap_or_default();
        let much = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..much), rest.get(..much)) {
            to.copy_from_slice(from);
        }
        self.at += much;
        Ok(much)
    }
}

/// Sends what is written in pieces, none of them empty.
struct Pieces {
    to: SyncSender<io::Result<Vec<u8>>>,
    now: Vec<u8>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.now.extend_from_slice(bytes);
        if self.now.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.now.is_empty() {
            return Ok(());
        }
        let piece = std::mem::take(&mut self.now);
        self.to.send(Ok(piece)).map_err(|_| io::Error::other("nobody reads it any more"))
    }
}

fn written(folder: &OwnedFd, to: SyncSender<io::Result<Vec<u8>>>) -> io::Result<()> {
    let mut tar = tar::Builder::new(Pieces { to, now: Vec::new() });
    let top = fstat(folder)?;
    tar.append_data(&mut header(&top, EntryType::Directory, 0), TOP, io::empty())?;
    let mut seen = Seen { device: top.st_dev, size: 0, named: HashMap::new() };
    inside(&mut tar, folder, Path::new(TOP), &mut seen)?;
    tar.into_inner()?.flush()
}

/// What was met on the way.
struct Seen {
    /// The file system that all of it lies on.
    device: u64,
    /// How much the files were together.
    size: u64,
    /// The files with several names, with the first of them.
    named: HashMap<u64, (Stat, PathBuf)>,
}

fn inside(tar: &mut tar::Builder<Pieces>, folder: &OwnedFd, path: &Path, seen: &mut Seen) -> io::Result<()> {
    if path.components().count() > DEEPEST {
        return Err(at(path, "it lies too deep"));
    }
    let before = fstat(folder)?;
    for name in names(folder)? {
        let here = path.join(&name);
        let told = |error: io::Error| at(&here, &error.to_string());
        let found = statat(folder, &name, AtFlags::SYMLINK_NOFOLLOW).map_err(|error| told(error.into()))?;
        if found.st_dev != seen.device {
            return Err(at(&here, "another file system is mounted there"));
        }
        match FileType::from_raw_mode(found.st_mode) {
            FileType::Directory => {
                let below = entered(folder, &name, OFlags::DIRECTORY).map_err(told)?;
                same(&found, &fstat(&below)?).map_err(told)?;
                tar.append_data(&mut header(&found, EntryType::Directory, 0), &here, io::empty())?;
                inside(tar, &below, &here, seen)?;
            }
            FileType::RegularFile => {
                if let Some((first, name)) = seen.named.get(&found.st_ino) {
                    same(first, &found).map_err(told)?;
                    tar.append_link(&mut header(&found, EntryType::Link, 0), &here, name).map_err(told)?;
                    continue;
                }
                let file = entered(folder, &name, OFlags::NONBLOCK | OFlags::NOCTTY).map_err(told)?;
                let opened = fstat(&file)?;
                same(&found, &opened).map_err(told)?;
                let size = u64::try_from(opened.st_size).unwrap_or_default();
                seen.size = seen.size.saturating_add(size);
                if seen.size > MOST {
                    return Err(at(&here, &format!("with it there are more than {MOST} bytes")));
                }
                let mut file = File::from(file);
                let mut exact = Exact { from: &mut file, left: size };
                tar.append_data(&mut header(&opened, EntryType::Regular, size), &here, &mut exact)
                    .map_err(told)?;
                same(&opened, &fstat(&file)?).map_err(told)?;
                if opened.st_nlink > 1 {
                    seen.named.insert(opened.st_ino, (opened, here));
                }
            }
            FileType::Symlink => {
                let to = readlinkat(folder, &name, Vec::new()).map_err(|error| told(error.into()))?;
                let to = OsStr::from_bytes(to.as_bytes());
                tar.append_link(&mut header(&found, EntryType::Symlink, 0), &here, to).map_err(told)?;
            }
            // What goes by there is nobody's to keep.
            _ => {}
        }
    }
    same(&before, &fstat(folder)?).map_err(|error| at(path, &error.to_string()))
}

/// What a folder holds, in one order everywhere.
fn names(folder: &OwnedFd) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if !matches!(name, b"." | b"..") {
            names.push(OsStr::from_bytes(name).to_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn entered(folder: &OwnedFd, name: &OsStr, more: OFlags) -> io::Result<OwnedFd> {
    Ok(openat(folder, name, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | more, Mode::empty())?)
}

/// Is it still what it was?
fn same(before: &Stat, now: &Stat) -> io::Result<()> {
    let key = |stat: &Stat| {
        let times = (stat.st_mtime, stat.st_mtime_nsec, stat.st_ctime, stat.st_ctime_nsec);
        (stat.st_dev, stat.st_ino, stat.st_mode, stat.st_size, times)
    };
    if key(before) == key(now) { Ok(()) } else { Err(io::Error::other("it changed while it was read")) }
}

fn header(stat: &Stat, of: EntryType, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(of);
    header.set_size(size);
    header.set_mode(stat.st_mode & 0o7777);
    header.set_uid(stat.st_uid.into());
    header.set_gid(stat.st_gid.into());
    header.set_mtime(u64::try_from(stat.st_mtime).unwrap_or_default());
    header
}

fn at(path: &Path, why: &str) -> io::Error {
    let path: PathBuf = Path::new("/").join(path.strip_prefix(TOP).unwrap_or(path));
    io::Error::other(format!("{}: {why}", one_line(&path.to_string_lossy())))
}

/// A reader of so many bytes; fewer are an error, for a tar would fill them up with others.
struct Exact<'f> {
    from: &'f mut File,
    left: u64,
}

impl Read for Exact<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.from.read(buffer.get_mut(..most).unwrap_or_default())?;
        if read == 0 && most > 0 {
            return Err(io::Error::other("it became shorter while it was read"));
        }
        self.left -= read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::os::unix::net::UnixListener;

    use rustix::fs::{CWD, mknodat};

    use super::*;

    fn read(folder: &Path) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        tarred(folder)?.read_to_end(&mut all).map(|_| all)
    }

    #[test]
    fn it_holds_what_lies_there_and_nothing_that_a_link_leads_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let long = "x".repeat(90);
        std::fs::create_dir_all(path(&format!("{long}/{long}"))).unwrap();
        std::fs::write(path(&format!("{long}/{long}/deep")), "deep").unwrap();
        std::fs::write(path("large"), vec![7; 3 * PIECE + 5]).unwrap();
        std::fs::write(path("secret"), "s").unwrap();
        std::fs::set_permissions(path("secret"), std::fs::Permissions::from_mode(0o600)).unwrap();
        symlink("/etc", path("out")).unwrap();
        symlink("/etc/passwd", path("passwd")).unwrap();
        mknodat(CWD, path("pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let _socket = UnixListener::bind(path("socket")).unwrap();
        std::fs::hard_link(path("large"), path("second")).unwrap();
        let cut = OsStr::from_bytes(&[0xff; 120]);
        std::fs::write(folder.path().join(cut), "no text").unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o750)).unwrap();
        let bytes = read(folder.path()).unwrap();
        assert_eq!(bytes, read(folder.path()).unwrap(), "in one order");
        let mut found = BTreeMap::new();
        for entry in tar::Archive::new(bytes.as_slice()).entries().unwrap() {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().into_owned();
            let name = name.strip_prefix(TOP).unwrap_or(&name).to_owned();
            let to = entry.link_name().unwrap().map(|to| to.into_owned());
            let mode = entry.header().mode().unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            found.insert(name, (entry.header().entry_type(), content, mode, to));
        }
        let names: Vec<&Path> = found.keys().map(PathBuf::as_path).collect();
        let deep = [long.clone(), format!("{long}/{long}"), format!("{long}/{long}/deep")];
        let mut all: Vec<&Path> = ["", "large", "out", "passwd", "second", "secret"].map(Path::new).to_vec();
        all.extend(deep.iter().map(Path::new));
        all.push(Path::new(cut));
        assert_eq!(names, all);
        let of = |name: &str| &found[Path::new(name)];
        assert_eq!((of("").0, of("").2), (EntryType::Directory, 0o750));
        assert_eq!(of("large").1, vec![7; 3 * PIECE + 5]);
        // One file, and so it comes back as one.
        assert_eq!(
            (of("second").0, of("second").3.as_deref()),
            (EntryType::Link, Some(Path::new("./large")))
        );
        assert_eq!(
            (of(&deep[2]).1.as_slice(), found[Path::new(cut)].1.as_slice()),
            (&b"deep"[..], &b"no text"[..])
        );
        assert_eq!(of("secret").2, 0o600);
        assert_eq!((of("out").0, of("passwd").0), (EntryType::Symlink, EntryType::Symlink));
    }

    #[test]
    fn what_no_archive_has_a_place_for_is_not_even_read() {
        let folder = tempfile::tempdir().unwrap();
        // Nothing of it is on the disk.
        File::create(folder.path().join("hole")).unwrap().set_len(MOST + 1).unwrap();
        let why = read(folder.path()).unwrap_err().to_string();
        assert_eq!(why, format!("/hole: with it there are more than {MOST} bytes"));
    }

    #[test]
    fn what_changes_meanwhile_is_no_archive() {
        let folder = tempfile::tempdir().unwrap();
        let large = folder.path().join("large");
        for change in ["grows", "shrinks", "comes"] {
            std::fs::write(&large, vec![7; 20 * PIECE]).unwrap();
            let mut stream = tarred(folder.path()).unwrap();
            let mut first = [0; 512];
            stream.read_exact(&mut first).unwrap();
            match change {
                "grows" => File::options().append(true).open(&large).unwrap().write_all(b"more").unwrap(),
                "shrinks" => File::options().write(true).open(&large).unwrap().set_len(9).unwrap(),
                _ => std::fs::write(folder.path().join("another"), "").unwrap(),
            }
            let why = stream.read_to_end(&mut Vec::new()).unwrap_err().to_string();
            assert!(why.contains("while it was read"), "{change}: {why}");
            assert!(change == "comes" || why.starts_with("/large: "), "{why}");
        }
        symlink("/etc", folder.path().join("link")).unwrap();
        assert!(tarred(&folder.path().join("link")).is_err());
    }
}
