//! Every escape that was ever found, and every attempt that held, tried on a real API server: as a tenant's owner, as
//! its deployer, and with a real token of the deployer's account. An attempt is one line of a table.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up ends here")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../live/run.rs"]
mod run;

mod allowed;
mod benchmark;
mod certificates;
mod hosts;
mod labels;
mod outside;
mod pods;
mod power;
mod services;
mod tokens;
mod way;
mod world;

use run::Bench;

// Not every test program uses all that is there for running the binary.
const _: fn() = || {
    let _ = (run::narrow as fn(_, _, _) -> _, Bench::with_kubeconfig as fn(_, _) -> _);
    let _ = (run::steps as fn(_) -> _, run::held as fn(_) -> _, run::get as fn(_, _, _) -> _);
    let _ = (Bench::plan as fn(_, _) -> _, run::account as fn(_, _, _) -> _);
    let _ = (common::apiserver::unique as fn(_) -> _, common::apiserver::kubectl as fn(_) -> _);
};
