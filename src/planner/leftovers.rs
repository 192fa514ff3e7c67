//! What kwo once made or wrote and the roster no longer asks for: whole objects, single fields, entries of sets.
//! Only ever reported, each with the command by which a person removes it.

use crate::access;
use crate::change::Leftover;
use crate::kinds::{IsOurs, Shape, matches_any};
use crate::node::{NodeKind, kubeconfig_files};
use crate::observed::{FIELD_MANAGER, Owner, Present, Sighting, TENANT_LABEL};
use crate::resource::{Resource, ResourceId};
use crate::tree::{SmolStr, Tree, join};

/// An object that carries kwo's mark and that the roster does not want.
#[must_use]
pub fn left_over(id: &ResourceId, sighting: &Sighting) -> Option<Leftover> {
    let Sighting::Present(present) = sighting else { return None };
    if !present.is_marked() || present.deleting.is_some() {
        return None;
    }
    let grants = access::sentences(id, &present.body, "is still");
    Some(Leftover {
        id: id.clone(),
        pointer: None,
        value: None,
        tenant: tenant(present),
        grants: (!grants.is_empty()).then(|| grants.join("; ").into()),
        command: command(id, "delete", "").into(),
    })
}

/// What is left over in an object that is still wanted.
pub fn left_in(resource: &Resource, present: &Present, leftovers: &mut Vec<Leftover>) {
    if !present.is_marked() || present.deleting.is_some() {
        return;
    }
    let Some(shape) = resource.id.shape() else { return };
    for owner in present.owners.iter().filter(|owner| owner.manager == FIELD_MANAGER) {
        fields(resource, present, shape, &owner.fields, &resource.body, "", leftovers);
    }
    for set in shape.sets {
        entries(resource, present, set, leftovers);
    }
    for (pattern, is_ours) in shape.ours {
        for (place, wanted) in places(shape, pattern, &resource.body, &present.body) {
            // Of a list that has one owner as a whole, what the last writer left is the last writer's.
            let other = |owner: &Owner| owner.manager != FIELD_MANAGER;
            if place != *pattern && present.writer(&place).is_none_or(other) {
                continue;
            }
            ours(resource, present, shape, (&place, wanted), *is_ours, leftovers);
        }
    }
}

/// The places in what was seen that a pattern leads to, each with what is wanted there. `*` stands for an entry of a list
/// with keys that is wanted: what others have beside it is not kwo's.
fn places<'w>(
    shape: &Shape,
    pattern: &str,
    wanted: &'w Tree,
    found: &Tree,
) -> Vec<(String, Option<&'w Tree>)> {
    let Some((list, rest)) = pattern.split_once("/*") else {
        return vec![(pattern.to_owned(), wanted.at(pattern))];
    };
    let Some(key) = shape.key(list) else { return Vec::new() };
    let entries = wanted.at(list).map(Tree::items).unwrap_or_default();
    let found = found.at(list).map(Tree::items).unwrap_or_default().iter().enumerate();
    found
        .filter_map(|(at, there)| {
            let entry = entries.iter().find(|entry| key.same(entry, there))?;
            Some((format!("{list}/{at}{rest}"), entry.at(rest)))
        })
        .collect()
}

/// What looks like what kwo writes at one place and is not wanted.
fn ours(
    resource: &Resource,
    present: &Present,
    shape: &Shape,
    (place, wanted): (&str, Option<&Tree>),
    is_ours: IsOurs,
    leftovers: &mut Vec<Leftover>,
) {
    let found = present.body.at(place);
    for (name, value) in found.map(Tree::entries).unwrap_or_default() {
        let here = join(place, name);
        // A directory knows who wrote it, so it is told already.
        let told = leftovers
            .iter()
            .any(|left| left.id == resource.id && left.pointer.as_deref() == Some(here.as_str()));
        if is_ours(&Tree::from(name)) && wanted.is_none_or(|wanted| wanted.get(name).is_none()) && !told {
            leftovers.push(field(resource, present, &here, Some(value.clone()), None));
        }
    }
    let Some(key) = shape.key(place) else { return };
    let wanted = wanted.map(Tree::items).unwrap_or_default();
    for (at, entry) in found.map(Tree::items).unwrap_or_default().iter().enumerate() {
        if is_ours(entry) && !wanted.iter().any(|wanted| key.same(wanted, entry)) {
            leftovers.push(field(resource, present, &format!("{place}/{at}"), Some(entry.clone()), None));
        }
    }
}

