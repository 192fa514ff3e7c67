//! What `kwo node upgrade` is about to do, as text and for programs.

use std::fmt::Write as _;

use kwo_planner::k3s::{Grade, Noticed, Stage, Step, Upgrading};
use kwo_planner::plain::counted;
use kwo_planner::plan::FORMAT_VERSION;
use schemars::JsonSchema;
use serde::Serialize;

use super::node_steps;
use super::printed::Report;
use super::style::STRONG;

/// What is to be done to have another version of k3s.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Upgrades {
    format_version: &'static str,
    /// How far it is: `new`, `begun` with the old k3s in its place, `swapped` with the new one in its place, `back` on the way back, or
    /// `done` if there is nothing to do.
    stage: Stage,
    /// It goes back to the previous version.
    rollback: bool,
    /// The version of k3s that is there, as far as it is known.
    from: Option<String>,
    /// The version that will be there, as far as it is known.
    to: Option<String>,
    /// What keeps kwo from it, and what else to know.
    findings: Vec<Noticed>,
    /// What to do, in order. Empty if something keeps kwo from it.
    steps: Vec<Step>,
}

impl Upgrades {
    /// This.
    #[must_use]
    pub fn new(upgrading: &Upgrading, rollback: bool) -> Upgrades {
        let Upgrading { stage, from, to, noticed, steps } = upgrading;
        Upgrades {
            format_version: FORMAT_VERSION,
            stage: *stage,
            rollback,
            from: from.as_ref().map(ToString::to_string),
            to: to.as_ref().map(ToString::to_string),
            findings: noticed.clone(),
            steps: steps.clone(),
        }
    }
}

impl Report for Upgrades {
    const KIND: Option<&'static str> = Some("NodeUpgrade");

    type Json<'a> = &'a Upgrades;

    fn text(&self) -> String {
        let from = self.from.as_deref().unwrap_or("of unknown version");
        let to = self.to.as_deref().unwrap_or("another version");
        let stops = self.findings.iter().filter(|noticed| noticed.grade == Grade::Stop).count();
        let mut out = match (self.stage, self.rollback) {
            _ if stops > 0 => match &self.from {
                Some(from) => format!("k3s {from} stays as it is\n"),
                None => String::new(),
            },
            (Stage::Done, _) => format!("k3s is {from} already\n"),
            (Stage::New, false) => format!("{STRONG}Upgrade k3s {from} to {to}{STRONG:#}\n"),
            (_, false) => format!("{STRONG}Go on upgrading k3s {from} to {to}{STRONG:#}\n"),
            (Stage::Back, true) => format!("{STRONG}Go on taking k3s {from} back to {to}{STRONG:#}\n"),
            (_, true) => format!("{STRONG}Take k3s {from} back to {to}{STRONG:#}\n"),
        };
        node_steps::write(&mut out, &self.findings, &self.steps);
        let _ = match (stops, self.steps.len()) {
            (0, 0) => writeln!(out, "Nothing to do"),
            (0, some) => writeln!(out, "{}", counted(some, "step", "steps")),
            (stops, _) => writeln!(
                out,
                "Nothing is changed: {} in the way",
                counted(stops, "finding stands", "findings stand")
            ),
        };
        out
    }

    fn json(&self) -> &Upgrades {
        self
    }
}
