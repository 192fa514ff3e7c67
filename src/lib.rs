//! kwo's impure half: where rosters come from, the systems they are applied to, and how things are shown.
//! `main.rs` is the only user; the library exists so that tests and benchmarks come in through public doors.

pub mod cli;
pub mod commands;
pub mod edits;
pub mod execute;
pub mod failure;
pub mod history;
pub mod hook;
pub mod install;
pub mod kubeconfig;
pub mod log;
pub mod probe;
pub mod providers;
pub mod report;
pub mod secrets;
pub mod source;
pub mod status;
pub mod target;
