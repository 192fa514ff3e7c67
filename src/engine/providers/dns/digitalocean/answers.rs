//! What DigitalOcean answers: the records as they are listed, and what is wrong, with a short word and a message. What a stranger
//! wrote into a message is shown on one line and no longer than needed.

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

/// What stands for the zone itself, as a name and as what a record leads to.
pub(super) const ZONE: &str = "@";

/// The longest part of a message that is shown.
const SHOWN: usize = 300;

/// One page of a list.
#[derive(Deserialize)]
pub(super) struct Page {
    pub(super) domain_records: Vec<Listed>,
    #[serde(default)]
    links: Links,
    pub(super) meta: Meta,
}

#[derive(Default, Deserialize)]
struct Links {
    #[serde(default)]
    pages: Option<Pages>,
}

#[derive(Deserialize)]
struct Pages {
    next: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Meta {
    pub(super) total: usize,
}

impl Page {
    /// Does it say that there is one more?
    pub(super) fn goes_on(&self) -> bool {
        self.links.pages.as_ref().is_some_and(|pages| pages.next.is_some())
    }
}

/// One record.
#[derive(Deserialize)]
pub(super) struct OneRecord {
    pub(super) domain_record: Listed,
}

/// A record as it is listed. What its type has no use for is null.
#[derive(Deserialize)]
pub(super) struct Listed {
    id: u64,
    #[serde(rename = "type")]
    of: SmolStr,
    name: String,
    data: Option<String>,
    ttl: Option<u32>,
    priority: Option<u64>,
    weight: Option<u64>,
    port: Option<u64>,
    flags: Option<u64>,
    tag: Option<String>,
}

impl Listed {
    /// In one form.
    ///
    /// # Errors
    /// When no record of this zone is like it.
    pub(super) fn object(self, zone: &str) -> Result<Object, String> {
        let Listed { id, of, name: at, data, ttl, priority, weight, port, flags, tag } = self;
        let at = placed(&at, &of, zone)?;
        let data = data.unwrap_or_default();
        let data = match (of.as_str(), data.as_str()) {
            ("CNAME" | "NS", ZONE) => zone,
            // One string comes with quotes where somebody wrote them, and means the same.
            ("TXT", text) => text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text),
            (_, text) => text,
        };
        let before: Vec<String> = [priority, weight, port, flags]
            .into_iter()
            .flatten()
            .map(|number| number.to_string())
            .chain(tag)
            .filter(|_| matches!(of.as_str(), "MX" | "SRV" | "CAA"))
            .collect();
        let text = content(&of, data, false);
        let text = if before.is_empty() { text } else { format_smolstr!("{} {text}", before.join(" ")) };
        Ok(Object { id: format_smolstr!("{id}"), name: at, of, content: text, ttl: ttl.unwrap_or_default() })
    }
}

#[derive(Deserialize)]
struct Fault {
    #[serde(default)]
    message: String,
}

/// Whom kwo asks, about which zone, and the scope that the token needs for it.
#[derive(Clone, Copy)]
pub(super) struct About<'a> {
    pub(super) server: &'a str,
    pub(super) zone: &'a str,
    pub(super) scope: &'a str,
}

/// What an answer has.
pub(super) fn result<T: DeserializeOwned>(answer: &Answer, about: About<'_>) -> Result<T, No> {
    succeeded(answer, about)?;
    serde_json::from_slice(&answer.body)
        .map_err(|error| No::Other(unread((about.server, "DigitalOcean"), &error)))
}

