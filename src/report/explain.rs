//! Where every field of an object comes from, as text and as JSON.

use std::fmt::Write as _;

use anstyle::Style;
use kwo_planner::origin::Origin;
use kwo_planner::resource::{Desired, Resource};
use serde_json::json;

use super::plan::shown;

const STRONG: Style = Style::new().bold();
const QUIET: Style = Style::new().dimmed();

/// One block an object, one line a field.
#[must_use]
pub fn text(resources: &[&Resource], desired: &Desired) -> String {
    let mut out = String::new();
    for (at, resource) in resources.iter().enumerate() {
        let because = Origin::of(&resource.because, desired.sources());
        let gap = if at == 0 { "" } else { "\n" };
        let _ = writeln!(out, "{gap}{STRONG}{}{STRONG:#}\n  {QUIET}{because}{QUIET:#}", resource.id);
        for need in resource.needs.iter() {
            let _ = writeln!(out, "  needs {need}");
        }
        for (pointer, value) in resource.body.leaves() {
            let origin = Origin::of(resource.reason(&pointer), desired.sources());
            let origin =
                if origin == because { String::new() } else { format!("    {QUIET}{origin}{QUIET:#}") };
            let _ = writeln!(out, "  {pointer}: {}{origin}", shown(&value));
        }
    }
    out
}

/// What a tenant writes into its Ingresses to get certificates.
#[must_use]
pub fn certificates((annotation, resolver): (&str, &str)) -> String {
    format!("\n{STRONG}for certificates{STRONG:#}, annotate the Ingresses with\n  {annotation}: {resolver}\n")
}

/// The same for programs.
#[must_use]
pub fn json(resources: &[&Resource], desired: &Desired) -> serde_json::Value {
    let objects: Vec<serde_json::Value> = resources
        .iter()
        .map(|resource| {
            let fields: Vec<serde_json::Value> = resource
                .body
                .leaves()
                .into_iter()
                .map(|(pointer, value)| {
                    let because = Origin::of(resource.reason(&pointer), desired.sources());
                    json!({"pointer": pointer, "value": value, "because": because})
                })
                .collect();
            let needs: Vec<String> = resource.needs.iter().map(ToString::to_string).collect();
            let because = Origin::of(&resource.because, desired.sources());
            json!({"id": resource.id, "because": because, "needs": needs, "fields": fields})
        })
        .collect();
    json!({"format_version": kwo_planner::plan::FORMAT_VERSION, "objects": objects})
}
