//! Holds what a roster wants against the rules of the settings and of the roster (`planner/policy/`): evaluates the rules
//! in CEL, reads the roles of the admin's own, knows what day it is.

mod cel;
mod judge;

pub use cel::Cel;
pub(crate) use judge::layer;
pub use judge::{judge, judge_with, layers};
