//! kwo's impure half: where rosters come from, the systems they are applied to, and how things are shown.
//! `main.rs` is the only user; the library exists so that tests and benchmarks come in through public doors.

mod beneath;
pub mod cli;
pub mod commands;
pub mod edits;
pub mod execute;
pub mod failure;
pub mod fight;
pub mod forge;
pub mod git;
pub mod history;
pub mod hook;
pub mod identity;
pub mod import;
pub mod install;
pub mod journal;
pub mod kubeconfig;
pub mod log;
pub mod metrics;
pub mod notify;
pub mod out;
pub mod pipeline;
pub mod probe;
pub mod providers;
mod regular;
pub mod report;
pub mod saved;
pub mod secrets;
pub mod source;
pub mod status;
pub mod strict;
pub mod sync;
pub mod target;
mod web;
pub mod yaml;
