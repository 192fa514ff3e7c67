//! Characters that have no place in a roster: control characters, those that turn the direction of text round,
//! and tabs. What is invisible cannot be reviewed.

use std::collections::BTreeSet;

use super::{Finding, Findings, Span};

/// The odd characters of a file. Of its tabs it is not known at first which of them stand in comments.
#[derive(Debug, Default)]
pub(super) struct Tabs {
    at: Vec<Span>,
    /// Which of them stand in comments.
    forgiven: Vec<bool>,
    /// Carriage returns alone, or byte order marks in the middle: where a line or column is would be disputed.
    pub(super) odd_places: bool,
    /// The lines with forbidden characters.
    forbidden: BTreeSet<u32>,
}

/// Looks at every character: forbidden ones become a finding, tabs are given back.
pub(super) fn inspect(text: &str, file: u16, findings: &mut Findings) -> Tabs {
    let mut tabs = Tabs::default();
    let mut forbidden: Option<(Span, char, usize)> = None;
    let (mut line, mut column) = (1, 1);
    let mut chars = text.char_indices().peekable();
    while let Some((start, char)) = chars.next() {
        let end = start + char.len_utf8();
        let at = Span { file, line, column, start: offset(start), end: offset(end) };
        let lone_return = char == '\r' && chars.peek().is_none_or(|(_, next)| *next != '\n');
        let byte_order_mark = start == 0 && char == '\u{feff}';
        tabs.odd_places |= lone_return || (char == '\u{feff}' && !byte_order_mark);
        if char == '\t' {
            tabs.at.push(at);
        } else if lone_return || (!matches!(char, '\n' | '\r') && !byte_order_mark && is_forbidden(char)) {
            tabs.forbidden.insert(line);
            forbidden = Some(match forbidden {
                Some((first, which, count)) => (first, which, count + 1),
                None => (at, char, 1),
            });
        }
        if char == '\n' {
            (line, column) = (line + 1, 1);
        } else if !byte_order_mark {
            column += 1;
        }
    }
    if let Some((at, char, count)) = forbidden {
        findings.push(forbidden_character(at, char, count));
    }
    tabs
}

impl Tabs {
    /// Forgets the tabs in a comment.
    pub(super) fn forgive(&mut self, comment: Span) {
        let from = self.at.partition_point(|tab| tab.start < comment.start);
        let to = self.at.partition_point(|tab| tab.start < comment.end);
        self.forgiven.resize(self.at.len(), false);
        self.forgiven[from..to.max(from)].fill(true);
    }

    /// Does a tab or a forbidden character explain why YAML does not like this line?
    pub(super) fn explain(&self, line: u32) -> bool {
        let first = self.at.partition_point(|tab| tab.line < line);
        let mut here = (first..).zip(self.at[first..].iter().take_while(|tab| tab.line == line));
        self.forbidden.contains(&line) || here.any(|(number, _)| self.counts(number))
    }

    /// Does this one stand elsewhere than in a comment?
    fn counts(&self, number: usize) -> bool {
        !self.forgiven.get(number).is_some_and(|forgiven| *forgiven)
    }

    /// One finding for all tabs up to the end of this line, if there are any.
    pub(super) fn finding(&self, last_line: u32) -> Option<Finding> {
        let seen = self.at.partition_point(|tab| tab.line <= last_line);
        let mut seen = (0..seen).filter(|number| self.counts(*number));
        let first = self.at.get(seen.next()?)?;
        let message = match 1 + seen.count() {
            1 => "there is a tab here".to_owned(),
            count => format!("this file has {count} tabs; this is the first"),
        };
        Some(
            Finding::new("tab", *first, message, "expected spaces")
                .hint("indent with spaces; in a quoted text, write `\\t`"),
        )
    }
}

/// A character that must not stand in a roster, in whatever form.
pub(super) fn is_forbidden(char: char) -> bool {
    char.is_control() && char != '\n' && char != '\t' || is_bidi(char) || is_empty(char)
}

/// Does it change the direction of the text around it?
fn is_bidi(char: char) -> bool {
    matches!(char, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Does it take no room at all?
fn is_empty(char: char) -> bool {
    matches!(char, '\u{200b}' | '\u{2060}' | '\u{feff}')
}

/// The finding for such characters.
pub(super) fn forbidden_character(at: Span, char: char, count: usize) -> Finding {
    let code = u32::from(char);
    let what = if is_bidi(char) {
        "a character that reverses the direction of text"
    } else if is_empty(char) {
        "an invisible character"
    } else {
        "a control character"
    };
    let more = match count {
        0 | 1 => String::new(),
        count => format!("; {count} such characters are in this file"),
    };
    let hint = if is_bidi(char) {
        "delete it: it makes the file look different from what it says"
    } else if char == '\r' {
        "end lines with a line feed, or with both"
    } else {
        "delete it: it cannot be seen in a review"
    };
    Finding::new(
        "control-character",
        at,
        format!("there is {what} (U+{code:04X}) here{more}"),
        "expected visible text",
    )
    .hint(hint)
}

/// A byte offset as spans hold it. Files are bounded far below 4 GiB.
pub(crate) fn offset(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
