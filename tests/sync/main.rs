//! `kwo sync` as the timer runs it: the binary, real repositories, a real sshd, a real git server behind TLS, a real API
//! server. What it may do, what it refuses, what it leaves behind.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up ends here")]
#![expect(clippy::duplicate_mod, reason = "the peers bring what they need, for programs that use only them")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/peers/mod.rs"]
mod peers;

#[path = "../live/gate.rs"]
mod gate;
#[path = "../common/loopback.rs"]
mod loopback;

mod bombs;
mod cluster;
mod crash;
mod drift;
mod fetch;
mod https;
mod limits;
mod malformed;
mod nodes;
mod quiet;
mod record;
mod repository;
#[path = "../common/schemas.rs"]
mod schemas;
mod served;
mod settings;
mod signed;
mod signers;
mod ssh;
mod told;
mod trust;
mod world;
