//! What gives access and is not kwo's: as a part of a plan's text, as lines for a comment, and as the end of a run.

use std::fmt::Write as _;

use anstyle::Style;
use kwo_planner::change::Hold;
use kwo_planner::foreign::ForeignAccess;
use kwo_planner::plain::OneLine;
use kwo_planner::plan::Plan;
use kwo_planner::tree::SmolStr;

use super::plan::{HOLD, LEFT, MOST_LEFT};
use super::unseen::parts;

const QUIET: Style = Style::new().dimmed();
const STRONG: Style = Style::new().bold();

/// What it is called.
pub(super) const TITLE: &str = "not kwo's, gives access";

/// The part of a plan's text; nothing where there is nothing of it.
pub(super) fn text(plan: &Plan) -> String {
    let mut out = String::new();
    if plan.foreign_access.is_empty() && plan.unseen_access.is_empty() {
        return out;
    }
    let _ = writeln!(out, "\n{STRONG}{TITLE}{STRONG:#}");
    for ForeignAccess { id, tenant: _, who: _, role: _, grants, command } in
        plan.foreign_access.iter().take(MOST_LEFT)
    {
        let (grants, command) = (OneLine(grants), OneLine(command));
        let _ = writeln!(
            out,
            "  {LEFT}*{LEFT:#} {grants}\n      {QUIET}by {id}; kwo does not remove it; to look at it: {command}{QUIET:#}"
        );
    }
    for line in rest(plan) {
        let _ = writeln!(out, "  {HOLD}{line}{HOLD:#}");
    }
    out
}

/// A line a right, for a comment.
pub(super) fn lines(plan: &Plan) -> Vec<String> {
    let told = plan.foreign_access.iter().take(MOST_LEFT);
    let told = told.map(|foreign| format!("* {}, by {}", OneLine(&foreign.grants), foreign.id));
    told.chain(rest(plan)).collect()
}

/// How many more there are, and what could not be looked at.
fn rest(plan: &Plan) -> impl Iterator<Item = String> {
    let more = plan.foreign_access.len().saturating_sub(MOST_LEFT);
    let more = (more > 0).then(|| format!("* and {more} more; `kwo plan -o json` has them all"));
    // A right that is missing hides what is wanted, too, and its reason was given there.
    let (told, untold): (Vec<&SmolStr>, Vec<&SmolStr>) =
        plan.unseen_access.iter().partition(|why| hides_more(plan, why));
    let told: Vec<&str> = told.into_iter().map(|why| parts(why).0.unwrap_or(why)).collect();
    let told = (!told.is_empty()).then(|| {
        format!("! what others gave is not known: could not {}, as was said", OneLine(told.join(", ")))
    });
    let untold = untold.into_iter().map(|why| format!("! what others gave is not known: {}", OneLine(why)));
    more.into_iter().chain(told).chain(untold)
}

/// Is this why something that is wanted could not be looked at?
fn hides_more(plan: &Plan, reason: &SmolStr) -> bool {
    plan.held.iter().any(|held| matches!(&held.hold, Hold::NotObserved { why } if why == reason))
}

/// The last line of a run about it; nothing where there is nothing of it.
#[must_use]
pub(super) fn end(plan: &Plan) -> String {
    let Some(others) = plan.others() else { return String::new() };
    format!("{LEFT}*{LEFT:#} {}; `kwo plan` shows how to look at it\n", OneLine(others))
}
