//! The lines of a roster: where each begins, and whether a text over several lines goes on in it.

use crate::yaml::{Node, Value, spot};

/// One line, and what it is.
pub(super) struct Line<'t> {
    /// Where it begins in the text.
    pub(super) start: usize,
    /// Without its line end.
    pub(super) text: &'t str,
    pub(super) end: &'static str,
    /// Does a text over several lines go on in it, whose space is its own?
    pub(super) inside: bool,
    /// Does a text go on in the next line, or end in empty ones?
    pub(super) goes_on: bool,
}

impl Line<'_> {
    pub(super) fn is_blank(&self) -> bool {
        self.text.trim().is_empty()
    }

    pub(super) fn is_comment(&self) -> bool {
        !self.inside && self.text.trim_start().starts_with('#')
    }

    /// How far it is moved in.
    pub(super) fn indent(&self) -> usize {
        self.text.len() - self.text.trim_start_matches(' ').len()
    }
}

/// The number of the line that a place is on, from 0.
pub(super) fn line_of(lines: &[Line<'_>], at: usize) -> usize {
    lines.partition_point(|line| line.start <= at).saturating_sub(1)
}

/// The lines of a text.
pub(super) fn split<'t>(text: &'t str, root: &Node) -> Vec<Line<'t>> {
    let mut lines = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let (text, end) = match (line.strip_suffix("\r\n"), line.strip_suffix('\n')) {
            (Some(text), _) => (text, "\r\n"),
            (None, Some(text)) => (text, "\n"),
            (None, None) => (line, ""),
        };
        // The mark before the first line stays where it is.
        let (start_of, text) = match text.strip_prefix('\u{feff}').filter(|_| start == 0) {
            Some(rest) => ('\u{feff}'.len_utf8(), rest),
            None => (start, text),
        };
        lines.push(Line { start: start_of, text, end, inside: false, goes_on: false });
        start += line.len();
    }
    texts(root, &mut lines);
    lines
}

/// Marks the lines in which the texts of several lines stand.
fn texts(node: &Node, lines: &mut [Line<'_>]) {
    match &node.value {
        Value::Scalar { .. } => {
            let block = spot::is_block(node);
            let (first, last) = (line_of(lines, node.at.start), line_of(lines, node.at.end.max(1) - 1));
            // A text may begin with empty lines.
            let empty = lines.iter().take(first).rev().take_while(|line| line.is_blank()).count();
            let from = if block { first - empty } else { first + 1 };
            for line in lines.iter_mut().take(last + 1).skip(from) {
                line.inside = true;
            }
            if last > first && !block {
                lines.iter_mut().take(last).skip(first).for_each(|line| line.goes_on = true);
            }
            if block {
                let after = last + 1;
                let blank = lines.iter().skip(after).take_while(|line| line.is_blank()).count();
                lines.iter_mut().skip(after).take(blank).for_each(|line| line.inside = true);
            }
        }
        Value::List { items, .. } => items.iter().for_each(|item| texts(item, lines)),
        Value::Map { entries, .. } => entries.iter().for_each(|(key, value)| {
            texts(key, lines);
            texts(value, lines);
        }),
        Value::Alias(_) => {}
    }
}
