//! How far each line of a roster is to be moved in: two spaces a map, and all that hangs on it along with it.

use crate::yaml::{Node, Value, spot};

use super::lines::{Line, line_of};

/// By how much a map in a map is moved in.
const STEP: usize = 2;

/// The column for each line; none where it is not known, and the line stays.
pub(super) fn columns(lines: &[Line<'_>], root: &Node) -> Vec<Option<usize>> {
    let mut moved = Moved { lines, columns: vec![None; lines.len()], entries: vec![false; lines.len()] };
    let column = match &root.value {
        Value::Map { flow: false, .. } | Value::List { flow: false, .. } => 0,
        _ => return moved.columns,
    };
    moved.node(root, column);
    moved.comments();
    moved.columns
}

struct Moved<'l, 't> {
    lines: &'l [Line<'t>],
    columns: Vec<Option<usize>>,
    /// The lines that begin with an entry.
    entries: Vec<bool>,
}

impl Moved<'_, '_> {
    /// The line that begins right here, after nothing but space.
    fn begins(&self, at: usize) -> Option<usize> {
        let number = line_of(self.lines, at);
        let line = self.lines.get(number)?;
        (!line.inside && line.start + line.indent() == at).then_some(number)
    }

    fn entry(&mut self, at: usize, column: usize) {
        if let Some(number) = self.begins(at) {
            self.columns[number] = Some(column);
            self.entries[number] = true;
        }
    }

    /// The column in the text as it is.
    fn was(&self, at: usize) -> usize {
        let line = &self.lines[line_of(self.lines, at)];
        line.text.get(..at.saturating_sub(line.start)).map_or(0, |before| before.chars().count())
    }

    /// A list or map in block style whose entries go to this column.
    fn node(&mut self, node: &Node, column: usize) {
        match &node.value {
            Value::Map { entries, flow: false } => {
                for (key, value) in entries {
                    let was = self.was(key.at.start);
                    self.entry(key.at.start, column);
                    self.value(value, key.at.start, was, column);
                }
            }
            Value::List { items, flow: false } => {
                for item in items {
                    let Some(dash) = self.dash(item) else { continue };
                    let was = self.was(dash);
                    self.entry(dash, column);
                    match &item.value {
                        Value::Map { flow: false, .. } | Value::List { flow: false, .. } => {
                            let first = self.first(item).map_or(was + STEP, |first| self.was(first));
                            self.node(item, column + first.saturating_sub(was));
                        }
                        _ => self.along(item, dash, was, column),
                    }
                }
            }
            _ => {}
        }
    }

    /// What stands behind a key at this place, which was there and goes to that column.
    fn value(&mut self, value: &Node, key: usize, was: usize, column: usize) {
        match &value.value {
            Value::Map { entries, flow: false } if !entries.is_empty() => self.node(value, column + STEP),
            Value::List { flow: false, .. } => {
                let first = self.first(value).map_or(was, |first| self.was(first));
                self.node(value, if first > was { column + STEP } else { column });
            }
            _ => self.along(value, key, was, column),
        }
    }

    /// The lines on which a value goes on are moved along with its first one.
    fn along(&mut self, value: &Node, head: usize, was: usize, column: usize) {
        let first = line_of(self.lines, head) + 1;
        let last = line_of(self.lines, value.at.end.max(1) - 1);
        let flow = matches!(value.value, Value::Map { .. } | Value::List { .. });
        for number in first..=last {
            let line = &self.lines[number];
            if line.is_blank() || !(flow || spot::is_block(value)) {
                continue;
            }
            self.columns[number] = Some((line.indent() + column).saturating_sub(was));
        }
    }

    fn dash(&self, item: &Node) -> Option<usize> {
        let number = line_of(self.lines, item.at.start);
        let line = self.lines.get(number)?;
        let before = line.text.get(..item.at.start.checked_sub(line.start)?)?;
        let (inner, trimmed) = (self.first(item), before.trim_end_matches(' '));
        let at = match (&item.value, inner) {
            // The dash of its first entry is its own.
            (Value::List { flow: false, .. }, Some(inner)) => {
                let before = line.text.get(..inner.checked_sub(line.start)?)?.trim_end_matches(' ');
                before.strip_suffix('-')?.len()
            }
            _ => trimmed.strip_suffix('-')?.len(),
        };
        Some(line.start + at)
    }

    /// Where the first entry begins: its key, or its dash.
    fn first(&self, node: &Node) -> Option<usize> {
        match &node.value {
            Value::Map { entries, flow: false } => entries.first().map(|(key, _)| key.at.start),
            Value::List { items, flow: false } => items.first().and_then(|item| self.dash(item)),
            _ => None,
        }
    }

    /// Comments go with the entry below them, or with the one above that began in their column.
    fn comments(&mut self) {
        let known = |moved: &Self, number: usize| {
            Some((moved.lines[number].indent(), moved.columns[number].filter(|_| moved.entries[number])?))
        };
        for number in 0..self.lines.len() {
            let line = &self.lines[number];
            if !line.is_comment() || self.columns[number].is_some() {
                continue;
            }
            let own = line.indent();
            let next = (number + 1..self.lines.len())
                .find_map(|at| known(self, at).filter(|_| !self.lines[at].is_comment()));
            let above = || {
                (0..number)
                    .rev()
                    .filter(|at| !self.lines[*at].is_comment())
                    .filter_map(|at| known(self, at))
                    .find(|(was, _)| *was <= own)
            };
            let column = match next.filter(|(was, _)| *was == own).or_else(above) {
                Some((was, column)) => (own + column).saturating_sub(was),
                None => own,
            };
            self.columns[number] = Some(column);
        }
    }
}
