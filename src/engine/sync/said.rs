//! What a run says while it works, as data. The caller has the words and the colours.

use jiff::Timestamp;
use kwo_planner::domains::Refused;

use crate::execute::StepResult;
use crate::failure::Failure;
use crate::history::{Commit, Drift, Problem};
use crate::notify::Untold;

/// One thing that a run says.
#[derive(Clone, Copy, Debug)]
pub enum Said<'s> {
    /// A run before this one never said how it ended. It began then.
    BrokeOff(Timestamp),
    /// The roster of a commit is not valid.
    Refused(&'s Refused),
    /// This commit is converged to.
    Commit {
        /// The branch that it is on.
        branch: &'s str,
        /// The commit.
        commit: &'s Commit,
        /// It is the newest one, and not the one that was applied last.
        newest: bool,
    },
    /// Who keeps the cluster is not known for certain.
    Keeper(&'s str),
    /// Somebody changed what kwo had put right.
    Drift(&'s Drift),
    /// A step came to its end.
    Step(&'s StepResult),
    /// Something went wrong.
    Problem(&'s Problem),
    /// The metrics could not be written, or the cluster could not be told.
    Failure(&'s Failure),
    /// Somebody could not be told of the run.
    Untold(&'s Untold),
    /// That the run was told could not be kept.
    NotKept(&'s str),
}
