//! The record of what kwo wrote on this node: `var/lib/kwo/node/files.json`, readable by root alone. A file is kwo's
//! if it is recorded; what it was when kwo wrote it last tells kwo's values from others'.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use kwo_planner::observed::{MARK, TENANT_LABEL};
use kwo_planner::tree::{SmolStr, Tree, tokens};
use serde::{Deserialize, Serialize};

use super::file::read;
use crate::providers::atomic_file::{Astray, in_root, replace};

const FILE: &str = "var/lib/kwo/node/files.json";

/// What kwo wrote.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(super) struct Record {
    /// By the path from the root.
    files: BTreeMap<SmolStr, Entry>,
    /// By the namespace.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    kubeconfigs: BTreeMap<SmolStr, Kept>,
}

/// A kubeconfig that kwo wrote.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(super) struct Kept {
    /// The hashes of the files as kwo left them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) written: Option<Pair>,
    /// The hashes of a write that was begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) begun: Option<Pair>,
    /// For how long its token was asked for; the server may have given less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) lifetime: Option<SmolStr>,
    /// The tenant it is for.
    #[serde(default)]
    pub(super) tenant: SmolStr,
}

/// The hashes of the YAML and of the JSON; nothing for a file that is not there.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Pair(pub(super) [Option<String>; 2]);

/// What kwo wrote to one file.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(super) struct Entry {
    /// The hash of the file as kwo left it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) written: Option<String>,
    /// The hash of a write that was begun: of two files, before and after, one is there if the run was killed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) begun: Option<String>,
    /// All that kwo put there, with references in place of secrets. Of entries that others may have, too, what is still there.
    pub(super) wrote: Option<Tree>,
}

impl Record {
    /// The record of this node; an empty one where there is none.
    pub(super) fn load(root: &Path) -> Result<Record, String> {
        let cannot = |why: &str| format!("the record of what kwo wrote, /{FILE}, cannot be read: {why}");
        let file = match read(root, Path::new(FILE)) {
            Ok(None) => return Ok(Record::default()),
            Ok(Some(file)) => file,
            Err(Astray::Io(error)) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Err(cannot(&format!("{error}; kwo looks at the files of a node as root")));
            }
            Err(astray) => return Err(cannot(&astray.to_string())),
        };
        serde_json::from_slice(&file.bytes)
            .map_err(|error| cannot(&format!("{error}; fix it, or move it away and adopt the files again")))
    }

    /// Puts it on the disk.
    pub(super) fn save(&self, root: &Path) -> Result<(), Astray> {
        in_root(root, Path::new("var/lib/kwo/node"), Some(0o755))?;
        let path = in_root(root, Path::new(FILE), Some(0o700))?;
        let text = serde_json::to_string_pretty(self).map_err(io::Error::other)?;
        Ok(replace(&path, &text, Some(Permissions::from_mode(0o600)))?)
    }

    pub(super) fn get(&self, name: &str) -> Option<&Entry> {
        self.files.get(name)
    }

    pub(super) fn entry(&mut self, name: &SmolStr) -> &mut Entry {
        self.files.entry(name.clone()).or_default()
    }

    pub(super) fn kubeconfig(&self, namespace: &str) -> Option<&Kept> {
        self.kubeconfigs.get(namespace)
    }

    pub(super) fn entry_of_kubeconfig(&mut self, namespace: &SmolStr) -> &mut Kept {
        self.kubeconfigs.entry(namespace.clone()).or_default()
    }

    /// All kubeconfigs in it, by their namespaces.
    pub(super) fn kubeconfigs(&self) -> impl Iterator<Item = (&SmolStr, &Kept)> {
        self.kubeconfigs.iter()
    }

    /// The names of all files in it.
    pub(super) fn names(&self) -> impl Iterator<Item = &SmolStr> {
        self.files.keys()
    }
}

impl Kept {
    /// The marks that stand for it: it is kwo's, and for whom it was made.
    pub(super) fn labels(&self) -> Tree {
        Tree::map([(MARK.0, Tree::from(MARK.1)), (TENANT_LABEL, Tree::from(&self.tenant))])
    }

    /// Is what has these hashes kwo's? One that kwo only began to make is as far as it is what kwo began.
    pub(super) fn covers(&self, hashes: &Pair) -> bool {
        let begun =
            |Pair(begun): &Pair| begun.iter().zip(&hashes.0).all(|(own, have)| have.is_none() || own == have);
        self.written.is_some() || self.begun.as_ref().is_some_and(begun)
    }

    /// Is it as kwo left it?
    pub(super) fn is_own(&self, hashes: &Pair) -> bool {
        [&self.written, &self.begun].into_iter().any(|own| own.as_ref() == Some(hashes))
    }

    /// Is it as a run leaves it that is killed between the two files?
    pub(super) fn is_half(&self, hashes: &Pair) -> bool {
        let Some(Pair([begun, _])) = &self.begun else { return false };
        let before = self.written.as_ref().and_then(|Pair([_, json])| json.as_ref());
        (begun, before) == (&hashes.0[0], hashes.0[1].as_ref())
    }
}

