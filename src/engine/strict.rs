//! What makes kwo exit with 5, even if everything else is fine: findings of a plan that the caller wants to fail on.

use kwo_planner::plan::Plan;

/// What a run is to fail on that would let it pass otherwise.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum FailOn {
    /// Access that the roster no longer gives.
    LeftoverAccess,
    /// Access that is not kwo's.
    ForeignAccess,
}

/// Does the run fail on what the plan finds left over, or not to be kwo's?
#[must_use]
pub fn fails(on: &[FailOn], plan: &Plan) -> bool {
    on.iter().any(|on| match on {
        FailOn::LeftoverAccess => plan.access_left().next().is_some(),
        // What could not be looked at is not nothing.
        FailOn::ForeignAccess => !plan.foreign_access.is_empty() || !plan.unseen_access.is_empty(),
    })
}
