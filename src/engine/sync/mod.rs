//! An unattended run: fetch, choose the commit, plan, apply, record. Each part has its own file; `run.rs` has their
//! order.

mod carry;
mod checkpoint;
mod commit_selection;
mod converge;
mod options;
mod outcome;
mod quarrel;
mod record;
mod run;
mod said;
mod state;
mod tell;

pub use checkpoint::{Checkpoint, Short};
pub use commit_selection::reaches;
pub use options::{Allowed, Options, Ran, target_options};
pub use run::run;
pub use said::Said;
pub use state::{State, StateError, last_runs};
pub use tell::tell;
