//! What `kwo plan --adopt` would come to with an imported roster: counts, and whatever is more than an addition.

use std::fmt::Write as _;

use kwo_planner::change::Change;
use kwo_planner::plan::Plan;

use super::style::{CHANGE, HOLD, shown};
use kwo_planner::counts::Counts;

/// The text for people.
#[must_use]
pub fn text(plan: &Plan) -> String {
    let counts = Counts::of(plan);
    let mut out = format!("with --adopt: {}\n", counts.line());
    if counts.revise == 0 && counts.held == 0 {
        out.push_str("it only adds; no value is changed\n");
        return out;
    }
    if counts.revise > 0 {
        out.push_str("these values would be changed, because a roster cannot keep them:\n");
    }
    for step in &plan.steps {
        for change in step.changes.iter() {
            if let Change::Revise { pointer, from, to, cause: _, tightens: _, because: _ } = change {
                let (id, from, to) = (&step.id, shown(from), shown(to));
                let _ = writeln!(out, "  {CHANGE}~{CHANGE:#} {id} {pointer}: {from} → {to}");
            }
        }
    }
    if counts.held > 0 {
        out.push_str("kwo would hold these until somebody fixes them:\n");
    }
    for held in plan.held.iter().filter(|held| !held.is_left_out()) {
        let _ = writeln!(out, "  {HOLD}!{HOLD:#} {}: {}", held.id, held.hold);
    }
    out
}
