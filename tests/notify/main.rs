//! What a run tells: every channel against a local server that is held to what its makers publish, the metrics against
//! those who read them, the fields of the journal at a socket.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up ends here")]

#[path = "../common/peers/mod.rs"]
mod peers;
#[path = "../common/proxy.rs"]
mod proxy;

mod channels;
mod faults;
mod journal;
#[path = "../common/manual.rs"]
mod manual;
mod metrics;
mod monitoring;
mod receiver;
mod runs;
mod status;
