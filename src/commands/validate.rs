//! `kwo validate`

use super::load::{called, judged};
use super::print::{report, talk};
use crate::cli::Validate;
use crate::report::printed::Report as _;
use crate::report::validation::Judged;
use kwo_engine::failure::{Exit, Failure};

pub(crate) fn validate(args: &Validate) -> Result<Exit, Failure> {
    let path = &args.roster.roster;
    let found = judged(path);
    let counts = found.as_ref().map(|(roster, objects)| (roster.tenants().len(), *objects));
    let said = Judged { called: &called(path), found: counts.map_err(AsRef::as_ref) };
    // For people a verdict is talk.
    if args.output.is_text() {
        talk(&said.text());
    } else {
        report(&said, args.output)?;
    }
    if found.is_ok() { Ok(Exit::Done) } else { Err(Failure::silent(Exit::Failed)) }
}
