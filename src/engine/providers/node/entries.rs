//! How an entry leaves a file that stays: a name that k3s has in the certificate of the API server, a login of the node at a
//! registry. The file is written as a step writes it, and every other byte of it is as it was. Values of a login are passwords,
//! so none is handed on: such an entry stands for itself by its key, and only the roster has it made anew.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use kwo_planner::node::{K3S_CONFIG, K3S_REGISTRIES};
use kwo_planner::offboard::{Cut, Entry, list_of};
use kwo_planner::resource::ResourceId;
use kwo_planner::tree::{SmolStr, Tree, join, tokens};

use super::file::{File, MODE, path, read};
use super::record::{self, Record};
use super::write::{Next, refused, replace};
use super::{archive, told};
use crate::providers::atomic_file::Astray;
use crate::providers::{Refusal, Restored, Whole, manifest};
use crate::yaml::{Edit, edit, take};

/// What stands above an entry that has to stay as a comment, because somebody wrote one into it.
const NOTE: &str = "`kwo offboard` took this out.";

/// Where the names of the certificate are, in what a cut sees of the file.
const NAMES: &str = "/content/tls-san";

/// The file and kwo's part of it.
struct Seen {
    file: File,
    record: Record,
}

/// What a cut may take of this file, without any value of a login; nothing where there is none.
pub(super) fn whole(root: &Path, id: &ResourceId) -> Result<Option<Whole>, Refusal> {
    let Some(seen) = seen(root, id)? else { return Ok(None) };
    let content = match id.name.as_str() {
        K3S_CONFIG => Tree::map([("tls-san", Tree::list(names(&seen.file).map_err(refused)?))]),
        K3S_REGISTRIES => {
            let wrote = seen.wrote(id).at("/content/configs").cloned().unwrap_or(Tree::Null);
            let (_, document) = seen.file.document().map_err(|why| said(id, &why))?;
            let there = |(key, own): &(SmolStr, Tree)| {
                let entry = document.at(&join("/configs", key))?;
                let strange = match (entry, own) {
                    (Tree::Map(_), Tree::Map(_)) => beyond(entry, own),
                    _ => Some(Tree::map([(key.clone(), Tree::Null)])),
                };
                Some((key.clone(), strange.unwrap_or(Tree::Null)))
            };
            Tree::map([("configs", Tree::map(wrote.entries().iter().filter_map(there)))])
        }
        _ => return Err(by_hand(id)),
    };
    let object = Tree::map([("content", content)]);
    Ok(Some(Whole { object, version: seen.file.version(), doubt: None }))
}

/// Takes the entries of a cut out of the file.
pub(super) fn cut(root: &Path, cut: &Cut) -> Result<(), Refusal> {
    let id = cut.id();
    let Some(seen) = seen(root, id)? else { return Ok(()) };
    if seen.file.version() != *cut.seen() {
        return Err(Refusal::Changed { why: format!("/{} has changed", id.name) });
    }
    let mut text = seen.file.text().map_err(|why| said(id, &why))?.to_owned();
    for entry in cut.parts() {
        let pointer = place(id, &text, entry)?;
        let Some(pointer) = pointer else { continue };
        let next = without(&text, &pointer).map_err(|why| said(id, &why))?;
        if !differs_there_alone(&text, &next, &pointer) {
            return Err(said(
                id,
                &"what leaves is also said elsewhere in it, by an alias; a person has to edit it",
            ));
        }
        text = next;
    }
    written(root, id, seen, text, |entry| {
        cut.parts().iter().for_each(|part| entry.forget(&part.pointer, &part.value));
    })
}

/// Puts a name that was cut back, and says that it is kwo's. One that somebody else put there meanwhile is theirs.
pub(super) fn restore(root: &Path, cut: &Cut) -> Result<Restored, Refusal> {
    let id = cut.id();
    if id.name != K3S_CONFIG {
        return Ok(Restored::ByRoster);
    }
    let seen = seen(root, id)?.ok_or_else(|| said(id, &"it is gone"))?;
    let there = names(&seen.file).map_err(|why| said(id, &why))?;
    let values = cut.parts().iter().map(|entry| &entry.value);
    let missing: Vec<&Tree> = values.filter(|value| !there.contains(value)).collect();
    if missing.is_empty() {
        return Ok(Restored::Back);
    }
    let last = format!("{NAMES}/-");
    let changes = missing.iter().map(|value| (last.as_str(), *value));
    let text = told::edited(id, &seen.file, changes).map_err(|why| said(id, &why))?;
    let back =
        Tree::map([("content", Tree::map([("tls-san", Tree::list(missing.iter().copied().cloned()))]))]);
    written(root, id, seen, text, |entry| entry.add(&back)).map(|()| Restored::Back)
}

impl Seen {
    fn wrote(&self, id: &ResourceId) -> Tree {
        self.record.get(&id.name).and_then(|entry| entry.wrote.clone()).unwrap_or(Tree::Null)
    }
}

/// The file, which has to be on record as kwo's; nothing where there is none.
fn seen(root: &Path, id: &ResourceId) -> Result<Option<Seen>, Refusal> {
    let record = Record::load(root).map_err(refused)?;
    let file = read(root, &path(id).map_err(refused)?).map_err(|astray| said(id, &astray))?;
    let Some(file) = file else { return Ok(None) };
    let hash = manifest::version(&file.bytes);
    match record.get(&id.name).is_some_and(|entry| entry.covers(&hash)) {
        true => Ok(Some(Seen { file, record })),
        false => Err(said(id, &"it is not on record as kwo's")),
    }
}

