//! The files of a node, below a root folder, the services that read them, and the kubeconfigs of pipelines. It has no
//! lock and no identity: a run has those of its cluster or its directory.

mod archive;
mod claims;
mod cutter;
mod entries;
mod file;
mod issue;
mod kubeconfig_pair;
mod kubeconfigs;
mod node_name;
mod observe;
mod provider;
mod read;
mod record;
mod rollback;
mod service;
mod theirs;
mod told;
mod write;

pub use claims::{KeptToken, TokenState};
pub use provider::Node;
