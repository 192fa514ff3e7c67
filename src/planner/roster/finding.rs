//! What is wrong with a roster: findings as data, and their collector. A finding says what, where, what was
//! expected and what to do. How it is printed is not decided here.

use super::Span;

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
            message: message.into(),
            label: expected.into(),
            also: Vec::new(),
            hint: None,
            conceals: None,
        }
    }

    /// Adds another place.
    #[must_use]
    pub fn also(mut self, at: Span, what: impl Into<String>) -> Finding {
        self.also.push((at, what.into()));
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Finding {
        self.hint = Some(hint.into());
        self
    }
}

/// All findings of one run.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Findings {
    found: Vec<Finding>,
}

impl Findings {
    /// Adds one.
    pub fn push(&mut self, finding: Finding) {
        self.found.push(finding);
    }

    /// Is there none?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Findings { found } = self;
        found.is_empty()
    }

    /// Is there one of this code within this place? What was refused there is not missing as well.
    #[must_use]
    pub fn has(&self, code: &str, within: Span) -> bool {
        let inside = |at: Span| at.file == within.file && (within.start..within.end).contains(&at.start);
        self.found.iter().any(|finding| finding.code == code && inside(finding.at))
    }

    /// All of them by place, each once.
    #[must_use]
    pub fn sorted(mut self) -> Vec<Finding> {
        self.found.sort();
        self.found.dedup();
        self.found
    }
}

impl Extend<Finding> for Findings {
    fn extend<I: IntoIterator<Item = Finding>>(&mut self, findings: I) {
        self.found.extend(findings);
    }
}
