//! The ways to say where the roster is: an argument, `-f`, a variable, standard input.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::cli::{transcript, transcript_with};

const ROSTER: &str = "apiVersion: kwo/v1\nkind: Roster\ntenants: {NAME: {owners: [a@example.com]}}\n";

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["roster", "other", "third"] {
        let path = folder.path().join(format!("{name}.yaml"));
        std::fs::write(path, ROSTER.replace("NAME", name)).unwrap();
    }
    folder
}

/// Runs kwo with this on its standard input.
fn piped(folder: &Path, args: &[&str], text: &str) -> (String, i32) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_kwo"))
        .args(args)
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // What is too long is not read to its end.
    let _ = child.stdin.take().unwrap().write_all(text.as_bytes());
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (String::from_utf8(said).unwrap(), output.status.code().unwrap())
}

#[test]
fn the_option_is_the_argument_and_goes_before_the_variable() {
    let folder = folder();
    let rendered = |args: &[&str], variables: &[(&str, &str)]| {
        let text = transcript_with(folder.path(), &[&["render"], args].concat(), variables);
        assert!(text.ends_with("---- exit 0 ----\n"), "{text}");
        ["roster", "other", "third"]
            .into_iter()
            .find(|name| text.contains(&format!("name: {name}\n")))
            .unwrap()
    };
    let variable = [("KWO_ROSTER", "third.yaml")];
    assert_eq!(rendered(&[], &[]), "roster");
    assert_eq!(rendered(&["other.yaml"], &[]), "other");
    for option in
        [&["-f", "other.yaml"][..], &["-fother.yaml"], &["--file", "other.yaml"], &["--file=other.yaml"]]
    {
        assert_eq!(rendered(option, &[]), "other");
        assert_eq!(rendered(option, &variable), "other");
    }
    assert_eq!(rendered(&[], &variable), "third");
    let applied = transcript_with(
        folder.path(),
        &["apply", "-f", "other.yaml", "--target", "dir:d", "--yes"],
        &variable,
    );
    assert!(applied.contains("Namespace/other") && applied.contains("exit 0"), "{applied}");
    let made = transcript(folder.path(), &["init", "-f", "new.yaml"]);
    assert!(made.contains("wrote new.yaml"), "{made}");
}

#[test]
fn a_roster_that_is_named_twice_is_an_error() {
    let folder = folder();
    for command in [&["validate"][..], &["apply", "--yes", "--target", "dir:d"], &["explain", "roster"]] {
        let text = transcript(folder.path(), &[command, &["roster.yaml", "-f", "other.yaml"]].concat());
        assert!(
            text.contains("the command names two rosters: `roster.yaml`, and `other.yaml` with --file"),
            "{text}"
        );
        assert!(text.ends_with("---- exit 64 ----\n"), "{text}");
    }
    assert!(!folder.path().join("d").exists());
}

#[test]
fn every_command_that_takes_a_roster_takes_the_option() {
    fn look(command: &clap::Command, seen: &mut usize) {
        let has = |id: &str| command.get_arguments().any(|argument| argument.get_id() == id);
        if has("roster") {
            assert!(has("file"), "{}", command.get_name());
            *seen += 1;
        }
        command.get_subcommands().for_each(|below| look(below, seen));
    }
    let mut seen = 0;
    look(&kwo::cli::Cli::definition(), &mut seen);
    assert!(seen > 15, "{seen}");
}

#[test]
fn a_roster_comes_from_standard_input() {
    let folder = folder();
    let text = ROSTER.replace("NAME", "piped");
    for args in [&["validate", "-"][..], &["validate", "-f", "-"], &["plan", "-", "--target", "dir:d"]] {
        let (said, exit) = piped(folder.path(), args, &text);
        assert!(said.contains("standard input") && exit == 0, "{exit}: {said}");
    }
    let (said, exit) = piped(folder.path(), &["apply", "-", "--target", "dir:d", "--yes"], &text);
    assert!(said.contains("Namespace/piped") && said.contains("In agreement") && exit == 0, "{exit}: {said}");
    // What is in the directory is kept by what came from there, and not by a file.
    let other = transcript(folder.path(), &["plan", "--target", "dir:d"]);
    assert!(other.contains("is kept by the roster"), "{other}");
    let (said, exit) =
        piped(folder.path(), &["apply", "-", "--target", "dir:d"], &ROSTER.replace("NAME", "more"));
    assert!(
        said.contains("kwo cannot ask for confirmation, because standard input is not a terminal")
            && exit == 64,
        "{exit}: {said}"
    );
    let (said, exit) = piped(folder.path(), &["diff", "roster.yaml", "-", "--exit-code"], &text);
    assert!(said.contains("from roster.yaml to standard input") && exit == 2, "{exit}: {said}");
}

#[test]
fn what_is_wrong_on_standard_input_is_told_with_its_place() {
    let folder = folder();
    let (said, exit) =
        piped(folder.path(), &["validate", "-"], "apiVersion: kwo/v1\nkind: Roster\ntenant: {}\n");
    assert!(said.contains("--> standard input:3:1") && exit == 1, "{exit}: {said}");
    let (said, exit) = piped(folder.path(), &["plan", "-"], &"x".repeat(9 << 20));
    assert!(said.contains("standard input") && exit == 1, "{exit}: {}", &said[..200]);
    let (said, exit) = piped(folder.path(), &["watch", "-", "--once"], ROSTER);
    assert!(said.contains("standard input does not change") && exit == 64, "{exit}: {said}");
}

#[test]
fn what_a_roster_on_standard_input_includes_lies_below_the_current_folder() {
    let folder = folder();
    std::fs::create_dir(folder.path().join("tenants")).unwrap();
    std::fs::write(folder.path().join("tenants/in.yaml"), "tenants: {included: {owners: [b@example.com]}}\n")
        .unwrap();
    let text = format!("{}include: [tenants/*.yaml]\n", ROSTER.replace("NAME", "piped"));
    let (said, exit) = piped(folder.path(), &["validate", "-"], &text);
    assert!(said.contains("2 tenants") && exit == 0, "{exit}: {said}");
    for outside in ["../*.yaml", "/etc/*.yaml"] {
        let (said, exit) = piped(folder.path(), &["validate", "-"], &text.replace("tenants/*.yaml", outside));
        assert!(said.contains("standard input:4") && exit == 1, "{exit}: {said}");
    }
}
