//! Every command that kwo names in a message, in a page or in README is one that can be typed: its words are commands
//! and options that there are.

use std::path::{Path, PathBuf};

use clap::Command;

/// The files in which commands are named.
fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<PathBuf> = crate::cli::pages::all().into_iter().map(PathBuf::from).collect();
    pages.push(PathBuf::from("roster.example.yaml"));
    let mut folders: Vec<PathBuf> =
        ["snapshots", "examples", "src", "systemd"].iter().map(PathBuf::from).collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => pages.push(path),
            }
        }
    }
    pages
}

/// The commands between backticks in a text, and whether each of them is whole: one in a source may have gaps.
fn commands(text: &str) -> Vec<&str> {
    let inside = text.split('`').skip(1).step_by(2);
    inside
        .filter(|said| !said.contains('\n'))
        .filter_map(|said| {
            let said = said.strip_prefix("sudo ").unwrap_or(said);
            said.strip_prefix("kwo ")
        })
        .collect()
}

/// Why the words cannot be typed after `kwo`; nothing where they can.
fn wrong(said: &str, program: &Command) -> Option<String> {
    let mut here = program;
    let mut words = said.split_whitespace();
    while let Some(word) = words.next() {
        let is_short = word.strip_prefix('-').filter(|short| short.chars().count() == 1);
        if let Some(short) = is_short.and_then(|short| short.chars().next()) {
            let known = |command: &Command| {
                command
                    .get_arguments()
                    .any(|option| option.get_short() == Some(short) && option.get_action().takes_values())
            };
            if known(here) {
                words.next();
            }
            continue;
        }
        if let Some(long) = word.strip_prefix("--") {
            let name = long.split('=').next().unwrap_or_default();
            let known =
                |command: &Command| command.get_arguments().any(|option| option.get_long() == Some(name));
            if name != "help" && !known(here) && !known(program) {
                return Some(format!("`{}` has no option --{name}", here.get_name()));
            }
        } else if let Some(next) = here.find_subcommand(word) {
            here = next;
        } else if here.get_name() == "kwo" && !word.starts_with('-') {
            return Some(format!("there is no command `{word}`"));
        } else if here.get_subcommands().next().is_some()
            && here.get_positionals().next().is_none()
            && !word.starts_with('-')
        {
            return Some(format!("`{}` has no command `{word}`", here.get_name()));
        }
    }
    None
}

#[test]
fn every_command_that_is_named_can_be_typed() {
    let mut program = kwo::cli::Cli::definition();
    // With what clap adds by itself.
    program.build();
    let (mut seen, mut bad) = (0, Vec::new());
    for page in pages() {
        let Ok(text) = std::fs::read_to_string(&page) else { continue };
        // A placeholder stands for a word, and `…` for what does not matter.
        for said in text.lines().flat_map(commands).filter(|said| !said.starts_with(['-', '{', 'C', '…'])) {
            seen += 1;
            if let Some(why) = wrong(said, &program) {
                bad.push(format!("{}: `kwo {said}`: {why}", Path::new(&page).display()));
            }
        }
    }
    assert!(bad.is_empty(), "{bad:#?}");
    assert!(seen > 200, "{seen} commands were found");
}
