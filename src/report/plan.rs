//! A plan as text: who gets or keeps which right, then tenant by tenant what is done, why, and what is left alone; counts
//! last. A small plan names each object, a big one has a line a tenant (`folded.rs`); what is dangerous keeps its lines in
//! both. The same text, without colour, is what the Markdown form shows.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use kwo_planner::change::{Held, Hold, Step};
use kwo_planner::kinds::Kind;
use kwo_planner::origin::Origin;
use kwo_planner::plain::OneLine;
use kwo_planner::plan::Plan;
use kwo_planner::resource::ResourceId;
use kwo_planner::tree::SmolStr;

use super::folded;
use super::objects::{self, How};
use super::part::{Part, left_out, title};
use super::style::{CREATE, HOLD, LEFT, QUIET, STRONG};
use super::tenants::made;
use super::{foreign, gains, unseen};
use kwo_planner::counts::Counts;

/// How much of a plan to show.
#[derive(Clone, Copy, Debug, Default)]
pub struct Detail<'d> {
    /// How much of each tenant.
    pub show: Show,
    /// The tenants to show; none is all of them.
    pub tenants: &'d [String],
}

/// How much of each tenant to show.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Show {
    /// Each object of a small plan, a line a tenant of a big one.
    #[default]
    Fitting,
    /// A line a tenant.
    Summary,
    /// Each object, with each field of the new ones.
    Full,
}

/// How a plan is shown, by its size.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum View {
    /// Each object.
    Objects(How),
    /// So many tenants, a line each.
    Tenants(usize),
}

/// Up to how many steps each object is shown.
const SMALL: usize = 60;

/// How many tenants of a big plan have a line.
const MOST_TENANTS: usize = 25;

impl Detail<'_> {
    /// Each object, with each field of the new ones, or what fits.
    #[must_use]
    pub fn full(full: bool) -> Detail<'static> {
        Detail { show: if full { Show::Full } else { Show::Fitting }, tenants: &[] }
    }

    pub(super) fn view(self, plan: &Plan) -> View {
        match self.show {
            Show::Full => View::Objects(How::Full),
            Show::Summary => View::Tenants(usize::MAX),
            Show::Fitting if plan.steps.len() <= SMALL => View::Objects(How::Folded),
            Show::Fitting => View::Tenants(MOST_TENANTS),
        }
    }
}

/// The whole plan, or what it says of some tenants and how much there is besides.
#[must_use]
pub fn text(plan: &Plan, detail: Detail<'_>) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "{STRONG}Plan{STRONG:#} for {} from {}",
        OneLine(&plan.provenance.address),
        OneLine(if plan.provenance.roster == "-" { "standard input" } else { &plan.provenance.roster })
    );
    if let Some(keeper) = &plan.provenance.kept_by {
        let _ = writeln!(out, "kept by {}", OneLine(keeper));
    }
    if let Some(note) = &plan.provenance.keeper_note {
        let _ = writeln!(out, "{HOLD}!{HOLD:#} {}", OneLine(note));
    }
    for note in &plan.provenance.notes {
        let _ = writeln!(out, "{HOLD}!{HOLD:#} {}", OneLine(note));
    }
    if plan.is_settled() && plan.remains().is_none() {
        let _ = writeln!(out, "\nNo changes.");
    }
    shown_of(&mut out, plan, detail);
    if let Some(remains) = plan.remains() {
        let _ = writeln!(out, "{LEFT}Not in agreement{LEFT:#}: {}", OneLine(remains));
    }
    out
}

/// What a plan says, or what it says of some tenants and how much there is besides; the counts.
pub(super) fn shown_of(out: &mut String, plan: &Plan, detail: Detail<'_>) {
    let mut gap = "\n";
    if detail.tenants.is_empty() {
        body(out, plan, detail);
    } else {
        let part = only(plan, detail.tenants);
        body(out, &part, detail);
        let besides = Counts::of(plan).besides(Counts::of(&part));
        let _ = writeln!(out, "\nnot shown: {}; in all:", besides.short());
        gap = "";
    }
    let _ = writeln!(out, "{gap}{STRONG}{}{STRONG:#}", Counts::of(plan).line());
}

/// The plan without what it says of other tenants. What could not be looked at at all stays.
#[must_use]
pub(super) fn only(plan: &Plan, tenants: &[String]) -> Plan {
    let shown = |tenant: &SmolStr| tenants.iter().any(|name| name.as_str() == tenant.as_str());
    Plan {
        format_version: plan.format_version.clone(),
        provenance: plan.provenance.clone(),
        steps: plan.steps.iter().filter(|step| shown(&step.tenant)).cloned().collect(),
        held: plan.held.iter().filter(|held| shown(&held.tenant)).cloned().collect(),
        leftovers: plan.leftovers.iter().filter(|left| shown(&left.tenant)).cloned().collect(),
        foreign_access: plan.foreign_access.iter().filter(|right| shown(&right.tenant)).cloned().collect(),
        unseen_access: plan.unseen_access.clone(),
        own_policies: 0,
        settled: 0,
        digest: SmolStr::default(),
    }
}

