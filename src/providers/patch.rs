//! The changes of a step, made to an object that is at hand: for systems that take whole objects only.

use kwo_planner::change::Change;
use kwo_planner::tree::Tree;

/// The object with the changes made, by the rules of a JSON patch: what something is added to has to be there, and so
/// has what is replaced.
pub(super) fn changed(object: &Tree, changes: &[Change]) -> Result<Tree, String> {
    let mut object = object.clone();
    for change in changes {
        let (pointer, value) = match change {
            Change::Create => return Err("a step that creates can do nothing else".to_owned()),
            Change::Extend { pointer, value, because: _ } => (pointer, value),
            Change::Revise { pointer, from: _, to, cause: _, tightens: _, because: _ } => {
                if object.at(pointer).is_none() {
                    return Err(format!("there is nothing at {pointer} to replace"));
                }
                (pointer, to)
            }
        };
        let (parent, key) = pointer.rsplit_once('/').unwrap_or_default();
        match object.at(parent) {
            Some(Tree::Map(_)) => {}
            Some(Tree::List(_)) if key == "-" || object.at(pointer).is_some() => {}
            _ => return Err(format!("there is nothing at {parent} to add to")),
        }
        object = object.with(pointer, value.clone());
    }
    Ok(object)
}
