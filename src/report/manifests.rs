//! Objects as Kubernetes takes them: a YAML document each, or one JSON list.

use kwo_planner::tree::Tree;
use schemars::JsonSchema;
use serde::Serialize;

use super::printed::{Report, yaml};
use kwo_engine::failure::Failure;

/// Objects, in an order in which they can be made.
pub struct Manifests(pub Vec<Tree>);

/// A list of objects, as `kubectl apply` takes it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct List<'m> {
    /// `v1`.
    api_version: &'static str,
    /// The objects.
    #[schemars(with = "Vec<Manifest>")]
    items: &'m [Tree],
    /// `List`.
    kind: &'static str,
}

/// An object of Kubernetes.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "for the schema: the trees have these fields")]
struct Manifest {
    /// The version of its kind.
    api_version: String,
    /// Its kind.
    kind: String,
    /// Its name, its namespace and its labels.
    metadata: Tree,
}

impl Report for Manifests {
    const KIND: Option<&'static str> = None;

    type Json<'a> = List<'a>;

    fn text(&self) -> String {
        // Nobody can ask for it: kubectl does not take it.
        Report::yaml(self).unwrap_or_else(|failure| failure.to_string())
    }

    fn json(&self) -> List<'_> {
        List { api_version: "v1", items: &self.0, kind: "List" }
    }

    fn yaml(&self) -> Result<String, Failure> {
        self.0.iter().map(|manifest| Ok(format!("---\n{}", yaml(manifest)?))).collect()
    }
}
