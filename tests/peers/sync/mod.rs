//! `kwo sync` as the timer runs it: the binary, real repositories, a real sshd, a real git server behind TLS, a real API
//! server. What it may do, what it refuses, what it leaves behind.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up ends here")]

mod bombs;
mod cluster;
mod crash;
mod drift;
mod fetch;
mod https;
mod limits;
mod malformed;
mod nodes;
mod policy;
mod quiet;
mod record;
mod repository;
mod reviews;
mod served;
mod settings;
mod signed;
mod signers;
mod ssh;
mod told;
mod trust;
mod world;
