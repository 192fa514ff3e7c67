//! The sections of the roster: for each its type, how it is read and what is checked.

pub mod cluster;
pub mod operators;
pub mod tenants;
pub mod tiers;
