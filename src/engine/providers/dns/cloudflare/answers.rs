//! What Cloudflare answers: every answer says whether it is a success, with errors that have a code and a message. What a
//! stranger wrote into a message is shown on one line and no longer than needed.

use http::StatusCode;
use kwo_planner::plain::one_line;
use kwo_planner::tree::SmolStr;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::providers::api::Answer;
use crate::providers::dns::lines::unread;

/// The codes of a token that is none, or that lacks a right.
const OF_TOKENS: [u64; 10] = [6003, 6103, 6111, 9103, 9106, 9107, 9109, 9110, 10000, 10001];

/// The code of a record that is gone, and those of one that is there already.
const GONE: u64 = 81044;
const EXISTS: [u64; 2] = [81057, 81058];

/// The code of a zone that has no room for more records.
const FULL: u64 = 81045;

/// The longest part of a message that is shown.
const SHOWN: usize = 300;

/// The longest part of a word of Cloudflare that kwo does not know.
const WORD: usize = 40;

/// An answer.
#[derive(Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
pub(super) struct Told<T> {
    pub(super) success: bool,
    pub(super) errors: Option<Vec<Fault>>,
    pub(super) result: Option<T>,
    pub(super) result_info: Option<Info>,
}

/// What is wrong.
#[derive(Deserialize)]
pub(super) struct Fault {
    #[serde(default)]
    code: u64,
    #[serde(default)]
    message: String,
    error_chain: Option<Vec<Fault>>,
}

/// How long the list is that an answer has a part of.
#[derive(Debug, Deserialize)]
pub(super) struct Info {
    pub(super) total_count: usize,
}

/// A zone as it is listed.
#[derive(Deserialize)]
pub(super) struct ListedZone {
    id: SmolStr,
    pub(super) name: String,
    #[serde(rename = "type")]
    of: Option<String>,
    status: Option<String>,
    paused: Option<bool>,
}

/// Where the records of a zone are.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Place {
    pub(super) id: SmolStr,
    /// Then nothing goes through the proxy, whatever its record says.
    pub(super) paused: bool,
}

impl ListedZone {
    /// Where its records are, for this zone of a server.
    ///
    /// # Errors
    /// When nobody who asks for its names is told them.
    pub(super) fn place(self, (server, zone): (&str, &str)) -> Result<Place, String> {
        let ListedZone { id, name: _, of, status, paused } = self;
        let word = |word: Option<String>| {
            let word: String = one_line(&word.unwrap_or_default()).to_string().chars().take(WORD).collect();
            if word.is_empty() { "nothing".to_owned() } else { format!("`{word}`") }
        };
        match of.as_deref() {
            Some("full") => {}
            Some("secondary") => {
                return Err(format!(
                    "{server} has the zone {zone} from another server, which is the one to name under `dns.zones`"
                ));
            }
            Some("partial") => {
                return Err(format!(
                    "{server} does not answer for the zone {zone} (a CNAME setup); name the server that does under `dns.zones`"
                ));
            }
            _ => {
                return Err(format!(
                    "{server} says that the type of the zone {zone} is {}, and kwo writes to zones that are `full`; name the \
                     server that answers for it under `dns.zones`",
                    word(of)
                ));
            }
        }
        let advice = match status.as_deref() {
            Some("active") => None,
            Some("pending" | "initializing") => Some(
                "set its name servers at the registrar to those that Cloudflare shows, and wait until it is `active`",
            ),
            Some("moved") => Some(
                "its name servers are others; name the server that answers for it under `dns.zones`, or set them back at the \
                 registrar",
            ),
            _ => Some("let it become `active` there, and run kwo again"),
        };
        if let Some(advice) = advice {
            return Err(format!(
                "{server} does not answer for the zone {zone}: its status is {}; {advice}",
                word(status)
            ));
        }
        // It becomes a part of paths.
        if id.len() != 32 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(format!("{server} does not answer like Cloudflare: the id of the zone is none"));
        }
        Ok(Place { id, paused: paused.unwrap_or_default() })
    }
}

/// An answer that is none to the question.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum No {
    /// The token is none, or lacks a right.
    Token(String),
    /// What was seen is no longer so.
    Changed(String),
    /// There is no room for more records.
    Full(String),
    /// Anything else.
    Other(String),
}

impl No {
    pub(super) fn why(self) -> String {
        let (No::Token(why) | No::Changed(why) | No::Full(why) | No::Other(why)) = self;
        why
    }
}

/// What an answer has as its result, with how much of a list that is. `server` answered, and the token needs `right` for what
/// was asked about this zone.
pub(super) fn result<T: DeserializeOwned>(
    answer: &Answer,
    (server, zone, right): (&str, &str, &str),
) -> Result<(T, Option<Info>), No> {
    let told: Result<Told<T>, _> = serde_json::from_slice(&answer.body);
    let unlike = |why: &str| No::Other(format!("{server} does not answer like Cloudflare: {why}"));
    if answer.status.is_success() {
        let told = told.map_err(|error| No::Other(unread((server, "Cloudflare"), &error)))?;
        return match told {
            Told { success: true, result: Some(result), result_info, .. } => Ok((result, result_info)),
            Told { success: true, result: None, .. } => Err(unlike("its answer has no result")),
            Told { success: false, errors, .. } => {
                Err(refused(answer.status, &errors.unwrap_or_default(), (server, zone, right)))
            }
        };
    }
    // What it has as a result besides is of no interest, and need not be of this type.
    let told: Result<Told<serde_json::Value>, _> = serde_json::from_slice(&answer.body);
    let errors = told.ok().and_then(|told| told.errors).unwrap_or_default();
    Err(refused(answer.status, &errors, (server, zone, right)))
}

