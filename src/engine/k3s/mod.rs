//! Makes a machine a node of k3s: `machine` looks at it, `release` finds out what would be installed, and `perform` takes the
//! steps that the planner's room of this name made. k3s' own installer is not run. `upgrade` takes a k3s
//! that is there to another version, and back.

mod apis;
mod around;
mod cluster;
mod fetch;
mod files;
mod machine;
mod noted;
mod perform;
mod ready;
mod release;
mod service;
mod settled;
mod sight;
mod units;
mod upgrade;
mod whose;

pub use files::RosterFiles;
pub use machine::{Machine, busy};
pub use perform::{Event, Work, forget_plan, perform};
pub use release::{Place, find, led};
pub use sight::Sight;
pub use upgrade::{Job, rollback, upgrade};
