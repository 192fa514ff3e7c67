//! What a container registry holds: its repositories, their tags, and the size of what these name, asked of its API
//! (the OCI Distribution Specification). Tenants write what it answers, so everything is checked and bounded, and what
//! cannot be read is told and hides nothing else. Nothing here changes the registry.

mod client;
mod document;
mod held;
mod manifest;
mod names;
mod parts;
mod places;
mod walk;

#[cfg(test)]
mod tests;

pub use client::{Client, Closed};
pub use held::{Held, Unread};
pub use walk::walk;
