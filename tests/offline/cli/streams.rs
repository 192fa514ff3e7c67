//! What becomes of a run whose standard output cannot take what it prints, and whether all forms of an answer agree.

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::cli::transcript;

fn full() -> File {
    OpenOptions::new().write(true).open("/dev/full").unwrap()
}

fn run(folder: &Path, args: &[&str], stdout: impl Into<Stdio>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kwo"));
    command.args(args).current_dir(folder).env_clear().env("HOME", folder);
    let child = command.stdin(Stdio::null()).stdout(stdout).stderr(Stdio::piped()).spawn().unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn data_that_does_not_get_out_is_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    transcript(folder.path(), &["init"]);
    for args in [
        &["plan", "--target", "dir:sandbox"][..],
        &["plan", "--target", "dir:sandbox", "-o", "json"],
        &["plan", "--target", "dir:sandbox", "-o", "yaml"],
        &["plan", "--target", "dir:sandbox", "-o", "markdown", "--detailed-exitcode"],
        &["apply", "--target", "dir:sandbox", "--yes", "-o", "json"],
        &["validate", "-o", "json"],
        &["render"],
        &["explain", "alice"],
        &["schema"],
        &["rbac"],
        &["completion", "bash"],
        &["--help"],
        &["plan", "--help"],
        &["--version"],
    ] {
        let output = run(folder.path(), args, full());
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {errors}");
        for said in ["cannot write to standard output", "No space left on device"] {
            assert!(errors.contains(said), "{args:?}: {errors}");
        }
    }
}

#[test]
fn a_run_that_ended_badly_keeps_its_own_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("roster.yaml"), "kind: Roster\n").unwrap();
    let output = run(folder.path(), &["validate", "-o", "json"], full());
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(run(folder.path(), &["plan", "--nonsense"], full()).status.code(), Some(64));
}

#[test]
fn a_reader_that_has_gone_away_is_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    transcript(folder.path(), &["init"]);
    for args in [&["plan", "--target", "dir:sandbox", "-o", "json"][..], &["schema"], &["--help"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = run(folder.path(), args, writer);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {errors}");
        assert!(!errors.contains("standard output"), "{args:?}: {errors}");
    }
}

#[test]
fn every_form_of_an_answer_gives_one_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let twice = "apiVersion: kwo/v1\nkind: Roster\ntenants:\n  a: {namespaces: [a, b]}\n  b: {}\n";
    std::fs::write(folder.path().join("twice.yaml"), twice).unwrap();
    let samples =
        ["tests/rosters/invalid", "tests/rosters/valid"].map(|samples| std::fs::read_dir(samples).unwrap());
    let samples = samples.into_iter().flatten().map(|entry| entry.unwrap().path());
    let files = samples.filter(|path| path.is_file()).map(|path| path.canonicalize().unwrap());
    let mut seen = 0;
    for file in files.chain([folder.path().join("twice.yaml")]) {
        let file = file.to_str().unwrap();
        let text = run(folder.path(), &["validate", file], Stdio::piped());
        let json = run(folder.path(), &["validate", file, "-o", "json"], Stdio::piped());
        assert_eq!(text.status.code(), json.status.code(), "{file}");
        let answer: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
        let valid = text.status.success();
        assert_eq!(answer["valid"], valid, "{file}");
        assert_eq!(answer["findings"].as_array().unwrap().is_empty(), valid, "{file}");
        let rendered = run(folder.path(), &["render", file], Stdio::piped());
        assert_eq!(rendered.status.success(), valid, "{file}");
        seen += 1;
    }
    assert!(seen > 100, "the samples were not found");
}

#[test]
fn nobody_has_to_hear_what_is_said() {
    let folder = tempfile::tempdir().unwrap();
    transcript(folder.path(), &["init"]);
    let code = |args: &[&str], stdout: Stdio, stderr: Stdio| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kwo"));
        command.args(args).current_dir(folder.path()).env_clear().env("HOME", folder.path());
        command.stdin(Stdio::null()).stdout(stdout).stderr(stderr).status().unwrap().code()
    };
    let gone = || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        Stdio::from(writer)
    };
    let apply = ["apply", "--target", "dir:sandbox", "--yes", "-vv"];
    assert_eq!(code(&apply, Stdio::null(), gone()), Some(0));
    assert_eq!(code(&["plan", "--target", "dir:sandbox", "-vv"], Stdio::null(), full().into()), Some(0));
    // Nobody answers at this address; what is told of it goes nowhere.
    let kubeconfig = "apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: 'http://127.0.0.1:9'}}]\n\
        users: [{name: u}]\ncontexts: [{name: c, context: {cluster: c, user: u}}]\ncurrent-context: c\n";
    std::fs::write(folder.path().join("kubeconfig"), kubeconfig).unwrap();
    let away = ["plan", "-v", "--kubeconfig", "kubeconfig", "--api-wait", "1s"];
    for stderr in [gone(), full().into()] {
        assert_ne!(code(&away, Stdio::null(), stderr), Some(101));
    }
    assert_eq!(code(&["validate", "-o", "json"], full().into(), full().into()), Some(1));
    assert_eq!(code(&["plan", "--nonsense"], Stdio::null(), full().into()), Some(64));
}
