//! Opens regular files in places where somebody else may have put a pipe, a socket or a device. Refuses those at
//! once, and never waits for one. `/dev/stdin` and similar paths are safe, because nobody else can make them.

use std::fs::{self, File, FileType, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;

use kwo_planner::plain::utf8;
use rustix::fs::OFlags;
use rustix::io::Errno;

/// Opens a file to be read.
pub fn open(path: &Path) -> io::Result<File> {
    let systems = ["/dev", "/dev/fd", "/proc/self/fd"];
    if path.parent().is_some_and(|folder| systems.iter().any(|own| folder == Path::new(own))) {
        return File::open(path);
    }
    // To open a device can have effects, so it is looked at before; what counts is what was opened.
    file(fs::metadata(path)?.file_type())?;
    opened(OpenOptions::new().read(true).custom_flags(flags(OFlags::NONBLOCK | OFlags::NOCTTY)), path)
}

/// All that is in a file.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// All that is in a file of text.
pub fn text(path: &Path) -> io::Result<String> {
    let bytes = read(path)?;
    utf8(&bytes).map(str::to_owned).map_err(|why| io::Error::new(io::ErrorKind::InvalidData, why))
}

/// Opens a file that runs lock, and makes it where it is missing. No link is followed.
pub fn open_lock(path: &Path) -> io::Result<File> {
    lock(path, 0o666)
}

/// The same, and one that is made is nobody else's to open: who can open a file can lock it.
pub fn open_own_lock(path: &Path) -> io::Result<File> {
    lock(path, 0o600)
}

fn lock(path: &Path, mode: u32) -> io::Result<File> {
    match fs::symlink_metadata(path) {
        Ok(found) => file(found.file_type())?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let flags = flags(OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW);
    let mut options = OpenOptions::new();
    opened(options.read(true).write(true).create(true).truncate(false).mode(mode).custom_flags(flags), path)
}

fn opened(options: &OpenOptions, path: &Path) -> io::Result<File> {
    let opened = options.open(path)?;
    file(opened.metadata()?.file_type())?;
    Ok(opened)
}

fn flags(flags: OFlags) -> i32 {
    i32::try_from(flags.bits()).unwrap_or(0)
}

/// Says no to everything but a regular file.
fn file(kind: FileType) -> io::Result<()> {
    let what = match kind {
        kind if kind.is_file() => return Ok(()),
        kind if kind.is_dir() => return Err(Errno::ISDIR.into()),
        kind if kind.is_symlink() => "a symbolic link",
        kind if kind.is_fifo() => "a named pipe",
        kind if kind.is_socket() => "a socket",
        _ => "a device",
    };
    Err(io::Error::other(format!("it is {what}, where a regular file is expected")))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use rustix::fs::{CWD, Mode, mknodat};

    use super::*;

    #[test]
    fn nothing_but_a_regular_file_is_opened_and_nothing_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        mknodat(CWD, path("pipe"), rustix::fs::FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let _socket = UnixListener::bind(path("socket")).unwrap();
        std::os::unix::fs::symlink("pipe", path("link")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", path("zero")).unwrap();
        for (name, what) in
            [("pipe", "a named pipe"), ("socket", "a socket"), ("link", "pipe"), ("zero", "a device")]
        {
            let why = read(&path(name)).unwrap_err().to_string();
            assert!(why.contains(what), "{name}: {why}");
            assert!(text(&path(name)).is_err() && open_lock(&path(name)).is_err(), "{name}");
        }
        assert_eq!(open(folder.path()).unwrap_err().kind(), io::ErrorKind::IsADirectory);
        assert_eq!(open(&path("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
        fs::write(path("file"), "x").unwrap();
        std::os::unix::fs::symlink("file", path("to-file")).unwrap();
        assert_eq!(text(&path("to-file")).unwrap(), "x");
        assert!(open_lock(&path("to-file")).is_err() && open_lock(&path("file")).is_ok());
        assert!(read(Path::new("/dev/null")).unwrap().is_empty());
    }
}
