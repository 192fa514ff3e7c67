//! What surrounds the place where the YAML parser gave up: the brackets that are open, the line, the lines above. The
//! parser says where it stumbled; the mistake is often further up, and is found here. Only reads text and makes
//! findings: nothing is mended, and what the parser refuses stays refused.

use super::lines::{Line, Lines};
use super::scalar::quote;
use super::{Finding, Span};

/// The code of the finding for lines that git has left behind, which repeats nothing but them.
pub(super) const MERGE_CONFLICT: &str = "merge-conflict";

/// The place where the parser gave up, and what is known of the file up to there.
pub(super) struct SyntaxContext<'t> {
    /// The whole file.
    pub(super) lines: Lines<'t>,
    /// Where the parser gave up.
    pub(super) at: Span,
    /// Up to here it had understood the file.
    pub(super) understood: usize,
    /// The brackets that are open, outermost first.
    pub(super) open: &'t [Span],
}

impl<'t> SyntaxContext<'t> {
    /// Lines that git has left behind.
    pub(super) fn conflict(&self) -> Option<Finding> {
        let mut start = 0;
        for line in self.lines.text.split_inclusive('\n') {
            if line.starts_with("<<<<<<< ") || line.starts_with(">>>>>>> ") {
                let at = self.lines.span(start, start + line.trim_end().len());
                let finding = Finding::new(
                    MERGE_CONFLICT,
                    at,
                    "a merge conflict is not resolved",
                    "expected no mark of a conflict",
                );
                return Some(finding.hint(
                    "choose what is to stay, and delete the lines `<<<<<<<`, `=======` and `>>>>>>>`",
                ));
            }
            start += line.len();
        }
        None
    }

    /// A `:` where none can stand.
    pub(super) fn colon(&self) -> Option<Finding> {
        if let Some(finding) = self.unclosed() {
            return Some(finding);
        }
        let (line, here) = (self.lines.at(self.here())?, self.here());
        if !self.open.is_empty() {
            return None;
        }
        let before = self.lines.text.get(line.start..here)?;
        let entry = line.entry();
        if before.contains(": ") {
            let value = entry.value.filter(|value| !value.is_empty())?;
            let start = line.start + line.text.len() - value.len();
            return Some(self.second_colon(start, value, "expected one `name: value` a line"));
        }
        self.below(self.lines.above(line)?, line)
    }

    /// A value that starts here and has a `: ` in it.
    fn second_colon(&self, start: usize, value: &str, expected: &str) -> Finding {
        let finding = Finding::new(
            "yaml-syntax",
            self.lines.span(start, start + value.len()),
            "one entry has a second `: `",
            expected,
        );
        let quoted = !value.contains(['"', '\\']) && value.chars().count() <= 60;
        let quotes = if quoted { format!(": `\"{value}\"`") } else { String::new() };
        finding
            .hint(format!("one value is put in quotes{quotes}; of two entries, each gets a place of its own"))
    }

    /// A comment at the end of a line whose value goes on below it.
    pub(super) fn comment(&self) -> Option<Finding> {
        let line = self.lines.at(self.here())?;
        let rest = self.lines.text.get(self.here()..)?;
        let newline = self.here() + rest.find('\n')?;
        let lines = self.lines.text[newline..].match_indices('\n').map(|(at, _)| newline + at + 1);
        self.below(line, lines.filter_map(|start| self.lines.at(start)).next()?)
    }

    /// A `name: value` that was read as more of the line above it.
    fn below(&self, above: Line<'t>, line: Line<'t>) -> Option<Finding> {
        let (upper, entry) = (above.entry(), line.entry());
        let start = line.start + entry.dash;
        let key = self.lines.span(start, start + entry.name.len());
        match upper.value {
            Some("") => None,
            Some(value) => {
                let column = above.indent + upper.dash + 1;
                let start = above.start + above.text.len() - value.len();
                let finding = Finding::new(
                    "yaml-syntax",
                    key,
                    format!("{} is indented below a value", quote(entry.name)),
                    format!("expected it in column {column}, as {}", quote(upper.name)),
                )
                .also(
                    self.lines.span(start, start + value.len()),
                    format!("the value of {}", quote(upper.name)),
                );
                Some(
                    finding.hint(format!("start this line in column {column}, or delete the value above it")),
                )
            }
            None => {
                let (message, label) = match upper.name.split_once(':') {
                    Some((name, value)) => (
                        format!("a space is missing in {}", quote(upper.name)),
                        format!("expected {}", quote(&format!("{name}: {value}"))),
                    ),
                    None => {
                        let named = quote(&format!("{}:", upper.name));
                        let item = if upper.dash > 0 { "the next line further to the left, or " } else { "" };
                        (
                            format!("{} has no `:` after it", quote(upper.name)),
                            format!("expected {item}{named}"),
                        )
                    }
                };
                let at = self.lines.span(above.start + upper.dash, above.start + above.text.len());
                let finding = Finding::new("yaml-syntax", at, message, label);
                Some(finding.also(key, "this was read as more of the line above"))
            }
        }
    }

