//! A question that a system refused, in the one sentence that plans, history and JSON keep of it. It is put together and taken apart
//! here alone, so that a report can name a cause once for all that was tried.

use smol_str::{SmolStr, format_smolstr};

/// Stands between both parts.
const REFUSED: &str = " was refused: ";

/// What was tried, and what the system said.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Refused<'t> {
    /// What was tried, such as `list pods`.
    pub tried: &'t str,
    /// What came of it.
    pub cause: &'t str,
}

impl<'t> Refused<'t> {
    /// As a sentence without a full stop.
    #[must_use]
    pub fn sentence(&self) -> SmolStr {
        let Refused { tried, cause } = self;
        format_smolstr!("{tried}{REFUSED}{cause}")
    }

    /// The parts of a sentence; nothing where it is none of these.
    #[must_use]
    pub fn of(sentence: &'t str) -> Option<Refused<'t>> {
        let (tried, cause) = sentence.split_once(REFUSED)?;
        Some(Refused { tried, cause })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_together_is_taken_apart() {
        let one = Refused { tried: "list pods", cause: "pods is forbidden: it was refused: no" };
        assert_eq!(Refused::of(&one.sentence()), Some(one));
        assert_eq!(Refused::of("list pods: the server has no such resource"), None);
    }
}
