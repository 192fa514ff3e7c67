//! What `kwo node install` is about to do, as text and for programs.

use std::fmt::Write as _;

use kwo_planner::k3s::{Grade, Install, Noticed, State, Step};
use kwo_planner::plain::counted;
use kwo_planner::plan::FORMAT_VERSION;
use schemars::JsonSchema;
use serde::Serialize;

use super::node_steps;
use super::printed::Report;
use super::style::STRONG;

/// What is to be done on a machine.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Installing {
    format_version: &'static str,
    /// How far the machine is: `new`, `begun`, `installed`, or `adopted` if somebody else installed k3s.
    state: State,
    /// The name of the node, as far as it is known.
    node: Option<String>,
    /// The version of k3s that is there or will be, as far as it is known.
    version: Option<String>,
    /// What keeps kwo from it, and what else to know.
    findings: Vec<Noticed>,
    /// What to do, in order. Empty if something keeps kwo from it.
    steps: Vec<Step>,
}

impl Installing {
    /// This.
    #[must_use]
    pub fn new(install: &Install) -> Installing {
        let Install { state, node, version, noticed, steps } = install;
        Installing {
            format_version: FORMAT_VERSION,
            state: *state,
            node: node.as_ref().map(ToString::to_string),
            version: version.as_ref().map(ToString::to_string),
            findings: noticed.clone(),
            steps: steps.clone(),
        }
    }
}

impl Report for Installing {
    const KIND: Option<&'static str> = Some("NodeInstall");

    type Json<'a> = &'a Installing;

    fn text(&self) -> String {
        let version = self.version.as_deref().unwrap_or("of unknown version");
        let node = self.node.as_deref().unwrap_or("this machine");
        let first = match self.state {
            State::New => format!("{STRONG}Install k3s {version}{STRONG:#} on {node}"),
            State::Begun => format!("{STRONG}Go on installing k3s {version}{STRONG:#} on {node}"),
            State::Installed => format!("{STRONG}k3s {version}{STRONG:#} is installed on {node}"),
            State::Adopted => {
                format!(
                    "{STRONG}k3s {version}{STRONG:#} is there already, and kwo did not install it: it stays as it is"
                )
            }
        };
        let mut out = first + "\n";
        let same = node_steps::write(&mut out, &self.findings, &self.steps);
        let stops = self.findings.iter().filter(|noticed| noticed.grade == Grade::Stop).count();
        let _ = match (stops, self.steps.len() - same, self.state) {
            (0, _, State::Adopted) => Ok(()),
            (0, 0, _) => writeln!(out, "Nothing to do: {} unchanged", counted(same, "step", "steps")),
            (0, some, _) => writeln!(out, "{}, {same} unchanged", counted(some, "step", "steps")),
            (stops, ..) => writeln!(
                out,
                "Nothing is changed: {} in the way",
                counted(stops, "finding stands", "findings stand")
            ),
        };
        out
    }

    fn json(&self) -> &Installing {
        self
    }
}
