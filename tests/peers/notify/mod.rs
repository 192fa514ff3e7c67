//! What a run tells: every channel against a local server that is held to what its makers publish, the metrics against
//! those who read them, the fields of the journal at a socket.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up ends here")]

mod channels;
mod faults;
mod journal;
mod metrics;
mod monitoring;
mod receiver;
mod runs;
mod status;
