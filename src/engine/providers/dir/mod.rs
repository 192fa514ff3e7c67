//! A directory of manifests, one file an object: the target that needs no cluster, and one that can be committed
//! and applied by any other tool.

mod cutter;
mod directory;
mod layout;
mod lock;
mod observe;
mod parts;
mod versioned_text;
mod write;

pub use directory::Dir;
