//! Existing objects that a plan would hit, a line each, and what kwo could not look at.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use kwo_planner::hits::{Hit, HitObject, Hits, Unseen};
use kwo_planner::plain::OneLine;

use super::style::{HOLD, STRONG};

/// How many lines are told; the JSON form has all.
const MOST: usize = 40;

/// The part of a plan's text; nothing where nothing was looked for, or nothing is hit.
#[must_use]
pub fn text(hits: Option<&Hits>, tenants: &[String]) -> String {
    let mut out = String::new();
    let lines = lines(hits, tenants);
    if !lines.is_empty() {
        let _ = writeln!(
            out,
            "\n{STRONG}hit by what tightens{STRONG:#}: what is there stays, but the API server refuses it when somebody makes it again"
        );
        for line in lines {
            let _ = writeln!(out, "  {HOLD}!{HOLD:#} {}", OneLine(line));
        }
    }
    out
}

/// One line for what one rule hits, and one for what could not be looked at for one reason. Of these tenants, or of all
/// where none is named.
#[must_use]
pub fn lines(hits: Option<&Hits>, tenants: &[String]) -> Vec<String> {
    let Some(Hits { hit, unseen }) = hits else { return Vec::new() };
    let shown =
        |hit: &&Hit| tenants.is_empty() || tenants.iter().any(|name| name.as_str() == hit.tenant.as_str());
    let mut lines: Vec<String> = hit.iter().filter(shown).map(line).collect();
    if lines.len() > MOST {
        let more = lines.len() - MOST;
        lines.truncate(MOST);
        lines.push(format!("and {more} more; `kwo plan -o json` has all"));
    }
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for Unseen { what, why } in unseen {
        reasons.entry(why).or_default().push(what);
    }
    lines.extend(reasons.into_iter().map(|(why, what)| {
        let more = what.len().saturating_sub(FEW);
        let named = what.iter().take(FEW).copied().collect::<Vec<_>>().join(", ");
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        format!("could not be looked at: {named}{more}: {why}")
    }));
    lines
}

/// How many a line names that could not be looked at.
const FEW: usize = 5;

fn line(hit: &Hit) -> String {
    let Hit { namespace, tenant: _, by: _, kind, why, objects, more } = hit;
    let object = |HitObject { name, what }: &HitObject| match what.as_str() {
        "" => name.to_string(),
        what => format!("{name} ({what})"),
    };
    let names = objects.iter().map(object).collect::<Vec<_>>().join(", ");
    let more = if *more == 0 { String::new() } else { format!(" and {more} more") };
    format!("{namespace}: {kind} {names}{more}: {why}")
}
