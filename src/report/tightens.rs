//! What a plan narrows, in words: at the change that does so, and all of it in a few lines for a comment.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use kwo_planner::change::{Step, Tightening};
use kwo_planner::plain::OneLine;

use super::style::{CHANGE, HOLD};

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

/// All that the steps narrow, one line for those that narrow the same. What is in use beyond a bound comes first, and all
/// of it is told.
pub(super) fn lines(steps: &[Arc<Step>]) -> Vec<String> {
    let mut groups: Vec<(bool, String, Vec<String>)> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for step in steps {
        let mut parts: Vec<(bool, String)> =
            step.tightenings().map(|it| (it.exceeded_by_use.is_none(), sentence(it))).collect();
        if parts.is_empty() {
            continue;
        }
        parts.sort_by_key(|(fits, _)| *fits);
        let exceeded = parts.iter().take_while(|(fits, _)| !fits).count();
        let more = parts.len().saturating_sub(FEW.max(exceeded));
        parts.truncate(FEW.max(exceeded));
        let more = if more == 0 { String::new() } else { format!("; and {more} more") };
        let parts: Vec<String> = parts.into_iter().map(|(_, part)| part).collect();
        let text = format!("{}{more}", parts.join("; ").replace("; tightens: ", "; "));
        let at = *places.entry(text.clone()).or_insert(groups.len());
        match groups.get_mut(at) {
            Some((_, _, ids)) => ids.push(step.id.to_string()),
            None => groups.push((exceeded == 0, text, vec![step.id.to_string()])),
        }
    }
    groups.sort_by_key(|(fits, _, _)| *fits);
    let most = MOST.max(groups.iter().take_while(|(fits, _, _)| !fits).count());
    let more = groups.len().saturating_sub(most);
    groups.truncate(most);
    let line = |(_, text, ids): (bool, String, Vec<String>)| match ids.as_slice() {
        [one] => format!("{one} {text}"),
        [first, others @ ..] => format!("{first} and {} more: {text}", others.len()),
        [] => text,
    };
    let rest = (more > 0).then(|| format!("and {more} more; each is shown at its object"));
    groups.into_iter().map(line).chain(rest).collect()
}
