//! What `kwo systems check` found: a line a question, and below what failed what mends it. The JSON is the answers themselves.

use std::fmt::Write as _;

use kwo_engine::providers::{Checkup, Tested};
use kwo_planner::plain::OneLine;
use kwo_planner::plan::FORMAT_VERSION;
use schemars::JsonSchema;
use serde::Serialize;

use super::printed::Report;
use super::style::{CREATE, HOLD, STRONG};

/// What `kwo systems check` found.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CheckedUp {
    format_version: &'static str,
    /// Is everything as it has to be?
    well: bool,
    /// Each system that the roster names, and each zone.
    systems: Vec<Checkup>,
}

impl CheckedUp {
    /// These answers.
    #[must_use]
    pub fn new(systems: Vec<Checkup>) -> CheckedUp {
        let well = systems.iter().all(Checkup::is_well);
        CheckedUp { format_version: FORMAT_VERSION, well, systems }
    }

    /// Is everything as it has to be?
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.well
    }
}

impl Report for CheckedUp {
    const KIND: Option<&'static str> = Some("Systems");

    type Json<'a> = &'a CheckedUp;

    fn text(&self) -> String {
        let CheckedUp { format_version: _, well: _, systems } = self;
        let mut out = String::new();
        for Checkup { system, address, version, tests, rights: _ } in systems {
            let version = version.as_ref().map(|version| format!(", version {version}")).unwrap_or_default();
            let _ = writeln!(
                out,
                "{STRONG}{}{STRONG:#}  {}{}",
                OneLine(system),
                OneLine(address),
                OneLine(&version)
            );
            tests.iter().for_each(|test| line(&mut out, test));
        }
        out
    }

    fn json(&self) -> &CheckedUp {
        self
    }
}

fn line(out: &mut String, Tested { what, ok, found, todo }: &Tested) {
    let (style, word) = if *ok { (CREATE, "ok") } else { (HOLD, "failed") };
    let _ = writeln!(out, "  {style}{word:<7}{style:#} {what:<10} {}", OneLine(found));
    for todo in todo {
        let _ = writeln!(out, "{:21}{STRONG}{}{STRONG:#}", "", OneLine(todo));
    }
}
