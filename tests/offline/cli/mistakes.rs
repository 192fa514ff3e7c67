//! The page of mistakes: each name that stands in `error[NAME]`, what it means, and the shortest roster or settings among
//! the tests that have it, as kwo shows it. What it shows there is held by the snapshots.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;

use testkit::manual::holds;

use crate::cli::pages::read;
use crate::cli::transcript;

/// What a snapshot shows, mistake by mistake.
fn shown(text: &str) -> Vec<String> {
    let text = text.splitn(3, "---\n").nth(2).unwrap_or_default();
    let mut found: Vec<String> = Vec::new();
    for line in text.lines() {
        match found.last_mut() {
            _ if line.starts_with("error[") => found.push(line.to_owned()),
            Some(last) => {
                last.push('\n');
                last.push_str(line);
            }
            None => {}
        }
    }
    let last = found.last_mut();
    if let Some((mistake, _)) = last.as_ref().and_then(|last| last.rsplit_once("\n\n")) {
        let mistake = mistake.to_owned();
        found.pop();
        found.push(mistake);
    }
    found.into_iter().map(|one| one.trim_end().to_owned()).collect()
}

/// Every name of a mistake that stands in the code, where one is made.
fn made() -> BTreeSet<String> {
    let (mut found, mut folders) = (BTreeSet::new(), vec![PathBuf::from("src")]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let text = read(path.to_str().unwrap());
                for mark in ["Finding::new(", "Refusal::new(", "finding(", "hidden(node,"] {
                    let after =
                        text.split(mark).skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"'));
                    let names = after.filter_map(|rest| rest.split('"').next());
                    let is_name =
                        |name: &&str| name.bytes().all(|sign| sign.is_ascii_lowercase() || sign == b'-');
                    found.extend(names.filter(is_name).map(str::to_owned));
                }
            }
        }
    }
    found
}

#[test]
fn each_mistake_has_its_name_what_it_means_and_an_example() {
    let mut shortest: BTreeMap<String, String> = BTreeMap::new();
    let mut snapshots: Vec<_> =
        std::fs::read_dir("snapshots").unwrap().map(|entry| entry.unwrap().path()).collect();
    snapshots.sort();
    let of_mistakes = |path: &&PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.ends_with(".snap") && (name.starts_with("invalid__") || name.starts_with("settings__"))
    };
    for path in snapshots.iter().filter(of_mistakes) {
        for mistake in shown(&read(path.to_str().unwrap())) {
            let name = mistake.trim_start_matches("error[").split(']').next().unwrap().to_owned();
            let length = |text: &str| (text.lines().count(), text.len());
            let shorter = shortest.get(&name).is_none_or(|have| length(&mistake) < length(have));
            if shorter {
                shortest.insert(name, mistake);
            }
        }
    }
    let meanings = read("tests/offline/cli/mistakes.txt");
    let meanings: BTreeMap<&str, &str> =
        meanings.lines().map(|line| line.split_once(": ").unwrap_or_else(|| panic!("{line}"))).collect();
    let all: BTreeSet<String> = made().into_iter().chain(shortest.keys().cloned()).collect();
    let missing: Vec<&String> = all.iter().filter(|name| !meanings.contains_key(name.as_str())).collect();
    assert!(
        missing.is_empty(),
        "say in tests/offline/cli/mistakes.txt what these mean and what to do: {missing:?}"
    );
    let gone: Vec<&&str> = meanings.keys().filter(|name| !all.contains(**name)).collect();
    assert!(gone.is_empty(), "no code makes these any more: {gone:?}");

    let mut text = String::new();
    for (name, meaning) in &meanings {
        writeln!(text, "## {name}\n\n{}\n", meaning.replace('<', "\\<")).unwrap();
        if let Some(mistake) = shortest.get(*name) {
            let mistake = mistake.replace("tests/rosters/invalid/", "");
            writeln!(text, "```text\n{mistake}\n```\n").unwrap();
        }
    }
    holds("docs/reference/mistakes.md", "", &text);
}

/// Where kwo says what is wrong, it leads to the page: a terminal by a link on the name, a program by an address.
#[test]
fn a_mistake_leads_to_its_place_in_the_manual() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("roster.yaml");
    std::fs::write(&path, "apiVersion: kwo/v1\nkind: Roster\ntenants: {alice: {tyer: small}}\n").unwrap();
    let address = kwo::report::manual::mistake("unknown-field");
    let (page, anchor) = address.strip_prefix(kwo::report::manual::MANUAL).unwrap().split_once('#').unwrap();
    let page = format!("docs{}", page.replace(".html", ".md"));
    assert!(read(&page).contains(&format!("\n## {anchor}\n")), "{address}");

    let text = transcript(folder.path(), &["validate", "-o", "json"]);
    assert!(text.contains(&format!("\"help\": \"{address}\"")), "{text}");
    let refused = kwo_engine::source::load(&path).unwrap_err();
    let text = kwo::report::diagnostic::text(&refused);
    let link = format!("\u{1b}]8;;{address}\u{1b}\\");
    assert!(text.contains(&link), "{text:?}");
    // It passes the door for what is printed, which a link of a stranger does not; and a file or a pipe gets none of it.
    assert!(kwo::report::plain::text(&text).contains(&link));
    let plain = anstream::adapter::strip_str(&text).to_string();
    assert!(plain.starts_with("error[unknown-field]: unknown field `tyer`"), "{plain}");
    for stranger in ["\u{1b}]8;;https://example.com/x\u{1b}\\x", "\u{1b}]0;title\u{7}"] {
        assert!(!kwo::report::plain::text(stranger).contains('\u{1b}'), "{stranger:?}");
    }
}
