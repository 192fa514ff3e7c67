//! What became of a plan, as text: one line a step, what was refused with its reason, counts last.

use kwo_planner::plain::counted;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::Write as _;

use kwo_planner::change::{Change, Step};
use kwo_planner::plain::OneLine;
use kwo_planner::plan::Plan;
use kwo_planner::resource::ResourceId;

use super::foreign;
use super::style::{CHANGE, CREATE, HOLD, LEFT, shown};
use kwo_engine::execute::{Outcome, Report, StepResult};
use kwo_engine::fight::{Fight, fights, named};
use kwo_engine::providers::Refusal;
use kwo_engine::run::Extent;
use kwo_planner::counts::Counts;

/// The lines of a run, which tell one cause once.
#[derive(Debug, Default)]
pub struct Lines {
    /// Why steps were refused, and which was the first.
    refused: HashMap<String, ResourceId>,
}

impl Lines {
    /// One line for one result, as it comes in, and below it what the system warned of.
    #[must_use]
    pub fn next(&mut self, result: &StepResult) -> String {
        if let Outcome::Refused(Refusal::Refused { why }) = &result.outcome {
            match self.refused.entry(cause(why, &result.step.id)) {
                Entry::Occupied(first) => {
                    let (id, first) = (&result.step.id, first.get());
                    return format!("{HOLD}!{HOLD:#} {id}: refused for the same reason as {first}");
                }
                Entry::Vacant(new) => {
                    new.insert(result.step.id.clone());
                }
            }
        }
        line(result)
    }
}

/// What was answered, without what in it stands for this object alone.
fn cause(why: &str, id: &ResourceId) -> String {
    let quoted = |word: &str| format!("\"{word}\"");
    let why = why.replace(&quoted(&id.name), "NAME");
    if id.scope.is_empty() { why } else { why.replace(&quoted(&id.scope), "SCOPE") }
}

fn line(result: &StepResult) -> String {
    let StepResult { step, outcome, warnings, began: _, took: _ } = result;
    let mut line = match outcome {
        Outcome::Done => {
            let (style, sign, verb) =
                if step.creates() { (CREATE, '+', "created") } else { (CHANGE, '~', verb(step)) };
            format!("{style}{sign}{style:#} {verb} {}", step.id)
        }
        Outcome::Settled => format!("= {} is as the plan wants it already", step.id),
        Outcome::Refused(refusal) => format!("{HOLD}!{HOLD:#} {}: {}", step.id, OneLine(refusal)),
        Outcome::Skipped(need) => format!("{HOLD}!{HOLD:#} {}: skipped, it needs {need}", step.id),
    };
    for warning in warnings {
        let _ = write!(line, "\n    {LEFT}warning{LEFT:#}: {warning}");
    }
    line
}

fn verb(step: &Step) -> &'static str {
    if step.revises() { "revised" } else { "extended" }
}

/// The report's last lines: counts, and what was not begun.
#[must_use]
pub fn summary(report: &Report) -> String {
    let count =
        |wanted: fn(&Outcome) -> bool| report.results.iter().filter(|result| wanted(&result.outcome)).count();
    let unanswered = report.unanswered();
    let refused = count(|outcome| matches!(outcome, Outcome::Refused(_))) - unanswered;
    let skipped = count(|outcome| matches!(outcome, Outcome::Skipped(_)));
    let mut out = String::new();
    if let Some(why) = &report.stopped {
        let left = report.not_begun.len();
        let left = counted(left, "step was not begun", "steps were not begun");
        let _ = write!(out, "{HOLD}Stopped{HOLD:#}: {why}. {left}.");
        if unanswered > 0 {
            let _ = write!(out, " {unanswered} got no answer, so the server may have done some of them.");
        }
        out.push('\n');
    }
    let _ = write!(out, "{} done, {refused} refused, {skipped} skipped", report.done());
    if unanswered > 0 {
        let _ = write!(out, ", {unanswered} not answered");
    }
    out.push('\n');
    out
}

/// The words for a plan that has nothing to do and holds nothing.
#[must_use]
pub fn settled(plan: &Plan) -> String {
    match plan.remains() {
        None => format!("{CREATE}In agreement{CREATE:#}"),
        Some(remains) => format!("{LEFT}Converged{LEFT:#}, but {}", OneLine(remains)),
    }
}

/// The words for a look after the run that saw less than the one before it.
#[must_use]
pub fn blind(why: &str) -> String {
    format!(
        "{HOLD}Could not look again{HOLD:#}: {}. The lines above say what was done; `kwo plan` looks again.\n",
        OneLine(why)
    )
}

/// What a second look found: agreement, or with whom kwo is fighting.
#[must_use]
pub fn second_look(again: &Plan, report: &Report) -> String {
    let mut out = String::new();
    let fights = fights(again, report);
    for Fight { step } in &fights {
        if step.creates() {
            let _ = writeln!(out, "{HOLD}!{HOLD:#} {} is gone right after it was written", step.id);
            continue;
        }
        let _ = writeln!(out, "{HOLD}!{HOLD:#} {} differs again right after it was written:", step.id);
        for change in step.changes.iter() {
            let _ = match change {
                // Told above: a step creates with this change alone.
                Change::Create => Ok(()),
                Change::Extend { pointer, value, tightens: _, because: _ } => {
                    writeln!(out, "    {pointer}: {} was taken out", shown(value))
                }
                Change::Revise { pointer, from, to, cause, tightens: _, because: _ } => {
                    writeln!(out, "    {pointer}: {} instead of {} ({cause})", shown(from), shown(to))
                }
            };
        }
    }
    let leftovers = again.leftovers.len();
    let _ = match (fights.is_empty(), again.is_settled()) {
        (_, true) => writeln!(out, "{}: {}", settled(again), Counts::of(again).line()),
        (true, false) => writeln!(out, "Not in agreement yet: {}", Counts::of(again).line()),
        (false, false) => {
            writeln!(
                out,
                "{HOLD}A fight{HOLD:#}: {} {} what kwo writes. Let only one of the two write it before the next run.",
                named(&fights),
                if fights.iter().all(|fight| fight.step.creates()) { "deletes" } else { "changes" }
            )
        }
    };
    if leftovers > 0 {
        let _ = writeln!(
            out,
            "{LEFT}{leftovers} left over{LEFT:#}: `kwo plan` lists them with the commands that remove them."
        );
    }
    out.push_str(&foreign::end(again));
    out
}

/// So many objects, in words.
pub(super) fn objects(count: usize) -> String {
    counted(count, "object", "objects")
}

/// What was looked at again, where that is not everything.
#[must_use]
pub fn extent(extent: Extent) -> String {
    match extent {
        Extent::Everything => String::new(),
        Extent::Objects(count) => format!(
            "kwo looked again at {} and at the access to their namespaces. It looked at the rest just before the run.\n",
            objects(count)
        ),
    }
}
