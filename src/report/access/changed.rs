//! Whose access is different: in a cluster and its roster, or in two rosters.

use std::fmt::Write as _;

use kwo_planner::access::{Cluster, Difference, Edge, RoleChange, Unseen, right};
use kwo_planner::plain::{OneLine, one_line};
use kwo_planner::plan::FORMAT_VERSION;
use schemars::JsonSchema;
use serde::Serialize;

use super::super::printed::Report;
use super::super::style::{CHANGE, CREATE, HOLD, LEFT, QUIET, STRONG};
use super::of::{line, told};
use super::{partial, role};

/// What is different, and between what.
pub struct Changed<'a> {
    /// What is different.
    pub difference: &'a Difference,
    /// The first one.
    pub from: &'a str,
    /// The second one.
    pub to: &'a str,
    /// The second one is a cluster.
    pub live: bool,
    /// What was looked at.
    pub cluster: &'a Cluster,
}

/// Whose access is different in two rosters, or in a roster and a cluster.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Json<'a> {
    /// The version of this form. Minor versions only add.
    format_version: &'static str,
    /// The first roster.
    from: &'a str,
    /// The second roster, or the address of the API server.
    to: &'a str,
    /// Is the second one a cluster?
    live: bool,
    /// Could everything be read? Otherwise there may be more.
    complete: bool,
    /// What could not be read.
    unseen: &'a [Unseen],
    /// What only the second one gives.
    more: &'a [Edge],
    /// What only the first one gives.
    less: &'a [Edge],
    /// Roles that both have, with other rules.
    roles: &'a [RoleChange],
}

fn edges(out: &mut String, edges: &[Edge], (style, sign, verb): (anstyle::Style, char, &str)) {
    for Edge { who, namespace: _, role: of, binding, roster, dangers } in edges {
        let what = right(binding, &of.kind, &of.name).unwrap_or_default();
        let line = OneLine(format!("{} {verb} {what}", who.told()));
        let from = roster.as_ref().map_or_else(|| binding.to_string(), |line| one_line(line).into_owned());
        let _ = writeln!(out, "  {style}{sign}{style:#} {line}  {QUIET}{from}{QUIET:#}");
        for (danger, only) in dangers {
            let _ = writeln!(out, "      {HOLD}!{HOLD:#} {}", told(*danger, only));
        }
    }
}

impl Report for Changed<'_> {
    const KIND: Option<&'static str> = Some("AccessDiff");

    type Json<'a>
        = Json<'a>
    where
        Self: 'a;

    fn text(&self) -> String {
        let Changed { difference, from, to, live, cluster } = self;
        let Difference { more, less, roles } = *difference;
        let mut out = format!("{STRONG}Access{STRONG:#} from {} to {}\n", OneLine(from), OneLine(to));
        partial(&mut out, cluster);
        if difference.is_none() {
            let _ = writeln!(out, "\nNo differences.");
            return out;
        }
        let (more_title, less_title) = match live {
            true => ("in the cluster, and not in the roster", "in the roster, and not in the cluster"),
            false => ("gets access", "loses access"),
        };
        let signs = match live {
            true => [(LEFT, '?', "is"), (CREATE, '+', "becomes")],
            false => [(CREATE, '+', "becomes"), (LEFT, '-', "is no longer")],
        };
        for ((title, list), sign) in [(more_title, more), (less_title, less)].into_iter().zip(signs) {
            if !list.is_empty() {
                let _ = writeln!(out, "\n{STRONG}{title}{STRONG:#}");
                edges(&mut out, list, sign);
            }
        }
        if !roles.is_empty() {
            let _ = writeln!(out, "\n{STRONG}roles with other rules{STRONG:#}");
        }
        for RoleChange { namespace, role: of, more, less } in roles {
            let place =
                if namespace.is_empty() { String::new() } else { format!(" in {}", one_line(namespace)) };
            let _ = writeln!(out, "  {CHANGE}~{CHANGE:#} {}{place}", role(of, false));
            for (sign, rules) in [('+', more), ('-', less)] {
                for rule in rules {
                    let _ = writeln!(out, "      {sign} {}", line(rule));
                }
            }
        }
        out
    }

    fn json(&self) -> Json<'_> {
        let Changed { difference, from, to, live, cluster } = self;
        let Difference { more, less, roles } = *difference;
        Json {
            format_version: FORMAT_VERSION,
            from,
            to,
            live: *live,
            complete: cluster.unseen().is_empty(),
            unseen: cluster.unseen(),
            more,
            less,
            roles,
        }
    }
}
