//! kwo's planner: from roster text to desired state, from desired and observed state to a plan.
//!
//! Nothing here does I/O, looks at a clock, draws a random number or depends on hash order. `dependencies.txt`
//! lists the crates that may be in its closure, `clippy.toml` the items that may not be used.

pub mod access;
mod additions;
pub mod after;
pub mod agreement;
pub mod capacity;
pub mod change;
pub mod cleanup;
pub mod compare;
pub mod counts;
mod digest;
pub mod domains;
pub mod drift;
pub mod endings;
mod entries;
pub mod foreign;
pub mod hits;
mod holders;
pub mod k3s;
pub mod keeper;
pub mod leftovers;
pub mod limits;
mod needers;
pub mod observed;
pub mod offboard;
mod openings;
pub mod order;
pub mod origin;
mod overlay;
mod pairs;
pub mod plain;
pub mod plan;
pub mod policy;
pub mod radius;
pub mod rbac;
pub mod refused;
pub mod resource;
pub mod revalidate;
pub mod reviews;
pub mod roster;
pub mod saved;
mod schedule;
pub mod secrets;
pub mod settings;
mod shapes;
pub mod shared;
pub mod systems;
mod tightens;
pub mod tree;
mod unions;
pub mod units;
pub mod upkeep;
pub mod usage;
pub mod verify;

pub use systems::kube::{kinds, named};
pub use systems::node;
pub use systems::{vault, vault_rights};
