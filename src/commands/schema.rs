//! `kwo schema`

use super::print::json;
use crate::cli::{Schema, SchemaOf};
use kwo_engine::failure::{Exit, Failure};

pub(crate) fn schema(args: &Schema) -> Result<Exit, Failure> {
    match args.of {
        SchemaOf::Roster => json(&kwo_planner::roster::schema())?,
        SchemaOf::Settings => json(&kwo_planner::settings::schema())?,
        SchemaOf::Plan => json(&kwo_planner::saved::schema())?,
    }
    Ok(Exit::Done)
}
