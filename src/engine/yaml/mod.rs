//! Documents that others wrote and others read: what is in a YAML text as its reader takes it, and changes to it by
//! span, which leave every byte that is not changed. Knows no file, no object and no plan.

mod edit;
mod emit;
mod fault;
mod law;
mod node;
mod place;
pub(crate) mod scalar;
pub(crate) mod spot;
mod styles;
mod take;

pub use self::edit::{Edit, edit, edit_by};
pub use self::emit::Habit;
pub use self::fault::Fault;
pub(crate) use self::law::{alike, keeps};
pub use self::node::{Document, documents};
pub(crate) use self::node::{Node, Value};
pub(crate) use self::styles::{line_end, lone_return};
pub use self::take::take;
