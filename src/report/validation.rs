//! Whether a roster is valid, and all that is wrong with it.

use kwo_planner::domains::Refused;
use kwo_planner::plain::counted;
use kwo_planner::plan::FORMAT_VERSION;

use kwo_planner::roster::{Finding, Sources, Span};
use schemars::JsonSchema;
use serde::Serialize;

use super::printed::Report;
use super::{diagnostic, manual};

/// What became of the check of a roster.
#[derive(Clone, Copy, Debug)]
pub struct Judged<'v> {
    /// The roster, as it is called for people.
    pub called: &'v str,
    /// How many tenants and objects it has; or what is wrong with it.
    pub found: Result<(usize, usize), &'v Refused>,
}

/// Whether a roster is valid, and all that is wrong with it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Validation<'v> {
    /// The version of this form. Minor versions only add.
    format_version: &'static str,
    /// Can kwo work with it?
    valid: bool,
    /// What is wrong with it.
    findings: Vec<Found<'v>>,
    /// How much more is wrong, which is shown when these are mended.
    more: usize,
}

/// One thing that is wrong.
#[derive(Debug, Serialize, JsonSchema)]
struct Found<'v> {
    /// Its name, which never changes: `unknown-field`.
    code: &'v str,
    /// How bad it is; all of them are errors.
    severity: &'static str,
    /// What is wrong.
    message: &'v str,
    /// What was expected instead.
    expected: &'v str,
    /// Where it stands.
    at: Place<'v>,
    /// What else has to do with it.
    also: Vec<Also<'v>>,
    /// What to do.
    hint: Option<&'v str>,
    /// The place in the manual that says what it means.
    help: String,
}

/// What else has to do with a finding.
#[derive(Debug, Serialize, JsonSchema)]
struct Also<'v> {
    /// Where it stands.
    at: Place<'v>,
    /// What it has to do with it.
    what: &'v str,
}

/// A place in a file.
#[derive(Debug, Serialize, JsonSchema)]
struct Place<'v> {
    /// The file.
    file: &'v str,
    /// Its line, from 1; 0 where the file as a whole is meant.
    line: u32,
    /// The column in it, from 1.
    column: u32,
    /// Where it begins, in bytes from the beginning of the file.
    start: u32,
    /// Where it ends.
    end: u32,
}

impl<'v> Place<'v> {
    fn of(sources: &'v Sources, at: Span) -> Place<'v> {
        let file = sources.file(at).map_or("", |file| file.name.as_str());
        Place { file, line: at.line, column: at.column, start: at.start, end: at.end }
    }
}

impl<'v> Found<'v> {
    fn of(finding: &'v Finding, sources: &'v Sources) -> Found<'v> {
        let Finding { at, code, message, label, also, hint, conceals: _ } = finding;
        let beside = |(at, what): &'v (Span, String)| Also { at: Place::of(sources, *at), what };
        Found {
            code,
            severity: "error",
            message,
            expected: label,
            at: Place::of(sources, *at),
            also: also.iter().map(beside).collect(),
            hint: hint.as_deref(),
            help: manual::mistake(code),
        }
    }
}

impl Report for Judged<'_> {
    const KIND: Option<&'static str> = Some("Validation");

    type Json<'a>
        = Validation<'a>
    where
        Self: 'a;

    fn text(&self) -> String {
        match self.found {
            Ok((tenants, objects)) => {
                let tenants = counted(tenants, "tenant", "tenants");
                format!("{} is valid: {tenants}, {}\n", self.called, counted(objects, "object", "objects"))
            }
            Err(refused) => diagnostic::text(refused),
        }
    }

    fn json(&self) -> Validation<'_> {
        let refused = self.found.err();
        Validation {
            format_version: FORMAT_VERSION,
            valid: refused.is_none(),
            findings: refused.map_or_else(Vec::new, |Refused { sources, findings, more: _ }| {
                findings.iter().map(|finding| Found::of(finding, sources)).collect()
            }),
            more: refused.map_or(0, |refused| refused.more),
        }
    }
}
