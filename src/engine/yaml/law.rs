//! The law of an edit: all that was not to change is there as it was, down to its style, and what was to change reads as
//! wanted by readers of both versions. Looks at the text before and after, and shares nothing with whoever wrote it.

use kwo_planner::tree::{SmolStr, Tree};

use super::node::{Node, Value};
use super::scalar;

/// Is the second document the first one with this value at the place that the tokens lead to?
pub(super) fn holds(before: Option<&Node>, after: &Node, tokens: &[SmolStr], wanted: &Tree) -> bool {
    let Some((token, rest)) = tokens.split_first() else { return reads(after, wanted) };
    match before {
        Some(before) if before.anchor != after.anchor || before.tag != after.tag => false,
        None => nested(after, tokens, wanted),
        Some(before) if before.is_null() => nested(after, tokens, wanted),
        Some(before) => match (&before.value, &after.value) {
            (Value::Map { entries: old, .. }, Value::Map { entries: new, .. }) => {
                let mut others: Vec<_> = new.iter().collect();
                let is_it = |(key, _): &&(Node, Node)| key.key().as_ref() == Some(token);
                let Some(at) = others.iter().position(is_it) else { return false };
                let (key, value) = others.remove(at);
                let was = old.iter().position(|(key, _)| key.key().as_ref() == Some(token));
                let stayed: Vec<_> = old.iter().enumerate().filter(|(at, _)| Some(*at) != was).collect();
                let key_stays = match was {
                    Some(was) => old.get(was).is_some_and(|(old, _)| same(old, key)),
                    None => reads(key, &Tree::from(token)),
                };
                let kept = stayed.len() == others.len()
                    && stayed
                        .iter()
                        .zip(&others)
                        .all(|((_, old), new)| same(&old.0, &new.0) && same(&old.1, &new.1));
                let was = was.and_then(|was| old.get(was)).map(|(_, value)| value);
                key_stays && kept && holds(was, value, rest, wanted)
            }
            (Value::List { items: old, .. }, Value::List { items: new, .. }) if token == "-" => {
                let Some((last, kept)) = new.split_last() else { return false };
                rest.is_empty() && all_same(old, kept) && reads(last, wanted)
            }
            (Value::List { items: old, .. }, Value::List { items: new, .. }) => {
                let Ok(index) = token.parse::<usize>() else { return false };
                let (Some(was), Some(is)) = (old.get(index), new.get(index)) else { return false };
                all_same(&old[..index], &new[..index])
                    && all_same(&old[index + 1..], &new[index + 1..])
                    && holds(Some(was), is, rest, wanted)
            }
            // One value that became a list of two.
            (Value::Scalar { .. }, Value::List { items, .. }) if token == "-" => {
                matches!(items.as_slice(), [first, second] if same(before, first) && reads(second, wanted))
            }
            _ => false,
        },
    }
}

/// Where nothing was: is there just this value now, with what it takes to get there?
fn nested(after: &Node, tokens: &[SmolStr], wanted: &Tree) -> bool {
    let Some((token, rest)) = tokens.split_first() else { return reads(after, wanted) };
    match &after.value {
        Value::List { items, .. } if token == "-" => {
            matches!(items.as_slice(), [item] if nested(item, rest, wanted))
        }
        Value::Map { entries, .. } => {
            matches!(entries.as_slice(), [(key, value)]
                if reads(key, &Tree::from(token)) && nested(value, rest, wanted))
        }
        _ => false,
    }
}

/// Do readers of both versions take it for this value?
fn reads(node: &Node, wanted: &Tree) -> bool {
    if node.anchor != 0 || node.tag.is_some() {
        return false;
    }
    match (&node.value, wanted) {
        (Value::Scalar { .. }, wanted) => {
            [scalar::old, scalar::new].into_iter().all(|read| node.scalar(read).as_ref() == Some(wanted))
        }
        (Value::List { items, .. }, Tree::List(wanted)) => {
            items.len() == wanted.len()
                && items.iter().zip(wanted.iter()).all(|(item, wanted)| reads(item, wanted))
        }
        (Value::Map { entries, .. }, Tree::Map(wanted)) => {
            entries.len() == wanted.len()
                && entries.iter().zip(wanted.iter()).all(|((key, value), (name, wanted))| {
                    reads(key, &Tree::from(name)) && reads(value, wanted)
                })
        }
        _ => false,
    }
}

fn all_same(old: &[Node], new: &[Node]) -> bool {
    old.len() == new.len() && old.iter().zip(new).all(|(old, new)| same(old, new))
}

/// Is it the same text in the same style, or made of such?
fn same(old: &Node, new: &Node) -> bool {
    let inside = match (&old.value, &new.value) {
        (Value::Scalar { text: a, style: x }, Value::Scalar { text: b, style: y }) => a == b && x == y,
        (Value::Alias(a), Value::Alias(b)) => a == b,
        (Value::List { items: a, flow: x }, Value::List { items: b, flow: y }) => x == y && all_same(a, b),
        (Value::Map { entries: a, flow: x }, Value::Map { entries: b, flow: y }) => {
            x == y && a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(&a.0, &b.0) && same(&a.1, &b.1))
        }
        _ => false,
    };
    inside && old.anchor == new.anchor && old.tag == new.tag
}
