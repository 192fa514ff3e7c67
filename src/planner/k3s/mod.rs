//! How a machine becomes a node of k3s: from what was found on it and what is wanted to findings and an ordered list of
//! steps. It does nothing; the engine's room of this name looks at the machine and takes the steps.

mod facts;
mod install;
mod preflight;
#[cfg(test)]
mod tests;
mod texts;

pub use facts::{Arch, Facts, Found, Here, Program, Record, Space, Unit};
pub use install::{Image, Install, Release, Roster, RosterFile, State, Step, What, Wish, install};
pub use preflight::{Check, Grade, Noticed};
pub use texts::{DROP_IN, KUBECONFIG, PROGRAM, UNIT, config, unit};

/// kwo was written after this time, the first of November 2026: a clock that says less is wrong.
pub const WRITTEN: i64 = 1_793_491_200;
