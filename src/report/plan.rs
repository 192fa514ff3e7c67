//! A plan as text: one block an object, grouped by tenant, the rights it gives or leaves in front, counts last.
//! The same text, without colour, is what the Markdown form shows.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use kwo_planner::access;
use kwo_planner::change::{Cause, Change, Held, Hold, Leftover, Step};
use kwo_planner::node::NodeKind;
use kwo_planner::plain::{OneLine, one_line};
use kwo_planner::plan::Plan;
use kwo_planner::resource::ResourceId;
use kwo_planner::secrets::STILL_ADMITS;
use kwo_planner::tree::{SmolStr, Tree};

use super::{foreign, tightens, unseen};

/// How much of a plan to show.
#[derive(Clone, Copy, Debug, Default)]
pub struct Detail {
    /// The whole content of new objects.
    pub full: bool,
}

pub(crate) const CREATE: Style = AnsiColor::Green.on_default();
pub(crate) const CHANGE: Style = AnsiColor::Yellow.on_default();
pub(crate) const HOLD: Style = AnsiColor::Red.on_default();
pub(crate) const LEFT: Style = AnsiColor::Magenta.on_default();
const QUIET: Style = Style::new().dimmed();
pub(crate) const STRONG: Style = Style::new().bold();

/// How many rights that are left are told before all tenants, and how many that are not kwo's behind them.
pub(super) const MOST_LEFT: usize = 20;

/// What a new token does to the files of a kubeconfig.
const ANEW: &str = "both files are written anew; what is there goes to /var/lib/kwo/archive";

/// How many of each there are.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Objects to make.
    pub create: usize,
    /// Objects that only get something added.
    pub extend: usize,
    /// Objects in which a value changes.
    pub revise: usize,
    /// How many of all these allow something less than before.
    pub tightens: usize,
    /// Objects that are held.
    pub held: usize,
    /// Objects that the run was not asked to look at.
    pub left_out: usize,
    /// What is left over.
    pub leftovers: usize,
    /// What of that gives somebody a right.
    pub access: usize,
    /// Objects that are as they should be.
    pub unchanged: usize,
    /// Rights that are not kwo's.
    pub foreign: usize,
}

impl Counts {
    /// Counts a plan.
    #[must_use]
    pub fn of(plan: &Plan) -> Counts {
        let create = plan.steps.iter().filter(|step| step.creates()).count();
        let revise = plan.steps.iter().filter(|step| step.revises()).count();
        Counts {
            create,
            revise,
            tightens: plan.steps.iter().filter(|step| step.tightenings().next().is_some()).count(),
            extend: plan.steps.len() - create - revise,
            held: plan.held.iter().filter(|held| !held.is_left_out()).count(),
            left_out: plan.held.iter().filter(|held| held.is_left_out()).count(),
            leftovers: plan.leftovers.len(),
            access: plan.access_left().count(),
            unchanged: plan.settled,
            foreign: plan.foreign_access.len(),
        }
    }

    /// The counts on one line.
    #[must_use]
    pub fn line(&self) -> String {
        let Counts {
            create,
            extend,
            revise,
            tightens,
            held,
            left_out,
            leftovers,
            access,
            unchanged,
            foreign,
        } = self;
        let tightens = match tightens {
            0 => String::new(),
            1 => " (1 tightens)".to_owned(),
            several => format!(" ({several} tighten)"),
        };
        let left_out = if *left_out == 0 { String::new() } else { format!(", {left_out} not looked at") };
        let access = match access {
            0 => String::new(),
            1 => " (1 gives access)".to_owned(),
            several => format!(" ({several} give access)"),
        };
        let foreign = match foreign {
            0 => String::new(),
            1 => ", 1 right not kwo's".to_owned(),
            several => format!(", {several} rights not kwo's"),
        };
        format!(
            "{create} to create, {extend} to extend, {revise} to revise{tightens}, {held} held, {leftovers} left over{access}, {unchanged} unchanged{left_out}{foreign}"
        )
    }
}

/// What a plan says about one tenant.
#[derive(Default)]
struct Part<'p> {
    steps: Vec<&'p Step>,
    held: Vec<&'p Held>,
    leftovers: Vec<&'p Leftover>,
}

