//! Puts the files of a backup into a fresh folder. The backup is checked to its end before, and each file once more while it is
//! written. What takes the place of what on the node is left to a person.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Seek as _, SeekFrom};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Component, Path};

use rustix::process::geteuid;

use super::error::{BackupError, Trouble};
use super::manifest::TOPS;
use super::read::{Checked, open, read, walk};
use crate::archive::Identities;
use crate::providers::settle;

/// What is there as long as not all is.
const HALF: &str = "NOT-WHOLE";
/// What is in it.
const SAYS: &str = "kwo is restoring a backup into this folder. Where it does so no more, it was interrupted: \
                    remove the folder, and restore again.\n";

/// Checks a backup, and writes its files below a folder that is new or empty. Only its owner can look into it.
///
/// # Errors
/// When the backup is not what it says, or the folder is not fresh. What was written by then is removed.
pub fn unpack(file: &Path, keys: &Identities, folder: &Path) -> Result<Checked, BackupError> {
    let (mut opened, size) = open(file)?;
    // A path of one part names no folder that it lies in.
    let absolute = std::path::absolute(folder);
    let folder = &absolute.map_err(|error| BackupError::io("use the folder", folder, error))?;
    fresh(folder)?;
    let checked = read(&opened, size, keys).map_err(|trouble| trouble.of(file))?;
    opened.seek(SeekFrom::Start(0)).map_err(|error| BackupError::io("read", file, error))?;
    make(folder)?;
    let written = written(file, &opened, keys, folder, &checked);
    if written.is_err() {
        // The folder was empty, so all of it is of this run. Half of a node's files is worse than none.
        for top in TOPS {
            let _ = fs::remove_dir_all(folder.join(top));
        }
        let _ = fs::remove_file(folder.join(HALF));
    }
    written.map(|()| checked)
}

fn written(
    file: &Path,
    opened: &File,
    keys: &Identities,
    folder: &Path,
    checked: &Checked,
) -> Result<(), BackupError> {
    let cannot = |error| BackupError::io("write", folder, error);
    let half = folder.join(HALF);
    put(folder, Path::new(HALF), 0o600, &mut SAYS.as_bytes()).map_err(cannot)?;
    let (manifest, sha256) = walk(opened, keys, &mut |kept, bytes| {
        let place = folder.join(&kept.path);
        put(folder, Path::new(&kept.path), kept.mode, bytes).map_err(|error| Trouble::Put(place, error))
    })
    .map_err(|trouble| trouble.of(file))?;
    if manifest != checked.manifest || sha256 != checked.sha256 {
        let why = "it changed while it was read".to_owned();
        return Err(BackupError::Damaged { file: file.to_owned(), why });
    }
    settle(folder).map_err(cannot)?;
    // All of it is on the disk by now.
    fs::remove_file(&half).and_then(|()| settle(&half)).map_err(cannot)
}

/// Is it not there, or an empty folder of this user's?
fn fresh(folder: &Path) -> Result<(), BackupError> {
    let unfit = |why| Err(BackupError::Fresh { folder: folder.to_owned(), why });
    match fs::symlink_metadata(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(BackupError::io("use the folder", folder, error)),
        Ok(found) if found.is_symlink() => unfit("it is a symbolic link"),
        Ok(found) if !found.is_dir() => unfit("it is no folder"),
        Ok(found) if found.uid() != geteuid().as_raw() => unfit("it belongs to another user"),
        Ok(found) if found.mode() & 0o077 != 0 => unfit("other users can look into it"),
        Ok(_) => {
            let mut inside = fs::read_dir(folder).map_err(|error| BackupError::io("list", folder, error))?;
            if inside.next().is_some() { unfit("it is not empty") } else { Ok(()) }
        }
    }
}

fn make(folder: &Path) -> Result<(), BackupError> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => fresh(folder),
        made => made.map_err(|error| BackupError::io("make the folder", folder, error)),
    }
}

/// Writes one file as a new one. Its path was checked: it has plain parts only.
fn put(folder: &Path, path: &Path, mode: u32, bytes: &mut dyn io::Read) -> io::Result<()> {
    let mut here = folder.to_owned();
    for part in path.parent().into_iter().flat_map(Path::components) {
        let Component::Normal(part) = part else { return Err(ErrorKind::InvalidInput.into()) };
        here.push(part);
        match DirBuilder::new().mode(0o700).create(&here) {
            // Whatever is there was made for a file before: the folder was empty, and nobody else can write to it.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            made => made.and_then(|()| settle(&here))?,
        }
    }
    here.push(path.file_name().unwrap_or_default());
    let mut made: File = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&here)?;
    io::copy(bytes, &mut made)?;
    // Nobody gets more of it than its owner, and nothing that is run.
    made.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(mode & 0o644 | 0o400))?;
    made.sync_all()?;
    settle(&here)
}
