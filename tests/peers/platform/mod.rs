//! What kwo makes of the sections about certificates and secrets, against a real API server with the real CRDs of
//! Traefik, of k3s' helm-controller and of cert-manager. They are installed while a test runs, which keeps a server
//! busy for seconds.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up ends here")]

mod cert_manager;
mod collect;
mod crds;
mod doctor;
mod faults;
mod hosts;
mod leaving;
mod login;
mod node;
mod pullers;
mod registry;
mod renames;
mod rotation;
mod secrets;
mod takeover;
mod traefik;
mod usage;
mod wildcards;
