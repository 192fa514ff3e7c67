//! The systems that kwo can look at and write to, one file or folder each.

mod provider;

pub use provider::{Identity, Lock, LockRefusal, Promise, Provider, Refusal};