    /// Two entries in brackets with no comma between them.
    pub(super) fn separator(&self) -> Option<Finding> {
        if let Some(finding) = self.unclosed() {
            return Some(finding);
        }
        let (line, here) = (self.lines.at(self.here())?, self.here());
        let before = self.lines.text.get(line.start..here)?;
        let space = |char: char| char.is_whitespace() || matches!(char, ',' | '[' | '{' | ']' | '}');
        let start = if self.lines.text[here..].starts_with(':') {
            here - before.rsplit(space).next().map_or(0, str::len)
        } else {
            here
        };
        let word = self.lines.text[start..].split([':', ',', ' ', ']', '}', '\n', '\r']).next()?;
        let before = self.lines.text.get(line.start..start)?.trim_end();
        if word.is_empty() || before.is_empty() && start == here {
            return None;
        }
        if before.ends_with(':') {
            let value = self.lines.text[start..].split([',', ']', '}', '\n', '\r']).next()?.trim_end();
            return Some(self.second_colon(start, value, "expected a `,` after each entry"));
        }
        let finding = Finding::new(
            "yaml-syntax",
            self.lines.span(start, start + word.len()),
            format!("a `,` is missing before {}", quote(word)),
            format!("expected {}", quote(&format!(", {word}"))),
        );
        Some(finding.hint("text that holds `: ` or ` #` needs quotes"))
    }

    /// The innermost open bracket, where what follows stands no deeper than the line that opened it.
    fn unclosed(&self) -> Option<Finding> {
        let open = *self.open.last()?;
        let (opening, line) = (self.lines.at(open.start as usize)?, self.lines.at(self.here())?);
        if opening.start == line.start || line.indent > opening.indent {
            return None;
        }
        let sign = self.lines.text.get(open.start as usize..)?.chars().next()?;
        let entry = line.entry();
        let next = line.start + entry.dash;
        let at = Span { end: open.start + 1, ..open };
        let finding = Finding::new(
            "yaml-syntax",
            at,
            format!("`{sign}` is not closed"),
            format!("expected `{}` before the next entry", closing(sign)),
        );
        Some(finding.also(self.lines.span(next, next + entry.name.len()), "the next entry"))
    }

    /// A line with no `:` in it.
    pub(super) fn no_entry(&self) -> Option<Finding> {
        let line = self.lines.at(self.here())?;
        let start = self.here().max(line.start);
        let content =
            self.lines.text.get(start..line.start + line.text.len()).filter(|text| !text.is_empty())?;
        let item = self.lines.above(line).is_some_and(|above| {
            let entry = above.entry();
            entry.dash > 0 && entry.value.is_none() && above.indent + entry.dash >= line.indent
        });
        let (label, hint) = match content.split_once(' ') {
            _ if item => ("expected `- ` before it", format!("as an item of the list, write `- {content}`")),
            Some((name, rest)) => {
                ("expected a `:` after the name", format!("write `{name}: {}`", rest.trim_start()))
            }
            None => (
                "expected a `:` after the name",
                format!("write `{content}:`, with what belongs to it behind or below"),
            ),
        };
        let at = self.lines.span(start, start + content.len());
        Some(
            Finding::new("yaml-syntax", at, format!("{} is not a `name: value`", quote(content)), label)
                .hint(hint),
        )
    }

