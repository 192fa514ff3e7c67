//! What deSEC answers: an error is JSON with sentences in it, for a write of several sets one place for each. What a stranger
//! wrote there is shown on one line and no longer than needed.

use http::StatusCode;
use kwo_planner::plain::one_line;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::providers::api::Answer;
use crate::providers::dns::lines::unread;

/// The longest part of what is said that is shown, and how deep kwo looks for it.
const SHOWN: usize = 300;
const DEEPEST: usize = 6;

/// What deSEC says where somebody else was faster.
const EXISTS: [&str; 2] =
    ["Another RRset with the same subdomain and type exists", "RRset with conflicting type present"];

/// An answer that is none to the question.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum No {
    /// The token is none, or lacks a right.
    Token(String),
    /// It is not there.
    Missing(String),
    /// What was seen is no longer so.
    Changed(String),
    /// Anything else.
    Other(String),
}

impl No {
    pub(super) fn why(self) -> String {
        let (No::Token(why) | No::Missing(why) | No::Changed(why) | No::Other(why)) = self;
        why
    }
}

/// What an answer has. `server` answered about this zone.
pub(super) fn result<T: DeserializeOwned>(answer: &Answer, (server, zone): (&str, &str)) -> Result<T, No> {
    if answer.status.is_success() {
        return serde_json::from_slice(&answer.body)
            .map_err(|error| No::Other(unread((server, "deSEC"), &error)));
    }
    let told: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let mut sentences = Vec::new();
    flat(&told, 0, &mut sentences);
    let exists = sentences.iter().any(|said| EXISTS.iter().any(|exists| said.contains(exists)));
    let said: Vec<String> =
        sentences.iter().map(|said| one_line(&said.replace('\n', " ")).to_string()).collect();
    let said: String = said.join(", ").chars().take(SHOWN).collect();
    let said = if said.is_empty() { said } else { format!(": {said}") };
    let status = answer.status;
    Err(match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => No::Token(format!(
            "{server} refuses the token ({status}){said}; it has to be a token of the account that the zone {zone} is in, and \
             its policies have to let it write A, AAAA, CNAME and TXT there"
        )),
        StatusCode::NOT_FOUND => No::Missing(format!("{server} answers {status}{said}")),
        StatusCode::CONFLICT => No::Changed(format!("{server} answers {status}{said}")),
        _ if exists => No::Changed(format!("{server} answers {status}{said}")),
        _ => No::Other(format!("{server} answers {status}{said}")),
    })
}

/// All sentences of an answer.
fn flat<'v>(value: &'v Value, depth: usize, into: &mut Vec<&'v str>) {
    match value {
        Value::String(text) => into.push(text),
        Value::Array(items) if depth < DEEPEST => {
            items.iter().for_each(|item| flat(item, depth + 1, into));
        }
        Value::Object(fields) if depth < DEEPEST => {
            fields.values().for_each(|field| flat(field, depth + 1, into));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, body: &str) -> Result<Vec<u8>, No> {
        let answer = Answer::of(status, body);
        result(&answer, ("https://ds", "example.com"))
    }

    #[test]
    fn an_answer_is_told_by_its_status_and_its_sentences() {
        let exists = r#"[{},{"non_field_errors":["Another RRset with the same subdomain and type exists for this domain. (Try modifying it.)"]}]"#;
        let beside = r#"[{"non_field_errors":["RRset with conflicting type present at same subname: database (CNAME)."]}]"#;
        for (status, body, kind, says) in [
            (
                401,
                r#"{"detail":"Invalid token."}"#,
                "token",
                "refuses the token (401 Unauthorized): Invalid token.; it has",
            ),
            (
                403,
                r#"{"detail":"Insufficient token permissions."}"#,
                "token",
                "(403 Forbidden): Insufficient token",
            ),
            (404, r#"{"detail":"Not found."}"#, "missing", "answers 404 Not Found: Not found."),
            (409, "", "changed", "answers 409 Conflict"),
            (400, exists, "changed", "answers 400 Bad Request: Another RRset"),
            (400, beside, "changed", "answers 400 Bad Request: RRset with conflicting type"),
            (
                400,
                r#"[{"ttl":["Ensure this value is greater than or equal to 3600."]}]"#,
                "other",
                ": Ensure this value",
            ),
            (
                429,
                r#"{"detail":"Request was throttled."}"#,
                "other",
                "answers 429 Too Many Requests: Request was",
            ),
            (500, "<html>", "other", "answers 500 Internal Server Error"),
            (200, "[{\"subname\":", "other", "does not answer like deSEC: its answer is another one"),
        ] {
            let Err(no) = answered(status, body) else { panic!("{body}") };
            let is = match &no {
                No::Token(_) => "token",
                No::Missing(_) => "missing",
                No::Changed(_) => "changed",
                No::Other(_) => "other",
            };
            let why = no.why();
            assert!(is == kind && why.contains(says), "{kind} {why}");
        }
        assert_eq!(answered(200, "[1]").unwrap(), [1]);
    }

    #[test]
    fn what_a_stranger_wrote_harms_nobody() {
        let deep = format!("{}\"a\\u001b[1m\\nb{}\"{}", "[".repeat(5), "x".repeat(1000), "]".repeat(5));
        let why = answered(400, &deep).unwrap_err().why();
        assert!(
            !why.contains('\u{1b}') && !why.contains('\n') && why.len() < 400 && why.contains("xxx"),
            "{why}"
        );
        let deeper = format!("{}\"hidden\"{}", "[".repeat(50), "]".repeat(50));
        assert!(!answered(400, &deeper).unwrap_err().why().contains("hidden"));
    }
}
