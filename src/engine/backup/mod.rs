//! A backup of a node of k3s: its objects, and the files without which nobody can use them. It is one file,
//! `kwo-node-NAME-TIME.tar.zst.age`, and it counts once it was read back and lacks nothing. Of the node only the lock of a reader of its
//! database is taken; where k3s does not run, SQLite makes the index of its log beside it. Where the objects are in etcd, the newest
//! snapshot of k3s that is whole holds them. `age`, `zstd` and `tar` open a
//! backup where kwo is not at hand.

mod copy;
mod database;
mod error;
mod etcd;
mod files;
mod folder;
mod kine;
mod limits;
mod make;
mod manifest;
mod objects;
mod place;
mod read;
mod said;
mod seal;
mod snapshots;
#[cfg(test)]
mod tests;
mod unpack;

pub use self::database::{Found, keep, kept, put_back};
pub use self::error::BackupError;
pub use self::folder::{Newest, newest};
pub use self::kine::{Facts, KindCount};
pub use self::make::{Made, Wanted, make};
pub use self::manifest::{Database, FORMAT_VERSION, KeptFile, LeftOut, Manifest, SNAPSHOT, Snapshot};
pub use self::place::{DATA_DIR, Machine};
pub(crate) use self::place::{is_masked, unconfigured};
pub use self::read::{Checked, check};
pub use self::unpack::unpack;
