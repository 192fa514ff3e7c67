//! Removes what of k3s on a node nothing needs any more: `unpacked` looks at the folders that k3s unpacked itself into, `processes`
//! at what runs from them, `images` asks the container runtime, and `remove` removes what the planner's room of this name says.

mod images;
mod processes;
mod remove;
mod unpacked;

pub use images::Runtime;
pub use remove::{Event, Removal, remove};
pub use unpacked::{Data, look};
