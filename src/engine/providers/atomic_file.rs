//! Files below a folder: a path that never leads out of it, and new content that replaces the old in one step, so
//! that a reader always finds a complete file, the old one or the new one.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use rustix::io::Errno;
use tempfile::NamedTempFile;

/// What the names of temporary files begin and end with.
const PREFIX: &str = ".kwo-";
const SUFFIX: &str = ".tmp";

/// So old a temporary file is that of a run that was killed.
const KILLED: Duration = Duration::from_secs(3600);

/// Why a file is not to be touched.
#[derive(Debug)]
pub enum Astray {
    /// A symbolic link leads out of the directory, or is the file itself.
    Link(String),
    /// The file system said no.
    Io(io::Error),
}

impl Astray {
    /// What the system said; a link is nothing that another user gets further with.
    #[must_use]
    pub fn io(&self) -> io::Error {
        match self {
            Astray::Link(why) => io::Error::other(why.clone()),
            Astray::Io(error) => error.kind().into(),
        }
    }
}

impl From<io::Error> for Astray {
    fn from(error: io::Error) -> Astray {
        Astray::Io(error)
    }
}

impl std::error::Error for Astray {}

impl std::fmt::Display for Astray {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Astray::Link(why) => out.write_str(why),
            Astray::Io(error) => error.fmt(out),
        }
    }
}

/// The full path of a file, once every folder on the way is known to lie within the directory. Folders that are
/// missing are made with this mode, where one is given.
pub fn inside(root: &Path, file: &Path, make: Option<u32>) -> Result<PathBuf, Astray> {
    let base = root.canonicalize()?;
    let mut here = base.clone();
    for part in file.parent().into_iter().flat_map(Path::components) {
        let Component::Normal(part) = part else {
            return Err(Astray::Link(format!("{} is not a path below a folder", file.display())));
        };
        here.push(part);
        match fs::symlink_metadata(&here) {
            Ok(found) if found.is_symlink() => {
                let leads = here.canonicalize()?;
                if !leads.starts_with(&base) {
                    return Err(Astray::Link(format!(
                        "{} is a symbolic link that leads out of the directory",
                        here.display()
                    )));
                }
                here = leads;
            }
            Ok(_) => {}
            Err(error) => match make.filter(|_| error.kind() == ErrorKind::NotFound) {
                None => return Err(error.into()),
                Some(mode) => match DirBuilder::new().mode(mode).create(&here) {
                    // Another write made it at the same time.
                    Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error.into()),
                    _ => {}
                },
            },
        }
    }
    here.push(file.file_name().unwrap_or_default());
    no_link(here)
}

/// The path, unless a symbolic link is there.
fn no_link(here: PathBuf) -> Result<PathBuf, Astray> {
    match fs::symlink_metadata(&here) {
        Ok(found) if found.is_symlink() => {
            Err(Astray::Link(format!("{} is a symbolic link", here.display())))
        }
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
        _ => Ok(here),
    }
}

/// The full path of a folder of a machine's root, by the absolute path that the machine has for it.
pub(crate) fn machine_folder(root: &Path, path: &Path) -> Result<PathBuf, Astray> {
    let below =
        path.strip_prefix("/").map_err(|_| Astray::Link("its path does not begin with /".to_owned()))?;
    in_root(root, below, None)
}

/// The full path of a file of a machine's root, wherever links on the way lead: an absolute one, or one that climbs,
/// begins at this root, as it does for the machine, and never leads out of it. Folders that are missing are made with this
/// mode, where one is given.
pub(crate) fn in_root(root: &Path, file: &Path, make: Option<u32>) -> Result<PathBuf, Astray> {
    let base = root.canonicalize()?;
    let mut here = PathBuf::new();
    let mut found = base.clone();
    for part in file.parent().into_iter().flat_map(Path::components) {
        let Component::Normal(part) = part else {
            return Err(Astray::Link(format!("{} is not a path below a folder", file.display())));
        };
        here.push(part);
        let missing = |error: &io::Error| error.kind() == ErrorKind::NotFound;
        let folder = match entered(&base, &found, part) {
            // A link to nothing is not a folder that is missing: who put it there knows what is to be there.
            Err(error) if missing(&error) && fs::symlink_metadata(found.join(part)).is_ok() => {
                return Err(Astray::Link(format!(
                    "/{} is a symbolic link that leads to nothing below the root {}",
                    here.display(),
                    base.display()
                )));
            }
            Err(error) if missing(&error) => {
                match make.map(|mode| DirBuilder::new().mode(mode).create(found.join(part))) {
                    None => Err(error),
                    // Another write made it at the same time.
                    Some(Err(error)) if error.kind() != ErrorKind::AlreadyExists => return Err(error.into()),
                    Some(_) => entered(&base, &found, part),
                }
            }
            entered => entered,
        };
        found = folder.map_err(|error| match error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) {
            true => Astray::Link(format!("{} is a symbolic link that leads to itself", here.display())),
            false => error.into(),
        })?;
    }
    found.push(file.file_name().unwrap_or_default());
    no_link(found)
}

