//! A plan as Markdown, for a comment on a pull request: the counts, the rights and what is dangerous in sight, the rest
//! folded. What comes from the roster or the cluster stands in code blocks, so that it cannot be read as markup. Each part
//! has a bound, and the folded rest gets what they leave, so that no comment is longer than forges take.

use std::fmt::Write as _;

use kwo_planner::capacity::Overcommitted;
use kwo_planner::change::Hold;
use kwo_planner::hits::Hits;
use kwo_planner::plain::{OneLine, one_line};
use kwo_planner::plan::Plan;
use kwo_planner::policy::Judged;
use kwo_planner::resource::ResourceId;

use super::fence::{LONGEST, block};
use super::plan::{Detail, View, only, text};
use super::{capacity, foreign, gains, hits, policy, radius, run, tightens, unseen};
use kwo_engine::execute::Report;
use kwo_engine::run::Reaches;
use kwo_planner::counts::Counts;

/// What a part in sight may have of it; the rights may have more.
const PART: usize = LONGEST / 10;

/// What is kept free of that for titles and the digest.
const AROUND: usize = 1_000;

/// What the rest of a plan is shown by.
const ALL: &str = "`kwo plan --full` shows all of it";

/// What the rest of anything else stands in.
const LOG: &str = "see the pipeline's log";

/// What is told beside a plan, where somebody looked: what it hits, of what quotas promise too much, and what the policy
/// says.
pub type Beside<'p> = (Option<&'p Hits>, Option<&'p Overcommitted>, Option<&'p Judged>);

/// The whole plan, cut where it would be too long for a comment.
#[must_use]
pub fn markdown(plan: &Plan, beside: Beside<'_>, detail: Detail<'_>) -> String {
    reviewed(plan, beside, None, detail)
}

/// The same with how far the plan reaches, for whoever reviews it.
#[must_use]
pub fn reviewed(plan: &Plan, beside: Beside<'_>, reaches: Option<&Reaches>, detail: Detail<'_>) -> String {
    let about = About {
        title: "kwo plan",
        what: "plan",
        nothing: "Nothing to do: the cluster agrees with the roster.",
        remains: plan.remains(),
    };
    let mut out = page(about, plan, (beside, reaches), detail, &text(plan, detail));
    let _ = writeln!(out, "\nPlan digest: `{}`", digest(plan));
    out
}

/// The same of what `kwo diff` found, whose text this is.
pub(super) fn difference(plan: &Plan, detail: Detail<'_>, text: &str) -> String {
    let about = About { title: "kwo diff", what: "difference", nothing: "No differences.", remains: None };
    page(about, plan, ((None, None, None), None), detail, text)
}

/// What a page is about, in words.
struct About {
    title: &'static str,
    what: &'static str,
    /// What is said where there is nothing to say.
    nothing: &'static str,
    /// Why it is no agreement.
    remains: Option<String>,
}

