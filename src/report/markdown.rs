//! A plan as Markdown, for a comment on a pull request: the rights and the counts in sight, the rest folded.
//! What comes from the roster or the cluster stands in code blocks, so that it cannot be read as markup.

use std::fmt::Write as _;

use kwo_planner::hits::Hits;
use kwo_planner::plain::{OneLine, acts, one_line, spelled};
use kwo_planner::plan::Plan;
use kwo_planner::resource::ResourceId;

use super::plan::{Counts, Detail, access_lines, text};
use super::{foreign, hits, run, tightens};
use crate::execute::Report;

/// Forges refuse longer comments; GitHub's limit is 65 536 characters.
const LONGEST: usize = 60_000;

/// The whole plan, cut where it would be too long for a comment.
#[must_use]
pub fn markdown(plan: &Plan, hits: Option<&Hits>, detail: Detail) -> String {
    let mut out = String::new();
    let counts = Counts::of(plan);
    let _ = writeln!(out, "### kwo plan: {}\n", counts.line());
    let rights = access_lines(&plan.steps, &plan.leftovers);
    if !rights.is_empty() {
        let lines: Vec<String> =
            rights.into_iter().map(|(sign, line)| format!("{sign} {}", OneLine(line))).collect();
        let _ = writeln!(out, "**Access**\n\n{}", block(&lines.join("\n"), LONGEST / 4));
    }
    let narrower = tightens::lines(&plan.steps);
    if !narrower.is_empty() {
        let lines: Vec<String> = narrower.into_iter().map(|line| format!("! {}", OneLine(line))).collect();
        let _ = writeln!(out, "**Tightens**\n\n{}", block(&lines.join("\n"), LONGEST / 16));
    }
    let hit: Vec<String> = hits::lines(hits).iter().map(|line| format!("! {}", OneLine(line))).collect();
    if !hit.is_empty() {
        let _ = writeln!(out, "**Hit by what tightens**\n\n{}", block(&hit.join("\n"), LONGEST / 16));
    }
    if let Some(remains) = plan.remains() {
        let _ = writeln!(out, "**Not in agreement**\n\n{}", block(&one_line(&remains), LONGEST / 8));
    }
    out.push_str(&others(plan));
    if plan.is_settled() && plan.leftovers.is_empty() {
        out.push_str("Nothing to do: the cluster agrees with the roster.\n");
    } else {
        let plain = anstream::adapter::strip_str(&text(plan, detail)).to_string();
        let whole = block(plain.trim_end(), LONGEST / 2);
        let _ = writeln!(out, "<details><summary>The whole plan</summary>\n\n{whole}\n</details>");
    }
    let _ = writeln!(out, "\nPlan digest: `{}`", digest(plan));
    out
}

/// What was done, with the results line by line, and what the last look found where that is why the run failed.
#[must_use]
pub fn applied(
    plan: &Plan,
    report: Option<&Report>,
    stale: &[(ResourceId, String)],
    trouble: Option<&str>,
) -> String {
    let mut out = format!("### kwo apply: {}\n", Counts::of(plan).line());
    if let Some(remains) = plan.remains() {
        let _ = write!(out, "\n**Not in agreement**\n\n{}", block(&one_line(&remains), LONGEST / 8));
    }
    let _ = write!(out, "\n{}", others(plan).trim_end_matches('\n'));
    let nothing = if stale.is_empty() {
        "Nothing was to be done.\n"
    } else {
        "The saved plan is stale; nothing was done.\n"
    };
    let stale = stale.iter().map(|(id, why)| format!("! {id}: stale: {}", OneLine(why)));
    let mut lines = run::Lines::default();
    let results = report.iter().flat_map(|report| &report.results).map(|result| lines.next(result));
    let lines: Vec<String> = stale.chain(results).collect();
    if !lines.is_empty() {
        let plain = anstream::adapter::strip_str(&lines.join("\n")).to_string();
        let _ = write!(out, "\n{}", block(&plain, LONGEST / 2));
    }
    let last = report.map_or_else(|| nothing.to_owned(), run::summary);
    let _ = write!(out, "\n{}", anstream::adapter::strip_str(&last));
    if let Some(trouble) = trouble {
        let plain = anstream::adapter::strip_str(trouble).to_string();
        let _ = write!(out, "\n{}", block(plain.trim_end(), LONGEST / 8));
    }
    out
}

/// What gives access and is not kwo's.
fn others(plan: &Plan) -> String {
    let lines = foreign::lines(plan);
    if lines.is_empty() {
        return String::new();
    }
    format!("**Not kwo's, gives access**\n\n{}\n", block(&lines.join("\n"), LONGEST / 8))
}

/// Why there is no plan.
#[must_use]
pub fn failed(title: &str, text: &str) -> String {
    let plain = anstream::adapter::strip_str(text).to_string();
    format!("### kwo: {title}\n\n{}", block(plain.trim_end(), LONGEST / 2))
}

/// A code block whose fence is longer than any run of backticks inside it.
fn block(text: &str, longest: usize) -> String {
    let kept: String = text.chars().take(longest).collect();
    let whole = kept.len() == text.len();
    let kept = spelled(&kept, |char| acts(char) && !matches!(char, '\n' | '\t'));
    let cut = if !whole { "\n… and more; see the plan in the pipeline's log" } else { "" };
    let run = kept.split(|char| char != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(run.max(2) + 1);
    format!("{fence}diff\n{kept}{cut}\n{fence}\n")
}

/// The digest, if it is one: what a stranger saved could be any text.
fn digest(plan: &Plan) -> &str {
    if plan.digest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b':') {
        &plan.digest
    } else {
        "none"
    }
}
