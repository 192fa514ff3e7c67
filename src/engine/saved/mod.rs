//! Saved plans as files: reading one without believing it, the seals and signatures that say who made it. What a plan
//! may do is derived anew from its roster; see `kwo_planner::refresh`.

mod file;
mod seal;
mod sign;

pub use file::plain;
pub use file::{Opened, open};
pub use seal::{Keys, Seal};
pub use sign::{NAMESPACE, beside, leave, sign, signer};
