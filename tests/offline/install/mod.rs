//! `kwo node install` below a folder that plays a machine, from a release server on loopback or a folder: what it plans and
//! writes, what it refuses, and what a killed run leaves. k3s is played by a script that tells a version; none is started.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up ends here")]

mod cleanup;
mod facts;
mod places;
mod resumed;
mod saved;
mod signed;
mod steps;
mod world;
