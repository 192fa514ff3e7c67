//! Where something is in a text: the colon after a key, the dash of an entry, the end of what stands somewhere. A place
//! that is not where it is thought to be is none.

use granit_parser::ScalarStyle;

use super::node::{Node, Value};

/// How far from the start of its line this place is; none where a tab is on the way.
pub(crate) fn column(text: &str, at: usize) -> Option<usize> {
    let line = &text[..at];
    let line = &line[line.rfind('\n').map_or(0, |end| end + 1)..];
    let line = line.strip_prefix('\u{feff}').unwrap_or(line);
    (!line.contains('\t')).then(|| line.chars().count())
}

/// Where the line begins that this place is on, if there is only space before it.
pub(crate) fn line_start(text: &str, at: usize) -> Option<usize> {
    let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
    text[start..at].chars().all(|char| char == ' ').then_some(start)
}

/// Where the line ends that this place is on, without its line end.
pub(crate) fn rest_of_line(text: &str, at: usize) -> usize {
    let end = text[at..].find('\n').map_or(text.len(), |end| at + end);
    if text[at..end].ends_with('\r') { end - 1 } else { end }
}

/// The place after the colon of a key.
pub(crate) fn after_colon(text: &str, key: &Node) -> Option<usize> {
    let rest = text.get(key.at.end..)?;
    let space = rest.len() - rest.trim_start().len();
    rest[space..].starts_with(':').then_some(key.at.end + space + 1)
}

/// The dash of an entry of a list in block style, where both are on one line.
pub(crate) fn dash(text: &str, item: &Node) -> Option<usize> {
    // The place of an entry with nothing in it is right after its dash.
    let before = text[..item.at.start].trim_end_matches(' ');
    let inner = match &item.value {
        // Its first entry has a dash of its own.
        Value::List { items, flow: false } => {
            return dash(text, items.first()?).and_then(|inner| {
                let before = text[..inner].trim_end_matches(' ');
                before.ends_with('-').then(|| before.len() - 1)
            });
        }
        Value::Scalar { style: ScalarStyle::Literal | ScalarStyle::Folded, .. } => return None,
        _ => before,
    };
    let dash = inner.strip_suffix('-')?;
    let free = dash.is_empty() || dash.ends_with([' ', '\n', '\u{feff}']);
    free.then_some(dash.len())
}

/// The end of the last thing in a value, without the empty lines after it.
pub(crate) fn end(text: &str, node: &Node, slot: usize) -> usize {
    let inner = match &node.value {
        Value::List { items, flow: false } => items.last().map(|item| end(text, item, item.at.start)),
        Value::Map { entries, flow: false } => {
            entries.last().map(|(key, value)| end(text, value, after_colon(text, key).unwrap_or(key.at.end)))
        }
        _ => None,
    };
    let at = inner.unwrap_or(node.at.end);
    let empty = node.at.is_empty() && inner.is_none();
    // Nothing stands where the reader looked for it, which may be lines below.
    let at = if empty { slot } else { at };
    text[..at].trim_end_matches(['\n', '\r', ' ']).len().max(slot.min(at))
}

/// Is it a block scalar?
pub(crate) fn is_block(node: &Node) -> bool {
    matches!(node.value, Value::Scalar { style: ScalarStyle::Literal | ScalarStyle::Folded, .. })
}
