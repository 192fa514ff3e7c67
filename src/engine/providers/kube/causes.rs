//! Why no cluster can be spoken to, and an error with all that caused it, in one line.

use std::error::Error;
use std::io;

/// Why no cluster can be spoken to.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{why}")]
pub struct ConnectError {
    /// What was tried and what came of it.
    pub why: String,
    /// What may help.
    pub hint: Option<String>,
}

/// An error and all that caused it, also where one is wrapped by an I/O error.
pub(super) fn links<'a>(error: &'a (dyn Error + 'static)) -> Vec<&'a (dyn Error + 'static)> {
    let mut links = vec![error];
    let mut here = error;
    loop {
        let wrapped = here.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let Some(cause) = wrapped.map(|inner| inner as &(dyn Error + 'static)).or_else(|| here.source())
        else {
            return links;
        };
        links.push(cause);
        here = cause;
    }
}

/// The deepest cause, in words.
pub(super) fn last(links: &[&(dyn Error + 'static)]) -> String {
    links.last().map(ToString::to_string).unwrap_or_default()
}

/// An error and its causes in one line; a cause that the one before it has already told is left out.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    for link in links(error) {
        let said = link.to_string();
        // The word of a library for "there was no answer", which says nothing to a person.
        let said = said.strip_prefix("ServiceError: ").unwrap_or(&said).to_owned();
        if said.starts_with("client error (") && link.source().is_some() {
            continue;
        }
        if text.is_empty() {
            text = said;
        } else if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Says(&'static str, #[source] Option<Box<Says>>);

    #[test]
    fn the_words_of_a_library_for_no_answer_are_left_out() {
        let refused = Says("tcp connect error: Connection refused", None);
        let client = Says("client error (Connect)", Some(Box::new(refused)));
        let service = Says("ServiceError: client error (Connect)", Some(Box::new(client)));
        assert_eq!(chain(&service), "tcp connect error: Connection refused");
        // Better than nothing where there is no other word.
        assert_eq!(chain(&Says("client error (Connect)", None)), "client error (Connect)");
    }
}
