//! Every escape that was ever found, and every attempt that held, tried on a real API server: as a tenant's owner, as
//! its deployer, and with a real token of the deployer's account. An attempt is one line of a table.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up ends here")]

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
