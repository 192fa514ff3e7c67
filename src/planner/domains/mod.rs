//! The sections of the roster: for each its type, how it is read and what is checked, and what it means as
//! resources.

mod admission;
pub(crate) mod allowed;
mod annotations;
mod authentication;
mod body;
pub(crate) mod bounding;
pub(crate) mod bounds;
mod cert_manager;
pub(crate) mod claims;
pub mod cluster;
mod compile;
pub mod counts;
pub mod dns;
pub mod dns_providers;
pub mod grants;
mod guard;
mod hosts;
mod inside;
mod isolation;
pub mod kubeconfigs;
pub(crate) mod networks;
pub mod node;
pub mod operators;
mod people;
mod refused;
pub mod registry;
pub mod registry_objects;
pub mod registry_users;
pub mod reserved;
pub(crate) mod roles;
pub mod shares;
mod surroundings;
pub mod tenants;
mod terms;
pub mod tiers;
mod traefik;
mod unique;

pub(crate) use admission::Policy;
pub(crate) use allowed::{INGRESS_CLASSES, PULL_POLICY, REGISTRIES, STORAGE_CLASSES};
pub use compile::{DOMAINS_ANNOTATION, TIER_LABEL, compile, count};
pub(crate) use inside::SERVICES_ANNOTATION;
pub use people::ACCOUNT;
pub(crate) use shares::covering;
