//! `kwo init`

use std::io::Write as _;

use super::print::talk;
use crate::cli::Init;
use crate::failure::{Exit, Failure};

/// What a first roster looks like.
const FIRST: &str = include_str!("first-roster.yaml");

pub(crate) fn init(args: &Init) -> Result<Exit, Failure> {
    let path = &args.roster;
    let made = std::fs::OpenOptions::new().write(true).create_new(true).open(path);
    made.and_then(|mut file| file.write_all(FIRST.as_bytes())).map_err(|error| {
        let failure = Failure::new(format!("cannot write {}", path.display())).because(&error);
        match error.kind() {
            std::io::ErrorKind::AlreadyExists => {
                failure.hint("kwo init never replaces a file; name another one")
            }
            _ => failure,
        }
    })?;
    talk(&format!(
        "wrote {0}\nnext: edit it, then `kwo plan {0}` (or, without a cluster, `kwo plan {0} --target dir:./sandbox`)\n",
        path.display()
    ));
    Ok(Exit::Done)
}
