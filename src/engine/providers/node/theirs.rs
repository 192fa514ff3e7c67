//! Which entries of `registries.yaml` are somebody else's, though the roster asks for one of the same name. Such an entry is
//! never changed: not as drift, and a mirror not even when the file is adopted. What is kwo's is on record by the entry.

use kwo_planner::change::{Change, Step};
use kwo_planner::compare::Difference;
use kwo_planner::node::K3S_REGISTRIES;
use kwo_planner::resource::ResourceId;
use kwo_planner::tree::{SmolStr, Tree, is_below, join};

use super::record::Entry;
use crate::yaml;

const MIRRORS: &str = "/content/mirrors";
const CONFIGS: &str = "/content/configs";

/// Says which entry of others the differences would change.
pub(super) fn untouched(
    id: &ResourceId,
    wanted: &Tree,
    found: &Tree,
    entry: Option<&Entry>,
    differences: &[Difference],
) -> Result<(), String> {
    if id.name != K3S_REGISTRIES {
        return Ok(());
    }
    let wrote = entry.and_then(|entry| entry.wrote.as_ref());
    let is_own = |place: &str| wrote.is_some_and(|wrote| wrote.at(place).is_some());
    let differs = |place: &str| differences.iter().any(|have| is_below(have.pointer(), place));
    let says = |place: &str| found.at(place).is_some_and(says_something);
    let held = |what: &str, part: &str, name: &str| {
        Err(format!(
            "its {what} `{name}` under `{part}` is somebody else's and not what the roster says, so kwo changes nothing \
             in the file; take it out there, or make the roster say the same"
        ))
    };
    for (name, _) in entries(wanted, MIRRORS) {
        let here = join(MIRRORS, name);
        if !is_own(&here) && differs(&here) && says(&here) {
            return held("mirror", "mirrors", name);
        }
    }
    // Whoever adopts the file hands over the logins that the roster names: those of the cluster's own registry are in it.
    let configs = if entry.is_some() { entries(wanted, CONFIGS) } else { &[] };
    for (name, _) in configs {
        let here = join(CONFIGS, name);
        if !is_own(&here) && differences.iter().any(|have| changes(have, &here, found)) {
            return held("entry", "configs", name);
        }
    }
    Ok(())
}

/// Would it change something that is there in this entry? A file of a CA stands beside a login, and both go on; half a
/// login is of no use to anybody.
fn changes(difference: &Difference, here: &str, found: &Tree) -> bool {
    let (auth, pointer) = (join(here, "auth"), difference.pointer());
    let place = if is_below(pointer, &auth) { &auth } else { pointer };
    is_below(pointer, here) && found.at(place).is_some_and(says_something)
}

/// What goes on record as kwo's of what a step wants: of the entries that others have, too, those that it changes. Whoever
/// adopts a file hands over its logins.
pub(super) fn own(step: &Step, adopts: bool) -> Tree {
    if step.id.name != K3S_REGISTRIES || step.changes.contains(&Change::Create) {
        return step.wanted.clone();
    }
    let changed = |place: &str| {
        let pointers = step.changes.iter().filter_map(Change::pointer);
        pointers.into_iter().any(|pointer| is_below(pointer, place) || is_below(place, pointer))
    };
    let mirrors = of(&step.wanted, MIRRORS, |here, value| changed(here).then(|| value.clone()));
    let configs = of(&step.wanted, CONFIGS, |here, value| (adopts || changed(here)).then(|| value.clone()));
    with(&step.wanted, mirrors, configs)
}

/// What stays on record of the entries: those that the file still has. One that somebody makes later is theirs.
pub(super) fn kept(id: &ResourceId, wrote: Tree, text: &str) -> Tree {
    if id.name != K3S_REGISTRIES {
        return wrote;
    }
    let Some(content) = yaml::documents(text).ok().and_then(|mut documents| documents.pop()) else {
        return wrote;
    };
    let file = Tree::map([("content", content.tree().clone())]);
    let still = |here: &str, value: &Tree| file.at(here).map(|there| both(value, there));
    let (mirrors, configs) = (of(&wrote, MIRRORS, still), of(&wrote, CONFIGS, still));
    with(&wrote, mirrors, configs)
}

/// The value without the keys that are not there.
fn both(value: &Tree, there: &Tree) -> Tree {
    match (value, there) {
        (Tree::Map(entries), Tree::Map(_)) => Tree::map(
            entries.iter().filter_map(|(key, below)| Some((key.clone(), both(below, there.get(key)?)))),
        ),
        _ => value.clone(),
    }
}

fn entries<'t>(tree: &'t Tree, place: &str) -> &'t [(SmolStr, Tree)] {
    tree.at(place).map(Tree::entries).unwrap_or_default()
}

/// What this makes of each entry there.
fn of(tree: &Tree, place: &str, make: impl Fn(&str, &Tree) -> Option<Tree>) -> Vec<(SmolStr, Tree)> {
    let made = |(name, value): &(SmolStr, Tree)| Some((name.clone(), make(&join(place, name), value)?));
    entries(tree, place).iter().filter_map(made).collect()
}

/// The same with other mirrors and logins. Where nothing is left there is no key.
fn with(tree: &Tree, mirrors: Vec<(SmolStr, Tree)>, configs: Vec<(SmolStr, Tree)>) -> Tree {
    let parts = ["mirrors", "configs"];
    let rest = entries(tree, "/content").iter().filter(|(key, _)| !parts.contains(&key.as_str()));
    let both = parts.into_iter().zip([mirrors, configs]).filter(|(_, entries)| !entries.is_empty());
    let both = both.map(|(key, entries)| (SmolStr::new_static(key), Tree::map(entries)));
    let content: Vec<_> = rest.cloned().chain(both).collect();
    let content = (!content.is_empty()).then(|| ("content".into(), Tree::map(content)));
    let others = tree.entries().iter().filter(|(key, _)| key != "content").cloned();
    Tree::map(others.chain(content))
}

/// Is there a value anywhere in it?
fn says_something(found: &Tree) -> bool {
    match found {
        Tree::Null => false,
        Tree::Map(entries) => entries.iter().any(|(_, below)| says_something(below)),
        Tree::List(items) => items.iter().any(says_something),
        Tree::Bool(_) | Tree::Number(_) | Tree::Text(_) => true,
    }
}
