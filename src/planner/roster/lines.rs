//! A file as lines, for what can be said about one that YAML refuses: what a line says without its indentation and
//! comment, which one stands above it, and where on the page that is.

use super::Span;
use super::characters::offset;

/// The text of one file.
#[derive(Clone, Copy)]
pub(super) struct Lines<'t> {
    /// All of it.
    pub(super) text: &'t str,
    /// Its number.
    pub(super) file: u16,
}

/// A line that says something: from its first character to its last, without indentation and comment.
#[derive(Clone, Copy)]
pub(super) struct Line<'t> {
    pub(super) start: usize,
    pub(super) indent: usize,
    pub(super) text: &'t str,
}

/// `- name: value`, as far as a line has it.
pub(super) struct Entry<'t> {
    /// How far the name is from the beginning of the line's text, behind `- `.
    pub(super) dash: usize,
    pub(super) name: &'t str,
    /// What follows `: `; nothing where there is no `:` with a space or the line's end behind it.
    pub(super) value: Option<&'t str>,
}

impl<'t> Line<'t> {
    pub(super) fn entry(&self) -> Entry<'t> {
        let mut rest = self.text;
        while let Some(item) = rest.strip_prefix("- ") {
            rest = item.trim_start();
        }
        let dash = self.text.len() - rest.len();
        match rest.split_once(": ").or_else(|| rest.strip_suffix(':').map(|name| (name, ""))) {
            Some((name, value)) => Entry { dash, name, value: Some(value.trim()) },
            None => Entry { dash, name: rest, value: None },
        }
    }
}

impl<'t> Lines<'t> {
    /// The line that this byte is in, if it says anything.
    pub(super) fn at(&self, at: usize) -> Option<Line<'t>> {
        let first = self.text.get(..at)?.rfind('\n').map_or(0, |newline| newline + 1);
        let line = self.text[first..].split(['\n', '\r']).next()?;
        let line = line.strip_prefix('\u{feff}').unwrap_or(line);
        let first =
            self.text[first..].len() - self.text[first..].trim_start_matches('\u{feff}').len() + first;
        let indented = line.trim_start();
        let indent = line.len() - indented.len();
        let text = indented.split_once(" #").map_or(indented, |(text, _)| text).trim_end();
        let silent = text.is_empty() || text.starts_with('#') || text == "---";
        (!silent).then_some(Line { start: first + indent, indent, text })
    }

    /// The next line above that says anything.
    pub(super) fn above(&self, line: Line<'_>) -> Option<Line<'t>> {
        let mut end = self.text.get(..line.start)?.rfind('\n');
        while let Some(newline) = end {
            if let Some(found) = self.at(newline) {
                return Some(found);
            }
            end = self.text[..newline].rfind('\n');
        }
        None
    }

    /// These bytes as a span.
    pub(super) fn span(&self, start: usize, end: usize) -> Span {
        let before = self.text[..start].trim_start_matches('\u{feff}');
        let column = before[before.rfind('\n').map_or(0, |newline| newline + 1)..].chars().count();
        Span {
            file: self.file,
            line: offset(before.matches('\n').count()).saturating_add(1),
            column: offset(column).saturating_add(1),
            start: offset(start),
            end: offset(end.max(start)),
        }
    }
}
