//! What became of every run: the entries, the chain that they are kept in, and how they are shown.

mod entry;

pub use entry::{Commit, Drift, Entry, Held, Outcome, Problem, ProblemKind, Step};
