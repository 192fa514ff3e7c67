//! `kwo init`

use super::print::talk;
use crate::cli::Init;
use kwo_engine::failure::{Exit, Failure};
use kwo_engine::out::{self, Went};

/// What a first roster looks like.
const FIRST: &str = include_str!("first-roster.yaml");

pub(crate) fn init(args: &Init) -> Result<Exit, Failure> {
    let path = &args.roster;
    if out::write(path, FIRST.as_bytes(), out::ROSTER)? == Went::Along {
        return Ok(Exit::Done);
    }
    talk(&format!(
        "wrote {0}\nnext: edit it, then `kwo plan {0}` (or, without a cluster, `kwo plan {0} --target dir:./sandbox`)\n",
        path.display()
    ));
    Ok(Exit::Done)
}
