//! A run that nobody watches: fetch, decide which commit counts, plan, apply, record. What each part decides stands in
//! its own file; `run.rs` is their order.

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

pub use memory::{Memory, Short};
pub use options::{Allowed, Options, Ran, target_options};
pub use run::run;
pub use said::Said;
pub use state::{State, StateError};
pub use tell::tell;
