//! The law of a change: all that was not to change is there as it was, down to its style, what was to change reads as
//! wanted by readers of both versions, what was to go is gone, and no comment is lost. Looks at the text before and after,
//! and shares nothing with whoever wrote it.

use kwo_planner::tree::{SmolStr, Tree};

use super::node::{Document, Node, Value};
use super::scalar;

/// Is the second document the first one with this value at the place that the tokens lead to?
pub(super) fn holds(before: Option<&Node>, after: &Node, tokens: &[SmolStr], wanted: &Tree) -> bool {
    let Some((token, rest)) = tokens.split_first() else { return reads(after, wanted) };
    match before {
        Some(before) if before.anchor != after.anchor || before.tag != after.tag => false,
        None => nested(after, tokens, wanted),
        Some(before) if before.is_null() => nested(after, tokens, wanted),
        Some(before) => match (&before.value, &after.value) {
            (Value::Map { .. }, Value::Map { .. }) if token == "-" => false,
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
                && wanted.iter().all(|(name, wanted)| {
                    let name = Tree::from(name);
                    entries.iter().any(|(key, value)| reads(key, &name) && reads(value, wanted))
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

/// Is the second document the first one without what the tokens lead to?
pub(super) fn gone(before: &Node, after: &Node, tokens: &[SmolStr]) -> bool {
    let Some((token, rest)) = tokens.split_first() else { return false };
    if before.anchor != after.anchor || before.tag != after.tag {
        return false;
    }
    let (was, is) = match (&before.value, &after.value) {
        (Value::Map { entries: old, flow: x }, Value::Map { entries: new, flow: y }) if x == y => {
            let Some(at) = old.iter().position(|(key, _)| key.key().as_ref() == Some(token)) else {
                return false;
            };
            let entry = |(a, b): &(Node, Node), (c, d): &(Node, Node)| same(a, c) && same(b, d);
            let around = |from: usize| {
                let (old, new) = (old.get(at + 1..), new.get(from..));
                old.zip(new).is_some_and(|(old, new)| all(old, new, entry))
            };
            if !new.get(..at).is_some_and(|new| all(&old[..at], new, entry)) {
                return false;
            }
            if rest.is_empty() {
                return around(at);
            }
            let Some((key, is)) = new.get(at).filter(|_| around(at + 1)) else { return false };
            if !same(&old[at].0, key) {
                return false;
            }
            (&old[at].1, is)
        }
        (Value::List { items: old, flow: x }, Value::List { items: new, flow: y }) if x == y => {
            let Some(at) = token.parse().ok().filter(|at: &usize| *at < old.len()) else { return false };
            let around = |from: usize| new.get(from..).is_some_and(|new| all_same(&old[at + 1..], new));
            if !new.get(..at).is_some_and(|new| all_same(&old[..at], new)) {
                return false;
            }
            if rest.is_empty() {
                return around(at);
            }
            let Some(is) = new.get(at).filter(|_| around(at + 1)) else { return false };
            (&old[at], is)
        }
        // Of what stands on lines of its own nothing is left.
        (Value::Map { entries, flow: false }, Value::Scalar { .. }) => {
            let only = matches!(entries.as_slice(), [(key, _)] if key.key().as_ref() == Some(token));
            return only && rest.is_empty() && after.at.is_empty();
        }
        (Value::List { items, flow: false }, Value::Scalar { .. }) => {
            return items.len() == 1 && token == "0" && rest.is_empty() && after.at.is_empty();
        }
        _ => return false,
    };
    gone(was, is, rest)
}

/// Are both documents the same, down to their styles?
pub(crate) fn alike(before: &Document, after: &Document) -> bool {
    same(&before.root, &after.root)
}

/// Is every comment of the first text in one of the second, in their order?
pub(crate) fn keeps(before: (&str, &Document), after: (&str, &Document)) -> bool {
    let texts = |(text, document): (&str, &Document)| -> Vec<String> {
        let inside = document.comments.iter().filter_map(|comment| text.get(comment.clone()));
        inside.map(|comment| comment.trim_end().to_owned()).collect()
    };
    let after = texts(after);
    let mut left = after.iter();
    texts(before).iter().all(|comment| left.any(|new| new.contains(comment.as_str())))
}

fn all<T>(old: &[T], new: &[T], same: impl Fn(&T, &T) -> bool) -> bool {
    old.len() == new.len() && old.iter().zip(new).all(|(old, new)| same(old, new))
}
