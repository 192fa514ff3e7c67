//! What Hetzner answers: an error has a code and a message, and of a field that is wrong its name. What a stranger wrote into a
//! message is shown on one line and no longer than needed.

use http::StatusCode;
use kwo_planner::plain::one_line;
use kwo_planner::tree::SmolStr;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::providers::api::Answer;
use crate::providers::dns::lines::unread;

/// The longest part of a message that is shown.
const SHOWN: usize = 300;

#[derive(Deserialize)]
struct Told {
    error: Fault,
}

/// What is wrong.
#[derive(Default, Deserialize)]
struct Fault {
    #[serde(default)]
    code: SmolStr,
    #[serde(default)]
    message: String,
    details: Option<Details>,
}

#[derive(Deserialize)]
struct Details {
    #[serde(default)]
    fields: Vec<Field>,
}

#[derive(Deserialize)]
struct Field {
    #[serde(default)]
    name: String,
    #[serde(default)]
    messages: Vec<String>,
}

/// How much of a list an answer has.
#[derive(Debug, Deserialize)]
pub(super) struct Meta {
    pub(super) pagination: Pagination,
}

/// The pages of a list.
#[derive(Debug, Deserialize)]
pub(super) struct Pagination {
    pub(super) page: usize,
    pub(super) next_page: Option<usize>,
    pub(super) total_entries: Option<usize>,
}

/// The zone.
#[derive(Deserialize)]
pub(super) struct OneZone {
    pub(super) zone: Zone,
}

/// What is known of a zone.
#[derive(Deserialize)]
pub(super) struct Zone {
    id: u64,
    pub(super) name: String,
    ttl: u32,
    mode: String,
    status: Option<String>,
}

/// Where the record sets of a zone are.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Place {
    pub(super) id: u64,
    /// The TTL of what has none of its own.
    pub(super) ttl: u32,
}

impl Zone {
    /// Where its record sets are.
    ///
    /// # Errors
    /// When nobody who asks for its names is told what is written there.
    pub(super) fn place(self, (server, zone): (&str, &str)) -> Result<Place, String> {
        let Zone { id, name: _, ttl, mode, status } = self;
        let word = |word: &str| one_line(word).to_string().chars().take(40).collect::<String>();
        match mode.as_str() {
            "primary" => {}
            "secondary" => {
                return Err(format!(
                    "{server} has the zone {zone} from another server, which is the one to name under `dns.zones`"
                ));
            }
            other => {
                return Err(format!(
                    "{server} says that the mode of the zone {zone} is `{}`, and kwo writes to zones that are `primary`; name \
                     the server that answers for it under `dns.zones`",
                    word(other)
                ));
            }
        }
        if status.as_deref() == Some("error") {
            return Err(format!(
                "{server} could not bring the zone {zone} to its name servers (its status is `error`), so nobody is told what \
                 stands there; see in Hetzner Console what is wrong with it, and run kwo again"
            ));
        }
        Ok(Place { id, ttl })
    }
}

/// Something that Hetzner does after it answered.
#[derive(Debug, Deserialize)]
pub(super) struct Action {
    pub(super) id: u64,
    status: SmolStr,
    error: Option<ActionError>,
}

#[derive(Debug, Deserialize)]
struct ActionError {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// The same in an answer.
#[derive(Deserialize)]
pub(super) struct OneAction {
    pub(super) action: Action,
}

impl Action {
    /// Is it done? Nothing where it is under way.
    ///
    /// # Errors
    /// When it failed, with what Hetzner says of that.
    pub(super) fn is_done(&self, server: &str) -> Result<Option<()>, String> {
        match self.status.as_str() {
            "success" => Ok(Some(())),
            "running" => Ok(None),
            "error" => {
                let (code, message) = match &self.error {
                    Some(ActionError { code, message }) => (code.as_str(), message.as_str()),
                    None => ("", ""),
                };
                Err(format!("{server} could not do it{}", said(&[message], code)))
            }
            other => {
                let other: String = one_line(other).to_string().chars().take(40).collect();
                Err(format!("{server} does not answer like Hetzner: the status of an action is `{other}`"))
            }
        }
    }
}

/// An answer that is none to the question.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum No {
    /// The token is none, or lacks a right.
    Token(String),
    /// What was seen is no longer so.
    Changed(String),
    /// It is not there.
    Missing(String),
    /// It is not done, and may be in a moment.
    Busy(String),
    /// Anything else.
    Other(String),
}

