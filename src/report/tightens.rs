//! What a plan narrows, in words: at the change that does so, and all of it in a few lines for a comment.

use std::fmt::Write as _;

use kwo_planner::change::{Step, Tightening};
use kwo_planner::plain::OneLine;

use super::plan::{CHANGE, HOLD};

/// How many lines a comment has for it, and how many parts a line.
const MOST: usize = 20;
const FEW: usize = 3;

/// One line below a change.
pub(super) fn told(out: &mut String, indent: &str, tightening: Option<&Tightening>) {
    let Some(tightening) = tightening else { return };
    let style = if tightening.exceeded_by_use.is_some() { HOLD } else { CHANGE };
    let _ = writeln!(out, "{indent}{style}{}{style:#}", OneLine(sentence(tightening)));
}

/// What is narrower, and what is in use beyond that.
fn sentence(Tightening { what, exceeded_by_use }: &Tightening) -> String {
    let what = if what.is_empty() { "tightens".to_owned() } else { format!("tightens: {what}") };
    match exceeded_by_use {
        Some(used) => {
            format!("{what}; {used} is in use already: nothing is stopped, but nothing new will start")
        }
        None => what,
    }
}

/// All that the steps narrow, one line for those that narrow the same.
pub(super) fn lines(steps: &[Step]) -> Vec<String> {
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for step in steps {
        let mut parts: Vec<String> = step.tightenings().map(sentence).collect();
        if parts.is_empty() {
            continue;
        }
        // What is in use already comes first.
        parts.sort_by_key(|part| !part.contains(" is in use already"));
        let more = parts.len().saturating_sub(FEW);
        parts.truncate(FEW);
        let more = if more == 0 { String::new() } else { format!("; and {more} more") };
        let text = format!("{}{more}", parts.join("; ").replace("; tightens: ", "; "));
        match groups.iter_mut().find(|(have, _)| *have == text) {
            Some((_, ids)) => ids.push(step.id.to_string()),
            None => groups.push((text, vec![step.id.to_string()])),
        }
    }
    let more = groups.len().saturating_sub(MOST);
    groups.truncate(MOST);
    let line = |(text, ids): (String, Vec<String>)| match ids.as_slice() {
        [one] => format!("{one} {text}"),
        [first, others @ ..] => format!("{first} and {} more: {text}", others.len()),
        [] => text,
    };
    let rest = (more > 0).then(|| format!("and {more} more; each stands at its object"));
    groups.into_iter().map(line).chain(rest).collect()
}