fn body(out: &mut String, plan: &Plan, detail: Detail<'_>) {
    let view = detail.view(plan);
    gains::text(out, plan, matches!(view, View::Objects(_)));
    let (causes, told) = unseen::causes(&plan.held);
    if !causes.is_empty() {
        let _ = write!(out, "\n{STRONG}could not be looked at{STRONG:#}\n{causes}");
    }
    let tenants = parts(plan, &told);
    let none: Vec<&String> =
        detail.tenants.iter().filter(|name| !tenants.contains_key(name.as_str())).collect();
    match view {
        View::Objects(how) => {
            // What is done comes before what is only left over.
            let (adds, leaves): (Vec<_>, Vec<_>) =
                tenants.into_iter().partition(|(_, part)| !part.steps.is_empty() || !part.held.is_empty());
            for (tenant, part) in adds.into_iter().chain(leaves) {
                block(out, tenant, &part, how);
            }
        }
        View::Tenants(most) => folded::text(out, tenants, most),
    }
    for tenant in none {
        let _ = writeln!(out, "\n{STRONG}tenant {}{STRONG:#}: no changes", OneLine(tenant));
    }
    out.push_str(&foreign::text(plan));
}

/// What the plan says tenant by tenant, without what was told already.
fn parts<'p>(plan: &'p Plan, told: &BTreeSet<&ResourceId>) -> BTreeMap<&'p str, Part<'p>> {
    let mut tenants: BTreeMap<&str, Part<'_>> = BTreeMap::new();
    for step in &plan.steps {
        tenants.entry(&step.tenant).or_default().steps.push(step);
    }
    for held in plan.held.iter().filter(|held| !told.contains(&held.id)) {
        tenants.entry(&held.tenant).or_default().held.push(held);
    }
    for leftover in &plan.leftovers {
        tenants.entry(&leftover.tenant).or_default().leftovers.push(leftover);
    }
    tenants
}

/// One tenant, object by object.
fn block(out: &mut String, tenant: &str, part: &Part<'_>, how: How) {
    let Part { steps, held, leftovers } = part;
    let made = made(steps).map_or_else(String::new, |made| format!(": {made}"));
    let _ = writeln!(out, "\n{STRONG}{}{STRONG:#}{made}", title(tenant));
    for steps in by_namespace(steps).into_values() {
        if how == How::Full {
            steps.into_iter().for_each(|step| objects::step(out, step, how));
        } else {
            by_reason(out, &steps, how);
        }
    }
    left_out(out, held);
    let mut alike: Vec<Vec<&Held>> = Vec::new();
    for held in held.iter().filter(|held| !held.is_left_out()) {
        let same = |group: &&mut Vec<&Held>| {
            group.first().is_some_and(|first| first.hold == held.hold && first.because == held.because)
        };
        match alike.iter_mut().find(same).filter(|_| how != How::Full) {
            Some(group) => group.push(held),
            None => alike.push(vec![held]),
        }
    }
    // What only waits comes after what it waits on.
    alike.sort_by_key(|group| group.iter().any(|held| matches!(held.hold, Hold::WaitsOn { .. })));
    for held in alike {
        objects::held(out, &held);
    }
    for leftover in leftovers.iter().filter(|leftover| leftover.within.is_none()) {
        objects::leftover(out, leftover, leftovers);
    }
}

/// The steps of each namespace, the namespace itself among them, and in front those outside of all.
fn by_namespace<'p>(steps: &[&'p Step]) -> BTreeMap<&'p str, Vec<&'p Step>> {
    let mut found: BTreeMap<&str, Vec<&Step>> = BTreeMap::new();
    for step in steps {
        let of = if step.id.known_kind() == Some(Kind::Namespace) { &step.id.name } else { &step.id.scope };
        found.entry(of).or_default().push(step);
    }
    found
}

/// New objects first, with the reason once for all that have it, and then the others one by one.
fn by_reason(out: &mut String, steps: &[&Step], how: How) {
    let (made, others): (Vec<&Step>, Vec<&Step>) =
        steps.iter().partition(|step| step.creates() && step.tightens.is_none());
    let mut reasons: Vec<(&Origin, Vec<&Step>)> = Vec::new();
    for step in made {
        match reasons.iter_mut().find(|(because, _)| **because == step.because) {
            Some((_, steps)) => steps.push(step),
            None => reasons.push((&step.because, vec![step])),
        }
    }
    for (because, steps) in reasons {
        for step in steps {
            let _ = writeln!(out, "  {CREATE}+{CREATE:#} {}", step.id);
        }
        let _ = writeln!(out, "      {QUIET}{}{QUIET:#}", OneLine(because));
    }
    others.into_iter().for_each(|step| objects::step(out, step, how));
}
