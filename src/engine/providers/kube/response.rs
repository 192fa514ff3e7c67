//! What came back for a request, and what that means: done, ask again and when, or give up. Decides from values
//! alone; the waiting and the sending are in `transport.rs`.

use kwo_planner::plain::counted;
use std::borrow::Cow;
use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;

use kwo_planner::plain::one_line;

use crate::providers::Refusal;

/// What the API server refuses an object with, as forbidden, that it only cannot judge yet: a quota whose objects are
/// not counted so far, a policy that it has heard of and not read.
const NOT_YET: [&str; 2] = ["status unknown for quota", "not yet ready to handle request"];

/// The longest that one `Retry-After` is obeyed.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// An answer of the server, read to its end.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: StatusCode,
    pub(super) retry_after: Option<Duration>,
    /// What the server warns of.
    pub(super) warnings: Vec<String>,
    pub(super) body: Vec<u8>,
}

/// No answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::providers) enum Trouble {
    /// The request never left.
    NotSent(String),
    /// It may have arrived, or not.
    Lost(String),
    /// The certificate of the server is none that is trusted, so nothing was sent. Asking again cannot help.
    Distrusted(String),
    /// Asking again cannot help. It may have arrived, or not.
    Hopeless(String),
    /// A page of a list has more than these bytes. Asking for fewer objects helps.
    TooLarge(usize),
}

/// What to do about the outcome of one try.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Next {
    /// It is the outcome.
    Done,
    /// The server is there and has too much to do: ask again; after this time, where it named one.
    Wait {
        /// The wait that the server asks for.
        after: Option<Duration>,
    },
    /// The server cannot judge the object yet: ask again, for a while.
    Early,
    /// The server may be away: ask again when it is there.
    Doubt {
        /// The wait that the server asks for.
        after: Option<Duration>,
        /// The request may have been carried out.
        unsure: bool,
    },
}

/// The part of a Kubernetes `Status` that people need.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Status<'a> {
    #[serde(borrow)]
    message: Cow<'a, str>,
}

/// What one try calls for.
pub(super) fn next(outcome: &Result<Response, Trouble>) -> Next {
    match outcome {
        Ok(response) => match response.status.as_u16() {
            429 => Next::Wait { after: response.retry_after },
            403 if response.is_early() => Next::Early,
            408 | 500 | 502 | 503 | 504 => Next::Doubt { after: response.retry_after, unsure: true },
            _ => Next::Done,
        },
        Err(Trouble::NotSent(_)) => Next::Doubt { after: None, unsure: false },
        Err(Trouble::Lost(_)) => Next::Doubt { after: None, unsure: true },
        Err(Trouble::Distrusted(_) | Trouble::Hopeless(_) | Trouble::TooLarge(_)) => Next::Done,
    }
}

/// The `Retry-After` header in seconds, as Kubernetes writes it, within reason.
pub(in crate::providers) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_WAIT))
}

impl Response {
    /// Did it go well?
    pub(super) fn is_success(&self) -> bool {
        self.status.is_success()
    }

    /// Was the object refused because the server cannot judge it yet?
    fn is_early(&self) -> bool {
        let status = self.api_status();
        self.status == StatusCode::FORBIDDEN && NOT_YET.iter().any(|words| status.message.contains(words))
    }

    /// What the server said, in one line.
    pub(super) fn says(&self) -> String {
        let status = self.api_status();
        if self.status == StatusCode::UNAUTHORIZED {
            return "the server does not accept these credentials (401 Unauthorized)".to_owned();
        }
        let message = status.message.trim();
        let message = one_line(&message.replace('\n', " ")).into_owned();
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            let more = if message.is_empty() { String::new() } else { format!(": {message}") };
            return format!("the API server asked to wait (429){more}");
        }
        if message.is_empty() { format!("HTTP {}", self.status) } else { message }
    }

    /// What it means for a write, or for anything that has to succeed, when it did not go well.
    pub(super) fn refusal(&self, tries: u32) -> Refusal {
        if self.is_early() {
            let why = format!(
                "{}; the cluster cannot judge it yet, which takes up to five minutes: run kwo again then",
                self.says()
            );
            Refusal::Refused { why }
        } else if self.status.is_client_error() && self.status != StatusCode::TOO_MANY_REQUESTS {
            Refusal::Refused { why: self.says() }
        } else {
            Refusal::Unreachable { why: format!("{} ({})", self.says(), times(tries)) }
        }
    }

    fn api_status(&self) -> Status<'_> {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