/// The same of a file that may itself be a link: the file that it leads to.
pub(crate) fn followed(root: &Path, file: &Path) -> Result<PathBuf, Astray> {
    match in_root(root, file, None) {
        Err(Astray::Link(_)) => {}
        found => return found,
    }
    let base = root.canonicalize()?;
    let folder = in_root(root, &file.with_file_name("x"), None)?;
    let folder = folder.parent().unwrap_or(&base);
    match walked(&base, folder, file.file_name().unwrap_or_default(), true) {
        Err(error) if error.kind() == ErrorKind::NotFound => Err(Astray::Link(format!(
            "{} is a symbolic link that leads to nothing below the root {}",
            Path::new("/").join(file).display(),
            base.display()
        ))),
        found => Ok(found?),
    }
}

/// The folder of this name in another one, wherever links lead below the root. The kernel could do it (openat2), but systemd
/// takes that call away from services that may set no set-user-ID bits.
fn entered(root: &Path, folder: &Path, name: &OsStr) -> io::Result<PathBuf> {
    walked(root, folder, name, false)
}

/// The same; or, where a file counts as well, what the last link leads to.
fn walked(root: &Path, folder: &Path, name: &OsStr, file: bool) -> io::Result<PathBuf> {
    let mut here = folder.to_owned();
    let mut ahead = vec![name.to_owned()];
    let mut links = 0;
    while let Some(next) = ahead.pop() {
        if next == ".." {
            // As at `/`, there is nothing above the root.
            if here != root {
                here.pop();
            }
            continue;
        }
        let place = here.join(&next);
        let kind = fs::symlink_metadata(&place)?.file_type();
        if kind.is_symlink() {
            links += 1;
            if links > MOST_LINKS {
                return Err(Errno::LOOP.into());
            }
            let target = fs::read_link(&place)?;
            if target.is_absolute() {
                root.clone_into(&mut here);
            }
            ahead.extend(target.components().rev().filter_map(|part| match part {
                Component::Normal(name) => Some(name.to_owned()),
                Component::ParentDir => Some("..".into()),
                Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
            }));
        } else if kind.is_dir() || (file && ahead.is_empty()) {
            here = place;
        } else {
            return Err(ErrorKind::NotADirectory.into());
        }
    }
    Ok(here)
}

/// How many links are followed on the way to one folder, as by the kernel.
const MOST_LINKS: usize = 40;

/// A folder that its owner alone can look into, made where it is missing.
pub(super) fn private(root: &Path, folder: &str) -> Result<PathBuf, Astray> {
    let folder = in_root(root, Path::new(folder), Some(0o755))?;
    match DirBuilder::new().mode(0o700).create(&folder) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            if fs::metadata(&folder)?.permissions().mode() & 0o777 != 0o700 {
                fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
            }
        }
        made => made?,
    }
    Ok(folder)
}

/// Takes away the temporary files of runs that were killed in this folder: secrets may be in them. A run that is at work
/// needs its own for less than an hour.
pub(crate) fn sweep(folder: &Path) {
    for found in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = found.file_name();
        let name = name.as_encoded_bytes();
        let age = found.metadata().and_then(|meta| meta.modified()).ok().and_then(|time| time.elapsed().ok());
        if name.starts_with(PREFIX.as_bytes())
            && name.ends_with(SUFFIX.as_bytes())
            && age.is_some_and(|age| age > KILLED)
        {
            // A next run tries it again.
            let _ = fs::remove_file(found.path());
        }
    }
}

/// A temporary file in this folder with nothing in it yet, for its owner's eyes.
pub(crate) fn named_temporary(folder: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new().prefix(PREFIX).suffix(SUFFIX).tempfile_in(folder)
}

/// A temporary file beside the path with this content, safely on the disk.
pub fn temporary(
    path: &Path,
    content: impl AsRef<[u8]>,
    mode: Option<fs::Permissions>,
) -> io::Result<NamedTempFile> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX).suffix(SUFFIX);
    if mode.is_none() {
        // As any other new file; the umask takes away from it. Otherwise nobody else reads it before it has its mode.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let mut made = builder.tempfile_in(folder)?;
    made.write_all(content.as_ref())?;
    if let Some(mode) = mode {
        made.as_file().set_permissions(mode)?;
    }
    made.as_file().sync_all()?;
    Ok(made)
}