impl Entry {
    /// Is a file with this hash kwo's? One that kwo only began to make is if it is the one that kwo began.
    pub(super) fn covers(&self, hash: &str) -> bool {
        self.written.is_some() || self.is_own(hash)
    }

    /// Is the file as kwo left it?
    pub(super) fn is_own(&self, hash: &str) -> bool {
        [&self.written, &self.begun].into_iter().any(|own| own.as_deref() == Some(hash))
    }

    /// Takes an entry of a set, or a key of a map, away from what kwo put there.
    pub(super) fn forget(&mut self, pointer: &str, value: &Tree) {
        let tokens: Vec<SmolStr> = tokens(pointer).map(SmolStr::from).collect();
        let nothing = || Tree::map::<SmolStr>([]);
        self.wrote = self.wrote.take().map(|wrote| less(&wrote, &tokens, value).unwrap_or_else(nothing));
    }

    /// Adds what a step makes kwo's to what kwo put there before.
    pub(super) fn add(&mut self, wanted: &Tree) {
        let parts = ["content", "mode", "owner"];
        let wanted = Tree::map(parts.iter().filter_map(|part| Some((*part, wanted.get(part)?.clone()))));
        self.wrote = Some(match &self.wrote {
            Some(wrote) => union(wrote, &wanted),
            None => wanted,
        });
    }
}

/// What was there, without these entries of sets and keys of maps; a set or map of which nothing is left is gone, too.
fn less(wrote: &Tree, tokens: &[SmolStr], value: &Tree) -> Option<Tree> {
    let (token, rest) = tokens.split_first()?;
    let (kept, is_map) = match wrote {
        Tree::Map(entries) => {
            let below = |(key, below): &(SmolStr, Tree)| match key == token {
                true => Some((key.clone(), less(below, rest, value)?)),
                false => Some((key.clone(), below.clone())),
            };
            (Tree::map(entries.iter().filter_map(below)), true)
        }
        Tree::List(items) => (Tree::list(items.iter().filter(|item| *item != value).cloned()), false),
        other => return Some(other.clone()),
    };
    let is_empty = if is_map { kept.entries().is_empty() } else { kept.items().is_empty() };
    (!is_empty).then_some(kept)
}

/// Both together; of two single values the second.
fn union(first: &Tree, second: &Tree) -> Tree {
    match (first, second) {
        (Tree::Map(_), Tree::Map(entries)) => entries.iter().fold(first.clone(), |all, (key, value)| {
            let value = all.get(key).map_or_else(|| value.clone(), |have| union(have, value));
            Tree::map(all.entries().iter().cloned().chain([(key.clone(), value)]))
        }),
        (Tree::List(have), Tree::List(items)) => {
            let more = items.iter().filter(|item| !have.contains(item));
            Tree::list(have.iter().chain(more).cloned())
        }
        _ => second.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_that_was_only_begun_makes_no_other_file_kwos() {
        let begun = Entry { begun: Some("a".into()), ..Entry::default() };
        assert!(begun.covers("a") && !begun.covers("b"));
        let written = Entry { written: Some("a".into()), ..Entry::default() };
        assert!(written.covers("b") && !written.is_own("b"));
    }

    #[test]
    fn what_is_forgotten_takes_nothing_else_along() {
        let tree = |json: &str| serde_json::from_str::<Tree>(json).unwrap();
        let left = |pointer: &str, value: &str| {
            let wrote = tree(
                r#"{"content":{"configs":{"a":{"x":"1"},"b":{"x":"2"}},"tls-san":["a","b"],"one":["a"]}}"#,
            );
            let mut entry = Entry { wrote: Some(wrote), ..Entry::default() };
            entry.forget(pointer, &tree(value));
            entry.wrote.unwrap().to_string()
        };
        let configs = r#""configs":{"a":{"x":"1"},"b":{"x":"2"}}"#;
        assert_eq!(
            left("/content/tls-san/7", r#""a""#),
            format!(r#"{{"content":{{{configs},"one":["a"],"tls-san":["b"]}}}}"#)
        );
        assert_eq!(
            left("/content/one/0", r#""a""#),
            format!(r#"{{"content":{{{configs},"tls-san":["a","b"]}}}}"#)
        );
        let rest = r#""one":["a"],"tls-san":["a","b"]"#;
        assert_eq!(
            left("/content/configs/a", "null"),
            format!(r#"{{"content":{{"configs":{{"b":{{"x":"2"}}}},{rest}}}}}"#)
        );
    }

    #[test]
    fn what_kwo_once_wrote_stays_on_record() {
        let tree = |json: &str| serde_json::from_str::<Tree>(json).unwrap();
        let mut entry = Entry::default();
        entry.add(&tree(r#"{"content":{"tls-san":["a","b"],"x":"1"},"metadata":{}}"#));
        entry.add(&tree(r#"{"content":{"tls-san":["b","c"],"x":"2"},"mode":"0600"}"#));
        let wrote = entry.wrote.unwrap().to_string();
        assert_eq!(wrote, r#"{"content":{"tls-san":["a","b","c"],"x":"2"},"mode":"0600"}"#);
    }
}
