//! The picture of access, for programs. `svg.rs` and `dot.rs` draw it.

use kwo_planner::access::{Cluster, Graph, Person, RoleBox, Unseen};
use kwo_planner::plain::counted;
use kwo_planner::plan::FORMAT_VERSION;
use kwo_planner::tree::SmolStr;
use schemars::JsonSchema;
use serde::Serialize;

use super::super::printed::{Drawing, Report};
use super::dot;
use super::svg;

/// More lines than forges draw.
const MOST: usize = 400;

/// The picture of a cluster or a roster.
pub struct Picture<'a> {
    /// What to draw.
    pub graph: &'a Graph,
    /// Of what.
    pub title: &'a str,
    /// What was looked at.
    pub cluster: &'a Cluster,
}

/// People, the roles that they have, and the namespaces where.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Json<'a> {
    /// The version of this form. Minor versions only add.
    format_version: &'static str,
    /// The address of the API server, or the roster.
    of: &'a str,
    /// Could everything be read? Otherwise there may be more.
    complete: bool,
    /// What could not be read.
    unseen: &'a [Unseen],
    /// Everybody who has a role.
    people: &'a [Person],
    /// The roles. A role is one entry for all who have it in the same namespaces.
    roles: &'a [RoleBox],
    /// The namespaces; an empty name is the whole cluster.
    namespaces: &'a [SmolStr],
}

impl Picture<'_> {
    /// Why it does not show all.
    fn note(&self) -> Option<&'static str> {
        let partial = !self.cluster.unseen().is_empty();
        partial.then_some("Not complete: kwo could not read all roles and bindings.")
    }
}

impl Report for Picture<'_> {
    const KIND: Option<&'static str> = Some("AccessGraph");

    type Json<'a>
        = Json<'a>
    where
        Self: 'a;

    fn text(&self) -> String {
        self.drawn(Drawing::Mermaid)
    }

    fn drawn(&self, drawing: Drawing) -> String {
        let Picture { graph, title, cluster: _ } = self;
        match drawing {
            Drawing::Svg => svg::draw(graph, title, self.note()),
            Drawing::Dot => dot::dot(graph, self.note()),
            Drawing::Mermaid => dot::mermaid(graph, self.note()),
        }
    }

    fn json(&self) -> Json<'_> {
        let Graph { people, roles, namespaces } = self.graph;
        Json {
            format_version: FORMAT_VERSION,
            of: self.title,
            complete: self.cluster.unseen().is_empty(),
            unseen: self.cluster.unseen(),
            people,
            roles,
            namespaces,
        }
    }

    fn markdown(&self) -> String {
        let lines: usize =
            self.graph.roles.iter().map(|role| role.people.len() + role.namespaces.len()).sum();
        if lines > MOST {
            let (people, places) = (self.graph.people.len(), self.graph.namespaces.len());
            return format!(
                "{} with access in {}: too many to draw here. `kwo access graph` \
                 draws all of them, and `--namespace` a part.\n",
                counted(people, "person or group", "people and groups"),
                counted(places, "place", "places")
            );
        }
        format!("```mermaid\n{}```\n", self.text())
    }
}