/// A file with this content in place of the old one, in one move and safely on the disk.
pub fn replace(path: &Path, content: impl AsRef<[u8]>, mode: Option<fs::Permissions>) -> io::Result<()> {
    temporary(path, content, mode)?.persist(path).map_err(|error| error.error)?;
    settle(path)
}

/// A file that its owner alone can read, in place of the old one. Missing folders on the way are open to the owner only.
pub fn keep_private(path: &Path, text: &str) -> Result<(), Astray> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder(path))?;
    keep(path, text, 0o600)
}

/// A file that everybody can read, in place of the old one, in a folder that is there.
pub fn keep_readable(path: &Path, text: &str) -> Result<(), Astray> {
    keep(path, text, 0o644)
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn keep(path: &Path, text: &str, mode: u32) -> Result<(), Astray> {
    let Some(name) = path.file_name() else {
        return Err(Astray::Io(io::Error::new(
            ErrorKind::InvalidInput,
            "it does not end with a file's name",
        )));
    };
    let path = inside(folder(path), Path::new(name), None)?;
    Ok(replace(&path, text, Some(fs::Permissions::from_mode(mode)))?)
}

/// Makes sure that the name of a file is on the disk as well.
pub fn settle(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_private_is_replaced_and_no_link_is_followed() {
        let root = tempfile::tempdir().unwrap();
        let (file, link) = (root.path().join("a/b/config"), root.path().join("link"));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        keep_private(&file, "old").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        keep_private(&file, "new").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert_eq!((mode(&file), mode(&root.path().join("a/b"))), (0o600, 0o700));
        assert_eq!(root.path().join("a/b").read_dir().unwrap().count(), 1, "a temporary file is left");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(matches!(keep_private(&link, "x"), Err(Astray::Link(_))));
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert!(matches!(keep_private(&root.path().join("c/.."), "x"), Err(Astray::Io(_))));
    }

    #[test]
    fn links_in_a_root_lead_where_they_lead_on_its_machine() {
        use std::os::unix::fs::symlink;
        let (outside, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let root = folder.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("data/rancher/k3s")).unwrap();
        fs::create_dir_all(root.join("etc")).unwrap();
        for (link, to) in [
            ("etc/rancher", "/data/rancher"),
            ("etc/up", "../../../../../data"),
            ("etc/chain", "/etc/up/../etc/rancher"),
            ("etc/loop", "/etc/loop"),
            ("etc/nowhere", "/new"),
        ] {
            symlink(to, root.join(link)).unwrap();
        }
        symlink(outside.path(), root.join("etc/out")).unwrap();
        let place = |file: &str, make| in_root(&root, Path::new(file), make);
        let file = root.join("data/rancher/k3s/config.yaml");
        for path in
            ["etc/rancher/k3s/config.yaml", "etc/up/rancher/k3s/config.yaml", "etc/chain/k3s/config.yaml"]
        {
            assert_eq!(place(path, None).unwrap(), file, "{path}");
        }
        assert_eq!(place("etc/rancher/new/x", Some(0o755)).unwrap(), root.join("data/rancher/new/x"));
        assert!(root.join("data/rancher/new").is_dir());
        assert!(matches!(place("etc/loop/x", None), Err(Astray::Link(_))));
        for path in ["etc/nowhere/x", "etc/out/x"] {
            assert!(place(path, Some(0o755)).is_err(), "{path}");
        }
        symlink("config.yaml", root.join("data/rancher/k3s/link.yaml")).unwrap();
        assert!(matches!(place("etc/rancher/k3s/link.yaml", None), Err(Astray::Link(_))));
        assert!(outside.path().read_dir().unwrap().next().is_none() && !root.join("new").exists());
    }

    #[test]
    fn links_that_lead_out_are_refused() {
        let outside = tempfile::tempdir().unwrap();
        let root = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(outside.path(), root.path().join("namespaces")).unwrap();
        std::os::unix::fs::symlink("nowhere", root.path().join("x.yaml")).unwrap();
        let astray = |file: &str| inside(root.path(), Path::new(file), Some(0o777));
        assert!(matches!(astray("namespaces/a/b.yaml"), Err(Astray::Link(_))));
        assert!(matches!(astray("x.yaml"), Err(Astray::Link(_))));
        assert!(astray("cluster/a.yaml").is_ok());
        assert!(outside.path().read_dir().unwrap().next().is_none());
    }
}
