//! Every command of kwo at a prompt can be typed, and the tutorials are run command by command.

use std::path::Path;

use testkit::pages::{IN_A_CLUSTER, NOT_AS_SHOWN, in_place};
use testkit::walk::{Walk, blocks, commands, walk};

use crate::cli::pages::all;

/// The programs that a page may ask people to run.
const PROGRAMS: [&str; 41] = [
    ".ci/package",
    "./kwo-0.1.0-x86_64-linux/kwo",
    ".ci/run",
    "apt",
    "bao",
    "cargo",
    "cat",
    "cd",
    "cp",
    "curl",
    "dig",
    "dnf",
    "dpkg",
    "echo",
    "export",
    "git",
    "grep",
    "helm",
    "journalctl",
    "k3s",
    "kill",
    "kubectl",
    "kwo",
    "ls",
    "mkdir",
    "openssl",
    "pdns_server",
    "printf",
    "promtool",
    "rm",
    "sed",
    "sh",
    "sha256sum",
    "skopeo",
    "sqlite3",
    "ssh-keygen",
    "sudo",
    "systemctl",
    "systemd-analyze",
    "tar",
    "until",
];

/// Why a line cannot be typed; nothing where it can.
fn wrong(line: &str) -> Option<String> {
    let parts = line.split(" | ").flat_map(|part| part.split(" && "));
    for part in parts {
        let Some(words) = shlex::split(part) else { return Some("its quotes do not end".to_owned()) };
        let words: Vec<String> = words
            .into_iter()
            .take_while(|word| !word.starts_with(['>', '<']))
            .map(in_place)
            .skip_while(|word| word == "sudo" || (word.contains('=') && word.starts_with(char::is_uppercase)))
            .collect();
        let first = words.first().map(String::as_str).unwrap_or_default();
        // A program that cargo has just installed is not where sudo looks.
        let program = first.strip_prefix("~/.cargo/bin/").unwrap_or(first);
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
fn no_page_and_no_help_has_a_key_that_somebody_could_encrypt_for() {
    let long = |text: &str| {
        let mut found = text.match_indices("age1").map(|(at, _)| &text[at + 4..]);
        found.any(|rest| rest.chars().take_while(char::is_ascii_alphanumeric).count() > 20)
    };
    assert!(long("--recipient age1ql3z7hjy54pw3hyww5ayyfg7zqg"));
    let pages: Vec<String> = all().into_iter().filter(|page| long(&crate::cli::pages::read(page))).collect();
    assert_eq!(pages, Vec::<String>::new());
    assert!(!long(&crate::cli::pages::read("src/cli/examples.rs")));
}

#[test]
fn every_command_at_a_prompt_can_be_typed() {
    let (mut seen, mut bad) = (0, Vec::new());
    for page in all() {
        for block in blocks(&page) {
            if block.kind != "console" {
                let prompt = block.text.lines().find(|line| line.starts_with("$ "));
                bad.extend(
                    prompt.map(|line| format!("{page}: `{line}` stands in a block that is not a console")),
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

#[test]
fn every_page_with_a_prompt_is_run_or_says_why_not() {
    // What is marked is run as it stands, by the tests below and by `tests/live/tutorial.rs`.
    let unmarked =
        |page: &String| blocks(page).iter().any(|block| block.kind == "console" && block.more.is_empty());
    let shown: Vec<String> = all().into_iter().filter(unmarked).collect();
    let (run, not) = (IN_A_CLUSTER.iter(), NOT_AS_SHOWN.iter().map(|(page, _)| page));
    let mut listed: Vec<&str> = run.chain(not).copied().collect();
    listed.sort_unstable();
    assert_eq!(shown, listed);
    // The tests that a reason names are there.
    for (page, reason) in NOT_AS_SHOWN {
        let mut files = reason.split([' ', ',', ';']).filter(|word| word.starts_with("tests/"));
        assert!(files.all(|file| Path::new(file).exists()), "{page}: {reason}");
    }
}

/// Runs the blocks of a page that need a folder alone.
fn run(page: &str) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_kwo")).parent().unwrap();
    let variables = [("GIT_CONFIG_NOSYSTEM", "1")];
    let instead = &[];
    walk(
        page,
        &Walk { folder: folder.path(), word: "run", variables: &variables, programs: &[program], instead },
    )
}

#[test]
fn the_roster_the_plan_and_the_drift_of_readme_are_as_shown() {
    assert_eq!(run("README.md"), 4);
}

#[test]
fn the_first_tutorial_goes_as_written() {
    assert_eq!(run("docs/tutorials/first-cluster.md"), 12);
}

#[test]
fn the_tutorial_from_git_goes_as_written() {
    assert_eq!(run("docs/tutorials/from-git.md"), 23);
}

#[test]
fn the_page_about_editing_goes_as_written() {
    assert_eq!(run("docs/how-to/edit.md"), 11);
}

#[test]
fn the_page_about_limits_and_drift_goes_as_written() {
    assert_eq!(run("docs/how-to/limits-and-drift.md"), 13);
}

#[test]
fn the_page_about_holds_and_leftovers_goes_as_written() {
    assert_eq!(run("docs/explanation/holds-and-leftovers.md"), 4);
}