fn refused(status: StatusCode, errors: &[Fault], (server, zone, right): (&str, &str, &str)) -> No {
    let mut all = Vec::new();
    flat(errors, 0, &mut all);
    let has = |codes: &[u64]| all.iter().any(|fault| codes.contains(&fault.code));
    let said: Vec<String> = all
        .iter()
        .map(|fault| {
            let message = one_line(&fault.message.replace('\n', " ")).to_string();
            if fault.code == 0 { message } else { format!("{message} ({})", fault.code) }
        })
        .collect();
    let said: String = said.join(", ").chars().take(SHOWN).collect();
    let said = if said.is_empty() { said } else { format!(": {said}") };
    if has(&OF_TOKENS) || matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        return No::Token(format!(
            "{server} refuses the token ({status}){said}; it has to be an API token with the right `{right}` for the zone {zone}"
        ));
    }
    if has(&EXISTS) || has(&[GONE]) {
        return No::Changed(format!("{server} answers {status}{said}"));
    }
    if has(&[FULL]) {
        return No::Full(format!(
            "the plan of the zone {zone} has room for no more records{said}; lower `ceiling` under `dns.zones`, or give a \
             tenant a wildcard for all its names"
        ));
    }
    No::Other(format!("{server} answers {status}{said}"))
}

/// All faults with what they were caused by.
fn flat<'f>(faults: &'f [Fault], depth: usize, into: &mut Vec<&'f Fault>) {
    const DEEPEST: usize = 4;
    for fault in faults.iter().filter(|_| depth < DEEPEST) {
        into.push(fault);
        flat(fault.error_chain.as_deref().unwrap_or_default(), depth + 1, into);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, body: &str) -> Result<(Vec<u8>, Option<Info>), No> {
        let answer = Answer::of(status, body);
        result(&answer, ("https://cf", "example.com", "Zone.DNS:Edit"))
    }

    #[test]
    fn an_answer_is_told_by_its_code() {
        let fault = |code: u64| {
            format!(r#"{{"success":false,"errors":[{{"code":{code},"message":"so"}}],"result":null}}"#)
        };
        for (status, body, kind, says) in [
            (
                403,
                fault(9109),
                "token",
                "refuses the token (403 Forbidden): so (9109); it has to be an API token",
            ),
            (403, fault(10000), "token", "with the right `Zone.DNS:Edit` for the zone example.com"),
            (403, String::new(), "token", "refuses the token (403 Forbidden); it"),
            (400, fault(6003), "token", "refuses the token (400 Bad Request): so (6003)"),
            (400, fault(81058), "changed", "answers 400 Bad Request: so (81058)"),
            (404, fault(81044), "changed", "answers 404 Not Found: so (81044)"),
            (400, fault(81053), "other", "answers 400 Bad Request: so (81053)"),
            (400, fault(81045), "full", "has room for no more records: so (81045)"),
            (200, fault(81058), "changed", "answers 200 OK: so (81058)"),
            (
                200,
                "{\"success\":".to_owned(),
                "other",
                "does not answer like Cloudflare: its answer is another",
            ),
            (200, r#"{"success":true}"#.to_owned(), "other", "its answer has no result"),
            (502, "<html>".to_owned(), "other", "answers 502 Bad Gateway"),
        ] {
            let Err(no) = answered(status, &body) else { panic!("{body}") };
            let is = match &no {
                No::Token(_) => "token",
                No::Changed(_) => "changed",
                No::Full(_) => "full",
                No::Other(_) => "other",
            };
            let why = no.why();
            assert!(is == kind && why.contains(says), "{kind} {why}");
        }
        let (result, info) = answered(
            200,
            r#"{"success":true,"errors":null,"result":[1],"result_info":{"page":1,"total_count":7}}"#,
        )
        .unwrap();
        assert_eq!((result, info.unwrap().total_count), (vec![1], 7));
    }

    #[test]
    fn what_a_stranger_wrote_harms_nobody() {
        let chain = r#"{"code":1,"message":"a\u001b[1m\nb","error_chain":"#;
        let body = format!(
            r#"{{"success":false,"errors":[{}{{"code":2,"message":"{}"}}{}]}}"#,
            format!("{chain}[").repeat(10),
            "x".repeat(1000),
            "]}".repeat(10)
        );
        let why = answered(400, &body).unwrap_err().why();
        assert!(!why.contains('\u{1b}') && !why.contains('\n') && why.len() < 400, "{why}");
        assert_eq!(why.matches("(1)").count(), 4);
    }
}
