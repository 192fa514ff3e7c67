//! KubeconfigPair of files as they were before kwo changed them, under `var/lib/kwo/archive`, which only root can read.
//! Nothing here ever removes a copy.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::providers::atomic_file::{Astray, in_root, private, settle};

const FOLDER: &str = "var/lib/kwo/archive";

/// How many changes of one file in one second are thought possible.
const MOST: u32 = 1000;

/// The copy of this file that was made first since then: what the file was at that time.
pub(super) fn first_since(root: &Path, path: &Path, since: Timestamp) -> Option<PathBuf> {
    let stem = stem(path);
    let copies = fs::read_dir(in_root(root, Path::new(FOLDER), None).ok()?).ok()?.filter_map(|entry| {
        let entry = entry.ok()?;
        let name = entry.file_name();
        let digit = |rest: &str| rest.starts_with(|char: char| char.is_ascii_digit());
        name.to_str()?.strip_prefix(&stem).filter(|rest| digit(rest))?;
        let made = entry.metadata().ok()?.modified().ok()?;
        // When a service was started is known by the second.
        let late = Timestamp::try_from(made).ok()?.as_second() >= since.as_second();
        late.then(|| (made, Path::new("/").join(FOLDER).join(name)))
    });
    copies.min().map(|(_, copy)| copy)
}

fn stem(path: &Path) -> String {
    format!("node-{}-", path.to_string_lossy().replace('/', "-"))
}

/// Keeps these bytes, which are those of the file at this path, and has them on the disk before it returns.
pub(super) fn keep(root: &Path, path: &Path, bytes: &[u8]) -> Result<(), Astray> {
    let folder = private(root, FOLDER)?;
    let stem = format!("{}{}", stem(path), Timestamp::now().strftime("%Y%m%dT%H%M%SZ"));
    for number in 1..MOST {
        let name = if number == 1 { stem.clone() } else { format!("{stem}-{number}") };
        let copy = folder.join(name);
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&copy) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error.into()),
            Ok(mut file) => {
                file.write_all(bytes)?;
                file.sync_all()?;
                return Ok(settle(&copy)?);
            }
        }
    }
    Err(io::Error::other(format!("there are {MOST} copies named {stem} in /{FOLDER}")).into())
}
