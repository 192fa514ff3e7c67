//! `kwo fmt`

use kwo_engine::edit::format;
use kwo_engine::failure::{Exit, Failure};
use kwo_engine::rewrite::Rewrite;
use kwo_engine::source::{is_stdin, load};

use super::edit::{carry_out, open, refused, rewritten, show};
use super::load::told;
use super::print::{exactly, talk};
use crate::cli::Fmt;

pub(crate) async fn fmt(args: &Fmt) -> Result<Exit, Failure> {
    let Fmt { roster, check, yes } = args;
    if is_stdin(&roster.roster) {
        return typed(args);
    }
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

/// What comes from standard input goes to standard output.
fn typed(args: &Fmt) -> Result<Exit, Failure> {
    let Fmt { roster, check, yes: _ } = args;
    let roster = load(&roster.roster).map_err(|refused| told(&refused))?;
    let text = roster.sources().files().first().map_or("", |file| file.text.as_str());
    let new = format(text).map_err(|fault| Failure::new("kwo cannot format the roster").because(&fault))?;
    if !*check {
        exactly(&new);
    } else if new != text {
        return Err(Failure::new("`kwo fmt` would change the roster"));
    }
    Ok(Exit::Done)
}
