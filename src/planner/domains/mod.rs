//! The sections of the roster: for each its type, how it is read and what is checked, and what it means as
//! resources.

mod body;
pub(crate) mod bounds;
pub(crate) mod claims;
pub mod cluster;
mod compile;
mod guard;
mod isolation;
pub mod node;
pub mod operators;
mod people;
pub mod reserved;
mod roles;
pub mod tenants;
mod terms;
pub mod tiers;

pub use compile::{DOMAINS_ANNOTATION, TIER_LABEL, compile};
