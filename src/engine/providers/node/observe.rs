//! What is in the files: every wanted one, cut down to the wanted parts, and whether the other files that kwo wrote
//! exist. Other content of a file, above all secrets of others, does not leave this file.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use kwo_planner::compare::compare;
use kwo_planner::node::{K3S_CONFIG, NodeKind};
use kwo_planner::observed::{FIELD_MANAGER, MARK, Observed, Owner, Place, Present, Sighting};
use kwo_planner::resource::{Desired, Resource, ResourceId};
use kwo_planner::tree::{SmolStr, Tree, join};
use smol_str::format_smolstr;

use super::file::{File, path, read};
use super::record::{Entry, Record};
use super::{node_name, theirs, told};
use crate::providers::documents::change;
use crate::providers::manifest;
use crate::secrets::Vault;

/// Where k3s is told the node's name.
const NODE_NAME: &str = "/content/node-name";

/// Looks at all files.
pub(super) fn files(root: &Path, vault: &Vault, desired: &Desired) -> Observed {
    let mut observed = Observed::default();
    let record = Record::load(root);
    let wanted = desired.resources().iter().filter(|have| have.id.node_kind() == Some(NodeKind::File));
    for resource in wanted {
        let sighting = match &record {
            Err(why) => Sighting::Unknown { why: why.as_str().into() },
            Ok(record) => look(root, vault, record, &resource.id, Some(resource)),
        };
        observed.insert(resource.id.clone(), sighting);
    }
    for name in record.iter().flat_map(Record::names) {
        let id = ResourceId::node(NodeKind::File, name.clone());
        if desired.get(&id).is_none()
            && let Ok(record) = &record
        {
            let sighting = look(root, vault, record, &id, None);
            if let Some(whole) = record.get(name).and_then(|entry| left(root, entry, &id)) {
                let file = format_smolstr!("{}/{name}", super::file::root(root));
                let place = if whole { Place::Alone(file) } else { Place::Among(file) };
                observed.reach.places.insert(id.clone(), place);
                observed.insert(id, sighting);
            } else if sighting == Sighting::Absent {
                observed.insert(id, sighting);
            }
        }
    }
    observed
}

/// Is anything of what kwo wrote still in a file that nobody wants, and nothing else? Nothing where kwo's part is gone.
/// Of a file that cannot be read nobody knows that.
fn left(root: &Path, entry: &Entry, id: &ResourceId) -> Option<bool> {
    let sets = id.shape().map(|shape| shape.sets).unwrap_or_default();
    let wrote = written(entry).unwrap_or_else(|| Tree::map::<SmolStr>([]));
    let content = match path(id).map(|path| read(root, &path)) {
        Ok(Ok(Some(file))) => file.content(&wrote, sets),
        _ => return Some(false),
    };
    let Ok(content) = content else { return Some(false) };
    let whole = Tree::map([("content", content.clone())]);
    let kept = fields(&wrote, &whole, "", sets);
    // A set without an entry is none.
    let set = |pointer: &str| sets.iter().any(|set| set.replace('/', "/f:") == pointer);
    let leaf = |(pointer, _): (String, Tree)| pointer.starts_with("/f:content/") && !set(&pointer);
    let leaves = kept.leaves().into_iter().any(leaf);
    leaves.then(|| wrote.get("content") == Some(&content))
}

/// What kwo wrote into a file.
fn written(entry: &Entry) -> Option<Tree> {
    entry.wrote.as_ref()?.get("content").map(|content| Tree::map([("content", content.clone())]))
}

