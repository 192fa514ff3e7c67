//! kwo's planner: from roster text to desired state, from desired and observed state to a plan.
//!
//! Nothing here does I/O, looks at a clock, draws a random number or depends on hash order. `dependencies.txt`
//! lists the crates that may be in its closure, `clippy.toml` the items that may not be used.

pub mod change;
pub mod domains;
pub mod kinds;
pub mod observed;
pub mod resource;
pub mod roster;
pub mod tree;
