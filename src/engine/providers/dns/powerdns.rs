//! PowerDNS Authoritative Server, by its HTTP API: one GET reads a zone, one PATCH replaces record sets. What a PATCH does
//! not name stays as it is, and so do the records where it names only comments.

use std::sync::{Arc, OnceLock};

use http::{HeaderMap, HeaderName, Method, StatusCode};
use kwo_planner::endings::word;
use kwo_planner::plain::one_line;
use kwo_planner::tree::{SmolStr, Tree};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};

use super::lines::Lines;
use super::records::{Comment, RecordSet, content, name};
use super::server::{Opener, Patch, Server, Wrote, ZoneWay};
use crate::providers::Promise;
use crate::providers::api::{Answer, Api, Ask, NoAnswer, secret_header};
use crate::providers::patience::Patience;

/// How many requests one server has under way at a time.
const CONNECTIONS: usize = 8;

/// A zone of a million records is shorter.
const LONGEST: usize = 256 << 20;

/// What an answer to a write may have.
const SHORT: usize = 1 << 20;

/// How many records one transaction has. PowerDNS goes over the whole zone after each of them.
const AT_ONCE: usize = 2000;

/// Where the key stands.
const KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The servers. One budget of waiting is for all zones of a server.
#[derive(Default)]
pub(super) struct Servers(Lines<Api>);

/// One zone on one server.
struct PowerDns {
    api: Arc<Api>,
    headers: HeaderMap,
    server: SmolStr,
    zone: SmolStr,
    /// What a command begins with that writes to the zone.
    command: String,
    /// Why nobody asks for this zone any more in this run, where only the zone has a fault.
    fault: OnceLock<String>,
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
    rrsets: Vec<ChangedSet<'c>>,
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

impl Opener for Servers {
    fn open(&mut self, way: &ZoneWay<'_>) -> Result<Box<dyn Server>, String> {
        let zone = way.zone();
        let (api, url) = self.0.to(way, ("", CONNECTIONS), |api| api)?;
        let key = secret_header(way.key()?.expose_secret())
            .map_err(|why| format!("the key of the zone {zone}: {why}"))?;
        let server = way.text("server").unwrap_or_default();
        let command = command(way, &url, &server);
        let headers = HeaderMap::from_iter([(KEY, key)]);
        Ok(Box::new(PowerDns { api, headers, server, zone: zone.clone(), command, fault: OnceLock::new() }))
    }
}

/// What a command begins with that writes to the zone. The key goes in by a pipe: whoever lists the programs of a machine
/// sees what they were started with.
fn command(way: &ZoneWay<'_>, url: &str, server: &str) -> String {
    let (ca, key, zone) = (way.ca_in_bash(), way.key_in_bash("POWERDNS_KEY"), way.zone());
    let zone = word(&format!("{url}/api/v1/servers/{server}/zones/{zone}."));
    format!("printf 'X-API-Key: %s\\n' {key} | curl -fsS{ca} -X PATCH -H @- {zone}")
}

impl Server for PowerDns {
    fn identity(&self) -> SmolStr {
        format!("{}{}", self.api.server(), self.path()).into()
    }

    fn version(&self) -> Promise<'_, Option<String>> {
        Box::pin(self.told_version())
    }

    fn read<'a>(&'a self, at: Option<&'a str>) -> Promise<'a, Result<Vec<RecordSet>, String>> {
        Box::pin(self.look(at))
    }

    fn at_once(&self) -> usize {
        AT_ONCE
    }

    fn write<'a>(&'a self, patches: &'a [Patch]) -> Promise<'a, Wrote> {
        Box::pin(self.patch(patches))
    }

    fn patience(&self) -> &Patience {
        self.api.patience()
    }

    fn place_of_mark(&self, of: &str, at: &str) -> String {
        format!("in a comment of {of} {at}")
    }

    /// What is sent says what is ended, and so it is the same the second time.
    fn ending(&self, set: &RecordSet) -> Option<SmolStr> {
        let set = [
            ("changetype", SmolStr::new_static("DELETE")),
            ("name", format!("{}.", set.name).into()),
            ("type", set.of.clone()),
        ];
        let set = Tree::map(set.map(|(key, value)| (SmolStr::new_static(key), Tree::from(value))));
        let body = Tree::map([(SmolStr::new_static("rrsets"), Tree::list([set]))]);
        Some(format!("{} --data {}", self.command, word(&body.to_string())).into())
    }
}

impl PowerDns {
    fn path(&self) -> String {
        format!("/api/v1/servers/{}/zones/{}.", self.server, self.zone)
    }

    /// The version of the server, which it tells whoever has the key.
    async fn told_version(&self) -> Option<String> {
        let path = format!("/api/v1/servers/{}", self.server);
        let ask =
            Ask { method: Method::GET, path: &path, headers: &self.headers, json: None, longest: SHORT };
        let answer = self.api.read(&ask).await.ok().filter(|answer| answer.status == StatusCode::OK)?;
        let told: serde_json::Value = serde_json::from_slice(&answer.body).ok()?;
        told["version"].as_str().map(|version| one_line(version).to_string())
    }

    async fn look(&self, at: Option<&str>) -> Result<Vec<RecordSet>, String> {
        let path = match at {
            Some(at) => format!("{}?rrset_name={at}.", self.path()),
            None => self.path(),
        };
        let ask =
            Ask { method: Method::GET, path: &path, headers: &self.headers, json: None, longest: LONGEST };
        let answer = self.api.read_part(&ask, &self.fault).await?;
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

    async fn patch(&self, patches: &[Patch]) -> Wrote {
        let rrsets = patches.iter().map(changed).collect();
        let json = match serde_json::to_string(&Change { rrsets }) {
            Ok(json) => json,
            Err(error) => return Wrote::Refused(error.to_string()),
        };
        let (path, headers) = (self.path(), &self.headers);
        let ask = Ask { method: Method::PATCH, path: &path, headers, json: Some(&json), longest: SHORT };
        match self.api.once(&ask).await {
            Ok(answer) if answer.status.is_success() => Wrote::Done,
            Ok(answer) if answer.is_busy() => Wrote::Busy(self.refused(&answer), answer.after),
            Ok(answer) if answer.status.is_server_error() => Wrote::Unsure(self.refused(&answer)),
            Ok(answer) if is_of_zone(answer.status) => Wrote::Closed(self.refused(&answer)),
            Ok(answer) => Wrote::Refused(self.refused(&answer)),
            Err(NoAnswer::NotSent(why) | NoAnswer::Distrusted(why)) => Wrote::NotSent(why),
            Err(NoAnswer::Lost(why) | NoAnswer::Hopeless(why)) => Wrote::Unsure(why),
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

/// Is it the key or the zone that is refused, and not what was sent?
fn is_of_zone(status: StatusCode) -> bool {
    matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND)
}

fn changed(patch: &Patch) -> ChangedSet<'_> {
    let Patch { before: _, after: RecordSet { name, of, ttl, records, comments }, writes_records } = patch;
    let note = |comment: &Comment| {
        let Comment { account, content, modified_at } = comment.clone();
        Note { account, content, modified_at }
    };
    let entries = || records.iter().map(|content| NewEntry { content, disabled: false }).collect();
    ChangedSet {
        changetype: "REPLACE",
        name: format!("{name}."),
        of,
        ttl: writes_records.then_some(*ttl),
        records: writes_records.then(entries),
        comments: comments.iter().map(note).collect(),
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