impl No {
    pub(super) fn why(self) -> String {
        let (No::Token(why) | No::Changed(why) | No::Missing(why) | No::Busy(why) | No::Other(why)) = self;
        why
    }
}

/// What an answer has. `server` answered about this zone.
pub(super) fn result<T: DeserializeOwned>(answer: &Answer, (server, zone): (&str, &str)) -> Result<T, No> {
    if answer.status.is_success() {
        return serde_json::from_slice(&answer.body)
            .map_err(|error| No::Other(unread((server, "Hetzner"), &error)));
    }
    let fault = serde_json::from_slice(&answer.body).map(|Told { error }| error).unwrap_or_default();
    Err(refused(answer, &fault, (server, zone)))
}

fn refused(answer: &Answer, fault: &Fault, (server, zone): (&str, &str)) -> No {
    let Fault { code, message, details } = fault;
    let fields = details.iter().flat_map(|details| &details.fields);
    let fields: Vec<String> =
        fields.map(|Field { name, messages }| format!("{name} {}", messages.join(", "))).collect();
    let mut told = vec![message.as_str()];
    told.extend(fields.iter().map(String::as_str).filter(|field| !field.trim().is_empty()));
    let (status, said) = (answer.status, said(&told, code));
    let token = || {
        No::Token(format!(
            "{server} refuses the token ({status}){said}; it has to be an API token of the project that the zone {zone} is in, \
             with the right to read and write"
        ))
    };
    match (code.as_str(), status) {
        // A whole product is away for a while, or there is no room: no token changes that.
        ("maintenance", _) => No::Other(format!("{server} answers {status}{said}")),
        ("resource_limit_exceeded", _) => No::Other(format!(
            "the zone {zone} has room for no more records{said}; lower `ceiling` under `dns.zones`, or give a tenant a wildcard \
             for all its names"
        )),
        ("incorrect_zone_mode", _) => No::Other(format!(
            "{server} has the zone {zone} from another server, which is the one to name under `dns.zones`{said}"
        )),
        ("protected", _) => No::Other(format!(
            "a protection at Hetzner keeps it{said}; end the protection there, and run kwo again"
        )),
        ("uniqueness_error", _) => No::Changed(format!("{server} answers {status}{said}")),
        ("locked" | "conflict" | "rate_limit_exceeded", _) => {
            No::Busy(format!("{server} answers {status}{said}"))
        }
        (_, StatusCode::NOT_FOUND) => No::Missing(format!("{server} answers {status}{said}")),
        (_, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => token(),
        (_, StatusCode::CONFLICT) => No::Changed(format!("{server} answers {status}{said}")),
        _ if answer.is_busy() => No::Busy(format!("{server} answers {status}{said}")),
        _ => No::Other(format!("{server} answers {status}{said}")),
    }
}

/// What a stranger said, after a colon.
fn said(told: &[&str], code: &str) -> String {
    let told = told.iter().filter(|part| !part.is_empty());
    let told: Vec<String> = told.map(|part| one_line(&part.replace('\n', " ")).to_string()).collect();
    let code: String = one_line(code).to_string().chars().take(40).collect();
    let code = if code.is_empty() { code } else { format!("({code})") };
    let told: String = told.join(", ").chars().take(SHOWN).collect();
    let parts: Vec<String> = [told, code].into_iter().filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { String::new() } else { format!(": {}", parts.join(" ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, body: &str) -> Result<Vec<u8>, No> {
        let answer = Answer::of(status, body);
        result(&answer, ("https://hz", "example.com"))
    }

    #[test]
    fn an_answer_is_told_by_its_code() {
        let fault = |code: &str| format!(r#"{{"error":{{"code":"{code}","message":"so","details":null}}}}"#);
        let field = r#"{"error":{"code":"invalid_input","message":"no","details":{"fields":[{"name":"ttl","messages":["is low"]}]}}}"#;
        for (status, body, kind, says) in [
            (
                401,
                fault("unauthorized"),
                "token",
                "refuses the token (401 Unauthorized): so (unauthorized); it has",
            ),
            (
                401,
                fault("token_readonly"),
                "token",
                "so (token_readonly); it has to be an API token of the project",
            ),
            (403, String::new(), "token", "refuses the token (403 Forbidden); it"),
            (403, fault("maintenance"), "other", "answers 403 Forbidden: so (maintenance)"),
            (403, fault("resource_limit_exceeded"), "other", "has room for no more records: so"),
            (404, fault("not_found"), "missing", "answers 404 Not Found: so (not_found)"),
            (409, fault("uniqueness_error"), "changed", "answers 409 Conflict: so (uniqueness_error)"),
            (409, fault("conflict"), "busy", "answers 409 Conflict"),
            (423, fault("locked"), "busy", "answers 423 Locked: so (locked)"),
            (423, fault("protected"), "other", "a protection at Hetzner keeps it: so (protected); end"),
            (429, fault("rate_limit_exceeded"), "busy", "answers 429 Too Many Requests"),
            (422, fault("incorrect_zone_mode"), "other", "has the zone example.com from another server"),
            (
                422,
                field.to_owned(),
                "other",
                "answers 422 Unprocessable Entity: no, ttl is low (invalid_input)",
            ),
            (503, String::new(), "busy", "answers 503 Service Unavailable"),
            (504, fault("timeout"), "other", "answers 504 Gateway Timeout: so (timeout)"),
            (
                200,
                "{\"zone\":".to_owned(),
                "other",
                "does not answer like Hetzner: its answer is another one",
            ),
        ] {
            let Err(no) = answered(status, &body) else { panic!("{body}") };
            let is = match &no {
                No::Token(_) => "token",
                No::Changed(_) => "changed",
                No::Missing(_) => "missing",
                No::Busy(_) => "busy",
                No::Other(_) => "other",
            };
            let why = no.why();
            assert!(is == kind && why.contains(says), "{kind} {why}");
        }
        assert_eq!(answered(200, "[1]").unwrap(), [1]);
    }

    #[test]
    fn what_a_stranger_wrote_harms_nobody() {
        let long = "x".repeat(1000);
        let body = format!(
            r#"{{"error":{{"code":"a\u001b[1m{long}","message":"b\u001b[1m\nc{long}","details":{{"fields":[{{"name":"{long}"}}]}}}}}}"#
        );
        let why = answered(422, &body).unwrap_err().why();
        assert!(!why.contains('\u{1b}') && !why.contains('\n') && why.len() < 450, "{why}");
    }

    #[test]
    fn an_action_is_done_or_under_way_or_failed() {
        let action = |status: &str, error: &str| -> Action {
            serde_json::from_str(&format!(r#"{{"id":1,"status":"{status}","error":{error}}}"#)).unwrap()
        };
        assert_eq!(action("success", "null").is_done("hz"), Ok(Some(())));
        assert_eq!(action("running", "null").is_done("hz"), Ok(None));
        let failed = r#"{"code":"action_failed","message":"Action\u001b failed"}"#;
        let why = action("error", failed).is_done("hz").unwrap_err();
        assert!(why.starts_with("hz could not do it: Action") && why.ends_with("(action_failed)"), "{why}");
        assert!(!why.contains('\u{1b}'), "{why}");
        assert!(action("odd", "null").is_done("hz").unwrap_err().contains("does not answer like Hetzner"));
    }

    #[test]
    fn a_zone_that_nobody_is_told_is_not_written_to() {
        let zone = |mode: &str, status: &str| Zone {
            id: 42,
            name: "example.com".to_owned(),
            ttl: 3600,
            mode: mode.to_owned(),
            status: Some(status.to_owned()),
        };
        let place = |mode, status| zone(mode, status).place(("hz", "example.com"));
        assert_eq!(place("primary", "updating"), Ok(Place { id: 42, ttl: 3600 }));
        assert!(place("secondary", "ok").unwrap_err().contains("from another server"));
        assert!(place("odd", "ok").unwrap_err().contains("the mode of the zone example.com is `odd`"));
        assert!(place("primary", "error").unwrap_err().contains("its status is `error`"));
    }
}
