//! One step, one file: a new file that never replaces another, or a changed one that replaces the old one in one
//! step. A reader always finds a complete file, the old one or the new one.

use std::fs;
use std::io;
use std::path::Path;

use kwo_planner::change::Step;
use kwo_planner::kinds::Kind;
use kwo_planner::plain::utf8;
use kwo_planner::tree::Tree;

use super::layout::file;
use crate::providers::atomic_file::{Astray, inside, replace, settle, temporary};
use crate::providers::documents::{self, document_of, fold, fold_part};
use crate::providers::{Refusal, manifest};
use crate::regular;
use crate::yaml::{Edit, edit};

/// The mode of new folders; the umask takes away from it.
const FOLDERS: u32 = 0o777;

/// Does one step.
pub(super) fn write(root: &Path, step: &Step) -> Result<(), Refusal> {
    let file = file(&step.id).map_err(refused)?;
    let said = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => Refusal::Changed { why: format!("{} exists", file.display()) },
        io::ErrorKind::NotFound => Refusal::Changed { why: format!("{} is gone", file.display()) },
        _ => Refusal::Refused { why: format!("{}: {error}", file.display()) },
    };
    let astray = |astray: Astray| match astray {
        Astray::Link(why) => refused(why),
        Astray::Io(error) => said(error),
    };
    if step.creates() {
        fs::create_dir_all(root).map_err(said)?;
        let path = inside(root, &file, Some(FOLDERS)).map_err(astray)?;
        let object = fold(kind(step)?, step.wanted.clone()).map_err(refused)?;
        let text = manifest::write(&object).map_err(refused)?;
        let made = temporary(&path, &text, None).map_err(said)?;
        made.persist_noclobber(&path).map_err(|error| said(error.error))?;
        return settle(&path).map_err(said);
    }

    let path = inside(root, &file, None).map_err(astray)?;
    let bytes = regular::read(&path).map_err(said)?;
    if step.seen.as_ref().is_none_or(|seen| seen.0 != manifest::version(&bytes)) {
        return Err(Refusal::Changed { why: format!("{} has other content now", file.display()) });
    }
    let text = utf8(&bytes).map_err(|why| refused(format!("{}: {why}", file.display())))?;
    let changes = step.changes.iter().filter_map(|change| Some((change.pointer()?, change.value()?)));
    let text = edited(text, kind(step)?, changes).map_err(refused)?;
    let mode = fs::metadata(&path).map_err(said)?.permissions();
    replace(&path, &text, Some(mode)).map_err(said)
}

/// The text of a manifest with these changes in it, and all else as it is.
pub(super) fn edited<'a>(
    text: &str,
    kind: Kind,
    changes: impl IntoIterator<Item = (&'a str, &'a Tree)>,
) -> Result<String, String> {
    let documents = manifest::read(text)?;
    let [object] = documents.as_slice() else { return Err("it does not hold one object".to_owned()) };
    let (inside, beside): (Vec<_>, Vec<_>) =
        changes.into_iter().partition(|(pointer, _)| document_of(kind, pointer).is_some());
    let mut edits = Vec::new();
    for (pointer, value) in beside {
        let (parent, key) = pointer.rsplit_once('/').unwrap_or_default();
        match object.at(parent) {
            Some(Tree::Map(_)) => {}
            Some(Tree::List(_)) if key == "-" || object.at(pointer).is_some() => {}
            _ => return Err(format!("there is nothing at {parent} to add to")),
        }
        edits.push(Edit { pointer: pointer.to_owned(), value: fold_part(kind, pointer, value.clone())? });
    }
    for (pointer, value) in documents::edited(kind, object, inside)? {
        edits.push(Edit { pointer: pointer.to_owned(), value });
    }
    Ok(edit(text, false, &edits)?)
}

fn kind(step: &Step) -> Result<Kind, Refusal> {
    step.id
        .known_kind()
        .filter(|kind| *kind != Kind::Secret)
        .ok_or_else(|| refused(format!("a {} is not written to a directory", step.id.kind)))
}

fn refused(why: impl Into<String>) -> Refusal {
    Refusal::Refused { why: why.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_a_manifest_and_in_the_text_within_it_all_else_stays() {
        let text = "# theirs\nkind: HelmChartConfig\nmetadata:\n  labels: {tier: 007}\nspec:\n  valuesContent: |-\n    \
                    ingressRoute:\n      dashboard:\n        enabled: no # closed\n    build: 0123456\n";
        let flags = Tree::texts(["--a.b=on"]);
        let changes = [
            ("/metadata/labels/kwo.dev~1x", &Tree::from("yes")),
            ("/spec/valuesContent/additionalArguments", &flags),
        ];
        let right = text.replace("{tier: 007}", "{tier: 007, kwo.dev/x: \"yes\"}")
            + "    additionalArguments:\n      - \"--a.b=on\"\n";
        assert_eq!(edited(text, Kind::HelmChartConfig, changes).unwrap(), right);
    }
}
