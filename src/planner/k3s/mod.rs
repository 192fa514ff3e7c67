//! How a machine becomes a node of k3s, and how k3s becomes another version: from what was found on it and what is wanted to findings and an ordered list of
//! steps. It does nothing; the engine's room of this name looks at the machine and takes the steps.

mod apis;
mod before;
mod facts;
mod gates;
mod install;
mod moves;
mod names;
mod preflight;
mod rollback;
mod saved;
#[cfg(test)]
mod tests;
mod texts;
mod unfit;
mod upgrade;

pub use apis::Deprecated;
pub use before::{Cluster, Database, Named, NodeSaid, Seen, Upgrade, Workload, worse};
pub use facts::{Arch, Facts, Found, Here, Joins, Program, Record, Space, Unit};
pub use install::{Image, Install, Release, Roster, RosterFile, State, Step, What, Wish, install};
pub use moves::Move;
pub use preflight::{Check, Grade, INSTALL_IGNORES, Noticed, preflight};
pub use rollback::rollback;
pub use saved::{Backup, By, Kept, NODE_PLAN_FORMAT, NodePlan, Now, PlanOf, Source, Whose};
pub use texts::{DROP_IN, KEPT, KUBECONFIG, PROGRAM, UNIT, config, unit};
pub use upgrade::{Stage, UPGRADE_IGNORES, Upgrading, needs_apis, to_find, upgrade};

/// kwo was written after this time, the first of November 2026: a clock that says less is wrong.
pub const WRITTEN: i64 = 1_793_491_200;
