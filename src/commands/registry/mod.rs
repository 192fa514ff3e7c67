//! `kwo registry`: one file each for what looks, what rotates, and what counts.

mod look;
mod reach;
mod rotate;
mod section;
mod usage;

use crate::cli::Registry;
use kwo_engine::failure::{Exit, Failure};

pub(crate) async fn registry(args: &Registry) -> Result<Exit, Failure> {
    match args {
        Registry::Status(args) => look::status(args).await,
        Registry::Credentials(args) => look::credentials(args).await,
        Registry::Rotate(args) => rotate::rotate(args).await,
        Registry::Usage(args) => usage::usage(args).await,
    }
}
