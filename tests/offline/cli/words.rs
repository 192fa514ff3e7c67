//! Rules that the tree itself has to keep: what may be under the planner, what a file looks like.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use clap::ValueEnum as _;
use kwo::cli::Format;
use kwo_planner::systems::System;

/// What a crate of the workspace is made of, whatever the machine.
fn dependencies(package: &str, depth: &str) -> BTreeSet<String> {
    let format = ["--prefix", "none", "--format", "{p}", "--target", "all", "--depth", depth];
    let tree = ["tree", "--locked", "-p", package, "-e", "normal,build"];
    let output = Command::new(env!("CARGO")).args(tree).args(format).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let names = text.lines().filter_map(|line| line.split(' ').next());
    names.filter(|name| !name.is_empty() && *name != package).map(str::to_owned).collect()
}

/// What stands on the list of a crate.
fn listed(path: &str) -> BTreeSet<String> {
    std::fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}

/// The planner does no I/O, and so does nothing below it that is not on the list.
#[test]
fn the_planners_dependencies_are_those_on_the_list() {
    let list = listed("src/planner/dependencies.txt");
    let found = dependencies("kwo-planner", "99");
    assert_eq!(found, list, "think before you add to src/planner/dependencies.txt: may it do I/O?");
    for name in
        ["tokio", "kube", "reqwest", "hyper", "mio", "rand", "getrandom", "jiff", "chrono", "tracing", "log"]
    {
        assert!(!list.contains(name), "{name} does I/O, or has a clock or chance in it");
    }
}

/// The engine knows no command line, no colours and no pages.
#[test]
fn the_engines_dependencies_are_those_on_the_list() {
    let list = listed("src/engine/dependencies.txt");
    let found = dependencies("kwo-engine", "1");
    assert_eq!(found, list, "think before you add to src/engine/dependencies.txt: is it for a run?");
    for name in ["clap", "anstream", "anstyle", "annotate-snippets", "indicatif", "tracing-subscriber", "kwo"]
    {
        assert!(!list.contains(name), "{name} is for a command line");
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

/// A new system has two rooms and a line in each list; whoever else names one would have to learn of it too.
#[test]
fn a_system_is_named_in_its_rooms_and_on_the_lists_alone() {
    let mut naming = BTreeSet::new();
    let mut folders = vec![Path::new("src").to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let its_own =
                ["src/planner/systems", "src/engine/providers"].map(Path::new).contains(&path.as_path());
            if path.is_dir() && !its_own {
                folders.push(path);
                continue;
            }
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            let code = text.split("#[cfg(test)]").next().unwrap();
            let names = |system: System| code.contains(&format!("System::{system:?}"));
            if System::ALL.into_iter().any(names) {
                naming.insert(path.display().to_string());
            }
        }
    }
    // Manifests are those of the cluster; and what opens each system.
    let lists = ["src/commands/render.rs", "src/engine/target.rs"];
    assert_eq!(naming, lists.map(str::to_owned).into(), "see `Task: a system` in CONTRIBUTING.md");
}

/// A new format is one implementation for all commands: they give a report, and only what prints it knows the formats.
#[test]
fn one_place_knows_the_formats() {
    let names: Vec<String> = Format::value_variants().iter().map(|one| format!("Format::{one:?}")).collect();
    assert!(names.contains(&"Format::Json".to_owned()), "{names:?}");
    let mut knowing = BTreeSet::new();
    let mut seen = 0;
    let mut paths = vec![Path::new("src/commands").to_owned()];
    while let Some(path) = paths.pop() {
        if path.is_dir() {
            paths.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let prints = path.ends_with("print.rs");
        for line in text.lines().filter(|_| !prints) {
            let matches = line.contains("match ") && line.contains(".output");
            if matches || names.iter().any(|name| line.contains(name)) {
                knowing.insert(format!("{}: {}", path.display(), line.trim()));
            }
        }
        seen += 1;
    }
    assert!(seen > 30);
    assert_eq!(knowing, BTreeSet::new(), "see `Task: an output format` in CONTRIBUTING.md");
    // A format of its own for some commands would be a second list.
    let mut enums = BTreeSet::new();
    for entry in std::fs::read_dir("src/cli").unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let kinds = text.lines().filter_map(|line| line.trim().strip_prefix("pub output: "));
        enums.extend(kinds.map(str::to_owned));
    }
    assert_eq!(enums, ["Format,".to_owned()].into());
}

/// What is waited for is looked for; the only pauses are between two tries, while another run holds the lock, until an edit has
/// settled, until the end of a right has come to the authorizer, until a namespace, or what was cut, is gone, until k3s has ended, until what the API says is of now, until a registry has read its users again, and until whoever puts back what kwo put right has had the time to.
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
        "src/engine/run/carry.rs",
        "src/engine/run/reviews.rs",
        "src/engine/git/clone.rs",
        "src/hook/awaiting.rs",
        "src/hook/server.rs",
        "src/watcher.rs",
        "src/engine/k3s/ready.rs",
        "src/engine/k3s/service.rs",
        "src/engine/k3s/settled.rs",
        "src/engine/notify/delivery.rs",
        "src/engine/offboard/destroy.rs",
        "src/engine/offboard/doors.rs",
        "src/engine/offboard/reviews.rs",
        "src/engine/providers/patience.rs",
        "src/engine/providers/dir/lock.rs",
        "src/engine/providers/kube/cutter.rs",
        "src/engine/providers/kube/lease.rs",
        "src/engine/providers/kube/outage.rs",
        "src/engine/providers/kube/transport.rs",
        "src/engine/providers/node/issue.rs",
        "src/engine/providers/restart.rs",
        "src/engine/sync/state.rs",
        "src/release/swap.rs",
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
    for manifest in ["Cargo.toml", "src/engine/Cargo.toml", "src/planner/Cargo.toml"] {
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
