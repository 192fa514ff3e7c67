//! What a command found, in whatever format it is asked for. Each command gives a value; one place knows the formats
//! (`commands/print.rs`), so that a new one is for all of them.

use kwo_planner::plain::{acts, json as spelled_json};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde_json::{Value, json};

use super::fence::fenced;
use kwo_engine::failure::Failure;

/// How a report can be drawn.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Drawing {
    /// A picture that needs nothing else.
    Svg,
    /// Text for Graphviz.
    Dot,
    /// Text for Mermaid.
    Mermaid,
}

/// What a command found.
pub trait Report {
    /// What it is called where programs read it. Nothing for what is Kubernetes' own, which says it by itself.
    const KIND: Option<&'static str>;

    /// Is its JSON one line, for a variable of a pipeline, say?
    const ONE_LINE: bool = false;

    /// How programs read it.
    type Json<'a>: Serialize
    where
        Self: 'a;

    /// For people.
    fn text(&self) -> String;

    /// For programs.
    fn json(&self) -> Self::Json<'_>;

    /// For a comment or a page.
    fn markdown(&self) -> String {
        fenced(&self.text())
    }

    /// As a picture. Only what has one is asked for it.
    fn drawn(&self, _: Drawing) -> String {
        self.text()
    }

    /// The same as JSON, for those who like to read it.
    ///
    /// # Errors
    /// When the library refuses; it says why.
    fn yaml(&self) -> Result<String, Failure> {
        yaml(&self.called())
    }

    /// For programs, with what it is called in front.
    fn called(&self) -> Called<Self::Json<'_>> {
        Called { kind: Self::KIND, report: self.json() }
    }
}

/// A report with what it is called in front.
#[derive(Serialize)]
pub struct Called<R> {
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(flatten)]
    report: R,
}

/// The schema of what programs read of a report.
#[must_use]
pub fn schema<R: Report + 'static>() -> Value
where
    R::Json<'static>: JsonSchema,
{
    let generator = SchemaSettings::draft07().for_serialize().into_generator();
    let mut schema = generator.into_root_schema_for::<R::Json<'static>>().to_value();
    if let Some(kind) = R::KIND {
        kind_of(&mut schema, kind);
        if let Some(required) = schema["required"].as_array_mut() {
            required.insert(0, "kind".into());
        }
    }
    schema
}

/// Adds to a schema what the thing is called.
pub fn kind_of(schema: &mut Value, kind: &str) {
    schema["title"] = kind.into();
    schema["properties"]["kind"] = json!({"description": "What this is.", "type": "string", "const": kind});
}

/// One YAML document.
///
/// # Errors
/// When the library refuses; it says why.
pub fn yaml(value: &impl Serialize) -> Result<String, Failure> {
    let text = serde_yaml::to_string(value).map_err(|error| unwritten("YAML", &error))?;
    // What acts has no spelling in YAML without quotes. JSON is YAML too, and has one for every character.
    if !text.contains(|char| acts(char) && !matches!(char, '\n' | '\t')) {
        return Ok(text);
    }
    let text = serde_json::to_string_pretty(value).map_err(|error| unwritten("YAML", &error))?;
    Ok(format!("{}\n", spelled_json(&text)))
}

/// Why something cannot be written in a format.
#[must_use]
pub fn unwritten(format: &str, error: &dyn std::error::Error) -> Failure {
    Failure::new(format!("cannot print this as {format}")).because(error)
}