/// The whole plan.
#[must_use]
pub fn text(plan: &Plan, detail: Detail) -> String {
    let mut out = String::new();
    let Plan {
        format_version: _,
        provenance,
        steps,
        held,
        leftovers,
        foreign_access: _,
        unseen_access: _,
        settled: _,
        digest: _,
    } = plan;
    let _ = writeln!(
        out,
        "{STRONG}Plan{STRONG:#} for {} from {}",
        OneLine(&provenance.address),
        OneLine(&provenance.roster)
    );
    if let Some(keeper) = &provenance.kept_by {
        let _ = writeln!(out, "kept by {}", OneLine(keeper));
    }
    rights(&mut out, steps, leftovers);
    let mut tenants: BTreeMap<&SmolStr, Part<'_>> = BTreeMap::new();
    for step in steps {
        tenants.entry(&step.tenant).or_default().steps.push(step);
    }
    let (causes, told) = unseen::causes(held);
    if !causes.is_empty() {
        let _ = write!(out, "\n{STRONG}could not be looked at{STRONG:#}\n{causes}");
    }
    for held in held.iter().filter(|held| !told.contains(&held.id)) {
        tenants.entry(&held.tenant).or_default().held.push(held);
    }
    for leftover in leftovers {
        tenants.entry(&leftover.tenant).or_default().leftovers.push(leftover);
    }
    for (tenant, Part { steps, held, leftovers }) in tenants {
        let title =
            if tenant.is_empty() { "the cluster".to_owned() } else { format!("tenant {}", OneLine(tenant)) };
        let _ = writeln!(out, "\n{STRONG}{title}{STRONG:#}");
        for step in steps {
            step_text(&mut out, step, detail);
        }
        left_out(&mut out, &held);
        for held in held.into_iter().filter(|held| !held.is_left_out()) {
            let Held { id, tenant: _, hold, because } = held;
            let (text, because) = (OneLine(hold), OneLine(because));
            let _ = writeln!(out, "  {HOLD}!{HOLD:#} {id}\n      {text}\n      {QUIET}{because}{QUIET:#}");
            if id.node_kind() == Some(NodeKind::Kubeconfig) && matches!(hold, Hold::Foreign { .. }) {
                let _ = writeln!(out, "      {QUIET}{ANEW}{QUIET:#}");
            }
        }
        for leftover in leftovers.iter().filter(|leftover| leftover.within.is_none()) {
            leftover_text(&mut out, leftover, &leftovers);
        }
    }
    out.push_str(&foreign::text(plan));
    let _ = writeln!(out, "\n{STRONG}{}{STRONG:#}", Counts::of(plan).line());
    if let Some(remains) = plan.remains() {
        let _ = writeln!(out, "{LEFT}Not in agreement{LEFT:#}: {}", OneLine(remains));
    }
    out
}

/// Who gets which right, and who still has one that the roster does not give.
#[must_use]
pub fn access_lines(steps: &[Step], leftovers: &[Leftover]) -> Vec<(char, String)> {
    let still = still(leftovers).into_iter().map(|line| ('?', line));
    let gains = steps
        .iter()
        .filter(|step| step.creates())
        .flat_map(|step| access::sentences(&step.id, &step.wanted, "becomes"));
    let added = steps.iter().flat_map(|step| {
        step.changes.iter().filter_map(|change| match change {
            Change::Extend { pointer, value, tightens: _, because: _ }
                if pointer.starts_with("/subjects") =>
            {
                access::sentence(&step.id, &step.wanted, value, "becomes")
            }
            Change::Extend { .. } | Change::Create | Change::Revise { .. } => None,
        })
    });
    still.chain(gains.chain(added).map(|sentence| ('+', sentence))).collect()
}

/// The rights that are left: a line each, and one for all in a namespace that is left over as a whole.
fn still(leftovers: &[Leftover]) -> Vec<String> {
    let mut together: Vec<(Option<&ResourceId>, Vec<&str>)> = Vec::new();
    for (left, grants) in leftovers.iter().filter_map(|left| Some((left, left.grants.as_deref()?))) {
        match together.iter_mut().find(|(within, _)| within.is_some() && *within == left.within.as_ref()) {
            Some((_, lines)) => lines.push(grants),
            None => together.push((left.within.as_ref(), vec![grants])),
        }
    }
    let line = |(_, grants): (_, Vec<&str>)| format!("{}, which the roster does not say", grants.join("; "));
    together.into_iter().map(line).collect()
}

fn rights(out: &mut String, steps: &[Step], leftovers: &[Leftover]) {
    let mut lines = access_lines(steps, leftovers);
    if lines.is_empty() {
        return;
    }
    let left = lines.iter().filter(|(sign, _)| *sign == '?').count();
    if left > MOST_LEFT {
        lines.splice(
            MOST_LEFT..left,
            [('?', format!("and {} more; each stands at its tenant", left - MOST_LEFT))],
        );
    }
    let _ = writeln!(out, "\n{STRONG}access{STRONG:#}");
    for (sign, line) in lines {
        let (style, line) = (if sign == '?' { LEFT } else { CREATE }, OneLine(line));
        let _ = writeln!(out, "  {style}{sign}{style:#} {line}");
    }
}

/// What the run was not asked to look at: one line a reason.
fn left_out(out: &mut String, held: &[&Held]) {
    let mut reasons: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for held in held.iter().filter(|held| held.is_left_out()) {
        reasons.entry(OneLine(&held.hold).to_string()).or_default().push(held.id.to_string());
    }
    for (why, ids) in reasons {
        let _ = writeln!(out, "  {QUIET}· {}: {why}{QUIET:#}", ids.join(", "));
    }
}