fn look(root: &Path, vault: &Vault, record: &Record, id: &ResourceId, wanted: Option<&Resource>) -> Sighting {
    let unknown =
        |why: &dyn std::fmt::Display| Sighting::Unknown { why: format_smolstr!("/{}: {why}", id.name) };
    let file = match path(id).map(|path| read(root, &path)) {
        Err(why) => return unknown(&why),
        Ok(Err(astray)) => return unknown(&astray),
        Ok(Ok(file)) => file,
    };
    let told = match wanted.map(|wanted| told::told(root, wanted, file.as_ref())).transpose() {
        Err(why) => return Sighting::Unknown { why: why.into() },
        Ok(told) => told.unwrap_or_default(),
    };
    let named =
        wanted.filter(|_| id.name == K3S_CONFIG).and_then(|wanted| wanted.body.at(NODE_NAME)?.as_text());
    let joined =
        named.and_then(|_| node_name::name(root)).filter(|joined| named.is_some_and(|named| named != joined));
    match (file, joined) {
        (None, Some(joined)) => unknown(&format_args!(
            "the node has joined its cluster as `{joined}`, which cannot be changed; give it this name in the roster"
        )),
        (None, None) => Sighting::Absent,
        (Some(file), joined) => match present((root, vault, record), id, wanted, &file, (told, joined)) {
            Ok(present) => Sighting::Present(present),
            Err(why) => unknown(&why),
        },
    }
}

fn present(
    (root, vault, record): (&Path, &Vault, &Record),
    id: &ResourceId,
    wanted: Option<&Resource>,
    file: &File,
    (told, joined): (BTreeMap<SmolStr, Tree>, Option<String>),
) -> Result<Present, String> {
    let hash = manifest::version(&file.bytes);
    let entry = record.get(&id.name).filter(|entry| entry.covers(&hash));
    let sets = id.shape().map(|shape| shape.sets).unwrap_or_default();
    let owner = file.owner(root).map_err(|error| error.to_string())?;
    // Of a file that nobody wants, what kwo wrote in it may still be in force.
    let content = match (wanted, entry.and_then(written)) {
        (Some(wanted), _) => file.content(&wanted.body, sets)?,
        // One that cannot be read is left over all the same.
        (None, Some(wrote)) => file.content(&wrote, sets).unwrap_or(Tree::Null),
        (None, None) => Tree::Null,
    };
    let mut whole =
        Tree::map([("content", content), ("mode", Tree::from(file.mode())), ("owner", Tree::from(owner))]);
    for (key, value) in told {
        whole = whole.with(&join("/content", &key), value);
    }
    if let (None, Some(joined)) = (whole.at(NODE_NAME), joined) {
        // It has a name already, though this file does not say so.
        whole = whole.with(NODE_NAME, Tree::from(joined));
    }
    let owners = entry.map_or_else(Vec::new, |entry| owners(entry, &hash, file, &whole, sets));
    let seen = match wanted {
        Some(wanted) => cut(&redacted(vault, wanted, whole.clone()), &wanted.body),
        None => Tree::map::<SmolStr>([]),
    };
    if let (Some(wanted), Some(shape)) = (wanted, id.shape()) {
        // What cannot be put right without harm to what is not kwo's is known before anything is done.
        let differences = compare(&wanted.body, &seen, shape);
        theirs::untouched(id, &wanted.body, &whole, entry, &differences)?;
        told::edited(id, file, differences.iter().map(change))?;
    }
    let mark = entry.map(|_| (MARK.0, Tree::from(MARK.1)));
    let body = seen.with("/metadata", Tree::map([("labels", Tree::map(mark))]));
    Ok(Present { body, version: file.version(), owners: owners.into(), deleting: None })
}

/// The file with what stands for the secrets in it.
fn redacted(vault: &Vault, wanted: &Resource, whole: Tree) -> Tree {
    let mut redacted = whole;
    for secret in &wanted.secrets {
        // Where the place is not a place but a value, the value may be the secret.
        let ends =
            secret.pointer.char_indices().filter(|(at, char)| *at > 0 && *char == '/').map(|(at, _)| at);
        let value = |at: &usize| {
            redacted.at(&secret.pointer[..*at]).is_some_and(|part| !matches!(part, Tree::Map(_)))
        };
        let here = ends.clone().find(value).unwrap_or(secret.pointer.len());
        let pointer = &secret.pointer[..here];
        if let Some(found) = redacted.at(pointer) {
            let bytes = found.as_text().map_or_else(|| found.to_string(), ToString::to_string);
            redacted = redacted.with(pointer, vault.seen(&wanted.id, pointer, bytes.as_bytes()));
        }
    }
    redacted
}

