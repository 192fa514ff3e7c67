//! A reason in words: the line of the roster that asked for something, or the default.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::resource::Reason;
use crate::roster::{Sources, Span};
use crate::tree::SmolStr;

/// A reason in words that stand by themselves, without the roster at hand.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Origin {
    /// `roster.yaml:12:5`, `tier standard (built in)`, …
    pub place: SmolStr,
    /// The line of the roster, where there is one.
    #[serde(default, skip_serializing_if = "SmolStr::is_empty")]
    pub line: SmolStr,
}

impl Origin {
    /// Puts a reason into words.
    #[must_use]
    pub fn of(reason: &Reason, sources: &Sources) -> Origin {
        let (place, line) = match reason {
            Reason::Roster(span) => (sources.place(*span).into(), sources.line(*span).into()),
            Reason::BuiltInTier { tier, field } => {
                (smol_str::format_smolstr!("tier {tier} (built in): {field}"), SmolStr::default())
            }
            Reason::Always => (SmolStr::new_static("set by kwo in every cluster"), SmolStr::default()),
            Reason::Kubernetes => {
                (SmolStr::new_static("Kubernetes' default, written out"), SmolStr::default())
            }
        };
        Origin { place, line }
    }
}

/// Reasons that many objects have: each place of the roster is put into words once.
pub(crate) struct Origins<'s> {
    sources: &'s Sources,
    known: RefCell<BTreeMap<Span, Origin>>,
}

impl<'s> Origins<'s> {
    pub(crate) fn new(sources: &'s Sources) -> Origins<'s> {
        Origins { sources, known: RefCell::default() }
    }

    /// Puts a reason into words, or takes those that it was put into before.
    pub(crate) fn of(&self, reason: &Reason) -> Origin {
        let Reason::Roster(span) = reason else { return Origin::of(reason, self.sources) };
        let mut known = self.known.borrow_mut();
        known.entry(*span).or_insert_with(|| Origin::of(reason, self.sources)).clone()
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Origin { place, line } = self;
        let line = without_comment(line);
        if line.is_empty() { write!(out, "{place}") } else { write!(out, "{place}: {line}") }
    }
}

/// A line of YAML without the comment at its end: that begins with a `#` after a space, outside of quotes.
fn without_comment(line: &str) -> &str {
    let (mut quote, mut before) = (None, ' ');
    let mut chars = line.char_indices();
    while let Some((at, char)) = chars.next() {
        match (quote, char) {
            (Some('"'), '\\') => {
                chars.next();
            }
            (Some(open), _) if char == open => quote = None,
            (Some(_), _) => {}
            (None, '#') if before.is_whitespace() => return line.get(..at).unwrap_or(line).trim_end(),
            // Inside a word they are no quotes; two in a row go on with the same text.
            (None, '"' | '\'') if before == char || before.is_whitespace() || "[{,:".contains(before) => {
                quote = Some(char);
            }
            (None, _) => {}
        }
        before = char;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_leaves_the_comment_out_and_nothing_else() {
        for (line, shown) in [
            ("- {identity: bob, access: viewer}      # owner | viewer", "- {identity: bob, access: viewer}"),
            ("alice: # the first", "alice:"),
            ("name: a#b", "name: a#b"),
            ("name: \"a # b\" # c", "name: \"a # b\""),
            ("name: 'a # ''b # c' # d", "name: 'a # ''b # c'"),
            (r#"name: "a \" # b" # c"#, r#"name: "a \" # b""#),
            ("name: it's # c", "name: it's"),
            ("{a: ['x # y'],b: z} # c", "{a: ['x # y'],b: z}"),
        ] {
            let origin = Origin { place: "r:1:1".into(), line: line.into() };
            assert_eq!(origin.to_string(), format!("r:1:1: {shown}"));
        }
    }
}
