//! The whole help, as one text.

use testkit::pages::in_place;

use crate::cli::{snapshot, transcript};

/// All commands but `help`, by all their words.
fn commands(command: &clap::Command, path: &[&str], found: &mut Vec<Vec<String>>) {
    for below in command.get_subcommands() {
        let path = [path, &[below.get_name()]].concat();
        found.push(path.iter().map(ToString::to_string).collect());
        commands(below, &path, found);
    }
}

fn all() -> Vec<Vec<String>> {
    let mut found = Vec::new();
    commands(&kwo::cli::Cli::definition(), &[], &mut found);
    assert!(found.len() > 30, "the definitions were not found: {found:?}");
    found
}

#[test]
fn the_help_of_every_command_is_as_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = transcript(folder.path(), &["--help"]);
    for command in all() {
        text.push('\n');
        let words: Vec<&str> = command.iter().map(String::as_str).chain(["--help"]).collect();
        text.push_str(&transcript(folder.path(), &words));
    }
    snapshot("help", &text);
}

#[test]
fn help_before_a_command_says_the_same_as_behind_it() {
    let folder = tempfile::tempdir().unwrap();
    let said = |words: &[&str]| {
        let said = transcript(folder.path(), words);
        said.split_once('\n').unwrap().1.to_owned()
    };
    for command in all() {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let (first, rest) = words.split_first().unwrap();
        let behind = said(&[&words[..], &["--help"]].concat());
        assert!(
            behind.contains("\nUsage: kwo ") && behind.ends_with("exit 0 ----\n"),
            "{command:?}: {behind}"
        );
        assert_eq!(said(&[&["help"], &words[..]].concat()), behind);
        if !rest.is_empty() {
            assert_eq!(said(&[&[*first, "help"], rest].concat()), behind);
        }
    }
    assert_eq!(said(&["help"]), said(&["--help"]));
    // Somebody who asks for help gets it.
    assert_eq!(said(&["help", "--help"]), said(&["help"]));
    assert_eq!(said(&["help", "plan", "-h"]), said(&["help", "plan"]));
    assert_eq!(said(&["help", "member", "add", "--help"]), said(&["help", "member", "add"]));
    let unknown: Vec<String> = [&["plna"][..], &["nonsense"], &["member", "ad"], &["plan", "all"]]
        .iter()
        .map(|words| said(&[&["help"], *words].concat()))
        .collect();
    snapshot("help-unknown", &unknown.concat());
}

#[test]
fn every_command_stands_in_one_group() {
    let mut grouped: Vec<&str> = kwo::cli::GROUPS.iter().flat_map(|(_, names)| *names).copied().collect();
    grouped.sort_unstable();
    let definition = kwo::cli::Cli::definition();
    let mut there: Vec<&str> =
        definition.get_subcommands().map(clap::Command::get_name).chain(["help"]).collect();
    there.sort_unstable();
    assert_eq!(grouped, there);
}

/// What the help shows as examples of a command.
fn examples(words: &[String]) -> Vec<String> {
    let mut command = kwo::cli::Cli::definition();
    for word in words {
        command = command.find_subcommand(word).unwrap().clone();
    }
    let text =
        command.get_after_help().map(|help| anstream::adapter::strip_str(&help.to_string()).to_string());
    let text = text.unwrap_or_default();
    let lines = text.lines().skip(1).filter(|line| !line.trim_start().starts_with('#'));
    lines.map(|line| line.trim().to_owned()).collect()
}

