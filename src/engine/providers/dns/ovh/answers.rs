//! What OVH answers: a record, ids, and what is wrong, with a class, a code and a message. What a stranger wrote into a message is
//! shown on one line and no longer than needed.

use http::StatusCode;
use kwo_planner::plain::one_line;
use kwo_planner::tree::SmolStr;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use smol_str::format_smolstr;

use crate::providers::api::Answer;
use crate::providers::dns::lines::unread;
use crate::providers::dns::objects::{No, Object, placed};
use crate::providers::dns::records::content;

/// The longest part of a message that is shown.
const SHOWN: usize = 300;

/// A record.
#[derive(Deserialize)]
pub(super) struct Listed {
    pub(super) id: u64,
    #[serde(rename = "fieldType")]
    of: SmolStr,
    #[serde(rename = "subDomain")]
    at: Option<String>,
    target: String,
    ttl: Option<u32>,
}

impl Listed {
    /// In one form.
    ///
    /// # Errors
    /// When no record of this zone is like it.
    pub(super) fn object(self, zone: &str) -> Result<Object, String> {
        let Listed { id, of, at, target, ttl } = self;
        let at = placed(at.as_deref().unwrap_or_default(), &of, zone)?;
        let text = match (of.as_str(), target.as_str()) {
            // What ends without a dot lies in the zone.
            ("CNAME" | "NS" | "DNAME", "@") => format!("{zone}."),
            ("CNAME" | "NS" | "DNAME", inside) if !inside.ends_with('.') => format!("{inside}.{zone}."),
            ("TXT", text) => {
                text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text).to_owned()
            }
            (_, text) => text.to_owned(),
        };
        let text = content(&of, &text, false);
        Ok(Object { id: format_smolstr!("{id}"), name: at, of, content: text, ttl: ttl.unwrap_or_default() })
    }
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Fault {
    message: String,
    error_code: String,
}

/// Whom kwo asks, and the access rule that the consumer key needs for it.
#[derive(Clone, Copy)]
pub(super) struct About<'a> {
    pub(super) server: &'a str,
    pub(super) rule: &'a str,
}

/// What an answer has.
pub(super) fn result<T: DeserializeOwned>(answer: &Answer, about: About<'_>) -> Result<T, No> {
    succeeded(answer, about)?;
    serde_json::from_slice(&answer.body).map_err(|error| No::Other(unread((about.server, "OVH"), &error)))
}

/// Was it done?
pub(super) fn succeeded(answer: &Answer, about: About<'_>) -> Result<(), No> {
    let About { server, rule } = about;
    let status = answer.status;
    if status.is_success() {
        return Ok(());
    }
    let Fault { message, error_code } = serde_json::from_slice(&answer.body).unwrap_or_default();
    let code: String = one_line(&error_code).chars().take(40).collect();
    let said: String = one_line(&message.replace('\n', " ")).chars().take(SHOWN).collect();
    let told = match (said.as_str(), code.as_str()) {
        ("", "") => String::new(),
        (said, "") => format!(": {said}"),
        (said, code) => format!(": {said} ({code})"),
    };
    let is_signature = message.to_ascii_lowercase().contains("signature");
    Err(match status {
        StatusCode::FORBIDDEN if code == "NOT_GRANTED_CALL" => No::Key(format!(
            "{server} refuses the key ({status}){told}; the consumer key needs the access rule `{rule}`"
        )),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => No::Key(format!(
            "{server} refuses the key ({status}){told}; the application key, its secret and the consumer key have to belong \
             together at this endpoint, and the consumer key has to be validated and not expired"
        )),
        StatusCode::BAD_REQUEST if is_signature => No::Key(format!(
            "{server} refuses the key ({status}){told}; the secret has to be that of the application key"
        )),
        StatusCode::NOT_FOUND => No::Gone(format!("{server} answers {status}{told}")),
        _ => No::Other(format!("{server} answers {status}{told}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_the_same_is_the_same() {
        let told = |of: &str, at: Option<&str>, target: &str| {
            let listed = serde_json::json!({"id": 7, "zone": "example.com", "fieldType": of, "subDomain": at, "target": target,
                "ttl": 60});
            let object = serde_json::from_value::<Listed>(listed).unwrap().object("example.com");
            object.map(|Object { name, content, .. }| format!("{name} {content}"))
        };
        for at in [None, Some(""), Some("@")] {
            assert_eq!(told("A", at, "192.0.2.1").unwrap(), "example.com 192.0.2.1");
        }
        assert_eq!(told("CNAME", Some("*.W"), "LB.example.net.").unwrap(), "*.w.example.com lb.example.net.");
        assert_eq!(told("CNAME", Some("www"), "lb").unwrap(), "www.example.com lb.example.com.");
        for target in ["a b", "\"a b\""] {
            assert_eq!(told("TXT", Some("www"), target).unwrap(), "www.example.com a b");
        }
        assert!(told("A", Some("..x"), "192.0.2.1").is_err() && told("a b", None, "x").is_err());
    }

    #[test]
    fn an_answer_is_told_by_its_code_on_one_line() {
        for (status, body, says) in [
            (
                403,
                r#"{"class":"Client::Forbidden","message":"This call has not been granted","errorCode":"NOT_GRANTED_CALL"}"#,
                "not been granted (NOT_GRANTED_CALL); the consumer key needs the access rule `GET /x`",
            ),
            (
                403,
                r#"{"message":"This credential is not valid","errorCode":"INVALID_CREDENTIAL"}"#,
                "is not valid (INVALID_CREDENTIAL); the application key, its secret",
            ),
            (400, r#"{"message":"Invalid signature"}"#, "Invalid signature; the secret has to be"),
            (400, r#"{"message":"a\u001b[1m\nb"}"#, "answers 400 Bad Request: a"),
            (404, r#"{"message":"This service does not exist"}"#, "answers 404 Not Found: This service"),
            (200, "[1,", "does not answer like OVH: its answer is another one (line 1"),
        ] {
            let answer = Answer::of(status, body);
            let no = result::<Vec<u64>>(&answer, About { server: "https://ovh", rule: "GET /x" });
            let why = no.unwrap_err().why();
            assert!(why.contains(says) && !why.contains('\u{1b}') && !why.contains('\n'), "{why}");
        }
    }
}
