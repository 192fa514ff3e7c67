//! Whether the registry is there and answers: its objects, the users whose passwords kwo makes, and its hosts.

use std::fmt::Write as _;

use kwo_planner::plain::OneLine;
use kwo_planner::plan::FORMAT_VERSION;
use schemars::JsonSchema;
use serde::Serialize;

use super::printed::Report;

/// Whether the registry of the cluster is there and answers.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RegistryStatus {
    /// The version of this form. Minor versions only add.
    format_version: &'static str,
    /// Is all of it as it should be?
    well: bool,
    /// Each object, user and host, in this order.
    parts: Vec<Part>,
}

/// An object, a user or a host of the registry.
#[derive(Debug, Serialize, JsonSchema)]
struct Part {
    /// The id of the object, `user` and a name, or the address that was asked.
    subject: String,
    /// Is it as it should be?
    well: bool,
    /// What was found, in words.
    says: String,
}

impl RegistryStatus {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> RegistryStatus {
        RegistryStatus { format_version: FORMAT_VERSION, well: true, parts: Vec::new() }
    }

    /// Notes what was found of one part, or why it is not as it should be.
    pub fn note(&mut self, subject: String, found: Result<String, String>) {
        let (well, says) = match found {
            Ok(says) => (true, says),
            Err(why) => (false, why),
        };
        self.well &= well;
        self.parts.push(Part { subject, well, says });
    }

    /// Is all of it as it should be?
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.well
    }
}

impl Default for RegistryStatus {
    fn default() -> Self {
        RegistryStatus::new()
    }
}

impl Report for RegistryStatus {
    const KIND: Option<&'static str> = Some("RegistryStatus");

    type Json<'a> = &'a RegistryStatus;

    fn text(&self) -> String {
        let mut out = String::new();
        for Part { subject, well: _, says } in &self.parts {
            let _ = writeln!(out, "{}: {}", OneLine(subject), OneLine(says));
        }
        out
    }

    fn json(&self) -> &RegistryStatus {
        self
    }
}