#[test]
fn every_command_has_examples_that_can_be_typed() {
    for command in all() {
        let lines = examples(&command);
        assert!(!lines.is_empty(), "{command:?} has no example");
        for line in lines {
            let whole = line.clone();
            let typed = line.split(['|', '>', ')']).map(|part| part.trim().trim_start_matches("source <("));
            let typed =
                typed.into_iter().find(|part| part.starts_with("kwo ")).unwrap_or_else(|| panic!("{whole}"));
            assert!(
                typed.starts_with(&format!("kwo {}", command.join(" "))),
                "{whole} is not an example of {command:?}"
            );
            let words = shlex::split(typed).unwrap().into_iter().map(in_place);
            if let Err(error) = kwo::cli::Cli::definition().try_get_matches_from(words) {
                panic!("{whole}: {error}");
            }
        }
    }
}

#[test]
fn the_examples_that_need_no_cluster_work() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_kwo")).parent().unwrap();
    let run = |line: &str| {
        let output = std::process::Command::new("bash")
            .args(["-o", "pipefail", "-c", line])
            .current_dir(path)
            .env_clear()
            .env("PATH", format!("{}:{}", program.display(), std::env::var("PATH").unwrap()))
            .env("HOME", path)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    };
    run("kwo init && sed -n 12p roster.yaml && cp roster.yaml old.yaml && cp roster.yaml new.yaml");
    run(
        "git init --quiet -b main . && git add . && git -c user.name=A -c user.email=a@example.com commit --quiet -m one",
    );
    let mut ran = 0;
    for command in all() {
        for line in examples(&command) {
            let offline =
                ["validate", "explain", "diff", "schema", "completion", "man", "tenant", "member", "fmt"];
            if line.contains("kubectl") || line.contains("watch") {
                continue;
            }
            let offline = offline.contains(&command[0].as_str())
                || line.contains("dir:")
                || ["encrypt", "keygen"].contains(&command[command.len() - 1].as_str());
            if offline {
                run(&line.replace("RECIPIENT", &in_place("RECIPIENT".to_owned())));
                ran += 1;
            }
        }
    }
    assert!(ran > 12, "{ran}");
}

#[test]
fn help_names_the_variables_and_not_what_is_in_them() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_kwo"))
        .args(["plan", "--help"])
        .env_clear()
        .env("KWO_KUBECONFIG", "/of/a/customer")
        .env("KWO_VERBOSE", "2")
        .output()
        .unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    // It may begin a new line within.
    let help = help.split_whitespace().collect::<Vec<&str>>().join(" ");
    assert!(help.contains("[env: KWO_KUBECONFIG]") && !help.contains("customer"), "{help}");
}

#[test]
fn man_pages_come_from_the_same_definitions() {
    let folder = tempfile::tempdir().unwrap();
    let text = transcript(folder.path(), &["man"]);
    assert!(text.contains("exit 0"), "{text}");
    let page = std::fs::read_to_string(folder.path().join("kwo-plan.1")).unwrap();
    assert!(page.contains("detailed\\-exitcode"), "{page}");
}

#[test]
fn man_pages_take_the_place_of_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("m")).unwrap();
    std::fs::write(at("roster.yaml"), "mine\n").unwrap();
    std::os::unix::fs::symlink("../roster.yaml", at("m/kwo-plan.1")).unwrap();
    let text = transcript(folder.path(), &["man", "m"]);
    assert!(
        text.contains("m/kwo-plan.1 is a symbolic link; nothing was written") && text.contains("exit 1"),
        "{text}"
    );
    std::fs::remove_file(at("m/kwo-plan.1")).unwrap();
    std::fs::write(at("m/kwo-sync.1"), "mine\n").unwrap();
    let text = transcript(folder.path(), &["man", "m"]);
    assert!(text.contains("is not a man page of kwo; nothing was written"), "{text}");
    assert_eq!(std::fs::read_dir(at("m")).unwrap().count(), 1, "none was written");
    assert_eq!(std::fs::read_to_string(at("roster.yaml")).unwrap(), "mine\n");
    std::fs::remove_file(at("m/kwo-sync.1")).unwrap();
    for _ in 0..2 {
        let text = transcript(folder.path(), &["man", "m"]);
        assert!(text.contains("exit 0"), "{text}");
    }
}
