//! What a command found, in whatever format it is asked for. Each command gives a value; one place knows the formats
//! (`commands/print.rs`), so that a new one is for all of them.

use serde::Serialize;

use super::markdown::fenced;
use kwo_engine::failure::Failure;

/// What a command found.
pub trait Report {
    /// What it is called where programs read it. Nothing for what is Kubernetes' own, which says it by itself.
    const KIND: Option<&'static str>;

    /// Is its JSON one line, for a variable of a pipeline, say?
    const ONE_LINE: bool = false;

    /// How programs read it.
    type Json<'a>: Serialize
    where
        Self: 'a;

    /// For people.
    fn text(&self) -> String;

    /// For programs.
    fn json(&self) -> Self::Json<'_>;

    /// For a comment or a page.
    fn markdown(&self) -> String {
        fenced(&self.text())
    }

    /// The same as JSON, for those who like to read it.
    ///
    /// # Errors
    /// When the library refuses; it says why.
    fn yaml(&self) -> Result<String, Failure> {
        yaml(&self.called())
    }

    /// For programs, with what it is called in front.
    fn called(&self) -> Called<Self::Json<'_>> {
        Called { kind: Self::KIND, report: self.json() }
    }
}

/// A report with what it is called in front.
#[derive(Serialize)]
pub struct Called<R> {
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(flatten)]
    report: R,
}

/// One YAML document.
///
/// # Errors
/// When the library refuses; it says why.
pub fn yaml(value: &impl Serialize) -> Result<String, Failure> {
    serde_yaml::to_string(value).map_err(|error| unwritten("YAML", &error))
}

/// Why something cannot be written in a format.
#[must_use]
pub fn unwritten(format: &str, error: &dyn std::error::Error) -> Failure {
    Failure::new(format!("cannot print this as {format}")).because(error)
}
