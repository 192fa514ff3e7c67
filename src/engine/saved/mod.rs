//! Saved plans as files: reads one without trusting it, and checks the seals and signatures that say who made it. The
//! roster decides what a plan may do; see `kwo_planner::revalidate`.

mod file;
mod node;
mod seal;
mod sign;
mod unfit;

pub use file::plain;
pub use file::{Opened, open};
pub use node::{OpenedNode, digest_of_node, open_node};
pub use seal::{Keys, Seal};
pub use sign::{Signed, beside, leave, sign, signer};
