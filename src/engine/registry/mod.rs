//! What a container registry holds: its repositories, their tags, and the size of what these name, asked of its API
//! (the OCI Distribution Specification). Tenants write what it answers, so everything is checked and bounded, and what
//! cannot be read is told and hides nothing else. Nothing here changes the registry.

mod client;
mod manifest;
mod names;
mod walk;

#[cfg(test)]
mod tests;

pub use client::{Client, Closed};
pub use walk::{Held, Unread, walk};
