//! Data to standard output, talk to standard error, both through the door of `report/plain.rs`. A reader that has gone away
//! is no failure.

use std::io::{BufWriter, ErrorKind, Write as _};
use std::sync::OnceLock;

use anstream::adapter::strip_str;
use anstream::{AutoStream, ColorChoice};
use kwo_planner::plain::json as json_text;
use serde::Serialize;
use zeroize::Zeroizing;

use super::pager;
use crate::cli::Format;
use crate::log::say;
use crate::report::again::completed;
use crate::report::plain;
use crate::report::printed::{Drawing, Report, unwritten};
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

/// What a command found, in the format that is asked for.
pub(crate) fn written<R: Report>(report: &R, format: Format) -> Result<Zeroizing<String>, Failure> {
    Ok(Zeroizing::new(match format {
        Format::Text => report.text(),
        Format::Json if R::ONE_LINE => {
            let text = serde_json::to_string(&report.called()).map_err(|error| unwritten("JSON", &error))?;
            text + "\n"
        }
        Format::Json => pretty(&report.called())?,
        Format::Yaml => report.yaml()?,
        Format::Markdown => report.markdown(),
        Format::Drawn(drawing) => report.drawn(drawing),
    }))
}

/// Prints what a command found.
pub(crate) fn report<R: Report>(report: &R, format: Format) -> Result<(), Failure> {
    let text = written(report, format)?;
    match format {
        Format::Json | Format::Drawn(Drawing::Svg) => exactly(&text),
        Format::Text | Format::Yaml | Format::Markdown | Format::Drawn(_) => data(&text),
    }
    Ok(())
}

/// Prints what a command found, text in the pager.
pub(crate) async fn page<R: Report>(report: &R, format: Format, no_pager: bool) -> Result<(), Failure> {
    if format.is_text() {
        if let Some(text) = pager::show(report.text(), no_pager).await {
            data(&text);
        }
        return Ok(());
    }
    self::report(report, format)
}

/// The same, where the text names this command for the same target and roster.
pub(crate) async fn page_again<R: Report>(
    report: &R,
    format: Format,
    no_pager: bool,
    command: &str,
) -> Result<(), Failure> {
    if format.is_text() {
        if let Some(text) = pager::show(completed(&report.text(), command), no_pager).await {
            data(&text);
        }
        return Ok(());
    }
    self::report(report, format)
}

/// Prints what a command found where its text was told already while it was at work.
pub(crate) fn end<R: Report>(report: &R, format: Format) -> Result<(), Failure> {
    if format.is_text() { Ok(()) } else { self::report(report, format) }
}

/// Where goes what is said while a command is at work: it is the data where that is text, and talk beside any other.
pub(crate) fn meanwhile(format: Format) -> fn(&str) {
    if format.is_text() { data } else { talk }
}

/// Prints pretty JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    exactly(&pretty(value)?);
    Ok(())
}

/// One JSON document, for people as well.
pub(crate) fn pretty(value: &impl Serialize) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|error| unwritten("JSON", &error))?;
    Ok(format!("{}\n", json_text(&text)))
}
