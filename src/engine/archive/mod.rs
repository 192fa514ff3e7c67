//! What is kept of a tenant before anything of it is deleted: one file, `NAME-TIME.kwoarc`, which is a tar, packed by zstd,
//! and encrypted with age where somebody is named who may open it. It counts once it was read back from the disk. Who
//! decides what goes into it, and what follows from it, is elsewhere.

mod bare;
mod builder;
mod entry;
mod error;
mod folder;
mod import;
mod index;
mod keys;
mod limits;
mod path;
mod read;
mod store;
mod stream;
#[cfg(test)]
mod tests;
mod verified;

pub(crate) use self::bare::hex;
pub use self::bare::{bare, digest};
pub use self::builder::Builder;
pub use self::entry::{ArchiveEntry, ObjectKey};
pub use self::error::ArchiveError;
pub use self::folder::tarred;
pub use self::import::{Import, NotMade, only_new};
pub use self::index::{FORMAT_VERSION, Index, LeftOut, Meta, Part, RosterLine};
pub use self::keys::{Identities, Recipient, is_key};
pub(crate) use self::stream::{Bounded, Hashed};
pub use self::verified::{Receipt, Verified, open, sum};
