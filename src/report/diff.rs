//! What tells two rosters apart, as text, Markdown and JSON. It is the plan that a cluster which agrees with the first one
//! would get from the second one, and is shown like one.

use std::fmt::Write as _;
use std::sync::Arc;

use anstream::adapter::strip_str;
use kwo_planner::change::{Held, Leftover, Step};
use kwo_planner::plain::{OneLine, one_line};
use kwo_planner::plan::{FORMAT_VERSION, Plan};
use kwo_planner::shared::items;
use serde::Serialize;

use super::markdown::difference;
use super::plan::{Detail, QUIET, STRONG, shown_of};

/// One of the two rosters.
#[derive(Debug, Serialize)]
pub struct Side {
    /// Its file, as it was named: `roster.yaml`, `main:roster.yaml`.
    pub roster: String,
    /// The commit that it was read from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

/// What the second roster asks for that the first one does not.
#[derive(Debug, Serialize)]
pub struct Diff<'d> {
    format_version: &'static str,
    kind: &'static str,
    from: &'d Side,
    to: &'d Side,
    /// What only the second one asks for, or asks for otherwise.
    #[serde(serialize_with = "items::serialize")]
    steps: &'d [Arc<Step>],
    /// What the second one asks for and kwo would not do.
    held: &'d [Held],
    /// What only the first one asks for.
    leftovers: &'d [Leftover],
    /// How many objects both ask for alike.
    settled: usize,
}

impl Diff<'_> {
    /// For programs.
    #[must_use]
    pub fn of<'d>(from: &'d Side, to: &'d Side, plan: &'d Plan) -> Diff<'d> {
        let Plan { format_version: _, provenance: _, steps, held, leftovers, settled, .. } = plan;
        Diff {
            format_version: FORMAT_VERSION,
            kind: "Diff",
            from,
            to,
            steps,
            held,
            leftovers,
            settled: *settled,
        }
    }
}

/// Do both ask for the same?
#[must_use]
pub fn is_none(plan: &Plan) -> bool {
    plan.steps.is_empty() && plan.held.is_empty() && plan.leftovers.is_empty()
}

/// For people.
#[must_use]
pub fn text(from: &Side, to: &Side, plan: &Plan, detail: Detail<'_>) -> String {
    let mut out = String::new();
    let _ =
        writeln!(out, "{STRONG}Difference{STRONG:#} from {} to {}", OneLine(named(from)), OneLine(named(to)));
    if is_none(plan) {
        let _ = writeln!(out, "\nNo differences.");
    }
    let mut shown = String::new();
    shown_of(&mut shown, plan, detail);
    out.push_str(&of_this_command(&shown));
    if !plan.leftovers.is_empty() {
        let _ = writeln!(
            out,
            "{QUIET}left over is what only {} asks for: kwo never removes it{QUIET:#}",
            OneLine(&from.roster)
        );
    }
    out
}

/// The same for a comment.
#[must_use]
pub fn markdown(from: &Side, to: &Side, plan: &Plan, detail: Detail<'_>) -> String {
    let page = difference(plan, detail, &text(from, to, plan, detail));
    strip_str(&of_this_command(&page)).to_string()
}

/// What a plan names to see more of it is there for this command, too.
fn of_this_command(text: &str) -> String {
    let [plan, diff] = ["plan", "diff"].map(|command| format!("\u{60}kwo {command} --"));
    text.replace(&plan, &diff)
}

/// The file, and the beginning of the commit.
fn named(side: &Side) -> String {
    let Side { roster, commit } = side;
    let commit = commit.as_deref().and_then(|commit| commit.get(..12));
    commit.map_or_else(|| one_line(roster).into_owned(), |commit| format!("{roster} ({commit})"))
}
