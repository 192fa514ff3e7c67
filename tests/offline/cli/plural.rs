//! One of a thing is no plural: whatever kwo counts in a message goes through one function that knows it. So no text in the
//! source has a number before a plural by itself.

use std::path::PathBuf;

/// What kwo counts, without the words that are verbs as well.
const COUNTED: [&str; 41] = [
    "accounts",
    "admins",
    "amounts",
    "archives",
    "bindings",
    "cuts",
    "days",
    "differences",
    "documents",
    "entries",
    "events",
    "files",
    "groups",
    "holders",
    "hosts",
    "keys",
    "kinds",
    "leftovers",
    "lines",
    "members",
    "minutes",
    "mistakes",
    "namespaces",
    "objects",
    "operators",
    "parts",
    "people",
    "places",
    "pods",
    "policies",
    "questions",
    "quotas",
    "replicas",
    "requests",
    "reviews",
    "rights",
    "steps",
    "tenants",
    "tries",
    "users",
    "warnings",
];

/// Never one: the text is reached only with another number.
const NEVER_ONE: [&str; 11] = [
    "no more than {most} parts",
    "it has more than {} parts",
    "asks for {bindings} bindings, and",
    "{several} different quotas",
    "{how_many} people or groups become",
    "it holds {} documents",
    "these {} files",
    "a container that states nothing",
    "registry has {} hosts",
    "there are {} quotas with scopes",
    "{pods} pods.",
];

fn sources() -> Vec<PathBuf> {
    let (mut folders, mut found) = (vec![PathBuf::from("src")], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true if path.ends_with("tests") => {}
                true => folders.push(path),
                false if path.extension().is_some_and(|end| end == "rs") => found.push(path),
                false => {}
            }
        }
    }
    found
}

/// The plurals behind a gap for a number, with the line that they are in.
fn plurals(text: &str) -> Vec<&str> {
    let own = text.split("#[cfg(test)]").next().unwrap_or_default();
    let mut found = Vec::new();
    for line in own.lines().filter(|line| !line.trim_start().starts_with("//")) {
        for (at, _) in line.match_indices("} ") {
            let gap = line[..at].rsplit('{').next().unwrap_or_default();
            let is_gap =
                gap.chars().all(|char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '_');
            let mut words = line[at + 2..].split(|char: char| !char.is_ascii_lowercase()).take(3);
            let counts = words.any(|word| COUNTED.contains(&word)) && !line[at + 2..].starts_with("of ");
            let near = line[at + 2..].split(' ').next().unwrap_or_default();
            // What stands between may be an adjective, and no verb or preposition.
            let direct = COUNTED.contains(&near.trim_end_matches(|char: char| !char.is_ascii_lowercase()))
                || ["more", "other", "new", "own", "different", "access"].contains(&near);
            if is_gap && counts && direct && !NEVER_ONE.iter().any(|never| line.contains(never)) {
                found.push(line.trim());
            }
        }
    }
    found
}

#[test]
fn whatever_is_counted_may_be_one() {
    let mut bad = Vec::new();
    for path in sources() {
        let text = std::fs::read_to_string(&path).unwrap();
        bad.extend(plurals(&text).into_iter().map(|line| format!("{}: {line}", path.display())));
    }
    assert!(bad.is_empty(), "say it by `plain::counted`: {bad:#?}");
    // The search finds what it is for.
    for wrong in
        ["\"{} warnings, {} ok\"", "format!(\"{count} rights are left over\")", "\"{left} more steps\""]
    {
        assert_eq!(plurals(wrong).len(), 1, "{wrong}");
    }
}
