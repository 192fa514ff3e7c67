//! What a command found, in whatever format it is asked for. Each command gives a value; one place knows the formats
//! (`commands/print.rs`), so that a new one is for all of them.

use serde::Serialize;

/// What a command found.
pub trait Report {
    /// What it is called where programs read it. Nothing for a list, which has no place for it.
    const KIND: Option<&'static str>;

    /// For people.
    fn text(&self) -> String;

    /// For programs.
    fn json(&self) -> impl Serialize;
}

/// A report with what it is called in front.
#[derive(Serialize)]
pub struct Called<R> {
    kind: &'static str,
    #[serde(flatten)]
    report: R,
}

impl<R: Serialize> Called<R> {
    /// The report, called so.
    pub fn new(kind: &'static str, report: R) -> Called<R> {
        Called { kind, report }
    }
}
