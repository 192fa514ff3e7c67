//! `kwo apply` without `--yes`, at a real terminal: only `yes` does anything. What is typed is typed, Ctrl-C and
//! Ctrl-D included.

use std::path::Path;
use std::process::Command;

use rexpect::process::WaitStatus;
use rexpect::session::{PtySession, spawn_command};

use crate::cli::transcript;

/// Starts `kwo apply` in this folder, at a terminal, and waits until it asks.
fn asked(folder: &Path) -> PtySession {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kwo"));
    command.args(["apply", "--target", "dir:sandbox"]).current_dir(folder);
    command.env_clear().env("HOME", folder).env("TERM", "xterm");
    let mut terminal = spawn_command(command, Some(30_000)).unwrap();
    terminal.exp_string("Type `yes` to confirm: ").unwrap();
    terminal
}

/// What it says from then on, and its exit code.
fn ended(mut terminal: PtySession) -> (String, i32) {
    let said = terminal.exp_eof().unwrap();
    match terminal.process().wait().unwrap() {
        WaitStatus::Exited(_, code) => (said, code),
        other => (format!("{said}{other:?}"), -1),
    }
}

/// The manifests in the target; the empty file of the lock stays, so that nobody waits for one that is gone.
fn written(folder: &Path) -> usize {
    let sandbox = folder.join("sandbox");
    assert_eq!(std::fs::read_to_string(sandbox.join(".kwo.lock")).unwrap(), "");
    std::fs::read_dir(&sandbox).unwrap().count() - 1
}

fn roster() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    transcript(folder.path(), &["init"]);
    folder
}

#[test]
fn yes_applies() {
    let folder = roster();
    let mut terminal = asked(folder.path());
    terminal.send_line("yes").unwrap();
    let (said, code) = ended(terminal);
    assert!(code == 0 && said.contains("20 done") && said.contains("In agreement"), "{code}: {said}");
    assert!(written(folder.path()) > 0);
    let again = transcript(folder.path(), &["apply", "--target", "dir:sandbox"]);
    assert!(again.contains("In agreement: nothing to do"), "nobody is asked about nothing: {again}");
}

/// Waits for this, in the bytes as they come.
fn comes(terminal: &mut PtySession, text: &str) -> String {
    terminal.exp_string(text).unwrap_or_else(|error| panic!("{text} does not come: {error}"))
}

#[test]
fn an_error_takes_the_place_of_the_plan_that_is_watched() {
    let clear = "\u{1b}[H\u{1b}[2J\u{1b}[3J";
    let folder = roster();
    let path = folder.path().join("roster.yaml");
    let whole = std::fs::read_to_string(&path).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_kwo"));
    command.args(["watch", "--target", "dir:sandbox"]).current_dir(folder.path());
    command.env_clear().env("HOME", folder.path()).env("TERM", "xterm");
    let mut terminal = spawn_command(command, Some(30_000)).unwrap();
    comes(&mut terminal, "Ctrl-C ends");
    std::fs::write(&path, whole.replace("owners:", "owner:")).unwrap();
    // All that is shown from the moment on in which the screen is empty.
    comes(&mut terminal, clear);
    let shown = comes(&mut terminal, "Ctrl-C ends");
    assert!(shown.contains("unknown-field") && !shown.contains("kube:Namespace/alice"), "{shown}");
    assert!(!shown.contains(clear), "what is wrong is wiped away: {shown}");
    std::fs::write(&path, whole).unwrap();
    comes(&mut terminal, clear);
    let shown = comes(&mut terminal, "Ctrl-C ends");
    assert!(shown.contains("kube:Namespace/alice") && !shown.contains("unknown-field"), "{shown}");
    // What is wrong with the target is shown there, too.
    std::fs::write(folder.path().join("sandbox"), "").unwrap();
    std::fs::write(&path, format!("{}# again\n", std::fs::read_to_string(&path).unwrap())).unwrap();
    comes(&mut terminal, clear);
    let shown = comes(&mut terminal, "Ctrl-C ends");
    assert!(shown.contains("error:") && !shown.contains("kube:Namespace/alice"), "{shown}");
    terminal.send_control('c').unwrap();
    assert_eq!(ended(terminal).1, 0);
}

#[test]
fn anything_else_does_nothing() {
    let folder = roster();
    for answer in ["", "no", "y", "YES", "yes please", "ja"] {
        let mut terminal = asked(folder.path());
        terminal.send_line(answer).unwrap();
        let (said, code) = ended(terminal);
        assert!(code == 1 && said.contains("not confirmed; nothing was changed"), "{answer}: {code}: {said}");
        assert_eq!(written(folder.path()), 0, "{answer}");
    }
}

#[test]
fn the_end_of_what_is_typed_does_nothing() {
    let folder = roster();
    let mut terminal = asked(folder.path());
    terminal.send_control('d').unwrap();
    let (said, code) = ended(terminal);
    assert!(code == 1 && said.contains("not confirmed; nothing was changed"), "{code}: {said}");
    assert!(said.starts_with("\r\n"), "the error gets a line of its own: {said}");
    assert_eq!(written(folder.path()), 0);
}

#[test]
fn ctrl_c_at_the_prompt_does_nothing_and_leaves_no_lock() {
    let folder = roster();
    let mut terminal = asked(folder.path());
    let other = transcript(folder.path(), &["apply", "--target", "dir:sandbox", "--yes"]);
    assert!(other.contains("another run is at work") && other.contains("exit 4"), "{other}");
    terminal.send_control('c').unwrap();
    let (said, code) = ended(terminal);
    assert!(code == 1 && said.contains("interrupted; nothing was changed"), "{code}: {said}");
    assert!(!said.contains("current writes"), "nothing had begun: {said}");
    assert_eq!(written(folder.path()), 0);
    let other = transcript(folder.path(), &["apply", "--target", "dir:sandbox", "--yes"]);
    assert!(other.contains("20 done") && other.contains("exit 0"), "{other}");
}
