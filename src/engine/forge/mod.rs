//! Forges, where the repository of the roster is: what kwo reads and writes there by their APIs.

mod api;
mod client;
mod forgejo;
mod github;
mod gitlab;

pub use api::Source;
pub use api::of_pull;
pub use client::{Commented, Forge, ForgeKind};
