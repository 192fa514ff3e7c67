//! How far a plan reaches, a line each, for whoever reviews it.

use std::collections::BTreeSet;

use kwo_engine::run::Reaches;
use kwo_planner::plain::OneLine;
use kwo_planner::radius::Radius;
use kwo_planner::tree::SmolStr;

use super::tenants::{count, first};

/// The lines; none where the plan does nothing.
pub(super) fn lines(reaches: Option<&Reaches>) -> Vec<String> {
    let Some(Reaches { radius, pods }) = reaches.filter(|reaches| !reaches.radius.is_nothing()) else {
        return Vec::new();
    };
    let Radius { tenants, people, namespaces, new, hosts, disturbs, shared, adds, revises } = radius;
    let mut lines = Vec::new();
    let mut line = |what: &str, said: String| lines.push(format!("  {what:<11} {}", OneLine(said)));
    line("tenants", named(tenants));
    line("people", named(people));
    let with_new = match new.len() {
        0 => String::new(),
        several => {
            format!("{}{several} new: {}", if namespaces.is_empty() { "" } else { ", and " }, some(new))
        }
    };
    let there = if namespaces.is_empty() && !new.is_empty() { String::new() } else { named(namespaces) };
    line("namespaces", there + &with_new);
    match pods {
        None => {}
        Some(Ok(running)) => line("pods", format!("{running} run there now")),
        Some(Err(why)) => line("pods", format!("not known: {why}")),
    }
    line("hosts", named(hosts));
    if *shared > 0 {
        line("shared", count(*shared, "object") + " of the whole cluster or its node");
    }
    match disturbs.is_empty() {
        true => line("restarts", "none".to_owned()),
        false => lines.push(format!("! {:<11} {}", "restarts", OneLine(some(disturbs)))),
    }
    let mut said = Vec::new();
    if *revises > 0 {
        said.push(format!("a revert of the roster sets {} back", count(*revises, "object")));
    }
    if *adds > 0 {
        said.push("what the plan adds stays left over until somebody removes it".to_owned());
    }
    if !disturbs.is_empty() {
        said.push("a restart cannot be taken back".to_owned());
    }
    let word = match (disturbs.is_empty(), *adds) {
        (false, _) => "no",
        (true, 0) => "yes",
        (true, _) => "partly",
    };
    lines.push(format!("  {:<11} {word}: {}", "reversible", said.join("; ")));
    lines
}

/// How many, and the first of them.
fn named(names: &BTreeSet<SmolStr>) -> String {
    if names.is_empty() { "none".to_owned() } else { format!("{}: {}", names.len(), some(names)) }
}

fn some(names: &BTreeSet<SmolStr>) -> String {
    first(&names.iter().collect::<Vec<_>>())
}
