//! What a file was before kwo changed it: a copy under `var/lib/kwo/archive`, which root alone can read. Nothing here
//! ever takes a copy away.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use jiff::Timestamp;

use crate::providers::place::{Astray, private, settle};

const FOLDER: &str = "var/lib/kwo/archive";

/// How many changes of one file in one second are thought possible.
const MOST: u32 = 1000;

/// Keeps these bytes, which are those of the file at this path, and has them on the disk before it returns.
pub(super) fn keep(root: &Path, path: &Path, bytes: &[u8]) -> Result<(), Astray> {
    let folder = private(root, FOLDER)?;
    let name = path.to_string_lossy().replace('/', "-");
    let stem = format!("node-{name}-{}", Timestamp::now().strftime("%Y%m%dT%H%M%SZ"));
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
