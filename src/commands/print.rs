//! Data to standard output, talk to standard error. A reader that has gone away is no failure.

use std::io::Write as _;

use serde::Serialize;

use crate::failure::Failure;

/// Prints text, with its colours where they are wanted.
pub(crate) fn data(text: &str) {
    let mut out = anstream::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Prints one line of what goes on and on; the error says that nobody reads it any more.
pub(crate) fn line(text: &str) -> std::io::Result<()> {
    let mut out = anstream::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush())
}

/// Says something to the person at the terminal.
pub(crate) fn talk(text: &str) {
    let mut err = anstream::stderr().lock();
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}

/// Prints pretty JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::new("cannot print this as JSON").because(&error))?;
    data(&format!("{text}\n"));
    Ok(())
}

/// One YAML document.
pub(crate) fn yaml(value: &impl Serialize) -> Result<String, Failure> {
    serde_yaml::to_string(value).map_err(|error| Failure::new("cannot print this as YAML").because(&error))
}
