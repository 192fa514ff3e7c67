//! Changes to the text of a roster as somebody asks for them: a tenant, a member, a field. Text in, text out: every line
//! that is not changed stays to the byte, and no comment is lost. Whether the result is a good roster is the planner's
//! business; files are read and written in `rewrite.rs`.

mod asked;
mod entries;
mod format;
mod indentation;
#[cfg(test)]
mod laws;
mod lines;

pub use asked::{assignment, value};
pub use entries::{Member, add_member, add_tenant, park, remove_member, remove_tenant, set_fields, unpark};
pub use format::format;
