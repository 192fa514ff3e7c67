//! Why a file is no saved plan that a command can do, and what to do about it: it is not there, it is empty, it was cut
//! short, or another command saved it.

use std::io;
use std::path::Path;

use kwo_planner::k3s::PlanOf;
use kwo_planner::plain::shell_word;
use serde::Deserialize;
use serde_json::Error;

use super::file::plain;
use crate::failure::Failure;

/// What is read of a plan that is not the expected one: enough to say whose it is.
#[derive(Deserialize)]
struct Head {
    kind: Option<PlanOf>,
    format_version: Option<String>,
    digest: Option<String>,
}

/// Its file cannot be read.
pub(super) fn unread(path: &Path, error: &io::Error, saves: &str) -> Failure {
    let failure = Failure::new(format!("cannot read the plan {}", path.display())).because(error);
    match error.kind() {
        io::ErrorKind::NotFound => failure.hint(format!("`{saves} --out FILE` saves one")),
        _ => failure,
    }
}

/// It is no plan of the command that saves such plans.
pub(super) fn unfit(path: &Path, why: String, saves: &str) -> Failure {
    let failure = Failure::new(format!("{} is not a saved plan of `{saves}`", path.display()));
    Failure { causes: vec![why], ..failure }.hint(format!("`{saves} --out FILE` saves one"))
}

/// The decoder could not read it as a plan of that command.
pub(super) fn undecoded(path: &Path, bytes: &[u8], error: &Error, saves: &str) -> Failure {
    if bytes.trim_ascii().is_empty() {
        return unfit(path, "it is empty".to_owned(), saves);
    }
    if error.is_eof() {
        let why = format!("it was cut short: it ends in line {}, in the middle of a value", error.line());
        return unfit(path, why, saves);
    }
    if let Some(command) = other(bytes, saves) {
        return another(path, command, saves);
    }
    // What the decoder did not expect is quoted in what it says.
    unfit(path, plain(&error.to_string()), saves)
}

/// Another command saved it.
pub(super) fn another(path: &Path, command: &str, saves: &str) -> Failure {
    let does = if command == "kwo plan" { "kwo apply" } else { command };
    let shown = path.display().to_string();
    Failure::new(format!("{shown} is a saved plan of `{command}`"))
        .hint(format!("`{does} --plan {}` does it", shell_word(&shown)))
        .hint(format!("`{saves} --out FILE` saves one for this command"))
}

/// The other command that saved it.
fn other(bytes: &[u8], saves: &str) -> Option<&'static str> {
    let head: Head = serde_json::from_slice(bytes).ok()?;
    let command = match (head.kind, head.format_version, head.digest) {
        (Some(of), ..) => of.command(),
        (None, Some(_), Some(_)) => "kwo plan",
        _ => return None,
    };
    Some(command).filter(|command| *command != saves)
}