fn step_text(out: &mut String, step: &Step, detail: Detail) {
    if step.creates() {
        let _ = writeln!(
            out,
            "  {CREATE}+{CREATE:#} {}\n      {QUIET}{}{QUIET:#}",
            step.id,
            OneLine(&step.because)
        );
        tightens::told(out, "      ", step.tightens.as_ref());
        if detail.full {
            for (pointer, value) in step.wanted.leaves() {
                let _ = writeln!(out, "      {CREATE}+{CREATE:#} {}: {}", OneLine(pointer), shown(&value));
            }
        }
        return;
    }
    let adopts = if step.adopts { " (taken over: it exists without kwo's mark)" } else { "" };
    let _ = writeln!(out, "  {CHANGE}~{CHANGE:#} {}{adopts}", step.id);
    if let Some(disrupts) = step.disrupts.as_ref().map(OneLine) {
        let _ = writeln!(out, "      {HOLD}disruptive: {disrupts}{HOLD:#}");
    }
    if step.changes.iter().any(|change| change.pointer().is_some_and(|at| at.starts_with("/content")))
        && step.id.node_kind() == Some(NodeKind::File)
    {
        let _ = writeln!(
            out,
            "      {QUIET}the file as it is goes to /var/lib/kwo/archive; its comments do not come along{QUIET:#}"
        );
    }
    if step.changes.iter().any(|change| change.pointer().is_some_and(|at| !at.starts_with("/metadata")))
        && step.id.node_kind() == Some(NodeKind::Kubeconfig)
    {
        let _ = writeln!(out, "      {QUIET}{ANEW}{QUIET:#}");
    }
    for change in &step.changes {
        match change {
            Change::Create => {}
            Change::Extend { pointer, value, tightens, because } => {
                let place = OneLine(pointer.strip_suffix("/-").unwrap_or(pointer));
                let because = OneLine(because);
                let value =
                    secret(step, pointer).map_or_else(|| shown(value), |from| format!("set ({from})"));
                let _ = writeln!(
                    out,
                    "      {CREATE}+{CREATE:#} {place}: {value}\n          {QUIET}{because}{QUIET:#}",
                );
                tightens::told(out, "          ", tightens.as_ref());
            }
            Change::Revise { pointer, from, to, cause, tightens, because } => {
                let values = match secret(step, pointer).map(OneLine) {
                    Some(content) if matches!(cause, Cause::Drift { .. }) => {
                        format!("changed ({content}), {cause}")
                    }
                    // Whether the roster or the secret itself is another one nobody can tell.
                    Some(content) => match from.as_text() {
                        Some(from) if from.starts_with(STILL_ADMITS) => {
                            format!("changed ({content}): it {from}")
                        }
                        _ => format!("changed ({content})"),
                    },
                    None => format!("{} → {} ({cause})", shown(from), shown(to)),
                };
                let (pointer, because, values) = (OneLine(pointer), OneLine(because), OneLine(values));
                let _ = writeln!(
                    out,
                    "      {CHANGE}~{CHANGE:#} {pointer}: {values}\n          {QUIET}{because}{QUIET:#}",
                );
                tightens::told(out, "          ", tightens.as_ref());
            }
        }
    }
}

fn leftover_text(out: &mut String, leftover: &Leftover, all: &[&Leftover]) {
    let Leftover { id, pointer, value, tenant: _, grants, in_force, within: _, command, rights_command } =
        leftover;
    let field = pointer.as_ref().map_or_else(String::new, |pointer| format!(" {}", OneLine(pointer)));
    let command = OneLine(command);
    let value = value.as_ref().map_or_else(String::new, |value| format!(": {}", shown(value)));
    let inside: Vec<&&Leftover> = all.iter().filter(|left| left.within.as_ref() == Some(id)).collect();
    let with = match inside.len() {
        0 => String::new(),
        1 => " and 1 object in it".to_owned(),
        count => format!(" and {count} objects in it"),
    };
    let _ = writeln!(out, "  {LEFT}?{LEFT:#} {id}{field}{value}{with}");
    let grants: Vec<&str> = grants
        .iter()
        .chain(inside.iter().filter_map(|left| left.grants.as_ref()))
        .map(SmolStr::as_str)
        .collect();
    if !grants.is_empty() {
        let _ = writeln!(out, "      {LEFT}{}{LEFT:#}", OneLine(grants.join("; ")));
    }
    if let Some(in_force) = in_force.as_ref().map(OneLine) {
        let _ = writeln!(out, "      {LEFT}{in_force}{LEFT:#}");
    }
    let warning = if id.kind == "Namespace" && pointer.is_none() { " (with everything in it)" } else { "" };
    let _ = writeln!(
        out,
        "      {QUIET}the roster does not ask for it; to remove it{warning}: {command}{QUIET:#}"
    );
    if let Some(command) = rights_command.as_ref().map(OneLine) {
        let _ = writeln!(out, "      {QUIET}to end the rights in it and keep the rest: {command}{QUIET:#}");
    }
}

/// Where the secret at this place comes from, if there is one.
fn secret(step: &Step, pointer: &str) -> Option<String> {
    let found = step.secrets.iter().find(|secret| secret.pointer == pointer)?;
    Some(found.content.to_string())
}

/// A value as a person reads it: strings without quotes, the rest as JSON.
pub(crate) fn shown(value: &Tree) -> String {
    match value {
        Tree::Text(text) if !text.is_empty() => one_line(text).into_owned(),
        other => one_line(&other.to_string()).into_owned(),
    }
}
