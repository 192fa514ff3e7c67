//! Policies over plans: rules about what a roster may want, whoever wrote it. The rules stand in the roster or in kwo's
//! settings; those of the settings hold whatever the roster says.
//!
//! Nothing here evaluates an expression: who judges hands in something that does (`Expressions`).

mod document;
mod judge;
mod rules;
mod waivers;

pub(crate) use document::check;
pub use document::{CelExpression, Day, MaxAdmins, OwnRule, Policy, Sentence, Waiver, Zone};
pub use judge::{Expressions, Judged, Layer, SetBy, Verdicts, Violation, Waived, judge};
pub use rules::needs_roles;
