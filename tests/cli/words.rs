//! Rules that the tree itself has to keep: what may be under the planner, what a file looks like.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// The planner does no I/O, and so does nothing below it that is not on the list.
#[test]
fn the_planners_dependencies_are_those_on_the_list() {
    let tree = [
        "tree",
        "-p",
        "kwo-planner",
        "-e",
        "normal,build",
        "--prefix",
        "none",
        "--format",
        "{p}",
        "--target",
        "all",
    ];
    let output = Command::new(env!("CARGO")).args(tree).args(["--locked"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let found: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.split(' ').next())
        .filter(|name| !name.is_empty() && *name != "kwo-planner")
        .collect();
    let list = std::fs::read_to_string("src/planner/dependencies.txt").unwrap();
    let listed: BTreeSet<&str> = list.lines().collect();
    assert_eq!(found, listed, "think before you add to src/planner/dependencies.txt: may it do I/O?");
    for name in
        ["tokio", "kube", "reqwest", "hyper", "mio", "rand", "getrandom", "jiff", "chrono", "tracing", "log"]
    {
        assert!(!listed.contains(name), "{name} does I/O, or has a clock or chance in it");
    }
}

/// A file says on top what belongs in it, and stays short enough to be read.
#[test]
fn every_source_file_opens_with_its_purpose_and_is_no_longer_than_500_lines() {
    let mut folders = vec![Path::new("src").to_owned()];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                assert!(text.starts_with("//! "), "{} does not say what belongs in it", path.display());
                assert!(
                    text.lines().count() <= 500,
                    "{} is too long: look for the second noun",
                    path.display()
                );
                seen += 1;
            }
        }
    }
    assert!(seen > 50);
}

/// What is waited for is looked for; the only pauses are between two tries, while another run holds the lock, until an edit has
/// settled, and until whoever puts back what kwo put right has had the time to.
#[test]
fn nothing_waits_for_a_fixed_time() {
    let mut folders = vec![Path::new("src").to_owned()];
    let mut pausing = BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if std::fs::read_to_string(&path).is_ok_and(|text| text.contains("sleep(")) {
                pausing.insert(path.display().to_string());
            }
        }
    }
    let known = [
        "src/edits.rs",
        "src/fight.rs",
        "src/git/clone.rs",
        "src/hook/server.rs",
        "src/notify/letter.rs",
        "src/providers/dir/lock.rs",
        "src/providers/kube/lease.rs",
        "src/providers/kube/outage.rs",
        "src/providers/kube/wire.rs",
        "src/providers/node/issue.rs",
        "src/providers/restart.rs",
        "src/sync/state.rs",
    ];
    assert_eq!(pausing, known.map(str::to_owned).into());
}

/// One version, wherever it is said.
#[test]
fn there_is_one_version() {
    let version = env!("CARGO_PKG_VERSION");
    let output = Command::new(env!("CARGO_BIN_EXE_kwo")).arg("--version").output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("kwo {version}\n"));
    let read = |path: &str| std::fs::read_to_string(path).unwrap();
    for manifest in ["Cargo.toml", "src/planner/Cargo.toml"] {
        let text = read(manifest);
        let (_, package) = text.split_once("[package]").unwrap();
        assert!(package.contains("\nversion.workspace = true\n"), "{manifest}");
    }
    let changes = read("CHANGELOG.md");
    let titles = changes.lines().filter_map(|line| line.strip_prefix("## "));
    let released: Vec<&str> = titles
        .filter_map(|title| title.split(['[', ']']).nth(1))
        .filter(|title| *title != "Unreleased")
        .collect();
    assert!(released.first().is_none_or(|newest| *newest == version), "{released:?} and {version}");
}
