//! Why a text is not read, or not changed: on which line, in words that quote nothing of it.

use std::fmt;

/// Why, and where.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fault {
    /// The line, from 1, where it is one line's fault.
    pub line: Option<usize>,
    /// What is the matter, as one sentence without a full stop.
    pub why: String,
}

impl Fault {
    /// One of a line.
    pub(crate) fn at(line: usize, why: impl Into<String>) -> Fault {
        Fault { line: Some(line), why: why.into() }
    }

    /// One of the text as a whole.
    pub(crate) fn whole(why: impl Into<String>) -> Fault {
        Fault { line: None, why: why.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fault { line, why } = self;
        match line {
            Some(line) => write!(out, "line {line}: {why}"),
            None => out.write_str(why),
        }
    }
}

impl std::error::Error for Fault {}

impl From<Fault> for String {
    fn from(fault: Fault) -> String {
        fault.to_string()
    }
}
