//! How a document is written: its line ends, its indentation, whether everything is in quotes.

use granit_parser::ScalarStyle;
use kwo_planner::tree::Tree;

use super::emit::{Habit, Style};
use super::node::{Document, Node, Value};
use super::spot::column;

/// The line end of a text.
pub(crate) fn line_end(text: &str) -> &'static str {
    if text.split_once('\n').is_some_and(|(line, _)| line.ends_with('\r')) { "\r\n" } else { "\n" }
}

/// The line with a carriage return that ends it by itself, in which readers do not see the same.
pub(crate) fn lone_return(text: &str) -> Option<usize> {
    let lone = |at: &usize| !text[at + 1..].starts_with('\n');
    let at = text.match_indices('\r').map(|(at, _)| at).find(lone)?;
    Some(text[..at].matches('\n').count() + 1)
}

/// The last line, where it has only blanks in it and no end: at the end of a text in a block some readers see a line there.
pub(super) fn open_blank(text: &str) -> Option<usize> {
    let last = text.rsplit('\n').next().filter(|last| !last.is_empty())?;
    last.chars().all(|char| char == ' ' || char == '\t').then(|| text.matches('\n').count() + 1)
}

/// How a document moves things in; as is usual where it has nothing to tell by.
pub(super) fn style(text: &str, document: &Document, json: bool, habit: Habit) -> Style {
    let mut steps = (None, None);
    look(text, &document.root, &mut steps);
    let (map, list) = steps;
    Style { quoted: json, steps: (map.unwrap_or(2), list.unwrap_or(map.unwrap_or(2))), habit }
}

fn look(text: &str, node: &Node, steps: &mut (Option<usize>, Option<usize>)) {
    match &node.value {
        Value::Map { entries, flow } => {
            for (key, value) in entries {
                if let (false, Some(own)) = (*flow, column(text, key.at.start)) {
                    match &value.value {
                        Value::Map { entries, flow: false } => {
                            let first = entries.first().and_then(|(key, _)| column(text, key.at.start));
                            steps.0 = steps
                                .0
                                .or(first.and_then(|first| first.checked_sub(own)).filter(|by| *by > 0));
                        }
                        Value::List { items, flow: false } => {
                            let dash = items.iter().find_map(|item| super::spot::dash(text, item));
                            let first = dash.and_then(|dash| column(text, dash));
                            steps.1 = steps.1.or(first.and_then(|first| first.checked_sub(own)));
                        }
                        _ => {}
                    }
                }
                look(text, value, steps);
            }
        }
        Value::List { items, .. } => items.iter().for_each(|item| look(text, item, steps)),
        Value::Scalar { .. } | Value::Alias(_) => {}
    }
}

/// Does a value of this kind stand in brackets among these neighbours, the nearest of which tells?
pub(super) fn in_brackets_beside(entries: &[(Node, Node)], value: &Tree) -> Option<bool> {
    entries.iter().rev().find_map(|(_, beside)| match (&beside.value, value) {
        (Value::Map { entries, flow }, Tree::Map(_)) if !entries.is_empty() => Some(*flow),
        (Value::List { items, flow }, Tree::List(_)) if !items.is_empty() => Some(*flow),
        _ => None,
    })
}

/// Do the keys of this map stand in double quotes?
pub(super) fn quotes(entries: &[(Node, Node)]) -> bool {
    let double = |key: &Node| matches!(key.value, Value::Scalar { style: ScalarStyle::DoubleQuoted, .. });
    entries.last().is_some_and(|(key, _)| double(key))
}
