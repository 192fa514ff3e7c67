//! The files of a node, below a root folder, and the services that read them. It has no lock and no identity: a run
//! has those of its cluster or its directory.

mod archive;
mod back;
mod beside;
mod file;
mod joined;
mod observe;
mod provider;
mod read;
mod record;
mod service;
mod write;

pub use provider::Node;
