//! A big plan as text: a line for each tenant, and below it only what is dangerous: what becomes narrower, is
//! revised, disturbed, taken over or held, and leftovers that still give somebody something. A change that several
//! tenants share is shown once.

use kwo_planner::plain::counted;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use kwo_planner::change::{Hold, Leftover, Step};
use kwo_planner::plain::OneLine;
use kwo_planner::resource::ResourceId;
use kwo_planner::tree::SmolStr;

use super::objects::{self, How};
use super::part::{Part, left_out, title};
use super::style::{CHANGE, CREATE, HOLD, LEFT, QUIET, STRONG};
use super::tenants::{count, first, made, new_namespaces};
use kwo_planner::counts::Counts;

/// From how many objects that change alike on they are told once.
const SEVERAL: usize = 3;

/// All tenants, and lines for so many of those of whom there is no more to say.
pub(super) fn text(out: &mut String, mut tenants: BTreeMap<&str, Part<'_>>, most: usize) {
    let told = alike(out, &tenants);
    if let Some(cluster) = tenants.remove("") {
        let _ = writeln!(out, "\n{STRONG}{}{STRONG:#}", title(""));
        kinds(out, &cluster.steps);
        below(out, &cluster, &told);
    }
    let (dangers, quiet): (Vec<_>, Vec<_>) =
        tenants.into_iter().partition(|(_, part)| is_dangerous(part, &told));
    for (tenant, part) in dangers {
        let _ = writeln!(out, "\n{STRONG}{}{STRONG:#}: {}", title(tenant), summary(&part));
        below(out, &part, &told);
    }
    if quiet.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{STRONG}tenants{STRONG:#}");
    let rest = quiet.len().saturating_sub(most);
    let mut others = Counts::default();
    for (at, (tenant, part)) in quiet.iter().enumerate() {
        if at < quiet.len() - rest {
            let _ = writeln!(out, "  {} {}: {}", sign(part), OneLine(tenant), summary(part));
        } else {
            tally(&mut others, part);
        }
    }
    if rest > 0 {
        let (tenants, counts) = (count(rest, "more tenant"), others.short());
        let _ = writeln!(out, "  and {tenants}: {counts}; `kwo plan --summary` has a line for each");
    }
    let _ = writeln!(
        out,
        "\n{QUIET}`kwo plan --tenant NAME` shows the objects of a tenant, `kwo plan --full` each object with its fields{QUIET:#}"
    );
}

/// What a tenant gets, and what else is to say of it.
fn summary(part: &Part<'_>) -> String {
    let mut counts = Counts::default();
    let Some(made) = made(&part.steps) else {
        tally(&mut counts, part);
        return counts.short();
    };
    // What is made with a new namespace is in its words.
    let new = new_namespaces(part.steps.iter().copied());
    let with =
        |step: &Step| step.creates() && (step.id.scope.is_empty() || new.contains(step.id.scope.as_str()));
    part.steps.iter().filter(|step| !with(step)).for_each(|step| counts.step(step));
    part.held.iter().for_each(|held| counts.held(held));
    part.leftovers.iter().for_each(|leftover| counts.leftover(leftover));
    if counts == Counts::default() { made } else { format!("{made}; {}", counts.short()) }
}

fn tally(counts: &mut Counts, part: &Part<'_>) {
    part.steps.iter().for_each(|step| counts.step(step));
    part.held.iter().for_each(|held| counts.held(held));
    part.leftovers.iter().for_each(|leftover| counts.leftover(leftover));
}

fn sign(part: &Part<'_>) -> String {
    match part.steps.as_slice() {
        [] => format!("{LEFT}?{LEFT:#}"),
        steps if steps.iter().all(|step| step.creates()) => format!("{CREATE}+{CREATE:#}"),
        _ => format!("{CHANGE}~{CHANGE:#}"),
    }
}

/// New objects by their kinds; those that narrow something keep their lines.
fn kinds(out: &mut String, steps: &[&Step]) {
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for step in steps.iter().filter(|step| step.creates() && !keeps(step)) {
        *kinds.entry(&step.id.kind).or_default() += 1;
    }
    if !kinds.is_empty() {
        let told: Vec<String> = kinds.iter().map(|(kind, number)| format!("{number} {kind}")).collect();
        let all = kinds.values().sum();
        let _ = writeln!(out, "  {CREATE}+{CREATE:#} {}: {}", count(all, "object"), OneLine(told.join(", ")));
    }
    let more = steps.iter().filter(|step| !step.creates() && !keeps(step)).count();
    if more > 0 {
        let _ = writeln!(out, "  {CHANGE}~{CHANGE:#} {} to extend", count(more, "object"));
    }
}

/// Does a step keep its lines however big the plan is?
fn keeps(step: &Step) -> bool {
    step.revises() || step.disrupts.is_some() || step.adopts || step.tightenings().next().is_some()
}

/// Does what is left over still give somebody something?
fn acts(leftover: &Leftover) -> bool {
    leftover.grants.is_some() || leftover.in_force.is_some()
}

fn is_dangerous(part: &Part<'_>, told: &BTreeSet<&ResourceId>) -> bool {
    part.steps.iter().any(|step| keeps(step) && !told.contains(&step.id))
        || !part.held.iter().all(|held| held.is_left_out())
        || part.leftovers.iter().any(|leftover| acts(leftover))
}

/// What is told of a tenant in any case.
fn below(out: &mut String, part: &Part<'_>, told: &BTreeSet<&ResourceId>) {
    let Part { steps, held, leftovers } = part;
    for step in steps.iter().filter(|step| keeps(step) && !told.contains(&step.id)) {
        objects::step(out, step, How::Folded);
    }
    left_out(out, held);
    let mut waiting: BTreeMap<&ResourceId, Vec<&ResourceId>> = BTreeMap::new();
    for held in held.iter().filter(|held| !held.is_left_out()) {
        match &held.hold {
            Hold::WaitsOn { id } => waiting.entry(id).or_default().push(&held.id),
            _ => objects::held(out, &[held]),
        }
    }
    for (id, waiting) in waiting {
        let what = counted(waiting.len(), "object waits", "objects wait");
        let _ = writeln!(out, "  {HOLD}!{HOLD:#} {what} on {id}: {}", first(&waiting));
    }
    let within: BTreeSet<&ResourceId> =
        leftovers.iter().filter(|left| acts(left)).filter_map(|left| left.within.as_ref()).collect();
    let shown = |left: &&&Leftover| left.within.is_none() && (acts(left) || within.contains(&left.id));
    for leftover in leftovers.iter().filter(shown) {
        objects::leftover(out, leftover, leftovers);
    }
}

/// Objects that change alike, told once with the names of the first few. Gives those that are told with it.
fn alike<'p>(out: &mut String, tenants: &BTreeMap<&str, Part<'p>>) -> BTreeSet<&'p ResourceId> {
    let mut groups: BTreeMap<(&SmolStr, String), Vec<&'p Step>> = BTreeMap::new();
    let steps = tenants.values().flat_map(|part| &part.steps);
    for step in steps.filter(|step| keeps(step)) {
        let mut text = format!("{}\n", objects::named(step, ""));
        objects::changes(&mut text, step, How::Bare);
        groups.entry((&step.id.kind, text)).or_default().push(step);
    }
    groups.retain(|_, steps| steps.len() >= SEVERAL);
    if !groups.is_empty() {
        let _ = writeln!(out, "\n{STRONG}the same in several places{STRONG:#}");
    }
    for steps in groups.values() {
        let [step, others @ ..] = steps.as_slice() else { continue };
        let ids: Vec<&ResourceId> = steps.iter().map(|step| &step.id).collect();
        let _ = writeln!(out, "  {} {}", objects::sign(step), objects::named(step, &first(&ids)));
        let (mut told, mut bare) = (String::new(), String::new());
        objects::changes(&mut told, step, How::Folded);
        objects::changes(&mut bare, step, How::Bare);
        // The reason of the first is that of all, or else each has its own.
        let one = others.iter().all(|other| {
            let mut text = String::new();
            objects::changes(&mut text, other, How::Folded);
            text == told
        });
        out.push_str(if one { &told } else { &bare });
    }
    groups.into_values().flatten().map(|step| &step.id).collect()
}
