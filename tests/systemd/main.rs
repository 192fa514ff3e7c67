//! The units under a real systemd: booted as process 1 of a machine of its own, with the sandbox, the credentials, the
//! timer and the journal that a node has. What they do there, what they leave, and how they stop.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up ends here")]

mod backup;
mod cleanup;
mod full;
mod install;
mod killed;
mod machine;
mod node;
mod package;
mod planned;
mod push;
mod repository;
mod rpm;
mod runs;
mod unwell;
mod upgrade;
