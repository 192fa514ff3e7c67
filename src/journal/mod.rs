//! What a run says in the log: one line for each change and each thing that went wrong, and one for the run. In the
//! journal the lines have fields that can be searched for.

mod lines;
mod socket;
mod tell;

pub use lines::{Line, Priority, lines};
pub use socket::Journal;
pub use tell::{is_read, tell};
