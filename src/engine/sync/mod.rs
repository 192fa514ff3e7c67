//! An unattended run: fetch, choose the commit, plan, apply, record. Each part has its own file; `run.rs` has their
//! order.

mod carry;
mod choose;
mod converge;
mod memory;
mod options;
mod outcome;
mod quarrel;
mod record;
mod run;
mod said;
mod state;
mod tell;

pub use choose::reaches;
pub use memory::{Memory, Short};
pub use options::{Allowed, Options, Ran, target_options};
pub use run::run;
pub use said::Said;
pub use state::{State, StateError, last_runs};
pub use tell::tell;
