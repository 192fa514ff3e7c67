//! `kwo man`

use std::fs;
use std::path::PathBuf;

use super::print::talk;
use crate::cli::{Cli, Man};
use kwo_engine::failure::{Exit, Failure};
use kwo_engine::out;

pub(crate) fn man(args: &Man) -> Result<Exit, Failure> {
    let folder = &args.folder;
    let cannot = |error: &std::io::Error| {
        Failure::new(format!("cannot write man pages into {}", folder.display())).because(error)
    };
    // They are made elsewhere first, for nothing else in the folder may be replaced.
    let made = tempfile::tempdir().map_err(|error| cannot(&error))?;
    clap_mangen::generate_to(Cli::definition(), made.path()).map_err(|error| cannot(&error))?;
    let mut pages: Vec<(PathBuf, Vec<u8>)> = Vec::new();
    for page in fs::read_dir(made.path()).map_err(|error| cannot(&error))? {
        let page = page.map_err(|error| cannot(&error))?;
        let bytes = fs::read(page.path()).map_err(|error| cannot(&error))?;
        pages.push((folder.join(page.file_name()), bytes));
    }
    pages.sort();
    fs::create_dir_all(folder).map_err(|error| cannot(&error))?;
    pages.iter().try_for_each(|(path, _)| out::check(path, out::MAN_PAGE))?;
    pages.iter().try_for_each(|(path, bytes)| out::write(path, bytes, out::MAN_PAGE).map(|_| ()))?;
    talk(&format!("wrote man pages into {}; try `man -l {}/kwo.1`\n", folder.display(), folder.display()));
    Ok(Exit::Done)
}
