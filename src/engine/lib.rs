//! One run of kwo: what the roster says, what is there, the plan, its writes, and a look at what came of it.
//!
//! Whoever starts a run gives it plain options and hears what happens as data. Nothing here knows a command line, colours,
//! pages or pipelines: `dependencies.txt` lists what it is made of, and `clippy.toml` what it may not call.

pub mod archive;
pub mod backup;
mod beneath;
pub mod cleanup;
pub mod departed;
pub mod doctor;
pub mod download;
pub mod edit;
pub mod execute;
pub mod failure;
pub mod fight;
pub mod file_lock;
pub mod forge;
pub mod git;
pub mod history;
pub mod identity;
pub mod issued;
pub mod k3s;
pub mod kubeconfig;
pub mod marks;
pub mod metrics;
pub mod notify;
pub mod offboard;
pub mod out;
pub mod policy;
pub mod probe;
pub mod providers;
pub mod references;
pub mod registry;
pub mod regular;
pub mod rewrite;
pub mod run;
pub mod saved;
pub mod secrets;
pub mod source;
pub mod status;
pub mod strict;
pub mod sync;
pub mod target;
pub mod trust;
mod web;
pub mod yaml;
