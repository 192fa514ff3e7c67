//! `kwo import`: reads what KWO's shell scripts set up, and draws up the roster that takes it over. Reading is in
//! `cluster.rs` and `files.rs`; the rest knows only what was found.

mod cluster;
mod dns;
mod draft;
mod files;
mod found;
mod page;
mod people;
mod registry;
mod tenants;

pub use cluster::cluster;
pub use draft::draft;
pub use files::files;
pub use found::{
    Account, Binding, Entry, Files, Found, Namespace, Registry, Settings, TenantFile, UserFile, Written,
};
