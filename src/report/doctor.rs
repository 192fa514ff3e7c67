//! What `kwo doctor` found: a line a check, and below what failed what to do. The JSON is the checks themselves.

use kwo_planner::plain::counted;
use std::fmt::Write as _;

use kwo_engine::doctor::{Check, Outcome, Todo};
use kwo_planner::plain::OneLine;
use kwo_planner::plan::FORMAT_VERSION;
use schemars::JsonSchema;
use serde::Serialize;

use super::printed::Report;
use super::style::{CHANGE, CREATE, HOLD, QUIET, STRONG};

/// What the checks of `kwo doctor` found.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Examined {
    format_version: &'static str,
    /// The version of kwo.
    kwo: &'static str,
    /// Did no check fail?
    healthy: bool,
    /// Each check, always in the same order.
    checks: Vec<Check>,
}

impl Examined {
    /// These checks.
    #[must_use]
    pub fn new(checks: Vec<Check>) -> Examined {
        let healthy = checks.iter().all(|check| check.outcome != Outcome::Failed);
        Examined { format_version: FORMAT_VERSION, kwo: env!("CARGO_PKG_VERSION"), healthy, checks }
    }

    /// Did one fail?
    #[must_use]
    pub fn failed(&self) -> bool {
        !self.healthy
    }
}

impl Report for Examined {
    const KIND: Option<&'static str> = Some("Doctor");

    type Json<'a> = &'a Examined;

    fn text(&self) -> String {
        let Examined { format_version: _, kwo: _, healthy: _, checks } = self;
        let mut out = String::new();
        checks.iter().for_each(|check| line(&mut out, check));
        let of = |outcome| checks.iter().filter(|check| check.outcome == outcome).count();
        let _ = writeln!(
            out,
            "\n{STRONG}{} failed, {}, {} ok{STRONG:#}; {} unknown, {} not asked",
            of(Outcome::Failed),
            counted(of(Outcome::Warning), "warning", "warnings"),
            of(Outcome::Ok),
            of(Outcome::CannotTell),
            of(Outcome::NotAsked)
        );
        out
    }

    fn json(&self) -> &Examined {
        self
    }
}

fn line(out: &mut String, Check { name, looks_at: _, outcome, found, todo }: &Check) {
    let (style, word) = match outcome {
        Outcome::Ok => (CREATE, "ok"),
        Outcome::Warning => (CHANGE, "warning"),
        Outcome::Failed => (HOLD, "failed"),
        Outcome::NotAsked => (QUIET, "not asked"),
        Outcome::CannotTell => (CHANGE, "unknown"),
    };
    let _ = writeln!(out, "{style}{word:<9}{style:#} {name:<16} {}", OneLine(found));
    if let Some(Todo { text, command }) = todo {
        let _ = writeln!(out, "{:27}{}", "", OneLine(text));
        if !command.is_empty() {
            let _ = writeln!(out, "{:27}{STRONG}{}{STRONG:#}", "", OneLine(command));
        }
    }
}
