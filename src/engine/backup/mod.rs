//! A backup of a node of k3s: its objects, and the files without which nobody can use them. It is one file,
//! `kwo-node-NAME-TIME.tar.zst.age`, and it counts once it was read back and lacks nothing. Of the node only the lock of a reader of its
//! database is taken; where k3s does not run, SQLite makes the index of its log beside it. `age`, `zstd` and `tar` open a
//! backup where kwo is not at hand.

mod copy;
mod database;
mod error;
mod files;
mod folder;
mod kine;
mod limits;
mod make;
mod manifest;
mod place;
mod read;
mod said;
mod seal;
#[cfg(test)]
mod tests;
mod unpack;

pub use self::database::{Found, keep, kept, put_back};
pub use self::error::BackupError;
pub use self::folder::{Newest, newest};
pub use self::kine::{Facts, KindCount};
pub use self::make::{Made, Wanted, make};
pub use self::manifest::{Database, FORMAT_VERSION, KeptFile, LeftOut, Manifest};
pub use self::place::{DATA_DIR, Machine};
pub(crate) use self::place::{is_masked, unconfigured};
pub use self::read::{Checked, check};
pub use self::unpack::unpack;
