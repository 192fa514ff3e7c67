//! Answers about access: who may do something, what somebody may do, what is different, and the picture.

mod changed;
mod dot;
mod of;
mod picture;
mod svg;
mod who_can;

use std::fmt::Write as _;

use kwo_planner::access::{Cluster, RoleRef};
use kwo_planner::kinds::Kind;
use kwo_planner::plain::{OneLine, one_line};
use kwo_planner::resource::ResourceId;
use kwo_planner::roster::spelling::did_you_mean;
use kwo_planner::tree::SmolStr;

use super::style::{HOLD, LEFT, QUIET, STRONG};

pub use changed::Changed;
pub use of::Person;
pub use picture::Picture;
pub use who_can::Question;

/// Whom no list shows.
const MASTERS: &str =
    "A client certificate with the group system:masters may do everything too. No list shows who has one.";

/// What could not be read, before anything else.
fn partial(out: &mut String, cluster: &Cluster) {
    for unseen in cluster.unseen() {
        let _ = writeln!(out, "{HOLD}could not look{HOLD:#}: {}", OneLine(&unseen.why));
    }
    if !cluster.unseen().is_empty() {
        let _ = writeln!(out, "{HOLD}this answer is not complete{HOLD:#}");
    }
}

/// What to say of a namespace that was named and is not there; nothing where it is, or where that is not known.
#[must_use]
pub fn no_namespace(cluster: &Cluster, namespace: &str) -> Option<String> {
    let spaces = cluster.namespaces();
    if namespace.is_empty() || spaces.contains_key(namespace) || !cluster.saw(Kind::Namespace) {
        return None;
    }
    let near = did_you_mean(namespace, spaces.keys().map(SmolStr::as_str));
    let near = near.map(|near| format!("; {near}")).unwrap_or_default();
    Some(one_line(&format!("there is no namespace {namespace}{near}")).into_owned())
}

/// The title of what holds in a place.
fn place(out: &mut String, namespace: &str, last: &mut Option<SmolStr>) {
    if last.as_deref() != Some(namespace) {
        let place = match namespace {
            "" => "in the whole cluster".to_owned(),
            namespace => format!("in {}", one_line(namespace)),
        };
        let _ = writeln!(out, "\n{STRONG}{place}{STRONG:#}");
        *last = Some(namespace.into());
    }
}

/// The role, in one word.
fn role(role: &RoleRef, gathered: bool) -> String {
    let RoleRef { kind, name } = role;
    let gathered = if gathered { " (gathered)" } else { "" };
    format!("{kind}/{}{gathered}", one_line(name))
}

/// Where a right comes from.
fn source(binding: &ResourceId, roster: Option<&SmolStr>, own: bool, with_roster: bool) -> String {
    match roster {
        Some(line) => one_line(line).into_owned(),
        None if with_roster && !own => format!("{LEFT}not from the roster{LEFT:#}: {binding}"),
        None => format!("{QUIET}{binding}{QUIET:#}"),
    }
}

/// Rows of cells under each other. The last cell may be as long as it likes.
fn rows(out: &mut String, rows: &[[String; 3]]) {
    let width = |cell: usize| {
        let widths = rows.iter().map(|row| row[cell].chars().count());
        widths.max().unwrap_or_default().min(60)
    };
    let (first, second) = (width(0), width(1));
    for [a, b, c] in rows {
        let _ = writeln!(out, "{}", format!("  {a:<first$}  {b:<second$}  {c}").trim_end());
    }
}
