//! PowerDNS Authoritative Server, by its HTTP API: one GET reads a zone, one PATCH replaces record sets. What a PATCH does
//! not name stays as it is, and so do the records where it names only comments.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, Method, StatusCode};
use kwo_planner::plain::one_line;
use kwo_planner::tree::SmolStr;
use serde::{Deserialize, Serialize};

use super::records::{Comment, RecordSet, content, name};
use crate::providers::api::{Answer, Api, Ask, NoAnswer};

/// A zone of a million records is shorter.
const LONGEST: usize = 256 << 20;

/// What an answer to a write may have.
const SHORT: usize = 1 << 20;

/// Where the key stands.
pub(super) const KEY: HeaderName = HeaderName::from_static("x-api-key");

/// One zone on one server.
pub(super) struct PowerDns {
    pub(super) api: Arc<Api>,
    pub(super) headers: HeaderMap,
    pub(super) server: SmolStr,
    pub(super) zone: SmolStr,
}

/// What a write is about, in one transaction.
pub(super) struct Patch<'p> {
    pub(super) name: &'p str,
    pub(super) of: &'p str,
    /// The TTL and the records; nothing where only the comments are written.
    pub(super) records: Option<(u32, &'p [SmolStr])>,
    /// All comments that are there afterwards.
    pub(super) comments: &'p [Comment],
}

/// What became of a write.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Wrote {
    Done,
    Refused(String),
    /// Not done, and the server asks to come again.
    Busy(String, Option<std::time::Duration>),
    /// Nobody knows.
    Unsure(String),
}

#[derive(Deserialize)]
struct Zone {
    name: String,
    kind: String,
    rrsets: Vec<Set>,
}

#[derive(Deserialize)]
struct Set {
    name: String,
    #[serde(rename = "type")]
    of: String,
    #[serde(default)]
    ttl: u32,
    records: Vec<Entry>,
    #[serde(default)]
    comments: Vec<Note>,
}

#[derive(Deserialize)]
struct Entry {
    content: String,
    #[serde(default)]
    disabled: bool,
}

#[derive(Deserialize, Serialize)]
struct Note {
    account: SmolStr,
    content: SmolStr,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    modified_at: Option<u64>,
}

#[derive(Deserialize)]
struct Fault {
    error: String,
}

#[derive(Serialize)]
struct Change<'c> {
    rrsets: [ChangedSet<'c>; 1],
}

#[derive(Serialize)]
struct ChangedSet<'c> {
    changetype: &'static str,
    name: String,
    #[serde(rename = "type")]
    of: &'c str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    records: Option<Vec<NewEntry<'c>>>,
    comments: Vec<Note>,
}

#[derive(Serialize)]
struct NewEntry<'c> {
    content: &'c str,
    disabled: bool,
}

impl PowerDns {
    /// Which zone on which server it is: what no other has.
    pub(super) fn identity(&self) -> SmolStr {
        format!("{}{}", self.api.server(), self.path()).into()
    }

    fn path(&self) -> String {
        format!("/api/v1/servers/{}/zones/{}.", self.server, self.zone)
    }

    /// The version of the server, which it tells whoever has the key.
    ///
    /// # Errors
    /// When it does not tell; as a sentence without a full stop.
    pub(super) async fn version(&self) -> Result<String, String> {
        let path = format!("/api/v1/servers/{}", self.server);
        let ask =
            Ask { method: Method::GET, path: &path, headers: &self.headers, json: None, longest: SHORT };
        let answer = self.api.read(&ask).await?;
        if answer.status != StatusCode::OK {
            return Err(self.refused(&answer));
        }
        let told: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let version = told["version"].as_str().map(one_line);
        version.map(|version| version.to_string()).ok_or_else(|| {
            format!("{} does not answer like PowerDNS: it tells no version", self.api.server())
        })
    }

