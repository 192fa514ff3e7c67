//! How big an archive may be. Archives come from strangers, too: what is read is bounded before it is read.

/// How many parts there may be.
pub(super) const PARTS: usize = 50_000;
/// How long one part may be, in bytes. etcd takes objects of 1.5 MiB.
pub(super) const PART: u64 = 16 * MIB;
/// How long the index may be.
pub(super) const INDEX: u64 = 32 * MIB;
/// How much all objects and files of systems may be together; they are held in memory when they are imported.
pub(super) const OBJECTS: u64 = 512 * MIB;
/// How long the path of a part may be.
pub(super) const PATH: usize = 1024;
/// How long the head of an encrypted file may be.
pub(super) const HEAD: u64 = 64 * 1024;
/// How much may come out of a file: this (less in tests, which would take minutes otherwise) …
pub(super) const UNPACKED: u64 = if cfg!(test) { 16 * MIB } else { 1024 * MIB };
/// … and so many times what is in it. A disk of nothing but zeros is packed tighter, and is refused.
pub(super) const RATIO: u64 = 1000;
/// How much memory the unpacking may take, as a power of two.
pub(super) const WINDOW: u32 = 27;

pub(super) const MIB: u64 = 1024 * 1024;
