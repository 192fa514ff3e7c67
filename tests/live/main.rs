//! kwo against a real API server: the binary is run as a user runs it, and the cluster is asked what came of it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up ends here")]

mod access;
mod account;
mod additive;
mod again;
mod archive;
mod bounds;
mod capacity;
mod clock;
mod cluster;
mod conformance;
mod converge;
mod crash;
mod destroying;
mod endings;
mod endless;
mod escapes;
mod events;
mod fight;
mod foreign;
mod given;
mod hold;
mod keeper;
mod kept;
mod kubeconfig;
mod leaving;
mod meanwhile;
mod narrower;
mod outage;
mod prompt;
mod proxied;
mod reach;
mod rights;
mod saved;
mod status;
mod tutorial;
