//! What tells two rosters apart, as text, Markdown and JSON. It is the plan that a cluster which agrees with the first one
//! would get from the second one, and is shown like one.

use std::fmt::Write as _;
use std::sync::Arc;

use anstream::adapter::strip_str;
use kwo_planner::change::{Held, Leftover, Step};
use kwo_planner::plain::{OneLine, one_line};
use kwo_planner::plan::{FORMAT_VERSION, Plan};
use kwo_planner::shared::items;
use schemars::JsonSchema;
use serde::Serialize;

use super::markdown::difference;
use super::plan::{Detail, shown_of};
use super::printed::Report;
use super::style::{QUIET, STRONG};

/// One of the two rosters.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Side {
    /// Its file, as it was named: `roster.yaml`, `main:roster.yaml`.
    pub roster: String,
    /// The commit that it was read from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

/// What the second roster asks for that the first one does not.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Diff<'d> {
    /// The version of this form. Minor versions only add.
    format_version: &'static str,
    /// The first roster.
    from: &'d Side,
    /// The second roster.
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

/// Two rosters, and what the second one asks for that the first one does not.
#[derive(Clone, Copy, Debug)]
pub struct Compared<'d> {
    /// The first roster.
    pub from: &'d Side,
    /// The second roster.
    pub to: &'d Side,
    /// The second one's plan for a world that agrees with the first one.
    pub plan: &'d Plan,
    /// How much of it to show.
    pub detail: Detail<'d>,
}

impl Report for Compared<'_> {
    const KIND: Option<&'static str> = Some("Diff");

    type Json<'a>
        = Diff<'a>
    where
        Self: 'a;

    fn text(&self) -> String {
        text(self.from, self.to, self.plan, self.detail)
    }

    fn markdown(&self) -> String {
        let page = difference(self.plan, self.detail, &self.text());
        strip_str(&of_this_command(&page)).to_string()
    }

    fn json(&self) -> Diff<'_> {
        let Compared { from, to, plan, detail: _ } = *self;
        let Plan { format_version: _, provenance: _, steps, held, leftovers, settled, .. } = plan;
        Diff { format_version: FORMAT_VERSION, from, to, steps, held, leftovers, settled: *settled }
    }
}

/// Do both ask for the same?
#[must_use]
pub fn is_none(plan: &Plan) -> bool {
    plan.steps.is_empty() && plan.held.is_empty() && plan.leftovers.is_empty()
}

fn text(from: &Side, to: &Side, plan: &Plan, detail: Detail<'_>) -> String {
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
            "{QUIET}left over means that only {} asks for it: an apply does not delete it{QUIET:#}",
            OneLine(&from.roster)
        );
    }
    out
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