impl Trouble {
    /// In words.
    pub(super) fn why(&self) -> Cow<'_, str> {
        match self {
            Trouble::NotSent(why)
            | Trouble::Lost(why)
            | Trouble::Distrusted(why)
            | Trouble::Hopeless(why) => why.into(),
            Trouble::TooLarge(bytes) => format!("the answer has more than {bytes} bytes").into(),
        }
    }

    /// What it means for a write.
    pub(super) fn refusal(&self, tries: u32) -> Refusal {
        let why = match self {
            Trouble::NotSent(why) | Trouble::Lost(why) => format!("{why} ({})", times(tries)),
            Trouble::Distrusted(_) | Trouble::Hopeless(_) | Trouble::TooLarge(_) => self.why().into_owned(),
        };
        Refusal::Unreachable { why }
    }
}

/// `4 tries`.
pub(super) fn times(tries: u32) -> String {
    counted(tries, "try", "tries")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, body: &str) -> Response {
        Response {
            status: StatusCode::from_u16(status).unwrap(),
            retry_after: None,
            warnings: Vec::new(),
            body: body.into(),
        }
    }

    #[test]
    fn what_cannot_be_judged_yet_is_told_from_what_is_forbidden() {
        let next =
            |status, message: &str| next(&Ok(response(status, &format!(r#"{{"message":"{message}"}}"#))));
        let unknown = "secrets 'a' is forbidden: status unknown for quota: q, resources: count/secrets";
        let policy = "x is forbidden: ValidatingAdmissionPolicy 'p' denied: not yet ready to handle request";
        assert_eq!((next(403, unknown), next(403, policy)), (Next::Early, Next::Early));
        let refused = ["exceeded quota: q, requested: count/secrets=1", "User 'a' cannot create resource"];
        refused.iter().for_each(|message| assert_eq!(next(403, message), Next::Done));
        assert_eq!(next(422, unknown), Next::Done);
    }

    #[test]
    fn only_what_may_pass_is_asked_again() {
        let next = |status| next(&Ok(response(status, "")));
        assert_eq!(next(429), Next::Wait { after: None });
        assert_eq!(next(503), Next::Doubt { after: None, unsure: true });
        for done in [200, 201, 401, 403, 404, 409, 410, 422] {
            assert_eq!(next(done), Next::Done);
        }
    }

    #[test]
    fn retry_after_is_obeyed_within_reason() {
        let wait = |value: &'static str| {
            retry_after(&HeaderMap::from_iter([(header::RETRY_AFTER, value.parse().unwrap())]))
        };
        assert_eq!(wait("2"), Some(Duration::from_secs(2)));
        assert_eq!(wait("9000"), Some(LONGEST_WAIT));
        assert_eq!(wait("soon"), None);
    }

    #[test]
    fn an_answer_speaks_in_the_servers_words() {
        let no = response(403, r#"{"kind":"Status","message":"roles is forbidden","reason":"Forbidden"}"#);
        assert_eq!(no.refusal(1), Refusal::Refused { why: "roles is forbidden".into() });
        assert_eq!(response(502, "<html>").says(), "HTTP 502 Bad Gateway");
        assert!(
            matches!(response(503, "").refusal(5), Refusal::Unreachable { why } if why.contains("5 tries"))
        );
    }
}
