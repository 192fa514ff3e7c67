//! What all files together tell k3s: after `config.yaml` it reads those of `config.yaml.d`, in order. A key there
//! overrides the same key before it, and a key that ends in `+` adds to it. So kwo compares the roster with the final
//! result. If a later file would override what kwo writes, kwo writes nothing.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use kwo_planner::node::{APISERVER_ARGS, K3S_CONFIG};
use kwo_planner::resource::{Resource, ResourceId};
use kwo_planner::tree::{SmolStr, Tree, join, tokens};

use super::file::{File, read};
use crate::providers::atomic_file::{Astray, in_root};
use crate::yaml::{Edit, edit};

const MORE: &str = "etc/rancher/k3s/config.yaml.d";

/// One file's word on a key.
struct Word {
    place: PathBuf,
    adds: bool,
    value: Tree,
}

/// The values of the wanted keys as k3s has them in the end, by their keys; or why what is wanted would do harm, or have
/// no effect, beside all that k3s is told.
pub(super) fn told(
    root: &Path,
    wanted: &Resource,
    file: Option<&File>,
) -> Result<BTreeMap<SmolStr, Tree>, String> {
    let mut values = BTreeMap::new();
    if wanted.id.name != K3S_CONFIG {
        return Ok(values);
    }
    let own = file.map_or(Ok(Vec::new()), |file| words(Path::new(K3S_CONFIG), file))?;
    let mut later = Vec::new();
    for place in files(root).map_err(|error| format!("/{MORE}: {error}"))? {
        let said = |why: &dyn std::fmt::Display| format!("/{}: {why}", place.display());
        if let Some(file) = read(root, &place).map_err(|astray| said(&astray))? {
            later.extend(words(&place, &file)?);
        }
    }
    let mut without_effect = Vec::new();
    let entries = wanted.body.get("content").map(Tree::entries).unwrap_or_default();
    for (key, want) in entries {
        let of = |words: &'_ [(SmolStr, Word)]| -> Vec<(PathBuf, bool, Tree)> {
            let own = words.iter().filter(|(have, _)| have == key);
            own.map(|(_, word)| (word.place.clone(), word.adds, word.value.clone())).collect()
        };
        let (own, later) = (of(&own), of(&later));
        harmless(wanted, key, own.iter().filter(|(_, adds, _)| *adds).chain(&later))?;
        let before = value(None, &own);
        let now = value(before.clone(), &later);
        if !is_said(now.as_ref(), want) {
            let written = match want {
                Tree::List(items) => {
                    Tree::list(all(before.as_ref()).into_iter().chain(items.iter().cloned()))
                }
                single => single.clone(),
            };
            if !is_said(value(Some(written), &later).as_ref(), want) {
                without_effect.push(beaten(key, want, &later));
                continue;
            }
        }
        // What comes later counts where it already says what is wanted; otherwise this file has to.
        let seen = if is_said(now.as_ref(), want) { now } else { before };
        let seen = seen.and_then(|seen| match want {
            Tree::List(_) => Some(Tree::list(all(Some(&seen)))),
            _ => all(Some(&seen)).pop(),
        });
        values.extend(seen.map(|seen| (key.clone(), seen)));
    }
    if without_effect.is_empty() { Ok(values) } else { Err(without_effect.join("; ")) }
}

/// Which file beats what kwo writes.
fn beaten(key: &str, want: &Tree, later: &[(PathBuf, bool, Tree)]) -> String {
    let list = matches!(want, Tree::List(_));
    let beats = later.iter().rfind(|(_, adds, _)| !list || !adds);
    let (place, plus) = beats.map_or((MORE.into(), ""), |(place, adds, _)| {
        (place.display().to_string(), if *adds { "+" } else { "" })
    });
    let instead = match list {
        true => format!("write it there as `{key}+`"),
        false => "delete it there, or make the roster say the same".to_owned(),
    };
    format!("/{place}: its `{key}{plus}` overrides what kwo writes to /{K3S_CONFIG}; {instead}")
}

