//! What is wrong with a roster: findings as data, and their collector. A finding says what, where, what was
//! expected and what to do. How it is printed is not decided here.

use super::Span;
use super::scalar::told;

/// One thing that is wrong with a roster.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Finding {
    /// Where it stands.
    pub at: Span,
    /// A short stable name for this kind of finding: `duplicate-key`.
    pub code: &'static str,
    /// What is wrong, as one sentence without a full stop.
    pub message: String,
    /// What was expected there; may be empty.
    pub label: String,
    /// Other places that matter, each with what it is.
    pub also: Vec<(Span, String)>,
    /// What to do about it.
    pub hint: Option<String>,
    /// What may be a secret, and is never shown.
    pub conceals: Option<Span>,
}

impl Finding {
    /// A finding with no other places and no hint.
    pub fn new(
        code: &'static str,
        at: Span,
        message: impl Into<String>,
        expected: impl Into<String>,
    ) -> Finding {
        Finding {
            at,
            code,
            message: told(message),
            label: told(expected),
            also: Vec::new(),
            hint: None,
            conceals: None,
        }
    }

    /// Adds another place.
    #[must_use]
    pub fn also(mut self, at: Span, what: impl Into<String>) -> Finding {
        self.also.push((at, told(what)));
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Finding {
        self.hint = Some(told(hint));
        self
    }
}

/// How many findings are told of one roster; of the others there is the count.
pub const MAX_FINDINGS: usize = 100;

/// So many are kept, of which the first by place are told.
const KEPT: usize = 10 * MAX_FINDINGS;

/// All findings of one run. A file can be made of nothing but mistakes, so not more are kept than anybody reads.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Findings {
    found: Vec<Finding>,
    /// How many more there were.
    more: usize,
}

impl Findings {
    /// Adds one.
    pub fn push(&mut self, finding: Finding) {
        if self.is_full() {
            self.more += 1;
        } else {
            self.found.push(finding);
        }
    }

    /// Is there none?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Findings { found, more: _ } = self;
        found.is_empty()
    }

    /// Are there so many that another one is only counted? Then nobody needs to find words for it.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.found.len() >= KEPT
    }

    /// Counts so many that nobody has found words for.
    pub fn count(&mut self, more: usize) {
        self.more += more;
    }

    /// Those that are kept, as they were found.
    #[must_use]
    pub fn as_slice(&self) -> &[Finding] {
        &self.found
    }

    /// The same in other words.
    pub(crate) fn told_by(self, words: impl Fn(Finding) -> Finding) -> Findings {
        let Findings { found, more } = self;
        Findings { found: found.into_iter().map(words).collect(), more }
    }

    /// Adds those of a part.
    pub fn join(&mut self, part: Findings) {
        let Findings { found, more } = part;
        self.extend(found);
        self.count(more);
    }

    /// Is there one of this code within this place? What was refused there is not missing as well.
    #[must_use]
    pub fn has(&self, code: &str, within: Span) -> bool {
        let inside = |at: Span| at.file == within.file && (within.start..within.end).contains(&at.start);
        self.found.iter().any(|finding| finding.code == code && inside(finding.at))
    }

    /// The first of them by place, each once, and how many more there are.
    #[must_use]
    pub fn sorted(self) -> (Vec<Finding>, usize) {
        let Findings { mut found, more } = self;
        found.sort();
        found.dedup();
        let untold = found.len().saturating_sub(MAX_FINDINGS);
        found.truncate(MAX_FINDINGS);
        (found, more + untold)
    }
}

impl Extend<Finding> for Findings {
    fn extend<I: IntoIterator<Item = Finding>>(&mut self, findings: I) {
        for finding in findings {
            self.push(finding);
        }
    }
}
