//! What the API server warns of beside its answer: the texts of its `Warning` headers, and those of the last write of
//! each object. They come from webhooks too, so nothing in them is trusted: control characters are written out, and
//! number and length have bounds.

use kwo_planner::plain::counted;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use http::{HeaderMap, header};
use kwo_planner::change::Step;
use kwo_planner::kinds::Kind;
use kwo_planner::plain::acts;
use kwo_planner::resource::ResourceId;

/// How many warnings of one write are kept.
const MOST: usize = 8;

/// How many characters of a warning are kept.
const LONGEST: usize = 400;

/// The code of a warning that speaks of what was asked for; the others are of caches on the way.
const CODE: &str = "299";

/// What stands in the place of a warning that may repeat what must not be seen.
const NOT_SHOWN: &str = "the API server warns of it (not shown: it may hold the secret)";

/// The warnings of the last write of each object, until they are taken.
#[derive(Debug, Default)]
pub(super) struct Warned(Mutex<BTreeMap<ResourceId, Vec<String>>>);

impl Warned {
    /// Keeps what was said of this step, in the place of what was said before.
    pub(super) fn keep(&self, step: &Step, warnings: Vec<String>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let secret = !step.secrets.is_empty() || step.id.known_kind() == Some(Kind::Secret);
        match warnings {
            none if none.is_empty() => all.remove(&step.id),
            _ if secret => all.insert(step.id.clone(), vec![NOT_SHOWN.to_owned()]),
            some => all.insert(step.id.clone(), some),
        };
    }

    /// What was said of this object.
    pub(super) fn take(&self, id: &ResourceId) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id).unwrap_or_default()
    }
}

/// The texts of all warnings in these headers, each once, safe to print.
pub(super) fn warnings(headers: &HeaderMap) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    let mut more = 0_usize;
    for value in headers.get_all(header::WARNING) {
        let value = String::from_utf8_lossy(value.as_bytes());
        let mut rest = &*value;
        while let Some((text, after)) = first(rest) {
            rest = after;
            let Some(text) = text.map(|text| plain(&text)).filter(|text| !text.is_empty()) else { continue };
            if texts.contains(&text) {
                continue;
            }
            if texts.len() < MOST {
                texts.push(text);
            } else {
                more += 1;
            }
        }
    }
    if more > 0 {
        texts.push(format!("and {}", counted(more, "more warning", "more warnings")));
    }
    texts
}

/// The text of the first of several warnings, if it is one to be told, and what stands behind it; nothing where no
/// warning begins. The form is that of RFC 7234: a code, an agent, a quoted text, and perhaps a quoted date.
fn first(value: &str) -> Option<(Option<String>, &str)> {
    let value = value.trim_start_matches([' ', '\t', ',']);
    let (code, rest) = value.split_once(' ')?;
    let (_agent, rest) = rest.trim_start().split_once(' ')?;
    let (text, rest) = quoted(rest.trim_start())?;
    let told = (code == CODE).then_some(text);
    let rest = quoted(rest.trim_start()).map_or(rest, |(_date, rest)| rest);
    Some((told, rest))
}

/// What stands between quotation marks at the beginning, and what stands behind them.
fn quoted(value: &str) -> Option<(String, &str)> {
    let inside = value.strip_prefix('"')?;
    let (mut text, mut escaped) = (String::new(), false);
    for (at, char) in inside.char_indices() {
        match char {
            _ if escaped => {
                text.push(char);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => return Some((text, &inside[at + 1..])),
            _ => text.push(char),
        }
    }
    None
}

/// The text in one line, without anything that a terminal or a reader could stumble over.
fn plain(text: &str) -> String {
    let text = text.trim();
    let mut out = String::new();
    for char in text.chars().take(LONGEST) {
        match char {
            '\t' => out.push(' '),
            _ if acts(char) => out.extend(char.escape_unicode()),
            _ => out.push(char),
        }
    }
    if text.chars().nth(LONGEST).is_some() {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(values: &[&[u8]]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::WARNING, http::HeaderValue::from_bytes(value).unwrap());
        }
        warnings(&headers)
    }

    #[test]
    fn several_stand_in_one_header_and_in_several() {
        let one =
            br#"299 - "first, with \"quotes\" and a \\", 299 agent "second" "Wed, 21 Oct 2015 07:28:00 GMT""#;
        let two = br#"299 - "third",299 - "first, with \"quotes\" and a \\""#;
        assert_eq!(told(&[one, two]), [r#"first, with "quotes" and a \"#, "second", "third"]);
    }

    #[test]
    fn what_is_no_warning_of_the_server_is_left_out() {
        assert_eq!(told(&[br#"110 cache "Response is stale", 299 - "kept""#]), ["kept"]);
        for odd in [
            &b""[..],
            b"299",
            b"299 -",
            b"299 - \"open",
            b"299 - \"open\\\"",
            b"299 - \"  \"",
            b"nonsense, \"x\"",
        ] {
            assert_eq!(told(&[odd]), Vec::<String>::new(), "{}", String::from_utf8_lossy(odd));
        }
    }

    #[test]
    fn nothing_in_it_reaches_the_terminal_as_it_is() {
        let hostile = "299 - \"a\tb\u{9b}31m\u{202e}c\u{2028}d\"";
        assert_eq!(told(&[hostile.as_bytes()]), [r"a b\u{9b}31m\u{202e}c\u{2028}d"]);
        assert_eq!(told(&[b"299 - \"\xff\xfe\""]), ["\u{fffd}\u{fffd}"]);
        let long = format!("299 - \"{}\"", "ä".repeat(5000));
        assert_eq!(told(&[long.as_bytes()])[0].chars().count(), LONGEST + 1);
        let many: Vec<String> = (0..500).map(|at| format!("299 - \"{at}\"")).collect();
        let told = told(&[many.join(", ").as_bytes()]);
        assert_eq!((told.len(), told[MOST].as_str()), (MOST + 1, "and 492 more warnings"));
    }
}
