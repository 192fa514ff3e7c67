//! A plan in a pager, as git shows a log: where a person is looking, and in the program that the person chose.

use std::env;
use std::io::{IsTerminal as _, Write as _};
use std::process::{Command, Stdio};

use anstream::{AutoStream, ColorChoice};
use tokio::signal::unix::{SignalKind, signal};

use crate::report::plain;

/// What it is shown in where nothing is said: colours pass, and what fits the screen is left there.
const USUAL: &str = "less -FRX";

/// Shows text in the pager where there is one and somebody to use it; gives it back where it is still to be printed.
pub(super) async fn show(text: String, not: bool) -> Option<String> {
    let Some(pager) = (!not && is_looked_at()).then(chosen).flatten() else { return Some(text) };
    let text = plain::text(&text);
    let shown = match AutoStream::choice(&std::io::stdout()) {
        ColorChoice::Never => anstream::adapter::strip_str(&text).to_string(),
        _ => text.into_owned(),
    };
    // Ctrl-C is for the pager, which stays until it is told to end.
    let interrupts = signal(SignalKind::interrupt());
    let given = shown.clone();
    let through = tokio::task::spawn_blocking(move || through(&pager, &given)).await;
    drop(interrupts);
    (!matches!(through, Ok(true))).then_some(shown)
}

/// Is a person looking at standard output?
fn is_looked_at() -> bool {
    let set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
    std::io::stdout().is_terminal() && !set("CI") && env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// The command that a person chose; nothing where that is none.
fn chosen() -> Option<String> {
    let pager = ["KWO_PAGER", "PAGER"].iter().find_map(env::var_os);
    let pager = pager.map_or_else(|| Some(USUAL.to_owned()), |pager| pager.into_string().ok())?;
    (!pager.trim().is_empty() && pager != "cat").then_some(pager)
}

/// Shows the text in the pager. False where that was not to be had, and the text is still to be shown.
fn through(pager: &str, text: &str) -> bool {
    let started = Command::new("sh").args(["-c", pager]).stdin(Stdio::piped()).spawn();
    let Ok(mut child) = started else { return false };
    if let Some(mut pipe) = child.stdin.take() {
        // Who closes the pager has seen enough.
        let _ = pipe.write_all(text.as_bytes());
    }
    // A shell ends with this where there is no such program, or where it may not be run.
    !matches!(child.wait().map(|status| status.code()), Err(_) | Ok(Some(126 | 127)))
}
