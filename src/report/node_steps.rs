//! What stands in the way on a machine, and the steps there, as text.

use std::fmt::Write as _;

use kwo_planner::k3s::{Grade, Noticed, Step, What};
use kwo_planner::plain::OneLine;

use super::style::{CHANGE, CREATE, HOLD, LEFT};

/// What was found on a machine.
#[must_use]
pub fn findings(findings: &[Noticed]) -> String {
    let mut out = String::new();
    for Noticed { check, grade, what, hint } in findings {
        let mark = match grade {
            Grade::Stop => format!("{HOLD}!{HOLD:#}"),
            Grade::Warning => format!("{LEFT}?{LEFT:#}"),
        };
        let _ = writeln!(out, "  {mark} {check}: {}\n      {}", OneLine(what), OneLine(hint));
    }
    out
}

/// Writes them, and gives the number of the steps that change nothing.
pub(super) fn write(out: &mut String, findings: &[Noticed], steps: &[Step]) -> usize {
    out.push_str(&self::findings(findings));
    let mut same = 0;
    for Step { id, what, detail } in steps {
        let mark = match what {
            What::Create => format!("{CREATE}+{CREATE:#}"),
            What::Change => format!("{CHANGE}~{CHANGE:#}"),
            What::Run => format!("{CHANGE}>{CHANGE:#}"),
            What::Unchanged => {
                same += 1;
                continue;
            }
        };
        let _ = writeln!(out, "  {mark} {}\n      {}", OneLine(id), OneLine(detail));
    }
    same
}
