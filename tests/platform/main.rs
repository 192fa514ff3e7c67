//! What kwo makes of the sections about certificates and secrets, against a real API server with the real CRDs of
//! Traefik, of k3s' helm-controller and of cert-manager. They are installed while a test runs, which keeps a server
//! busy for seconds, so this is a program with a server of its own.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up ends here")]
#![expect(clippy::duplicate_mod, reason = "the peers bring what they need, for programs that use only them")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../live/gate.rs"]
mod gate;
#[path = "../common/loopback.rs"]
mod loopback;
#[path = "../common/peers/mod.rs"]
mod peers;
#[path = "../live/run.rs"]
mod run;

mod cert_manager;
mod crds;
mod faults;
mod hosts;
mod login;
mod node;
mod registry;
mod rotation;
mod secrets;
mod takeover;
mod traefik;

// Not every test program uses all that is there for running the binary.
const _: fn() = || {
    let _ = (run::narrow as fn(_, _, _) -> _, run::Bench::with_kubeconfig as fn(_, _) -> _);
    let _ = (run::steps as fn(_) -> _, run::held as fn(_) -> _, run::Bench::plan as fn(_, _) -> _);
    let _ = (run::Bench::kwo as fn(_, _) -> _, run::Bench::apply as fn(_, _) -> _);
};