/// The names in the file itself, whichever of the two ways of k3s it says them in.
fn names(file: &File) -> Result<Vec<Tree>, String> {
    let (entries, _) = file.document()?;
    let both = entries.into_iter().filter(|(key, _)| ["tls-san", "tls-san+"].contains(&key.as_str()));
    Ok(both.flat_map(|(_, value)| listed(&value)).collect())
}

/// k3s takes a single value for a list of one.
fn listed(value: &Tree) -> Vec<Tree> {
    match value {
        Tree::Null => Vec::new(),
        Tree::List(items) => items.to_vec(),
        single => vec![single.clone()],
    }
}

/// Where an entry stands in the text now; nothing where it is gone. The last entry of a list takes its key along: k3s would
/// take a key without a value for an empty name.
fn place(id: &ResourceId, text: &str, entry: &Entry) -> Result<Option<String>, Refusal> {
    let documents = crate::yaml::documents(text).map_err(|fault| said(id, &fault))?;
    let Some(document) = documents.first() else { return Ok(None) };
    if id.name == K3S_REGISTRIES {
        let pointer = entry.pointer.strip_prefix("/content").unwrap_or_default();
        return Ok(document.tree().at(pointer).map(|_| pointer.to_owned()));
    }
    if list_of(&entry.pointer) != Some(NAMES) {
        return Err(by_hand(id));
    }
    for key in ["tls-san", "tls-san+"] {
        let here = join("", key);
        let items = document.tree().at(&here).map(listed).unwrap_or_default();
        if let Some(at) = items.iter().position(|item| *item == entry.value) {
            return Ok(Some(if items.len() == 1 { here } else { format!("{here}/{at}") }));
        }
    }
    Ok(None)
}

/// The text without what the pointer leads to. A key that is all there is in a file stays, with an empty list.
fn without(text: &str, pointer: &str) -> Result<String, String> {
    let fault = match take(text, false, pointer, NOTE, false) {
        Ok(rest) => return Ok(rest),
        Err(fault) => String::from(fault),
    };
    let nothing = Edit { pointer: pointer.to_owned(), value: Tree::list([]) };
    let is_key = tokens(pointer).count() == 1;
    let emptied = is_key.then(|| edit(text, false, &[nothing]).ok()).flatten();
    emptied.ok_or(fault)
}

/// Do both texts say the same but for the map or the list that the pointer leads into? An alias elsewhere follows its anchor.
fn differs_there_alone(before: &str, after: &str, pointer: &str) -> bool {
    let tree =
        |text: &str| crate::yaml::documents(text).ok()?.first().map(|document| document.tree().clone());
    let rest = |tree: Option<Tree>| -> Vec<(SmolStr, Tree)> {
        let Some(tree) = tree else { return Vec::new() };
        let mut keys = tokens(pointer);
        let (first, second) = (keys.next().unwrap_or_default(), keys.next());
        let others = |tree: &Tree, key: &str| -> Vec<(SmolStr, Tree)> {
            tree.entries().iter().filter(|(have, _)| have != key).cloned().collect()
        };
        let mut all = others(&tree, &first);
        let inside = second.zip(tree.get(&first)).map(|(second, inside)| others(inside, &second));
        all.extend(inside.unwrap_or_default());
        all
    };
    rest(tree(before)) == rest(tree(after))
}

/// What comes from a Secret. The record has no value of these, so nobody can tell whether somebody changed one.
const SECRET: [&str; 2] = ["password", "username"];

/// The keys of an entry that kwo did not write, or not with this value; nothing where there are none.
fn beyond(entry: &Tree, own: &Tree) -> Option<Tree> {
    match (entry, own) {
        (Tree::Map(entries), Tree::Map(_)) => {
            let strange = entries.iter().filter_map(|(key, below)| {
                let keys = match own.get(key) {
                    Some(_) if SECRET.contains(&key.as_str()) => return None,
                    Some(own) => beyond(below, own)?,
                    None => keys(below),
                };
                Some((key.clone(), keys))
            });
            let strange = Tree::map(strange);
            (!strange.entries().is_empty()).then_some(strange)
        }
        _ => (entry != own).then(|| keys(entry)),
    }
}

/// A value with its keys alone.
fn keys(value: &Tree) -> Tree {
    match value {
        Tree::Map(entries) => Tree::map(entries.iter().map(|(key, below)| (key.clone(), keys(below)))),
        _ => Tree::Null,
    }
}

/// Writes the file as a step does: a copy in the archive, the write on record, the file in one step, the end on record.
fn written(
    root: &Path,
    id: &ResourceId,
    seen: Seen,
    text: String,
    change: impl FnOnce(&mut record::Entry),
) -> Result<(), Refusal> {
    let Seen { file, mut record } = seen;
    let place = path(id).map_err(refused)?;
    let failed = |astray: Astray| said(id, &astray);
    let hash = manifest::version(text.as_bytes());
    if text.as_bytes() != file.bytes {
        archive::keep(root, &place, &file.bytes).map_err(failed)?;
        record.entry(&id.name).begun = Some(hash.clone());
        record.save(root).map_err(failed)?;
        let owner = (file.meta.uid(), file.meta.gid());
        let next = Next { text: text.into(), mode: file.meta.mode() & MODE, owner };
        replace(root, &place, &next, Some(&file)).map_err(failed)?;
    }
    let entry = record.entry(&id.name);
    change(entry);
    (entry.written, entry.begun) = (Some(hash), None);
    record.save(root).map_err(failed)
}

fn said(id: &ResourceId, why: &dyn std::fmt::Display) -> Refusal {
    refused(format!("/{}: {why}", id.name))
}

fn by_hand(id: &ResourceId) -> Refusal {
    refused(format!("{id} holds more than what leaves, so a person has to edit it"))
}
