//! What a roster promises of access, as questions that the API server can be asked: who may do what, and who may not. And
//! what is told where it answers otherwise. Nothing is asked here.

mod differences;
mod matrix;
mod question;
mod roles;

pub use differences::{Difference, Verdict};
pub use matrix::{Asked, Counted, Matrix};
pub use question::Question;
pub(crate) use roles::role as role_of;
pub use roles::{OwnRoles, own_roles};
