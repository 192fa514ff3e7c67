//! Which entries of `registries.yaml` are somebody else's, though the roster asks for one of the same name. Such an entry is
//! never changed: not as drift, and a mirror not even when the file is adopted.

use kwo_planner::compare::Difference;
use kwo_planner::node::K3S_REGISTRIES;
use kwo_planner::resource::ResourceId;
use kwo_planner::tree::{Tree, is_below, join};

use super::record::Entry;

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
    // Whoever adopts the file hands over the logins that the roster names: those of the cluster's own registry are in it.
    let parts = [("mirrors", "mirror", true), ("configs", "entry", entry.is_some())];
    for (part, what, _) in parts.into_iter().filter(|(.., counts)| *counts) {
        let place = join("/content", part);
        for (name, _) in wanted.at(&place).map(Tree::entries).unwrap_or_default() {
            let here = join(&place, name);
            let wrote = entry.and_then(|entry| entry.wrote.as_ref());
            let own = wrote.is_some_and(|wrote| wrote.at(&here).is_some());
            let differs = differences.iter().any(|difference| is_below(pointer(difference), &here));
            if !own && differs && found.at(&here).is_some_and(says_something) {
                return Err(format!(
                    "its {what} `{name}` under `{part}` is somebody else's and not what the roster says, so kwo \
                     changes nothing in the file; take it out there, or make the roster say the same"
                ));
            }
        }
    }
    Ok(())
}

fn pointer(difference: &Difference) -> &str {
    match difference {
        Difference::Missing { pointer, .. } | Difference::Other { pointer, .. } => pointer,
    }
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
