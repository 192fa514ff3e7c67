//! README and the manual to the letter: what they say that a command prints is printed, what they name is there, and
//! nothing that is there goes without a name. What they say of rights is tried in `tests/live/rights`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::cli::pages::{self, read};
use crate::cli::transcript;

/// The lines of README from the one that starts like this to the one that ends the block, without its indentation.
fn block(start: &str, end: &str) -> Vec<String> {
    let text = read("README.md");
    let lines = text.lines().map(|line| line.strip_prefix("    ").unwrap_or(line));
    let mut found: Vec<String> = Vec::new();
    for line in lines.skip_while(|line| !line.starts_with(start)) {
        found.push(line.to_owned());
        if line.starts_with(end) {
            return found;
        }
    }
    panic!("README has no block from `{start}` to `{end}`")
}

/// Every line is printed, in this order; `…` stands for what the page leaves out.
fn printed(lines: &[String], output: &str) {
    let mut rest = output.lines();
    for line in lines.iter().filter(|line| !line.is_empty() && line.trim() != "…") {
        let alike = |have: &str| match line.split_once('…') {
            Some((start, end)) => have.starts_with(start) && have.ends_with(end),
            None => have == line,
        };
        assert!(rest.any(alike), "a page shows this line, and it is not printed (here): {line}\n{output}");
    }
}

#[test]
fn the_first_command_prints_what_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy("roster.example.yaml", folder.path().join("roster.example.yaml")).unwrap();
    let command = "    cargo run --release -- apply roster.example.yaml --target dir:./sandbox --yes\n";
    assert!(read("README.md").contains(command));
    let args = ["apply", "roster.example.yaml", "--target", "dir:./sandbox", "--yes"];
    printed(&block("Plan for …/sandbox", "In agreement"), &transcript(folder.path(), &args));
}

#[test]
fn every_command_is_in_the_table_and_no_other() {
    let text = read("docs/reference/commands.md");
    let rows = text.lines().filter(|line| line.starts_with("| [`kwo "));
    let shown: BTreeSet<&str> = rows
        .filter_map(|row| row.split('`').nth(1)?.strip_prefix("kwo "))
        .filter_map(|command| command.split(' ').next())
        .collect();
    let definition = kwo::cli::Cli::definition();
    let there: BTreeSet<&str> = definition.get_subcommands().map(|command| command.get_name()).collect();
    assert_eq!(shown, there);
}

/// The paths in the map of the house.
fn map() -> BTreeSet<PathBuf> {
    let text = read("ARCHITECTURE.md");
    let (_, map) = text.split_once("```\nsrc/\n").unwrap();
    let mut folders = vec![PathBuf::from("src")];
    let mut paths = BTreeSet::from([PathBuf::from("src")]);
    for line in map.split_once("```").unwrap().0.lines() {
        let depth = (line.len() - line.trim_start().len()) / 2;
        let name = line.split_whitespace().next().unwrap();
        folders.truncate(depth);
        folders.push(Path::new(name.trim_end_matches('/')).to_owned());
        paths.insert(folders.iter().collect());
    }
    paths
}

#[test]
fn the_map_shows_every_room_and_every_room_is_on_the_map() {
    let map = map();
    for path in &map {
        assert!(path.exists(), "{} is on the map and nowhere else", path.display());
    }
    let opened = |path: &Path| map.iter().any(|other| other != path && other.starts_with(path));
    let mut folders = vec![PathBuf::from("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let source = path.is_dir() || path.extension().is_some_and(|extension| extension == "rs");
            let trivial = path.ends_with("mod.rs");
            assert!(!source || trivial || map.contains(&path), "{} is not on the map", path.display());
            if path.is_dir() && opened(&path) {
                folders.push(path);
            }
        }
    }
}

/// The text of all tests, those beside the code among them.
fn tests() -> String {
    let mut text = String::new();
    let mut folders = vec![PathBuf::from("tests"), PathBuf::from("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let whole = std::fs::read_to_string(&path).unwrap();
                let beside = path.starts_with("src") && !path.iter().any(|part| part == "tests");
                text.push_str(if beside {
                    whole.split_once("#[cfg(test)]").map_or("", |(_, tests)| tests)
                } else {
                    &whole
                });
            }
        }
    }
    text
}

#[test]
fn what_shows_a_promise_exists() {
    let text = read("docs/explanation/promises.md");
    let text = text + &read("docs/explanation/shell-scripts.md");
    let tests = tests();
    let mut seen = 0;
    for name in text.split('`').skip(1).step_by(2).filter(|name| !name.contains(' ')) {
        let there = match name.strip_prefix('…') {
            Some(end) => tests.contains(&format!("{end}(")),
            None if name.contains('_') => tests.contains(&format!("fn {name}(")),
            None if name.contains('/') => Path::new(name).exists(),
            None if name.contains('-') && !name.starts_with('-') => {
                Path::new("tests/scenarios").join(name).is_dir()
            }
            None => true,
        };
        assert!(there, "the promises name {name}");
        seen += 1;
    }
    assert!(seen > 25, "{seen}");
}

#[test]
fn every_fault_of_the_shell_scripts_has_its_row() {
    let text = read("docs/explanation/shell-scripts.md");
    for number in 1..=20 {
        let start = format!("| K-{number:02} | ");
        let row = text.lines().find(|line| line.starts_with(&start)).unwrap_or_else(|| panic!("{start}"));
        assert!(row.contains(" | `"), "nothing shows {row}");
    }
}

#[test]
fn the_examples_in_the_tables_are_all_there_are() {
    let names = |text: &str| -> BTreeSet<PathBuf> {
        let parts = text.split('`').filter(|part| part.starts_with("examples/") && part.ends_with(".yaml"));
        parts.map(PathBuf::from).collect()
    };
    let named = names(&(read("docs/reference/examples.md") + &read("docs/how-to/pipelines.md")));
    let folders = ["examples", "examples/pipelines"].map(|folder| std::fs::read_dir(folder).unwrap());
    let there: BTreeSet<PathBuf> = folders
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    assert_eq!(named, there);
    for page in pages::all() {
        let unknown: Vec<PathBuf> = names(&read(&page)).into_iter().filter(|path| !path.is_file()).collect();
        assert!(unknown.is_empty(), "{page} names {unknown:?}");
    }
}
