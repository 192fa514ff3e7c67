//! What the pages show at a prompt. Every command of kwo there can be typed, and blocks that begin with `console run` are
//! run, one after the other in one folder: `yaml NAME` before them is a file in it, and what they print is as shown.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::pages::{all, blocks};

/// The programs that a page may ask people to run.
const PROGRAMS: [&str; 19] = [
    "cargo",
    "cat",
    "cd",
    "cp",
    "echo",
    "git",
    "journalctl",
    "k3s",
    "kubectl",
    "kwo",
    "ls",
    "mkdir",
    "printf",
    "rm",
    "sed",
    "ssh-keygen",
    "sudo",
    "systemctl",
    "systemd-analyze",
];

/// The commands of a block, each with what it prints.
fn commands(text: &str) -> Vec<(String, Vec<String>)> {
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    for line in text.lines() {
        match (line.strip_prefix("$ "), found.last_mut()) {
            (Some(command), _) => found.push((command.to_owned(), Vec::new())),
            (None, Some((command, _))) if command.ends_with('\\') => {
                command.pop();
                command.push_str(line.trim_start());
            }
            (None, Some((_, printed))) => printed.push(line.to_owned()),
            (None, None) => panic!("a block shows output before a command: {text}"),
        }
    }
    found
}

/// Why a line cannot be typed; nothing where it can.
fn wrong(line: &str) -> Option<String> {
    let parts = line.split(" | ").flat_map(|part| part.split(" && "));
    for part in parts {
        let Some(words) = shlex::split(part) else { return Some("its quotes do not end".to_owned()) };
        let words: Vec<String> = words
            .into_iter()
            .take_while(|word| !word.starts_with(['>', '<']))
            .skip_while(|word| word == "sudo" || (word.contains('=') && word.starts_with(char::is_uppercase)))
            .collect();
        let program = words.first().map(String::as_str).unwrap_or_default();
        if !PROGRAMS.contains(&program) {
            return Some(format!("`{program}` is not among the programs of this test"));
        }
        if program == "kwo" {
            let parsed = kwo::cli::Cli::definition().try_get_matches_from(&words);
            let Err(error) = parsed else { continue };
            if error.use_stderr() {
                return Some(error.to_string());
            }
        }
    }
    None
}

#[test]
fn every_command_at_a_prompt_can_be_typed() {
    let (mut seen, mut bad) = (0, Vec::new());
    for page in all() {
        for block in blocks(&page) {
            if block.kind != "console" {
                let prompt = block.text.lines().find(|line| line.starts_with("$ "));
                bad.extend(
                    prompt.map(|line| format!("{page}: `{line}` stands in a block that is no console")),
                );
                continue;
            }
            for (command, _) in commands(&block.text) {
                seen += 1;
                bad.extend(wrong(&command).map(|why| format!("{page}: `{command}`: {why}")));
            }
        }
    }
    assert!(bad.is_empty(), "{bad:#?}");
    assert!(seen > 25, "{seen} commands were found");
    for not_so in ["kwo plna", "kwo plan --nonsense", "sudo kwo apply --target", "frobnicate"] {
        assert!(wrong(not_so).is_some(), "{not_so}");
    }
}

/// What is printed line by line; `…` alone stands for any lines, and within a line for any text.
fn alike(shown: &[String], printed: &str) -> Result<(), String> {
    let mut rest = printed.lines().filter(|line| !line.is_empty());
    let mut gap = false;
    for line in shown.iter().filter(|line| !line.is_empty()) {
        if line.trim() == "…" {
            gap = true;
            continue;
        }
        let same = |have: &str| match line.split_once('…') {
            Some((start, end)) => have.starts_with(start) && have.ends_with(end),
            None => have == line,
        };
        let found = if gap { rest.any(same) } else { rest.next().is_some_and(same) };
        if !found {
            return Err(format!("this line is shown, and not printed (here): {line}"));
        }
        gap = false;
    }
    match rest.next() {
        Some(more) if !gap => Err(format!("this line is printed, and not shown: {more}")),
        _ => Ok(()),
    }
}

/// Runs the blocks of a page that ask for it, in a folder.
fn walk(page: &str, folder: &Path) -> usize {
    let program = Path::new(env!("CARGO_BIN_EXE_kwo")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let mut ran = 0;
    for block in blocks(page) {
        if block.kind == "yaml" && !block.more.is_empty() {
            std::fs::write(folder.join(&block.more), &block.text).unwrap();
        }
        if block.kind != "console" || block.more != "run" {
            continue;
        }
        for (command, shown) in commands(&block.text) {
            let output = Command::new("sh")
                .args(["-c", &format!("exec 2>&1; {command}")])
                .current_dir(folder)
                .env_clear()
                .envs([("HOME", folder.to_str().unwrap()), ("PATH", &path), ("GIT_CONFIG_NOSYSTEM", "1")])
                .stdin(Stdio::null())
                .output()
                .unwrap();
            let printed = String::from_utf8_lossy(&output.stdout).into_owned();
            if let Err(why) = alike(&shown, &printed) {
                panic!("{page}: `{command}`: {why}\n{printed}");
            }
            ran += 1;
        }
    }
    ran
}

#[test]
fn the_roster_the_plan_and_the_drift_of_readme_are_as_shown() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(walk("README.md", folder.path()), 4);
}
