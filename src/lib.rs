//! kwo's impure half: where rosters come from, the systems they are applied to, and how things are shown.
//! `main.rs` is the only user; the library exists so that tests and benchmarks come in through public doors.

pub mod cli;
pub mod commands;
pub mod hook;
pub mod import;
pub mod install;
pub mod journal;
pub mod log;
pub mod pipeline;
pub mod release;
pub mod report;
pub mod watcher;