/// Fields that kwo wrote and that are not wanted.
fn fields(
    resource: &Resource,
    present: &Present,
    shape: &Shape,
    written: &Tree,
    wanted: &Tree,
    pointer: &str,
    leftovers: &mut Vec<Leftover>,
) {
    for (key, below) in written.entries() {
        let Some(name) = key.strip_prefix("f:") else { continue };
        match wanted.get(name) {
            Some(wanted) if matches!(wanted, Tree::Map(_)) && !below.entries().is_empty() => {
                let here = join(pointer, name);
                if !matches_any(shape.whole, &here) {
                    fields(resource, present, shape, below, wanted, &here, leftovers);
                }
            }
            Some(_) => {}
            // Nobody can take back what cannot be changed: the name of a node, say.
            None if matches_any(shape.immutable, &join(pointer, name)) => {}
            None if shape.is_filled(&join(pointer, name)) => {}
            None => {
                let here = join(pointer, name);
                let value = present.body.at(&here).cloned();
                leftovers.push(field(resource, present, &here, value, None));
            }
        }
    }
}

/// Entries of a set that nobody asks for. Those of an object are listed whoever added them: it says that it is kwo's.
/// A file is shared with others, so of its entries only those that kwo wrote.
fn entries(resource: &Resource, present: &Present, set: &str, leftovers: &mut Vec<Leftover>) {
    let wanted = resource.body.at(set).map(Tree::items).unwrap_or_default();
    for (at, entry) in present.body.at(set).map(Tree::items).unwrap_or_default().iter().enumerate() {
        let counts = resource.id.node_kind().is_none() || present.kwo_added(set, entry);
        if !wanted.contains(entry) && counts {
            let grants = access::sentence(&resource.id, &present.body, entry, "is still");
            let pointer = format!("{set}/{at}");
            leftovers.push(field(resource, present, &pointer, Some(entry.clone()), grants));
        }
    }
}

fn field(
    resource: &Resource,
    present: &Present,
    pointer: &str,
    value: Option<Tree>,
    grants: Option<String>,
) -> Leftover {
    let remove = Tree::map([("op", Tree::from("remove")), ("path", Tree::from(pointer.to_owned()))]);
    let mut operations = Vec::new();
    if let Some(value) = &value {
        operations.push(Tree::map([
            ("op", Tree::from("test")),
            ("path", Tree::from(pointer.to_owned())),
            ("value", value.clone()),
        ]));
    }
    operations.push(remove);
    let patch = quoted(&Tree::list(operations).to_string());
    // In a text no patch can remove a part.
    let within = resource.id.shape().is_some_and(|shape| shape.is_in_document(pointer));
    let command = match within {
        true => command(&resource.id, "edit", ""),
        false => command(&resource.id, "patch", &format!(" --type=json --patch={patch}")),
    };
    Leftover {
        id: resource.id.clone(),
        pointer: Some(pointer.into()),
        value,
        tenant: tenant(present),
        grants: grants.map(SmolStr::from),
        command: command.into(),
    }
}

fn command(id: &ResourceId, verb: &str, options: &str) -> String {
    match id.node_kind() {
        // The file may hold what others need, and only an editor keeps its comments.
        Some(NodeKind::File) => return format!("sudoedit {}", quoted_if_needed(&format!("/{}", id.name))),
        Some(NodeKind::Kubeconfig) => {
            let files = kubeconfig_files(&id.name).map(|file| quoted_if_needed(&format!("/{file}")));
            return format!("sudo rm {}", files.join(" "));
        }
        Some(NodeKind::Restart) | None => {}
    }
    let resource = id.known_kind().map_or_else(|| id.kind.to_lowercase(), |kind| kind.plural().to_owned());
    let namespace = if id.scope.is_empty() { String::new() } else { format!(" --namespace={}", id.scope) };
    format!("kubectl {verb} {resource} {}{namespace}{options}", quoted_if_needed(&id.name))
}

fn quoted_if_needed(word: &str) -> String {
    let plain = |char: char| char.is_ascii_alphanumeric() || "-_.:@/".contains(char);
    if !word.is_empty() && word.chars().all(plain) { word.to_owned() } else { quoted(word) }
}

/// In single quotes, as a POSIX shell takes them.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn tenant(present: &Present) -> SmolStr {
    present.label(TENANT_LABEL).cloned().unwrap_or_default()
}
