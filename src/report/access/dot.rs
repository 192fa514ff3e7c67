//! The picture as text for programs that draw: Graphviz and Mermaid. Names come from strangers, and stand in quotes.

use std::fmt::Write as _;

use kwo_planner::access::{Graph, RoleBox};
use kwo_planner::plain::one_line;

use super::svg::{WHOLE, under};

/// For Graphviz.
pub(super) fn dot(graph: &Graph, note: Option<&str>) -> String {
    let quoted = |text: &str| one_line(text).replace('\\', "\\\\").replace('"', "\\\"");
    let mut out = String::from(
        "digraph access {\n  rankdir=LR;\n  node [shape=box, style=rounded, fontname=\"sans-serif\"];\n",
    );
    if let Some(note) = note {
        let _ = writeln!(out, "  label=\"{}\";", quoted(note));
    }
    for (at, person) in graph.people.iter().enumerate() {
        let _ = writeln!(out, "  p{at} [label=\"{}\"];", quoted(&person.told));
    }
    for (at, role) in graph.roles.iter().enumerate() {
        let label = label(role).iter().map(|line| quoted(line)).collect::<Vec<_>>().join("\\n");
        let red = if role.dangers.is_empty() { "" } else { ", color=\"#b3261e\", penwidth=2" };
        let dashed = if role.roster == Some(false) { ", style=\"rounded,dashed\"" } else { "" };
        let _ = writeln!(out, "  r{at} [label=\"{label}\"{red}{dashed}];");
    }
    for (at, namespace) in graph.namespaces.iter().enumerate() {
        let name = if namespace.is_empty() { WHOLE } else { namespace };
        let _ = writeln!(out, "  n{at} [label=\"{}\", shape=folder, style=solid];", quoted(name));
    }
    for (at, role) in graph.roles.iter().enumerate() {
        for person in &role.people {
            let _ = writeln!(out, "  p{person} -> r{at};");
        }
        for namespace in &role.namespaces {
            let _ = writeln!(out, "  r{at} -> n{namespace};");
        }
    }
    out.push_str("}\n");
    out
}

/// For Mermaid.
pub(super) fn mermaid(graph: &Graph, note: Option<&str>) -> String {
    let mut out = String::from("flowchart LR\n");
    if let Some(note) = note {
        let _ = writeln!(out, "  note[\"{}\"]", entities(note));
    }
    for (at, person) in graph.people.iter().enumerate() {
        let _ = writeln!(out, "  p{at}([\"{}\"])", entities(&person.told));
    }
    for (at, role) in graph.roles.iter().enumerate() {
        let label = label(role).iter().map(|line| entities(line)).collect::<Vec<_>>().join("<br>");
        let class = match (role.dangers.is_empty(), role.roster) {
            (false, Some(false)) => ":::foreignDanger",
            (false, _) => ":::danger",
            (true, Some(false)) => ":::foreign",
            (true, _) => "",
        };
        let _ = writeln!(out, "  r{at}[\"{label}\"]{class}");
    }
    for (at, namespace) in graph.namespaces.iter().enumerate() {
        let name = if namespace.is_empty() { WHOLE } else { namespace };
        let _ = writeln!(out, "  n{at}[/\"{}\"/]", entities(name));
    }
    for (at, role) in graph.roles.iter().enumerate() {
        for person in &role.people {
            let _ = writeln!(out, "  p{person} --> r{at}");
        }
        for namespace in &role.namespaces {
            let _ = writeln!(out, "  r{at} --> n{namespace}");
        }
    }
    out.push_str("  classDef danger stroke:#b3261e,stroke-width:2px\n");
    out.push_str("  classDef foreign stroke-dasharray:4 3\n");
    out.push_str("  classDef foreignDanger stroke:#b3261e,stroke-width:2px,stroke-dasharray:4 3\n");
    out
}

/// What stands in the box of a role.
fn label(role: &RoleBox) -> Vec<String> {
    let mut lines = vec![role.told.to_string()];
    lines.extend(under(role));
    lines
}

/// All that is not a plain character as its number, so that no name is read as markup.
fn entities(text: &str) -> String {
    let mut out = String::new();
    for char in one_line(text).chars() {
        if char.is_alphanumeric() || " @.-_/:(),+".contains(char) {
            out.push(char);
        } else {
            let _ = write!(out, "#{};", u32::from(char));
        }
    }
    out
}