/// Was it done?
pub(super) fn succeeded(answer: &Answer, about: About<'_>) -> Result<(), No> {
    let About { server, zone, scope } = about;
    let status = answer.status;
    if status.is_success() {
        return Ok(());
    }
    let said = serde_json::from_slice::<Fault>(&answer.body).map(|fault| fault.message).unwrap_or_default();
    let said: String = one_line(&said.replace('\n', " ")).chars().take(SHOWN).collect();
    let said = if said.is_empty() { said } else { format!(": {said}") };
    Err(match status {
        StatusCode::UNAUTHORIZED => No::Key(format!(
            "{server} refuses the token ({status}){said}; it has to be an API token of the account that has the zone {zone}"
        )),
        StatusCode::FORBIDDEN => No::Key(format!(
            "{server} refuses the token ({status}){said}; it needs the scope `{scope}` for the zone {zone}"
        )),
        StatusCode::NOT_FOUND => No::Gone(format!("{server} answers {status}{said}")),
        _ => No::Other(format!("{server} answers {status}{said}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABOUT: About<'_> = About { server: "https://do", zone: "example.com", scope: "domain:read" };

    fn answer(status: u16, body: &str) -> Answer {
        Answer::of(status, body)
    }

    fn object(of: &str, name: &str, data: &str) -> Result<Object, String> {
        let listed = serde_json::json!({"id": 7, "type": of, "name": name, "data": data, "priority": null, "port": null,
            "ttl": 60, "weight": null, "flags": null, "tag": null});
        serde_json::from_value::<Listed>(listed).unwrap().object("example.com")
    }

    #[test]
    fn what_means_the_same_is_the_same() {
        let told = |of: &str, name: &str, data: &str| {
            let Object { id, name, of, content, ttl } = object(of, name, data).unwrap();
            format!("{id} {name} {of} {content} {ttl}")
        };
        assert_eq!(told("A", "@", "192.0.2.1"), "7 example.com A 192.0.2.1 60");
        assert_eq!(told("AAAA", "*.W", "2001:DB8:0::1"), "7 *.w.example.com AAAA 2001:db8::1 60");
        for data in ["LB.example.net", "lb.example.net."] {
            assert_eq!(told("CNAME", "www", data), "7 www.example.com CNAME lb.example.net. 60");
        }
        assert_eq!(told("CNAME", "www", "@"), "7 www.example.com CNAME example.com. 60");
        for data in ["a b", "\"a b\""] {
            assert_eq!(told("TXT", "www", data), "7 www.example.com TXT a b 60");
        }
        for (of, name) in [("A", ".x"), ("A", "x..y"), ("a", "www"), ("", "www")] {
            assert!(object(of, name, "192.0.2.1").is_err(), "{of} {name}");
        }
    }

    #[test]
    fn an_answer_is_told_by_its_status_on_one_line() {
        let long = format!(r#"{{"id":"x","message":"a\u001b[1m\n{}"}}"#, "x".repeat(1000));
        for (status, body, says) in [
            (
                401,
                r#"{"id":"unauthorized","message":"Unable to authenticate you"}"#,
                "refuses the token (401 Unauthorized): Unable",
            ),
            (
                403,
                "",
                "refuses the token (403 Forbidden); it needs the scope `domain:read` for the zone example.com",
            ),
            (404, r#"{"id":"not_found","message":"no"}"#, "answers 404 Not Found: no"),
            (422, &long, "answers 422 Unprocessable Entity: a"),
            (
                200,
                "{\"domain_records\":",
                "does not answer like DigitalOcean: its answer is another one (line 1",
            ),
            (200, r#"{"domain_records":[]}"#, "does not answer like DigitalOcean"),
        ] {
            let Err(no) = result::<Page>(&answer(status, body), ABOUT) else { panic!("{body}") };
            let why = no.why();
            assert!(why.contains(says) && why.len() < 500, "{why}");
            assert!(!why.contains('\u{1b}') && !why.contains('\n'), "{why}");
        }
        let body = r#"{"domain_records":[],"links":{"pages":{"next":"https://x"}},"meta":{"total":3}}"#;
        let page: Page = result(&answer(200, body), ABOUT).unwrap();
        assert!(page.goes_on() && page.meta.total == 3);
    }
}
