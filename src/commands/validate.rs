//! `kwo validate`

use super::load::{called, judged, told};
use super::print::{json, talk};
use crate::cli::{TextOrJson, Validate};
use crate::report::diagnostic;
use kwo_engine::failure::{Exit, Failure};

pub(crate) fn validate(args: &Validate) -> Result<Exit, Failure> {
    let path = &args.roster.roster;
    if args.output == TextOrJson::Json {
        let refused = judged(path).err();
        json(&diagnostic::json(refused.as_deref()))?;
        return if refused.is_some() { Err(Failure::silent(Exit::Failed)) } else { Ok(Exit::Done) };
    }
    let (roster, objects) = judged(path).map_err(|refused| told(&refused))?;
    let tenants = roster.tenants().len();
    let tenants = if tenants == 1 { "1 tenant".to_owned() } else { format!("{tenants} tenants") };
    talk(&format!("{} is valid: {tenants}, {objects} objects\n", called(path)));
    Ok(Exit::Done)
}
