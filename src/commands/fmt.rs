//! `kwo fmt`

use kwo_engine::edit::format;
use kwo_engine::failure::{Exit, Failure};
use kwo_engine::rewrite::Rewrite;

use super::edit::{carry_out, open, refused, rewritten, show};
use super::print::talk;
use crate::cli::Fmt;

pub(crate) async fn fmt(args: &Fmt) -> Result<Exit, Failure> {
    let Fmt { roster, check, yes } = args;
    let files = open(&roster.roster)?;
    let mut rewrites = Vec::new();
    for (number, file) in files.roster().sources().files().iter().enumerate() {
        let new = format(&file.text).map_err(|fault| refused(&files, number, &fault))?;
        if new != file.text {
            rewrites.push(rewritten(&files, number, new)?);
        }
    }
    if !*check {
        carry_out(&files, &rewrites, *yes).await?;
        return Ok(Exit::Done);
    }
    show(&rewrites.iter().collect::<Vec<&Rewrite>>());
    if rewrites.is_empty() {
        return Ok(Exit::Done);
    }
    for Rewrite { name, .. } in &rewrites {
        talk(&format!("{name} is not in order\n"));
    }
    Err(Failure::new("`kwo fmt` would change the roster").hint("write it with `kwo fmt --yes`"))
}
