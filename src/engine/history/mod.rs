//! What became of every run: the entries, and the chain that they are kept in.

mod chain;
mod entry;

pub use chain::{Head, History, HistoryError};
pub use entry::{
    Action, Commit, Drift, Entry, Fought, Held, Left, Outcome, Problem, ProblemKind, Retained, Step,
    StepOutcome, Touched,
};
