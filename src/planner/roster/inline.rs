//! Secrets that stand in the roster itself, in a file that YAML refuses: nobody can tell any more what is what there, so
//! this goes by the names before them. Where the lines of a finding may hold one, it is not shown and nothing of those
//! lines is repeated.

use super::lines::{Line, Lines};
use super::secret::FORMS;
use super::{Finding, Span};

impl Lines<'_> {
    /// What may be a secret in the lines from one byte to another, and in the value that goes on in the first of them.
    pub(super) fn inline_secret(&self, from: usize, to: usize) -> Option<Span> {
        let line_start = |at: usize| {
            self.text.get(..at).and_then(|text| text.rfind('\n')).map_or(0, |newline| newline + 1)
        };
        let first = self.at(from).and_then(|line| self.begin(line)).map_or(from, |line| line.start);
        let start = line_start(first);
        let end = self.text.get(to..)?.find(['\n', '\r']).map_or(self.text.len(), |newline| to + newline);
        let mut begin = start;
        let lines = self.text.get(start..end)?.split_inclusive('\n').map(|line| {
            begin += line.len();
            (begin - line.len(), line)
        });
        let colons = lines.flat_map(|(begin, line)| {
            line.match_indices(':').map(move |(colon, _)| (begin + colon, &line[..colon]))
        });
        let wanted = colons.filter(|(_, before)| names_secret(before));
        let values = wanted.map(|(colon, _)| self.text[colon + 1..end].trim_start());
        values.filter(|value| may_be_secret(value)).map(|value| self.span(end - value.len(), end)).next()
    }

    /// The line that names the value of which this line is a part.
    fn begin(&self, line: Line<'_>) -> Option<Line<'_>> {
        let mut named = self.above(line)?;
        while named.entry().value.is_none() {
            named = self.above(named)?;
        }
        (named.indent < line.indent).then_some(named)
    }
}

/// Does a line so far end with a name under which a secret is wanted: `password`, or that of a variable?
fn names_secret(line: &str) -> bool {
    let before = line.trim_end_matches(['"', '\'', ' ']);
    let part = |char: char| char.is_ascii_alphanumeric() || char == '_';
    let name = &before[before.trim_end_matches(part).len()..];
    name == "password" || (name.contains('_') && !name.contains(|char: char| char.is_ascii_lowercase()))
}

/// Is it anything, and no reference?
fn may_be_secret(value: &str) -> bool {
    let entry = value.strip_prefix('{').unwrap_or(value).trim_start();
    let refers = FORMS.iter().any(|form| entry.strip_prefix(form).is_some_and(|rest| rest.starts_with(':')));
    !refers && !entry.is_empty() && !entry.starts_with('#')
}

/// All bytes that a finding speaks of, and those of the place where the parser gave up.
pub(super) fn reach(finding: &Finding, at: Span) -> (usize, usize) {
    let spans = || finding.also.iter().map(|(span, _)| *span).chain([finding.at, at]);
    let from = spans().map(|span| span.start).min().unwrap_or(at.start);
    let to = spans().map(|span| span.end.max(span.start)).max().unwrap_or(at.end);
    (from as usize, to as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden<'t>(text: &'t str, from: &str) -> Option<&'t str> {
        let at = text.find(from).unwrap();
        let span = Lines { text, file: 0 }.inline_secret(at, at)?;
        Some(&text[span.start as usize..span.end as usize])
    }

    #[test]
    fn a_value_where_a_secret_is_wanted_may_be_one() {
        assert_eq!(hidden("  password: a: b\n", "a: b"), Some("a: b"));
        assert_eq!(hidden("x: {DESEC_TOKEN: a: b}}\n", "a: b"), Some("a: b}}"));
        assert_eq!(hidden("x: {\"DESEC_TOKEN\" :a}}\n", "a}"), Some("a}}"));
        assert_eq!(hidden("  password:\n    a: b: c\n", "b: c"), Some("a: b: c"));
        assert_eq!(hidden("  password: 'a\n    b\n    c\n", "c\n"), Some("'a\n    b\n    c"));
        let second = "{A_B: {env: A_B}, C_D: {env: C_D}, E_F: secret x: y}";
        assert_eq!(hidden(second, "x:"), Some("secret x: y}"));
    }

    #[test]
    fn anything_else_is_shown() {
        for text in [
            "  password: {env: A: b}\n",
            "  password:\n    env: A: b\n",
            "  owner: a: b\n",
            "  password: {file: /x} b\n",
        ] {
            assert_eq!(hidden(text, "b"), None, "{text}");
        }
        assert_eq!(hidden("users:\n  ci:\n    password: secret\nhosts: a: b\n", "a: b"), None);
    }
}
