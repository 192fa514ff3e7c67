//! No hint names an option that the command lacks. Each command is run where it ends badly, and each option in a hint is
//! looked up.

use std::path::Path;

use clap::Command;

use super::transcript;

const ROSTER: &str = "apiVersion: kwo/v1\nkind: Roster\ncluster: {name: one}\ntenants: {alice: {owners: [alice@example.com]}}\n";

/// All commands that do something, by their words.
fn leaves<'c>(command: &'c Command, path: &[&'c str], found: &mut Vec<(Vec<&'c str>, &'c Command)>) {
    for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
        let path = [path, &[below.get_name()]].concat();
        match below.get_subcommands().next() {
            Some(_) => leaves(below, &path, found),
            None => found.push((path, below)),
        }
    }
}

/// The options that the hints of a text name, outside of whole commands.
fn named(text: &str) -> Vec<String> {
    let hints = text.lines().filter_map(|line| line.trim_start().strip_prefix("hint: "));
    let parts = hints.flat_map(|hint| hint.split('`').enumerate());
    let parts = parts.filter(|(at, part)| at % 2 == 0 || part.starts_with("--")).map(|(_, part)| part);
    let words = parts.flat_map(str::split_whitespace);
    let options = words.filter_map(|word| word.strip_prefix("--"));
    let name = |word: &str| {
        word.split(|char: char| !char.is_ascii_alphanumeric() && char != '-').next().map(str::to_owned)
    };
    options.filter_map(name).collect()
}

/// What has to be typed behind a command so that it begins.
fn least(command: &Command) -> Vec<String> {
    let value = |name: &str| match name {
        "RESOURCE" => "secrets",
        "HOST[:PORT]" => "localhost:1",
        "number" => "1",
        "KEY=VALUE" => "tier=large",
        "what" if command.get_name() == "logs" => "traefik",
        "shell" => "bash",
        _ => "alice",
    };
    let mut words = Vec::new();
    for argument in command.get_positionals().filter(|argument| argument.is_required_set()) {
        let names =
            argument.get_value_names().and_then(<[_]>::first).map(ToString::to_string).unwrap_or_default();
        let known = if names.chars().any(char::is_lowercase) || names.is_empty() {
            argument.get_id().to_string()
        } else {
            names
        };
        words.push(value(&known).to_owned());
    }
    match command.get_name() {
        "offboard" => words.push("alice".to_owned()),
        "kubeconfig" if words.is_empty() => words.push("alice".to_owned()),
        "encrypt" => words.extend(["--recipient".to_owned(), "age1x".to_owned()]),
        _ => {}
    }
    words
}

fn check(folder: &Path, path: &[&str], command: &Command, more: &[&str]) -> usize {
    let words = least(command);
    let args: Vec<&str> =
        path.iter().copied().chain(words.iter().map(String::as_str)).chain(more.iter().copied()).collect();
    let text = transcript(folder, &args);
    let named = named(&text);
    for name in &named {
        let has = command.get_arguments().any(|argument| argument.get_long() == Some(name));
        assert!(has, "`kwo {}` has no --{name}: {text}", path.join(" "));
    }
    named.len()
}

#[test]
fn no_hint_names_an_option_that_the_command_lacks() {
    let mut program = kwo::cli::Cli::definition();
    program.build();
    let mut found = Vec::new();
    leaves(&program, &[], &mut found);
    let mut seen = 0;
    for (path, command) in &found {
        // Without a cluster; these listen, or write where the machine's own files are.
        if ["hook", "install", "keygen", "watch"].iter().any(|name| path.ends_with(&[name])) {
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("roster.yaml"), ROSTER).unwrap();
        seen += check(folder.path(), path, command, &[]);
    }
    assert!(found.len() > 40 && seen > 10, "{} commands named {seen} options", found.len());
}

#[test]
fn what_does_not_go_together_is_said_with_the_usage_of_the_command() {
    let folder = tempfile::tempdir().unwrap();
    for words in [
        &["node", "install", "--plan", "plan.json", "--version", "v1.37.1+k3s1"][..],
        &["node", "install", "--plan", "plan.json", "--sign", "key"],
        &["node", "upgrade", "--rollback", "--version", "v1.37.1+k3s1"],
        &["self-update", "--rollback", "--key", "key"],
    ] {
        let text = transcript(folder.path(), words);
        let command: Vec<&str> = words.iter().copied().take_while(|word| !word.starts_with("--")).collect();
        assert!(text.contains(&format!("Usage: kwo {}", command.join(" "))), "{text}");
        assert!(text.contains("---- exit 64 ----"), "{text}");
    }
}

#[test]
fn where_another_roster_keeps_it_each_command_is_told_what_it_can_do() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("roster.yaml"), ROSTER).unwrap();
    let made = transcript(folder.path(), &["apply", "--yes", "--target", "dir:out"]);
    assert!(made.contains("---- exit 0 ----"), "{made}");
    std::fs::write(folder.path().join("roster.yaml"), ROSTER.replace("one", "other")).unwrap();
    let planned = transcript(folder.path(), &["plan", "--target", "dir:out"]);
    assert!(planned.contains("pass `--take-over-roster` once"), "{planned}");
    let left = transcript(folder.path(), &["offboard", "--leftovers", "--target", "dir:out"]);
    assert!(left.contains("run `kwo apply roster.yaml --take-over-roster` once"), "{left}");
    assert!(!left.contains("pass `--take-over-roster`"), "{left}");
    let mut program = kwo::cli::Cli::definition();
    program.build();
    let offboard = program.find_subcommand("offboard").unwrap();
    for name in named(&left) {
        assert!(
            offboard.get_arguments().any(|argument| argument.get_long() == Some(&name)),
            "{name}: {left}"
        );
    }
}
