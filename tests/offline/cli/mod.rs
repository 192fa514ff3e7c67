//! The binary as a user meets it, in a cleared environment: help, transcripts without a cluster, exit codes.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up ends here")]

mod access;
mod archive;
mod binstall;
mod capacity;
mod completion;
mod deploy;
mod diff;
mod directory;
mod dns;
mod doctor;
mod edit;
mod empty;
mod endings;
mod environment;
mod explain;
mod foreign;
mod help;
mod hints;
mod hosts;
mod import;
mod kubeconfig;
mod leftovers;
mod links;
mod mistakes;
mod names;
mod offboard;
mod outputs;
mod own_options;
mod pages;
mod plural;
mod policy;
mod prompt;
mod prompts;
mod prose;
mod readable;
mod readme;
mod reference;
mod registry;
mod roster;
mod sandbox;
mod saved;
mod slips;
mod streams;
mod tls;
mod watch;
mod words;

use std::path::Path;
use std::process::{Command, Stdio};

/// Runs `kwo` in this folder and gives exit code, standard output and standard error as one text.
fn transcript(folder: &Path, args: &[&str]) -> String {
    transcript_with(folder, args, &[])
}

/// The same with these variables in its environment.
fn transcript_with(folder: &Path, args: &[&str], variables: &[(&str, &str)]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kwo"));
    let output = command
        .args(args)
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| {
        // The digest of a plan depends on the folder, which is another one every time.
        let known = |line: &str| {
            if line.starts_with("Plan digest: ") { "Plan digest: DIGEST" } else { line }.to_owned()
        };
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = String::from_utf8_lossy(bytes)
            .replace(&*folder.to_string_lossy(), "FOLDER")
            .replace(&name, "FOLDER");
        text.lines().map(|line| known(line) + "\n").collect::<String>()
    };
    format!(
        "$ kwo {}\n{}---- stderr ----\n{}---- exit {} ----\n",
        args.join(" "),
        text(&output.stdout),
        text(&output.stderr),
        output.status.code().unwrap_or(-1)
    )
}

/// Where a server on loopback is: its kubeconfig says so.
fn address(server: &testkit::loopback::Loopback) -> String {
    let kubeconfig = std::fs::read_to_string(&server.kubeconfig).unwrap();
    kubeconfig.split('\'').nth(1).unwrap().to_owned()
}

pub(crate) fn snapshot(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(format!("cli__{name}"), text));
}
