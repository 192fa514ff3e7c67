//! Documents that others wrote and others read: what is in a YAML text as its reader takes it, and changes to it by
//! span, which leave every byte that is not changed. Knows no file, no object and no plan.

mod edit;
mod emit;
mod law;
mod node;
mod place;
mod scalar;
mod spot;
mod styles;

pub use self::edit::{Edit, edit};
pub use self::node::{Document, documents};
