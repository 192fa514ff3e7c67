//! `kwo man`

use super::print::talk;
use crate::cli::{Cli, Man};
use crate::failure::{Exit, Failure};

pub(crate) fn man(args: &Man) -> Result<Exit, Failure> {
    let folder = &args.folder;
    clap_mangen::generate_to(Cli::definition(), folder).map_err(|error| {
        Failure::new(format!("cannot write man pages into {}", folder.display())).because(&error)
    })?;
    talk(&format!("wrote man pages into {}; try `man -l {}/kwo.1`\n", folder.display(), folder.display()));
    Ok(Exit::Done)
}
