//! The units under a real systemd: booted as process 1 of a machine of its own, with the sandbox, the credentials, the
//! timer and the journal that a node has. What they do there, what they leave, and how they stop.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up ends here")]
#![expect(clippy::duplicate_mod, reason = "the peers bring what they need, for programs that use only them")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/peers/mod.rs"]
mod peers;

mod machine;
mod node;

mod push;
mod repository;
mod runs;
