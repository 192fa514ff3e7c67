//! The node provider, on a root folder of its own: what it sees, what it writes, what it leaves alone.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up ends here")]

mod alone;
mod entries;
mod files;
mod killed;
mod lockout;
mod login;
mod mirrors;
mod others;
mod paths;
mod restart;
mod secrets;

mod world;
