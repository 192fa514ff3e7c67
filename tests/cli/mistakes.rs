//! The page of mistakes: each name that stands in `error[NAME]`, with the shortest roster of `tests/rosters/invalid` that
//! has it, as kwo shows it. What it shows there is held by the snapshots.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::manual::holds;
use crate::pages::read;

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

#[test]
fn each_mistake_has_its_name_and_an_example() {
    let mut shortest: BTreeMap<String, String> = BTreeMap::new();
    let mut snapshots: Vec<_> =
        std::fs::read_dir("snapshots").unwrap().map(|entry| entry.unwrap().path()).collect();
    snapshots.sort();
    let invalid = |path: &&std::path::PathBuf| path.to_str().unwrap().starts_with("snapshots/invalid__");
    for path in
        snapshots.iter().filter(invalid).filter(|path| path.extension().is_some_and(|end| end == "snap"))
    {
        for mistake in shown(&read(path.to_str().unwrap())) {
            let name = mistake.trim_start_matches("error[").split(']').next().unwrap().to_owned();
            let length = |text: &str| (text.lines().count(), text.len());
            let shorter = shortest.get(&name).is_none_or(|have| length(&mistake) < length(have));
            if shorter {
                shortest.insert(name, mistake);
            }
        }
    }
    assert!(shortest.len() > 70, "{}", shortest.len());
    let mut text = String::new();
    for (name, mistake) in &shortest {
        let mistake = mistake.replace("tests/rosters/invalid/", "");
        writeln!(text, "## {name}\n\n```text\n{mistake}\n```\n").unwrap();
    }
    holds("docs/reference/mistakes.md", "", &text);
}