/// What is dangerous in sight, and the whole text folded.
fn page(
    about: About,
    plan: &Plan,
    ((hits, overcommitted, judged), reaches): (Beside<'_>, Option<&Reaches>),
    detail: Detail<'_>,
    text: &str,
) -> String {
    let About { title, what, nothing, remains } = about;
    let mut out = format!("### {title}: {}\n\n", Counts::of(plan).line());
    let broken = policy::lines(judged).into_iter().map(|line| format!("! {line}"));
    section(&mut out, "Against the policy: kwo refuses this plan", broken, PART);
    let waived = policy::waivers(judged).into_iter().map(|line| format!("* {line}"));
    section(&mut out, "Waived", waived, PART);
    let part = if detail.tenants.is_empty() { None } else { Some(only(plan, detail.tenants)) };
    let part = part.as_ref().unwrap_or(plan);
    let view = detail.view(part);
    let rights = gains::lines(part, matches!(view, View::Objects(_)));
    let rights = rights.into_iter().map(|(sign, line)| format!("{sign} {}", OneLine(line)));
    let note = plan.provenance.keeper_note.as_ref().map(|note| one_line(note).into_owned());
    section(&mut out, "Access", rights, LONGEST / 4);
    section(&mut out, "Blast radius", radius::lines(reaches), PART);
    section(&mut out, "Who keeps it", note, PART);
    let notes = plan.provenance.notes.iter().map(|note| format!("! {}", OneLine(note)));
    section(&mut out, "Beside the cluster", notes, PART);
    section(&mut out, "Held", holds(part), PART);
    let narrower = tightens::lines(&part.steps);
    let narrower = narrower.into_iter().map(|line| format!("! {}", OneLine(line)));
    section(&mut out, "Tightens", narrower, PART);
    let hit = hits::lines(hits, detail.tenants).into_iter().map(|line| format!("! {}", OneLine(line)));
    section(&mut out, "Hit by what tightens", hit, PART);
    let over = capacity::lines(overcommitted).into_iter().map(|line| format!("! {}", OneLine(line)));
    section(&mut out, "Overcommitted", over, PART);
    section(&mut out, "Not in agreement", remains.map(|it| one_line(&it).into_owned()), PART);
    for (title, lines) in foreign::lines(part) {
        section(&mut out, title, lines, PART);
    }
    if plan.is_settled() && plan.leftovers.is_empty() {
        let _ = writeln!(out, "{nothing}");
    } else {
        let plain = anstream::adapter::strip_str(text).to_string();
        let whole = block(plain.trim_end(), LONGEST.saturating_sub(out.chars().count() + AROUND), ALL);
        let what = match view {
            View::Objects(_) => format!("The whole {what}"),
            View::Tenants(_) => format!("The {what}, tenant by tenant"),
        };
        let _ = writeln!(out, "<details><summary>{what}</summary>\n\n{whole}\n</details>");
    }
    out
}

/// A title and a block below it; nothing where there are no lines.
fn section(out: &mut String, title: &str, lines: impl IntoIterator<Item = String>, longest: usize) {
    let lines: Vec<String> = lines.into_iter().collect();
    if !lines.is_empty() {
        let _ = writeln!(out, "**{title}**\n\n{}", block(&lines.join("\n"), longest, ALL));
    }
}

/// What is held, a line each; what only waits for that is counted.
fn holds(plan: &Plan) -> Vec<String> {
    let (causes, told) = unseen::causes(&plan.held);
    let causes = anstream::adapter::strip_str(&causes).to_string();
    let mut lines: Vec<String> =
        causes.lines().map(|line| line.trim_start_matches("  ").to_owned()).collect();
    let mut waiting = 0;
    for held in plan.held.iter().filter(|held| !held.is_left_out() && !told.contains(&held.id)) {
        match held.hold {
            Hold::WaitsOn { .. } => waiting += 1,
            _ => lines.push(format!("! {}: {}", held.id, OneLine(&held.hold))),
        }
    }
    lines.extend((waiting > 0).then(|| match waiting {
        1 => "! 1 more waits on what is held".to_owned(),
        several => format!("! {several} more wait on what is held"),
    }));
    lines
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
        let _ = write!(out, "\n**Not in agreement**\n\n{}", block(&one_line(&remains), LONGEST / 8, ALL));
    }
    let mut others = String::new();
    for (title, lines) in foreign::lines(plan) {
        section(&mut others, title, lines, LONGEST / 8);
    }
    let _ = write!(out, "\n{}", others.trim_end_matches('\n'));
    let nothing = if stale.is_empty() {
        "There was nothing to do.\n"
    } else {
        "The saved plan is stale; nothing was changed.\n"
    };
    let stale = stale.iter().map(|(id, why)| format!("! {id}: stale: {}", OneLine(why)));
    let mut lines = run::Lines::default();
    let results = report.iter().flat_map(|report| &report.results).map(|result| lines.next(result));
    let lines: Vec<String> = stale.chain(results).collect();
    if !lines.is_empty() {
        let plain = anstream::adapter::strip_str(&lines.join("\n")).to_string();
        let _ = write!(out, "\n{}", block(&plain, LONGEST / 2, LOG));
    }
    let last = report.map_or_else(|| nothing.to_owned(), run::summary);
    let _ = write!(out, "\n{}", anstream::adapter::strip_str(&last));
    if let Some(trouble) = trouble {
        let plain = anstream::adapter::strip_str(trouble).to_string();
        let _ = write!(out, "\n{}", block(plain.trim_end(), LONGEST / 8, LOG));
    }
    out
}

/// Why there is no plan.
#[must_use]
pub fn failed(title: &str, text: &str) -> String {
    let plain = anstream::adapter::strip_str(text).to_string();
    format!("### kwo: {title}\n\n{}", block(plain.trim_end(), LONGEST / 2, LOG))
}

/// The digest, if it is one: what a stranger saved could be any text.
fn digest(plan: &Plan) -> &str {
    let is_one = plan.digest.len() <= 64
        && plan.digest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b':');
    if is_one { &plan.digest } else { "none" }
}
