//! What breaks the rules of a policy, and what is waived: as the first part of a plan's text and of a comment, and as the
//! reason of a run that changed nothing.

use std::fmt::Write as _;

use kwo_engine::failure::{Exit, Failure};
use kwo_planner::plain::OneLine;
use kwo_planner::policy::{Judged, Violation, Waived};

use super::style::{HOLD, LEFT, STRONG};

/// So many are told one by one.
const MOST: usize = 40;

/// The part before a plan's text; nothing where everything keeps the rules.
#[must_use]
pub fn text(judged: Option<&Judged>) -> String {
    let mut out = String::new();
    let Some(Judged { violations, waived, .. }) = judged else { return out };
    if !violations.is_empty() {
        let _ =
            writeln!(out, "{STRONG}against the policy{STRONG:#}: kwo refuses this plan, and changes nothing");
        for line in lines(judged) {
            let _ = writeln!(out, "  {HOLD}!{HOLD:#} {line}");
        }
        out.push('\n');
    }
    if !waived.is_empty() {
        let _ = writeln!(out, "{STRONG}waived{STRONG:#}: against the policy, and allowed");
        for line in waivers(judged) {
            let _ = writeln!(out, "  {LEFT}*{LEFT:#} {line}");
        }
        out.push('\n');
    }
    out
}

/// What breaks a rule, a line each.
#[must_use]
pub fn lines(judged: Option<&Judged>) -> Vec<String> {
    let Some(Judged { violations, more, .. }) = judged else { return Vec::new() };
    let told = violations.iter().take(MOST);
    let mut lines: Vec<String> = told.map(line).collect();
    let rest = violations.len().saturating_sub(MOST) + more;
    if rest > 0 {
        lines.push(format!("and {rest} more; `-o json` has more of them"));
    }
    lines
}

fn line(violation: &Violation) -> String {
    OneLine(format!("{} ({})", violation.line(), violation.places())).to_string()
}

/// What is waived, a line each.
#[must_use]
pub fn waivers(judged: Option<&Judged>) -> Vec<String> {
    let Some(Judged { waived, .. }) = judged else { return Vec::new() };
    let told = waived.iter().take(MOST).map(|Waived { violation, reason, until }| {
        let until = until.as_ref().map_or_else(String::new, |until| format!(" until {until}"));
        OneLine(format!("{}; waived{until}: {reason}", violation.line())).to_string()
    });
    let mut lines: Vec<String> = told.collect();
    if waived.len() > MOST {
        lines.push(format!("and {} more; `-o json` has more of them", waived.len() - MOST));
    }
    lines
}

/// Why a plan is not carried out; nothing where everything keeps the rules.
#[must_use]
pub fn refused(judged: &Judged) -> Option<Failure> {
    if judged.is_kept() {
        return None;
    }
    let failure =
        Failure { exit: Exit::Held, ..Failure::new("the plan is against the policy; nothing was changed") };
    let mut failure = failure.hint(
        "change the roster, or let whoever keeps the policy write a waiver with a reason beside the rule",
    );
    failure.causes = lines(Some(judged));
    Some(failure)
}

/// Why something is not brought back; nothing where all that comes with it keeps the rules.
#[must_use]
pub fn refused_to_bring(what: &str, judged: &Judged) -> Option<Failure> {
    let mut failure = refused(judged)?;
    failure.message = format!("{what} is against the policy; nothing was changed");
    failure.hints = vec![
        "let whoever keeps the policy write a waiver with a reason beside the rule, or leave out what breaks it"
            .to_owned(),
    ];
    Some(failure)
}
