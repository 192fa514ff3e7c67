//! What a plan says about one tenant, for the pages that show it object by object or on a line.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use kwo_planner::change::{Held, Leftover, Step};
use kwo_planner::plain::OneLine;

use super::style::QUIET;

/// How many rights that are left are told before all tenants, and how many that are not kwo's behind them.
pub(super) const MOST_LEFT: usize = 20;

/// What a plan says about one tenant.
#[derive(Default)]
pub(super) struct Part<'p> {
    pub(super) steps: Vec<&'p Step>,
    pub(super) held: Vec<&'p Held>,
    pub(super) leftovers: Vec<&'p Leftover>,
}

/// What a tenant's part is called.
pub(super) fn title(tenant: &str) -> String {
    if tenant.is_empty() { "the cluster".to_owned() } else { format!("tenant {}", OneLine(tenant)) }
}

/// What the run was not asked to look at: one line a reason.
pub(super) fn left_out(out: &mut String, held: &[&Held]) {
    let mut reasons: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for held in held.iter().filter(|held| held.is_left_out()) {
        reasons.entry(OneLine(&held.hold).to_string()).or_default().push(held.id.to_string());
    }
    for (why, ids) in reasons {
        let _ = writeln!(out, "  {QUIET}· {}: {why}{QUIET:#}", ids.join(", "));
    }
}
