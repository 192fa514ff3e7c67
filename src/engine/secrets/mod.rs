//! Secrets on their way from where they are to where they belong. The planner knows references and fingerprints;
//! the bytes are in the vault of the run and in the requests that write them, and nowhere else.

mod htpasswd;
mod resolve;
mod rotation;
mod vault;

pub use resolve::{Answer, Places, follow, resolve};
pub use rotation::{Obstacle, Rotation, Standing, rotate, standing};
pub use vault::Vault;
