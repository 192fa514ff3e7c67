//! `kwo ci` as pipelines run it: the binary, in the environment that each system documents, with a forge that holds to
//! the published schemas of its API, a directory or a real API server as the target.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up ends here")]

mod cluster;
mod comments;
mod examples;
mod forge;
mod forks;
mod promises;
mod settings;
mod shown;
mod stage;
