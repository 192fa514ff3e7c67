//! Exceptions: which waiver lets a violation pass, and which would have if it were not over.

use super::document::{Policy, Waiver};

/// What a violation finds.
pub(super) enum Way<'p> {
    /// A waiver that holds.
    Waived(&'p Waiver),
    /// A waiver whose last day is over.
    Over(&'p Waiver),
    /// None.
    Shut,
}

/// Looks for a waiver of this rule, for this tenant, on this day.
pub(super) fn way<'p>(policy: &'p Policy, rule: &str, tenant: &str, today: &str) -> Way<'p> {
    let fits = |waiver: &&Waiver| {
        waiver.rule.value.as_str() == rule
            && waiver.tenant.as_ref().is_none_or(|only| only.value.as_str() == tenant)
    };
    // Days that are written alike are in the order of their texts.
    let holds = |waiver: &Waiver| waiver.until.as_ref().is_none_or(|until| today <= until.value.as_str());
    let mut over = Way::Shut;
    for waiver in policy.waive.iter().filter(fits) {
        if holds(waiver) {
            return Way::Waived(waiver);
        }
        over = Way::Over(waiver);
    }
    over
}
