//! The rooms of the house: no two of them need each other, so that each can be read and changed by itself.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up ends here")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The code of a file, without its tests: they may look anywhere.
fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().to_owned()
}

/// All files of a folder, whole paths.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|of| of == "rs") {
            found.push(path);
        }
    }
    found
}

/// What the root of a crate hands on from a room under a name of its own: `pub use systems::node` makes `crate::node`.
fn handed_on(root: &Path) -> BTreeMap<String, String> {
    let mut names = BTreeMap::new();
    for line in std::fs::read_to_string(root).unwrap().lines() {
        let Some(path) = line.strip_prefix("pub use ").and_then(|path| path.strip_suffix(';')) else {
            continue;
        };
        let Some((room, rest)) = path.split_once("::") else { continue };
        let last = rest.rsplit_once("::").map_or(rest, |(_, last)| last);
        for name in last.trim_matches(['{', '}']).split(", ") {
            names.insert(name.to_owned(), room.to_owned());
        }
    }
    names
}

/// The pairs of rooms of a crate that need each other.
fn mutual(source: &str, root: &str) -> Vec<String> {
    let source = Path::new(source);
    let handed_on = handed_on(&source.join(root));
    let rooms: BTreeSet<String> = std::fs::read_dir(source)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().join("mod.rs").exists())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    let mut needs = BTreeSet::new();
    for room in &rooms {
        for file in files(&source.join(room)) {
            for after in code(&file).split("crate::").skip(1) {
                let name: String =
                    after.chars().take_while(|char| char.is_alphanumeric() || *char == '_').collect();
                let other = handed_on.get(&name).unwrap_or(&name);
                if other != room && rooms.contains(other) {
                    needs.insert((room.clone(), other.clone()));
                }
            }
        }
    }
    assert!(!needs.is_empty(), "nothing was found in {}", source.display());
    // What a room needs by way of others, it needs as well.
    loop {
        let further = needs.iter().flat_map(|(a, b)| {
            needs
                .iter()
                .filter(move |(from, to)| from == b && to != a)
                .map(move |(_, c)| (a.clone(), c.clone()))
        });
        let more: BTreeSet<_> = further.filter(|pair| !needs.contains(pair)).collect();
        if more.is_empty() {
            break;
        }
        needs.extend(more);
    }
    let both = needs.iter().filter(|(a, b)| a < b && needs.contains(&(b.clone(), a.clone())));
    both.map(|(a, b)| format!("{a} and {b}")).collect()
}

#[test]
fn no_two_rooms_need_each_other() {
    for (source, root) in [("src/planner", "lib.rs"), ("src/engine", "lib.rs"), ("src", "lib.rs")] {
        let mutual = mutual(source, root);
        assert!(mutual.is_empty(), "{source}: {}", mutual.join(", "));
    }
}
