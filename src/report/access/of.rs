//! What somebody may do.

use std::fmt::Write as _;

use kwo_planner::access::{Cluster, Danger, Held, Rights, Rule, Unseen, Who};
use kwo_planner::plain::{OneLine, one_line};
use kwo_planner::plan::FORMAT_VERSION;
use kwo_planner::tree::SmolStr;
use schemars::JsonSchema;
use serde::Serialize;

use super::super::printed::Report;
use super::super::style::{HOLD, QUIET, STRONG};
use super::{no_namespace, partial, place, role, source};

/// Somebody, and what they may do.
pub struct Person<'a> {
    /// Who.
    pub who: &'a Who,
    /// The namespace that is asked about; empty for all of them.
    pub namespace: &'a str,
    /// What they may do.
    pub rights: &'a Rights,
    /// Somebody with a name like it, where no binding names it.
    pub alike: Option<String>,
    /// Show each rule.
    pub show_rules: bool,
    /// What was looked at.
    pub cluster: &'a Cluster,
    /// Its address.
    pub server: &'a str,
    /// The lines of a roster are known.
    pub with_roster: bool,
}

/// What somebody may do, where, and which binding gives it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Json<'a> {
    /// The version of this form. Minor versions only add.
    format_version: &'static str,
    /// The address of the API server.
    server: &'a str,
    /// Who.
    who: &'a Who,
    /// The groups that kwo asked with.
    groups: &'a [SmolStr],
    /// Does the API server allow everything, because a group is `system:masters`?
    everything: bool,
    /// There is no such service account. Whoever makes it has these rights.
    missing: bool,
    /// Could everything be read? Otherwise there may be more rights.
    complete: bool,
    /// What could not be read.
    unseen: &'a [Unseen],
    /// The roles, those in the whole cluster first.
    held: &'a [Held],
}

impl Person<'_> {
    fn held(&self, out: &mut String, held: &Held) {
        let Held { namespace: _, through, role: of, binding, roster, own, gathered, absent, dangers, rules } =
            held;
        let from = source(binding, roster.as_ref(), *own, self.with_roster);
        let through = match through {
            through if through == self.who => String::new(),
            through => format!(" as {}", one_line(&through.told())),
        };
        let _ = writeln!(out, "  {}{through}  {from}", role(of, *gathered));
        if *absent {
            let _ = writeln!(
                out,
                "    {HOLD}!{HOLD:#} there is no such role; who makes it decides what it gives"
            );
        }
        for (danger, only) in dangers {
            let _ = writeln!(out, "    {HOLD}!{HOLD:#} {}", told(*danger, only));
        }
        if self.show_rules {
            for rule in rules {
                let _ = writeln!(out, "    {}", line(rule));
            }
        }
    }
}

/// A danger, and of which objects only.
pub(super) fn told(danger: Danger, only: &[SmolStr]) -> String {
    match only {
        [] => danger.told().to_owned(),
        only => format!("{}, only {}", danger.told(), one_line(&only.join(", "))),
    }
}

/// A rule on one line, as `kubectl describe` has its columns.
pub(super) fn line(rule: &Rule) -> String {
    let Rule { verbs, api_groups, resources, resource_names, urls } = rule;
    let mut on: Vec<String> = urls.iter().map(ToString::to_string).collect();
    for resource in resources {
        for group in api_groups {
            on.push(match group.as_str() {
                "" => resource.to_string(),
                group => format!("{resource}.{group}"),
            });
        }
    }
    let only = match resource_names.as_slice() {
        [] => String::new(),
        names => format!(" only {}", names.join(", ")),
    };
    one_line(&format!("{}: {}{only}", verbs.join(", "), on.join(", "))).into_owned()
}

impl Report for Person<'_> {
    const KIND: Option<&'static str> = Some("AccessOf");

    type Json<'a>
        = Json<'a>
    where
        Self: 'a;

    fn text(&self) -> String {
        let Person { who, namespace, rights, alike, cluster, .. } = self;
        let Rights { groups, everything, missing, held } = rights;
        let mut out = format!("{STRONG}What {} may do{STRONG:#}\n", OneLine(who.told()));
        let _ = writeln!(out, "{QUIET}in the groups {}{QUIET:#}", OneLine(groups.join(", ")));
        partial(&mut out, cluster);
        if let Some(none) = no_namespace(cluster, namespace) {
            let _ = writeln!(out, "{HOLD}!{HOLD:#} {none}");
        }
        if *everything {
            let _ =
                writeln!(out, "\n{HOLD}!{HOLD:#} everything: the API server asks nobody in system:masters");
        }
        if *missing {
            let _ = writeln!(
                out,
                "{HOLD}!{HOLD:#} there is no such service account; who makes it has these rights"
            );
        }
        let mut last: Option<SmolStr> = None;
        for one in held {
            place(&mut out, &one.namespace, &mut last);
            self.held(&mut out, one);
        }
        if held.iter().all(|held| held.through != **who) && !*everything {
            let _ = writeln!(out, "\nNo binding names {}.", OneLine(who.told()));
            if let Some(alike) = alike {
                let _ = writeln!(out, "hint: {}", OneLine(alike));
            }
        }
        if who.as_account().is_none() && matches!(who, Who::User(_)) {
            let _ = writeln!(
                out,
                "\n{QUIET}The cluster does not know which groups a login gives: `--group NAME` adds one.{QUIET:#}"
            );
        }
        out
    }

    fn json(&self) -> Json<'_> {
        let Person { who, rights, cluster, server, .. } = self;
        let Rights { groups, everything, missing, held } = rights;
        Json {
            format_version: FORMAT_VERSION,
            server,
            who,
            groups,
            everything: *everything,
            missing: *missing,
            complete: cluster.unseen().is_empty(),
            unseen: cluster.unseen(),
            held,
        }
    }
}