    /// All record sets of the zone, or those at one name.
    ///
    /// # Errors
    /// When not all of them could be seen, or when the zone cannot be written to; as a sentence without a full stop.
    pub(super) async fn read(&self, at: Option<&str>) -> Result<Vec<RecordSet>, String> {
        let path = match at {
            Some(at) => format!("{}?rrset_name={at}.", self.path()),
            None => self.path(),
        };
        let ask =
            Ask { method: Method::GET, path: &path, headers: &self.headers, json: None, longest: LONGEST };
        let answer = self.api.read(&ask).await?;
        if answer.status != StatusCode::OK {
            return Err(self.refused(&answer));
        }
        let unlike = |why: &str| format!("{} does not answer like PowerDNS: {why}", self.api.server());
        let zone: Zone = serde_json::from_slice(&answer.body).map_err(|error| {
            // The place of the mistake says enough; what stands there is a stranger's.
            unlike(&format!("its answer is no zone (line {}, column {})", error.line(), error.column()))
        })?;
        if name(&zone.name) != self.zone {
            return Err(unlike("it was asked for one zone, and its answer is another one"));
        }
        if matches!(zone.kind.to_ascii_lowercase().as_str(), "slave" | "secondary" | "consumer") {
            return Err(format!(
                "{} has the zone {} from another server ({}), which is the one to name under `dns.zones`",
                self.api.server(),
                self.zone,
                one_line(&zone.kind)
            ));
        }
        let sets: Vec<RecordSet> = zone.rrsets.into_iter().map(set).collect();
        // Every zone has one, so without it this is a part of the zone, and what is missing may be there.
        if at.is_none() && !sets.iter().any(|set| set.of == "SOA" && set.name == self.zone) {
            return Err(unlike("the zone in its answer has no SOA record, so it is not all of it"));
        }
        Ok(sets)
    }

    /// Writes one record set, once.
    pub(super) async fn write(&self, patch: &Patch<'_>) -> Wrote {
        let Patch { name, of, records, comments } = patch;
        let note = |comment: &Comment| {
            let Comment { account, content, modified_at } = comment.clone();
            Note { account, content, modified_at }
        };
        let set = ChangedSet {
            changetype: "REPLACE",
            name: format!("{name}."),
            of,
            ttl: records.map(|(ttl, _)| ttl),
            records: records.map(|(_, records)| {
                records.iter().map(|content| NewEntry { content, disabled: false }).collect()
            }),
            comments: comments.iter().map(note).collect(),
        };
        let json = match serde_json::to_string(&Change { rrsets: [set] }) {
            Ok(json) => json,
            Err(error) => return Wrote::Refused(error.to_string()),
        };
        let (path, headers) = (self.path(), &self.headers);
        let ask = Ask { method: Method::PATCH, path: &path, headers, json: Some(&json), longest: SHORT };
        match self.api.once(&ask).await {
            Ok(answer) if answer.status.is_success() => Wrote::Done,
            Ok(answer) if answer.is_busy() => Wrote::Busy(self.refused(&answer), answer.after),
            Ok(answer) if answer.status.is_server_error() => Wrote::Unsure(self.refused(&answer)),
            Ok(answer) => Wrote::Refused(self.refused(&answer)),
            Err(NoAnswer::NotSent(why)) => Wrote::Busy(why, None),
            Err(NoAnswer::Lost(why)) => Wrote::Unsure(why),
            Err(NoAnswer::Hopeless(why)) => Wrote::Refused(why),
        }
    }

    /// What an answer says that is none to the question.
    fn refused(&self, answer: &Answer) -> String {
        let server = self.api.server();
        let said = serde_json::from_slice(&answer.body).map(|Fault { error }| error).unwrap_or_default();
        let said: String = one_line(&said.replace('\n', " ")).chars().take(300).collect();
        let said = if said.is_empty() { said } else { format!(": {said}") };
        match answer.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => format!(
                "{server} refuses the key ({}){said}; it has to be the `api-key` of the server, and \
                 `webserver-allow-from` there has to let this machine in",
                answer.status
            ),
            StatusCode::NOT_FOUND => {
                format!(
                    "{server} has no zone {} on the server `{}`; make the zone there first",
                    self.zone, self.server
                )
            }
            status => format!("{server} answers {status}{said}"),
        }
    }
}

fn set(set: Set) -> RecordSet {
    let Set { name: at, of, ttl, records, comments } = set;
    let mut records: Vec<SmolStr> =
        records.iter().map(|Entry { content: text, disabled }| content(&of, text, *disabled)).collect();
    records.sort();
    records.dedup();
    let comment = |Note { account, content, modified_at }: Note| Comment { account, content, modified_at };
    RecordSet {
        name: name(&at),
        of: of.into(),
        ttl,
        records,
        comments: comments.into_iter().map(comment).collect(),
    }
}
