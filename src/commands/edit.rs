//! What all commands have that edit the roster: the files of a good one, the difference, a yes, and the new text.

use kwo_planner::plain::counted;
use std::path::Path;

use kwo_engine::failure::{Exit, Failure};
use kwo_engine::rewrite::{Files, Rewrite};
use kwo_engine::source::is_stdin;
use kwo_engine::yaml::Fault;
use kwo_planner::domains::Refused;
use kwo_planner::domains::tenants::Tenant;
use kwo_planner::plain::one_line;
use kwo_planner::roster::spelling::did_you_mean;

use kwo_planner::roster::{Finding, Findings, Span};

use super::consent::confirm;
use super::load::told;
use super::print::{data, talk};
use crate::cli::{EditArgs, option_with};
use crate::report::diagnostic;
use crate::report::lines::edited;

/// Reads a roster that is to be edited.
pub(super) fn open(path: &Path) -> Result<Files, Failure> {
    if is_stdin(path) {
        return Err(Failure::usage("standard input cannot be edited").hint("name the file with `-f FILE`"));
    }
    Files::read(path).map_err(|refused| told(&refused))
}

/// The tenant of this name, and the number of the file in which its entry stands.
pub(super) fn tenant<'f>(files: &'f Files, name: &str) -> Result<(&'f Tenant, usize), Failure> {
    let tenants = files.roster().tenants();
    match tenants.get(name) {
        Some(entry) => Ok((&entry.value, usize::from(entry.key.file))),
        None => {
            let failure = Failure::new(format!("the roster has no tenant `{}`", one_line(name)));
            Err(match did_you_mean(name, tenants.keys().map(|name| name.as_str())) {
                Some(hint) => failure.hint(hint),
                None => failure,
            })
        }
    }
}

/// The date for the note of what goes.
pub(super) fn today() -> String {
    jiff::Zoned::now().date().to_string()
}

/// Says at its place why something cannot be changed.
pub(super) fn refused(files: &Files, file: usize, fault: &Fault) -> Failure {
    unchanged(&files.located(file, fault))
}

/// Says at its place that something is in the roster already.
pub(super) fn there_already(files: &Files, at: Span, what: &str, hint: &str) -> Failure {
    let mut findings = Findings::default();
    findings.push(Finding::new("there-already", at, what, "it is here").hint(hint));
    unchanged(&Refused::new((**files.roster().sources()).clone(), findings))
}

fn unchanged(refused: &Refused) -> Failure {
    talk(&diagnostic::unchanged(refused));
    Failure::silent(Exit::Failed)
}

/// New text for a file of the roster.
pub(super) fn rewritten(files: &Files, file: usize, new: String) -> Result<Rewrite, Failure> {
    files
        .rewrite(file, new)
        .ok_or_else(|| Failure::new("two files of the roster have names that kwo cannot distinguish"))
}

/// Checks what the roster would be, shows the difference, asks, and writes.
/// Was there something to write?
pub(super) async fn carry_out(files: &Files, rewrites: &[Rewrite], yes: bool) -> Result<bool, Failure> {
    let rewrites: Vec<&Rewrite> = rewrites.iter().filter(|rewrite| rewrite.old != rewrite.new).collect();
    if rewrites.is_empty() {
        talk("nothing to change\n");
        return Ok(false);
    }
    let all: Vec<Rewrite> = rewrites.iter().map(|rewrite| (*rewrite).clone()).collect();
    files.check(&all).map_err(|refused| {
        talk("with this change the roster would have mistakes:\n\n");
        talk(&diagnostic::text(&refused));
        Failure::silent(Exit::Failed)
    })?;
    show(&rewrites);
    if !yes {
        let what = match rewrites.as_slice() {
            [one] => one.name.clone(),
            several => format!("these {} files", several.len()),
        };
        let hint = "look at the change above, then write it with `--yes`";
        confirm(&format!("Write this to {what}?"), hint).await?;
    }
    for rewrite in rewrites {
        files.write(rewrite).map_err(|why| {
            Failure::new(format!("cannot write {}: {why}", rewrite.name))
                .hint("the file is as it was; look at it and try again")
        })?;
        talk(&format!("wrote {}\n", rewrite.name));
    }
    Ok(true)
}

/// The same for one file; then this is said, if it was written.
pub(super) async fn one(
    files: &Files,
    rewrite: Rewrite,
    args: &EditArgs,
    then: &str,
) -> Result<Exit, Failure> {
    if carry_out(files, &[rewrite], args.yes).await? {
        talk(then);
    }
    Ok(Exit::Done)
}

/// The roster as an option of a command for later.
pub(super) fn again(args: &EditArgs) -> String {
    if args.file == Path::new("roster.yaml") {
        String::new()
    } else {
        option_with("-f", &args.file.to_string_lossy())
    }
}

/// Shows what changes.
pub(super) fn show(rewrites: &[&Rewrite]) {
    for Rewrite { name, old, new, .. } in rewrites {
        let new_file = if old.is_empty() { " (new)" } else { "" };
        let lines = edited(old, new).unwrap_or_else(|| {
            format!(
                "      {} → {}, too many to compare\n",
                counted(old.lines().count(), "line", "lines"),
                counted(new.lines().count(), "line", "lines")
            )
        });
        data(&format!("{}{new_file}\n{lines}", one_line(name)));
    }
}
