//! Who may do something.

use std::fmt::Write as _;

use kwo_planner::access::{Cluster, Danger, Named, Question as Asked, Unseen, Way, What, WhoCan};
use kwo_planner::plain::{OneLine, one_line};
use kwo_planner::plan::FORMAT_VERSION;
use kwo_planner::tree::SmolStr;
use schemars::JsonSchema;
use serde::Serialize;

use super::super::printed::Report;
use super::super::style::{HOLD, QUIET, STRONG};
use super::{MASTERS, no_namespace, partial, place, role, rows, source};

/// How many of the cluster's own parts are named.
const NAMED: usize = 4;

/// A question, and who may.
pub struct Question<'a> {
    /// What was asked: of each group that has the resource.
    pub questions: &'a [Asked],
    /// In each namespace that there is.
    pub anywhere: bool,
    /// Who may.
    pub answer: &'a WhoCan,
    /// What was looked at.
    pub cluster: &'a Cluster,
    /// Its address.
    pub server: &'a str,
    /// The lines of a roster are known.
    pub with_roster: bool,
}

/// Who may do something, and which binding gives it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Json<'a> {
    /// The version of this form. Minor versions only add.
    format_version: &'static str,
    /// The address of the API server.
    server: &'a str,
    /// What was asked: one question for each API group that has the resource.
    questions: &'a [Asked],
    /// Was it asked for each namespace that there is?
    anywhere: bool,
    /// What makes the right dangerous; nothing if it is not.
    danger: Option<Danger>,
    /// Could everything be read? Otherwise others may have the right as well.
    complete: bool,
    /// What could not be read.
    unseen: &'a [Unseen],
    /// Those who may, those of the whole cluster first.
    allowed: &'a [Way],
    /// Those who may do it with some objects only, by name.
    named: &'a [Way],
    /// Bindings whose role could not be read.
    unknown: &'a [Named],
}

impl Question<'_> {
    fn danger(&self) -> Option<Danger> {
        self.questions.iter().find_map(Danger::of)
    }

    fn asked(&self) -> String {
        let Some(first) = self.questions.first() else { return String::new() };
        let what = match &first.what {
            What::Url { url } => one_line(url).into_owned(),
            What::Resource { resource, subresource, name, .. } => {
                let part = if subresource.is_empty() { String::new() } else { format!("/{subresource}") };
                let groups = self.questions.iter().filter_map(|question| match &question.what {
                    What::Resource { group, .. } if !group.is_empty() && group != "*" => Some(group.as_str()),
                    _ => None,
                });
                let groups: Vec<&str> = groups.collect();
                let groups =
                    if groups.is_empty() { String::new() } else { format!(" ({})", groups.join(", ")) };
                let name = if name.is_empty() { String::new() } else { format!(" {name}") };
                one_line(&format!("{resource}{part}{name}{groups}")).into_owned()
            }
        };
        let place = match (self.anywhere, first.namespace.as_str()) {
            (true, _) => " anywhere".to_owned(),
            (false, "") => String::new(),
            (false, namespace) => format!(" in {}", one_line(namespace)),
        };
        format!("{} {what}{place}", one_line(&first.verb))
    }

    fn ways(&self, out: &mut String, ways: &[Way]) {
        let mut last: Option<SmolStr> = None;
        let (own, others): (Vec<&Way>, Vec<&Way>) = ways.iter().partition(|way| way.own);
        let mut at = others.as_slice();
        while let Some(first) = at.first() {
            let count = at.iter().take_while(|way| way.namespace == first.namespace).count();
            let (here, rest) = at.split_at(count);
            place(out, &first.namespace, &mut last);
            let lines: Vec<[String; 3]> = here.iter().map(|way| self.row(way)).collect();
            rows(out, &lines);
            at = rest;
        }
        if !own.is_empty() {
            let mut names: Vec<SmolStr> = own.iter().map(|way| way.who.told()).collect();
            names.dedup();
            let more = names.len().saturating_sub(NAMED);
            names.truncate(NAMED);
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            let names = OneLine(names.join(", "));
            let _ = writeln!(out, "\n{QUIET}the cluster's own parts: {names}{more}{QUIET:#}");
        }
    }

    fn row(&self, way: &Way) -> [String; 3] {
        let Way { who, namespace: _, role: of, binding, roster, own, gathered, missing, only } = way;
        let mut from = source(binding, roster.as_ref(), *own, self.with_roster);
        if *missing {
            let _ = write!(from, " {HOLD}(there is no such account; who makes it may){HOLD:#}");
        }
        if !only.is_empty() {
            let _ = write!(from, "; only {}", OneLine(only.join(", ")));
        }
        [one_line(&who.told()).into_owned(), role(of, *gathered), from]
    }
}

impl Report for Question<'_> {
    const KIND: Option<&'static str> = Some("AccessWhoCan");

    type Json<'a>
        = Json<'a>
    where
        Self: 'a;

    fn text(&self) -> String {
        let Question { questions, answer, cluster, .. } = self;
        let mut out = format!("{STRONG}Who can {}?{STRONG:#}\n", self.asked());
        if let Some(danger) = self.danger() {
            let _ = writeln!(out, "{HOLD}!{HOLD:#} dangerous: {}", danger.told());
        }
        partial(&mut out, cluster);
        let namespace = questions.first().map_or("", |question| question.namespace.as_str());
        if let Some(none) = no_namespace(cluster, namespace) {
            let _ = writeln!(out, "{HOLD}!{HOLD:#} {none}");
        }
        let WhoCan { allowed, named, unknown } = answer;
        self.ways(&mut out, allowed);
        if allowed.is_empty() {
            let _ = writeln!(out, "\nNo binding gives it.");
        }
        if !named.is_empty() {
            let _ = writeln!(out, "\n{STRONG}only some of them, by name{STRONG:#}");
            self.ways(&mut out, named);
        }
        for Named { binding, role: of } in unknown {
            let _ = writeln!(
                out,
                "{HOLD}?{HOLD:#} {binding} gives {}, and kwo could not read it",
                role(of, false)
            );
        }
        let _ = writeln!(out, "\n{QUIET}{MASTERS}{QUIET:#}");
        out
    }

    fn json(&self) -> Json<'_> {
        let Question { questions, anywhere, answer, cluster, server, with_roster: _ } = self;
        let WhoCan { allowed, named, unknown } = answer;
        Json {
            format_version: FORMAT_VERSION,
            server,
            questions,
            anywhere: *anywhere,
            danger: self.danger(),
            complete: cluster.unseen().is_empty(),
            unseen: cluster.unseen(),
            allowed,
            named,
            unknown,
        }
    }
}
