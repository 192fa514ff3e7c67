//! Who may do what. `sentences.rs` puts single bindings into words. The other files answer questions about all of a
//! cluster's roles and bindings together, as the RBAC authorizer of the API server would.

mod answer;
mod api;
mod cluster;
mod danger;
mod difference;
mod graph;
mod objects;
mod rules;
mod who;
mod words;

pub use crate::systems::kube::sentences::{aggregated, is_given, right, rule, sentence, sentences, still};
pub use answer::{Held, Named, Rights, Unseen, Way, WhoCan};
pub use api::{Api, Asked, Typed, Unclear, asked};
pub use cluster::{Binding, Cluster, Namespace, Parts, Role, RoleRef};
pub use danger::{Danger, dangers};
pub use difference::{Difference, Edge, RoleChange, difference};
pub use graph::{Graph, Person, RoleBox};
pub use objects::{Object, take};
pub use rules::{Question, Rule, What};
pub use who::{Asker, MASTERS, NotWho, Who};
pub use words::Words;
