//! Where every field of an object comes from, as text and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anstyle::Style;
use kwo_planner::origin::Origin;
use kwo_planner::plain::OneLine;
use kwo_planner::plan::FORMAT_VERSION;
use kwo_planner::resource::{Desired, Resource, ResourceId};
use kwo_planner::tree::Tree;
use schemars::JsonSchema;
use serde::Serialize;

use super::printed::Report;
use super::style::{CREATE, shown};

const STRONG: Style = Style::new().bold();
const QUIET: Style = Style::new().dimmed();

/// An object, and the fields of it that are shown.
pub struct Shown<'r> {
    /// The object.
    pub resource: &'r Resource,
    /// Its fields, by pointer.
    pub leaves: Vec<(String, Tree)>,
}

impl<'r> Shown<'r> {
    /// All of an object.
    #[must_use]
    pub fn whole(resource: &'r Resource) -> Shown<'r> {
        Shown { resource, leaves: resource.body.leaves() }
    }
}

/// What a word names, and where it comes from.
pub struct Explanation<'r> {
    /// The objects.
    pub objects: Vec<Shown<'r>>,
    /// The line of the roster that it is about.
    pub line: Option<String>,
    /// What a person may do, in sentences.
    pub access: Vec<String>,
    /// What a tenant writes into its Ingresses to get certificates.
    pub annotation: Option<(&'r str, &'r str)>,
    /// All that the roster asks for.
    pub desired: &'r Desired,
}

impl Report for Explanation<'_> {
    const KIND: Option<&'static str> = Some("Explanation");

    type Json<'a>
        = Explained<'a>
    where
        Self: 'a;

    fn text(&self) -> String {
        let text = text(&self.objects, self.line.as_deref(), &self.access, self.desired);
        text + &self.annotation.map_or_else(String::new, certificates)
    }

    fn json(&self) -> Explained<'_> {
        Explained {
            format_version: FORMAT_VERSION,
            objects: self.objects.iter().map(|shown| ObjectOf::of(shown, self.desired)).collect(),
            ingress_annotation: self.annotation.into_iter().collect(),
            access: &self.access,
        }
    }
}

/// Where every field of some objects comes from.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Explained<'e> {
    /// The version of this form. Minor versions only add.
    format_version: &'static str,
    /// The objects.
    objects: Vec<ObjectOf<'e>>,
    /// What a tenant writes into its Ingresses to get certificates.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    ingress_annotation: BTreeMap<&'e str, &'e str>,
    /// What a person may do, in sentences.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    access: &'e [String],
}

/// An object, and where it comes from.
#[derive(Debug, Serialize, JsonSchema)]
struct ObjectOf<'e> {
    id: &'e ResourceId,
    /// What asks for it.
    because: Origin,
    /// The objects that have to be there before it.
    needs: &'e [ResourceId],
    /// Its fields.
    fields: Vec<FieldOf<'e>>,
}

/// A field, and where it comes from.
#[derive(Debug, Serialize, JsonSchema)]
struct FieldOf<'e> {
    /// Where it stands in the object, as a JSON pointer.
    pointer: &'e str,
    value: &'e Tree,
    /// What asks for it.
    because: Origin,
}

impl<'e> ObjectOf<'e> {
    fn of(shown: &'e Shown<'_>, desired: &Desired) -> ObjectOf<'e> {
        let Shown { resource, leaves } = shown;
        let field = |(pointer, value): &'e (String, Tree)| FieldOf {
            pointer,
            value,
            because: Origin::of(resource.reason(pointer), desired.sources()),
        };
        ObjectOf {
            id: &resource.id,
            because: Origin::of(&resource.because, desired.sources()),
            needs: &resource.needs,
            fields: leaves.iter().map(field).collect(),
        }
    }
}

/// The line that it is about and what somebody may do, where it is about those; then one block an object, one line a
/// field.
fn text(objects: &[Shown<'_>], line: Option<&str>, access: &[String], desired: &Desired) -> String {
    let mut out = String::new();
    if let Some(line) = line {
        let _ = writeln!(out, "{STRONG}{}{STRONG:#}\n", OneLine(line));
    }
    if !access.is_empty() {
        let _ = writeln!(out, "{STRONG}access{STRONG:#}");
        for sentence in access {
            let _ = writeln!(out, "  {CREATE}+{CREATE:#} {}", OneLine(sentence));
        }
        out.push('\n');
    }
    for (at, Shown { resource, leaves }) in objects.iter().enumerate() {
        let because = Origin::of(&resource.because, desired.sources());
        let gap = if at == 0 { "" } else { "\n" };
        let _ = writeln!(out, "{gap}{STRONG}{}{STRONG:#}\n  {QUIET}{because}{QUIET:#}", resource.id);
        // What only has a field from the line is not wanted for it.
        let needs = if line.is_none() { resource.needs.iter() } else { [].iter() };
        for need in needs {
            let _ = writeln!(out, "  needs {need}");
        }
        for (pointer, value) in leaves {
            let origin = Origin::of(resource.reason(pointer), desired.sources());
            let origin =
                if origin == because { String::new() } else { format!("    {QUIET}{origin}{QUIET:#}") };
            let _ = writeln!(out, "  {pointer}: {}{origin}", shown(value));
        }
    }
    out
}

/// What a tenant writes into its Ingresses to get certificates.
fn certificates((annotation, resolver): (&str, &str)) -> String {
    format!("\n{STRONG}for certificates{STRONG:#}, annotate the Ingresses with\n  {annotation}: {resolver}\n")
}
