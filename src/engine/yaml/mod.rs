//! YAML documents of others: how their reader reads a text, and changes that touch only the changed bytes. Knows no
//! file, no object and no plan.

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
