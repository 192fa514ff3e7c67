//! The whole help, as one text.

use crate::{snapshot, transcript};

#[test]
fn the_help_of_every_command_is_as_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = transcript(folder.path(), &["--help"]);
    for command in [
        "validate",
        "render",
        "plan",
        "apply",
        "diff",
        "explain",
        "status",
        "logs",
        "schema",
        "init",
        "kubeconfig",
        "sync",
        "history",
        "history show",
        "history verify",
        "dns list",
        "dns check",
        "tls check",
        "registry status",
        "registry credentials",
        "watch",
        "hook",
        "install",
        "ci",
        "rbac",
        "completion",
        "man",
    ] {
        text.push('\n');
        let words: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        text.push_str(&transcript(folder.path(), &words));
    }
    snapshot("help", &text);
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