    /// A line that starts in a column in which nothing above it starts.
    pub(super) fn column(&self) -> Option<Finding> {
        let line = self.lines.at(self.here())?;
        let entry = line.entry();
        if self.here() > line.start + entry.dash {
            return None;
        }
        let finding = |message: &str, label: &str, hint: String| {
            let at = self.lines.span(line.start, line.start + entry.dash + entry.name.len());
            Some(Finding::new("yaml-syntax", at, message, label).hint(hint))
        };
        let columns = self.columns(line);
        let fits_nothing = format!("the indentation of {} fits nothing above it", quote(entry.name));
        if entry.dash > 0 {
            let another = columns.iter().find(|(_, name)| name.is_none());
            return match another {
                Some((indent, _)) => finding(
                    &fits_nothing,
                    "expected another column",
                    format!("start it with `- ` in column {}, as the items above", indent + 1),
                ),
                None => finding(
                    "an item of a list is between the fields of a map",
                    "expected `name: value`",
                    "put it directly below the field that it belongs to".to_owned(),
                ),
            };
        }
        let level = columns.iter().find(|(indent, _)| *indent == line.indent);
        if level.is_some_and(|(_, name)| name.is_some()) {
            return None;
        }
        let deeper = columns.iter().rfind(|(indent, _)| *indent > line.indent);
        let higher = columns.iter().find(|(indent, _)| *indent < line.indent && level.is_none());
        let says = |(indent, name): &(usize, Option<&str>)| match name {
            None => format!("with `- ` in column {}, as another item", indent + 1),
            Some(name) => format!("in column {}, as {}", indent + 1, quote(name)),
        };
        let places: Vec<String> = [deeper, level, higher].into_iter().flatten().map(says).collect();
        if places.is_empty() {
            return None;
        }
        finding(&fits_nothing, "expected another column", format!("start it {}", places.join(", or ")))
    }

    /// The columns in which a line could go on with what is above it, deepest first: what starts there, or nothing
    /// where it is an item of a list.
    fn columns(&self, line: Line<'_>) -> Vec<(usize, Option<&'t str>)> {
        let mut columns = Vec::new();
        let (mut above, mut lowest) = (self.lines.above(line), usize::MAX);
        while let Some(upper) = above {
            let entry = upper.entry();
            let name = (upper.indent + entry.dash, Some(entry.name));
            let item = (entry.dash > 0).then_some((upper.indent, None));
            for (indent, what) in std::iter::once(name).chain(item) {
                if indent < lowest {
                    lowest = indent;
                    columns.push((indent, what));
                }
            }
            if lowest < line.indent || lowest == 0 {
                break;
            }
            above = self.lines.above(upper);
        }
        columns
    }

    /// A quote that is not closed, or closed only by a quote of a later line.
    pub(super) fn quote(&self) -> Option<Finding> {
        let start = self.opening_quote()?;
        let line = self.lines.at(start)?;
        let sign = self.lines.text.get(start..)?.chars().next()?;
        let finding = Finding::new(
            "yaml-syntax",
            self.lines.span(start, (line.start + line.text.len()).max(start + 1)),
            "this quote is not closed",
            format!("expected a closing `{sign}` on this line"),
        );
        Some(finding.hint("close it where the text ends, or delete it"))
    }

    /// Text right behind a closing quote.
    pub(super) fn after_quote(&self) -> Option<Finding> {
        let (start, here) = (self.opening_quote()?, self.here());
        let line = self.lines.at(here)?;
        if start < line.start {
            return self.quote();
        }
        let end = here + self.lines.text[here..].split([',', ' ', ']', '}', '\n', '\r']).next()?.len();
        let label =
            match self.open.last().and_then(|open| self.lines.text[open.start as usize..].chars().next()) {
                Some(open) => format!("expected `,` or `{}`", closing(open)),
                None => "expected the end of the line".to_owned(),
            };
        let quoted = self.lines.text.get(start..here)?.trim_end();
        let finding = Finding::new(
            "yaml-syntax",
            self.lines.span(here, end.max(here)),
            "text follows a closing quote",
            label,
        )
        .also(self.lines.span(start, start + quoted.len()), "the text in quotes");
        Some(finding.hint("is a `,` missing, or a quote too many or too few?"))
    }

    /// A comma with nothing before it.
    pub(super) fn comma(&self) -> Option<Finding> {
        let here = self.here();
        self.lines.text.get(here..)?.starts_with(',').then(|| {
            Finding::new(
                "yaml-syntax",
                self.lines.span(here, here + 1),
                "there is nothing before this `,`",
                "expected a value",
            )
            .hint("delete the `,`, or write what is missing")
        })
    }

    /// The quote that opens the text in which, or right behind which, the parser gave up.
    fn opening_quote(&self) -> Option<usize> {
        let (mut comment, mut before) = (false, '\n');
        for (at, char) in self.lines.text.get(self.understood..self.here())?.char_indices() {
            comment = char != '\n' && (comment || (char == '#' && before.is_whitespace()));
            if !comment && matches!(char, '"' | '\'') {
                return Some(self.understood + at);
            }
            before = char;
        }
        None
    }

    fn here(&self) -> usize {
        self.at.start as usize
    }
}

/// The bracket that closes this one.
fn closing(open: char) -> char {
    if open == '[' { ']' } else { '}' }
}
