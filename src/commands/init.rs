//! `kwo init`

use super::print::{pretty, talk};
use crate::cli::Init;
use crate::report::failure;
use kwo_engine::failure::{Exit, Failure};
use kwo_engine::out::{self, Went};

/// What a first roster looks like.
const FIRST: &str = include_str!("first-roster.yaml");
/// The schema that its first line names.
const SCHEMA: &str = "roster.schema.json";

pub(crate) fn init(args: &Init) -> Result<Exit, Failure> {
    let path = args.file.as_ref().unwrap_or(&args.roster);
    if out::write(path, FIRST.as_bytes(), out::ROSTER)? == Went::Along {
        return Ok(Exit::Done);
    }
    // Beside it, so that an editor needs no network. The roster is good without it.
    let schema = path.with_file_name(SCHEMA);
    let beside = match out::write(&schema, pretty(&kwo_planner::domains::schema())?.as_bytes(), out::SCHEMA) {
        Ok(_) => {
            format!("wrote {}, from which an editor completes and checks the roster\n", schema.display())
        }
        Err(failure) => failure::text(&failure),
    };
    talk(&format!(
        "wrote {0}\n{beside}next: edit it, then `kwo plan {0}` (or, without a cluster, `kwo plan {0} --target dir:./sandbox`)\n",
        path.display()
    ));
    Ok(Exit::Done)
}
