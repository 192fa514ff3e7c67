//! Packets, not objects: what a tenant's pod reaches and is reached from, by the policies that kwo renders.
#![expect(clippy::unwrap_used, reason = "the worlds are ours")]

mod engine;
mod published;
mod tenants;