/// What is wanted of what was found: the same keys, with the values found.
fn cut(found: &Tree, wanted: &Tree) -> Tree {
    match (found, wanted) {
        (Tree::Map(_), Tree::Map(wanted)) => Tree::map(
            wanted.iter().filter_map(|(key, wanted)| Some((key.clone(), cut(found.get(key)?, wanted)))),
        ),
        _ => found.clone(),
    }
}

/// Who wrote what: kwo what is on record and still there; somebody else what is no longer as kwo left it.
fn owners(entry: &Entry, hash: &str, file: &File, whole: &Tree, sets: &[&str]) -> Vec<Owner> {
    let nothing = Tree::map::<SmolStr>([]);
    let wrote = entry.wrote.as_ref().unwrap_or(&nothing);
    let mut changed = Vec::new();
    if !entry.is_own(hash) {
        changed.push(("f:content", nothing.clone()));
    }
    for (part, field) in [("mode", "f:mode"), ("owner", "f:owner")] {
        if wrote.get(part).is_some_and(|wrote| whole.get(part) != Some(wrote)) {
            changed.push((field, nothing.clone()));
        }
    }
    let own = Owner { manager: FIELD_MANAGER.into(), when: None, fields: fields(wrote, whole, "", sets) };
    let mut owners = vec![own];
    if !changed.is_empty() {
        let when = file.meta.modified().ok().and_then(|time| Timestamp::try_from(time).ok());
        let when = when.map(|time| format_smolstr!("{time:.0}"));
        owners.push(Owner { manager: "somebody else".into(), when, fields: Tree::map(changed) });
    }
    owners
}

/// The field set of what kwo wrote, as far as it is still there.
fn fields(wrote: &Tree, found: &Tree, pointer: &str, sets: &[&str]) -> Tree {
    if sets.contains(&pointer) {
        let left = wrote.items().iter().filter(|entry| found.items().contains(entry));
        return Tree::map(left.map(|entry| (format_smolstr!("v:{entry}"), Tree::map::<SmolStr>([]))));
    }
    Tree::map(wrote.entries().iter().filter_map(|(key, below)| {
        let here = join(pointer, key);
        Some((format_smolstr!("f:{key}"), fields(below, found.get(key)?, &here, sets)))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_wanted_comes_out() {
        let tree = |json: &str| serde_json::from_str::<Tree>(json).unwrap();
        let found = tree(r#"{"content":{"a":{"x":"1","password":"p"},"b":["2"],"c":"3"},"mode":"0644"}"#);
        let wanted = tree(r#"{"content":{"a":{"x":"9"},"b":["2"],"d":"4"},"mode":"0600"}"#);
        let seen = cut(&found, &wanted).to_string();
        assert_eq!(seen, r#"{"content":{"a":{"x":"1"},"b":["2"]},"mode":"0644"}"#);
    }

    #[test]
    fn fields_are_those_that_are_still_there() {
        let tree = |json: &str| serde_json::from_str::<Tree>(json).unwrap();
        let wrote = tree(r#"{"content":{"tls-san":["a","b"],"x":{"y":"1","z":"2"}}}"#);
        let found = tree(r#"{"content":{"tls-san":["b","c"],"x":{"y":"7"}}}"#);
        let fields = fields(&wrote, &found, "", &["/content/tls-san"]);
        assert_eq!(fields.to_string(), r#"{"f:content":{"f:tls-san":{"v:\"b\"":{}},"f:x":{"f:y":{}}}}"#);
    }
}
