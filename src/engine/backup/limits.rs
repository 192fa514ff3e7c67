//! How big a backup may be. Backups come from strangers, too: what is read is bounded before it is read. What is written
//! keeps the same bounds, so that it can be read again.

/// How many files there may be beside the database.
pub(super) const FILES: usize = 10_000;
/// How long one of them may be.
pub(super) const FILE: u64 = 16 * MIB;
/// How long all of them may be together.
pub(super) const TOGETHER: u64 = 128 * MIB;
/// How long the database may be. SQLite keeps no longer one in memory, and a copy on the disk would be in the clear.
pub(super) const DATABASE: u64 = 1024 * MIB;
/// How long a snapshot of etcd may be: what the head of a part has room for. Nobody holds it in memory.
pub(super) const SNAPSHOT: u64 = 8 * 1024 * MIB - 1;
/// How long the name of a snapshot may be: what a file system has room for.
pub(super) const NAME: usize = 255;
/// How many files the folder of the snapshots may have.
pub(super) const SNAPSHOTS: usize = 100_000;
/// How many snapshots that are not taken are told.
pub(super) const TOLD: usize = 20;
/// How long the manifest may be.
pub(super) const MANIFEST: u64 = 8 * MIB;
/// How long a path may be: what the head of a part has room for.
pub(super) const PATH: usize = 100;
/// How long the path of the folder of the data of k3s may be.
pub(super) const DATA_DIR: usize = 4096;
/// How long the head of an encrypted file may be.
pub(super) const HEAD: u64 = 64 * 1024;
/// What tar needs around files.
pub(super) const AROUND: u64 = 2 * 1024 * (FILES as u64 + 8);
/// How much memory the unpacking may take, as a power of two.
pub(super) const WINDOW: u32 = 27;
/// How many files k3s may be told to read.
pub(super) const NEEDED: usize = 1000;
/// How deep folders are looked into.
pub(super) const DEEPEST: usize = 8;
/// What is left of the memory for everything else.
pub(super) const SPARE: u64 = 64 * MIB;

pub(super) const MIB: u64 = 1024 * 1024;
