//! The sections of the roster: for each its type, how it is read and what is checked.

pub(crate) mod bounds;
pub(crate) mod claims;
pub mod cluster;
pub mod operators;
pub mod reserved;
pub mod tenants;
pub mod tiers;
