//! Data to standard output, talk to standard error, both through the door of `report/plain.rs`. A reader that has gone away
//! is no failure.

use std::io::{BufWriter, ErrorKind, Write as _};
use std::sync::OnceLock;

use anstream::adapter::strip_str;
use anstream::{AutoStream, ColorChoice};
use kwo_planner::plain::json as json_text;
use serde::Serialize;

use crate::cli::TextOrJson;
use crate::log::say;
use crate::report::plain;
use crate::report::printed::{Called, Report};
use kwo_engine::failure::Failure;

/// So many bytes of data are written at once.
const MANY: usize = 1 << 16;

/// Why data could not be printed, once it could not. It is kept until the run ends, so that a plan whose page does not
/// fit the disk is not left half done.
static UNPRINTED: OnceLock<std::io::Error> = OnceLock::new();

/// Prints text, with its colours where they are wanted.
pub(crate) fn data(text: &str) {
    let text = plain::text(text);
    let stdout = std::io::stdout();
    let choice = AutoStream::choice(&stdout);
    // A line at a time would be a call of the system for each.
    let mut out = BufWriter::with_capacity(MANY, stdout.lock());
    let written = match choice {
        ColorChoice::Never => write!(out, "{}", strip_str(&text)),
        _ => out.write_all(text.as_bytes()),
    };
    if let Err(error) = written.and_then(|()| out.flush()) {
        unprinted(error);
    }
}

/// Prints what kwo itself has put together for a program, to the letter.
pub(crate) fn exactly(text: &str) {
    let mut out = std::io::stdout().lock();
    if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        unprinted(error);
    }
}

/// Remembers that data did not get out.
fn unprinted(error: std::io::Error) {
    if error.kind() != ErrorKind::BrokenPipe {
        let _ = UNPRINTED.set(error);
    }
}

/// The failure of a run whose data did not get out; nothing where all of it did, or where nobody reads it any more.
#[must_use]
pub fn lost() -> Option<Failure> {
    UNPRINTED.get().map(|error| Failure::new("cannot write to standard output").because(error))
}

/// Prints one line of what goes on and on; the error says that nobody reads it any more.
pub(crate) fn line(text: &str) -> std::io::Result<()> {
    let mut out = anstream::stdout().lock();
    writeln!(out, "{}", plain::text(text)).and_then(|()| out.flush()).map_err(|error| {
        let gone = error.kind().into();
        unprinted(error);
        gone
    })
}

/// Says something to the person at the terminal.
pub(crate) fn talk(text: &str) {
    say(&plain::text(text));
}

/// Prints what a command found.
pub(crate) fn report<R: Report>(report: &R, format: TextOrJson) -> Result<(), Failure> {
    match (format, R::KIND) {
        (TextOrJson::Text, _) => data(&report.text()),
        (TextOrJson::Json, Some(kind)) => json(&Called::new(kind, report.json()))?,
        (TextOrJson::Json, None) => json(&report.json())?,
    }
    Ok(())
}

/// Prints pretty JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    exactly(&pretty(value)?);
    Ok(())
}

/// One JSON document, for people as well.
pub(crate) fn pretty(value: &impl Serialize) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::new("cannot print this as JSON").because(&error))?;
    Ok(format!("{}\n", json_text(&text)))
}

/// One YAML document.
pub(crate) fn yaml(value: &impl Serialize) -> Result<String, Failure> {
    serde_yaml::to_string(value).map_err(|error| Failure::new("cannot print this as YAML").because(&error))
}