/// May what is wanted stand beside what others say of the key?
fn harmless<'w>(
    wanted: &Resource,
    key: &str,
    others: impl Iterator<Item = &'w (PathBuf, bool, Tree)>,
) -> Result<(), String> {
    if key != APISERVER_ARGS {
        return Ok(());
    }
    for (place, _, value) in others {
        let added = Tree::map([("content", Tree::map([(key, Tree::list(all(Some(value))))]))]);
        if let Some(why) = wanted.id.shape().and_then(|shape| shape.rival(&wanted.body, &added)) {
            return Err(format!("/{}: {why}", place.display()));
        }
    }
    Ok(())
}

/// The value that these words make of the one before.
fn value(before: Option<Tree>, words: &[(PathBuf, bool, Tree)]) -> Option<Tree> {
    words.iter().fold(before, |before, (_, adds, value)| match (&before, adds) {
        (Some(_), true) => Some(Tree::list(all(before.as_ref()).into_iter().chain(all(Some(value))))),
        _ => Some(value.clone()),
    })
}

/// Does the value say what is wanted? Of a setting that is there several times the last one counts.
fn is_said(value: Option<&Tree>, want: &Tree) -> bool {
    let said = all(value);
    match want {
        Tree::List(items) => items.iter().all(|item| said.contains(item)),
        single => said.last() == Some(single),
    }
}

/// The entries of a value as k3s takes them: texts, and a single value for a list of one.
fn all(value: Option<&Tree>) -> Vec<Tree> {
    let text = |value: &Tree| match value {
        Tree::Bool(_) | Tree::Number(_) => Tree::from(value.to_string()),
        other => other.clone(),
    };
    match value {
        None | Some(Tree::Null) => Vec::new(),
        Some(Tree::List(items)) => items.iter().map(text).collect(),
        Some(single) => vec![text(single)],
    }
}

/// What a file says, in its order, by the keys without their `+`.
fn words(place: &Path, file: &File) -> Result<Vec<(SmolStr, Word)>, String> {
    let (entries, _) = file.document().map_err(|why| format!("/{}: {why}", place.display()))?;
    let word = |(key, value): (SmolStr, Tree)| {
        let (key, adds) = key.strip_suffix('+').map_or((key.clone(), false), |key| (key.into(), true));
        (key, Word { place: place.to_owned(), adds, value })
    };
    Ok(entries.into_iter().map(word).collect())
}

/// The text of a file with these changes in it, and every other byte as it is.
pub(super) fn edited<'a>(
    id: &ResourceId,
    file: &File,
    changes: impl IntoIterator<Item = (&'a str, &'a Tree)>,
) -> Result<String, String> {
    let text = file.text()?;
    let own = if id.name == K3S_CONFIG { file.document()?.0 } else { Vec::new() };
    let is_there = |key: &str| own.iter().any(|(have, _)| have == key);
    let mut edits = Vec::new();
    for (pointer, value) in changes {
        let Some(pointer) = pointer.strip_prefix("/content").filter(|rest| rest.starts_with('/')) else {
            continue;
        };
        let key = tokens(pointer).next().unwrap_or_default();
        let adding = format!("{key}+");
        // Beside a key with `+` the plain one would take what that says away.
        let pointer = if !is_there(&key) && is_there(&adding) {
            let rest = pointer[1..].split_once('/').map(|(_, rest)| format!("/{rest}"));
            join("", &adding) + &rest.unwrap_or_default()
        } else {
            pointer.to_owned()
        };
        edits.push(Edit { pointer, value: value.clone() });
    }
    edit(text, false, &edits)
        .map_err(|why| format!("kwo cannot change it without changing other parts of it: {why}"))
}

/// The files that k3s reads there, in its order.
fn files(root: &Path) -> Result<Vec<PathBuf>, Astray> {
    // The folder is asked for as the parent of any file in it.
    let folder = match in_root(root, &Path::new(MORE).join("x"), None) {
        Ok(inside) => fs::read_dir(inside.parent().unwrap_or(&inside))?,
        Err(Astray::Io(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(astray) => return Err(astray),
    };
    let mut files = Vec::new();
    for entry in folder {
        let entry = entry?;
        let path = Path::new(MORE).join(entry.file_name());
        let ends = path
            .extension()
            .is_some_and(|end| end.eq_ignore_ascii_case("yaml") || end.eq_ignore_ascii_case("yml"));
        if ends && !entry.file_type()?.is_dir() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
