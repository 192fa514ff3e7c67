//! Secrets on their way from where they are to where they belong. The planner knows references and fingerprints;
//! the bytes are in the vault of the run and in the requests that write them, and nowhere else.

pub(crate) mod htpasswd;
pub(crate) mod offboarded;
pub(crate) mod rotation;
pub(crate) mod vault;

pub use offboarded::Known;
pub use rotation::{Obstacle, Old, Rotation, Standing, old, rotate, standing};
pub use vault::{Credentials, SecretData, Vault};
