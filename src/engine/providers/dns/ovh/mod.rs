//! OVHcloud, by its API of version 1. A zone is known by its name. Its list has ids alone, so each record is asked for by itself.
//! What makes sets and marks of them is `objects`. Nothing that is written is told to the world before the zone is refreshed, so
//! a set is whole only after that. OVH compares nothing and has no transactions, so `zone` looks right before each write and
//! right after it. `look` asks what is there, `sign` signs what is asked, and `answers` reads what is answered.

mod answers;
mod look;
mod sign;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::{HeaderMap, Method};
use kwo_planner::endings::word;
use kwo_planner::systems::dns::{CONSUMER_KEY, ENDPOINT, KEY_ID};
use kwo_planner::tree::SmolStr;
use secrecy::ExposeSecret as _;
use serde::Serialize;
use smol_str::format_smolstr;
use tokio::sync::OnceCell;

use self::answers::{About, Listed, result, succeeded};
use self::sign::{Clock, Keys};
use super::lines::Lines;
use super::objects::{Keeper, New, No, Object, Request, Seen, Sent, write_all};
use super::pace::Pace;
use super::records::RecordSet;
use super::server::{Opener, Patch, Server, Wrote, ZoneWay};
use super::texts::{self, MARK_TYPE};
use crate::providers::api::{Answer, Api, Ask, NoAnswer};
use crate::providers::patience::Patience;
use crate::providers::{Promise, encoded};

/// Where the APIs are, by the names that OVH's own clients know them by.
const ENDPOINTS: [(&str, &str); 3] = [
    ("ovh-eu", "https://eu.api.ovh.com"),
    ("ovh-ca", "https://ca.api.ovh.com"),
    ("ovh-us", "https://api.us.ovhcloud.com"),
];

/// The version of the API, as paths begin.
const VERSION: &str = "/1.0";

/// How many requests are under way at a time.
const CONNECTIONS: usize = 8;

/// How many requests OVH is sent, in which time. It says nowhere how many it takes: other programs send 20 in a second.
const PACE: (usize, Duration) = (240, Duration::from_secs(15));

/// What a list of ids may have.
const LONGEST: usize = 1 << 20;

/// What any other answer may have: DNS has no longer record.
const SHORT: usize = 1 << 16;

/// Each record is asked for by itself, so a zone with more of them would take longer than anybody waits.
const MOST: usize = 10_000;

/// The APIs. One budget of waiting and one pace is for all zones there.
#[derive(Default)]
pub(super) struct Servers(Lines<Line>);

/// One API, how fast it is asked, and its clock.
struct Line {
    api: Api,
    pace: Pace,
    clock: OnceCell<Clock>,
}

/// One zone.
struct Ovh {
    line: Arc<Line>,
    url: SmolStr,
    keys: Keys,
    zone: SmolStr,
    /// What was last seen of it, and of single names since.
    seen: Seen,
    /// What a command begins with.
    command: String,
    /// Why nobody asks for this zone any more in this run, where only the zone has a fault.
    fault: OnceLock<String>,
    /// Why nobody writes to it any more: the key may not.
    may_not_write: OnceLock<String>,
}

/// A record as it is sent. The type of one that is there stays.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'b> {
    #[serde(skip_serializing_if = "Option::is_none")]
    field_type: Option<&'b str>,
    sub_domain: &'b str,
    target: &'b str,
    ttl: u32,
}

impl Opener for Servers {
    fn open(&mut self, way: &ZoneWay<'_>) -> Result<Box<dyn Server>, String> {
        let zone = way.zone().clone();
        let usual = if way.text("url").is_some() { "" } else { endpoint(way)? };
        let (line, url) = self.0.to(way, (usual, CONNECTIONS), |api| Line {
            api,
            pace: Pace::new("OVH", PACE.0, PACE.1),
            clock: OnceCell::new(),
        })?;
        let keys = Keys {
            application: way.secret(KEY_ID)?.clone(),
            secret: way.key()?.clone(),
            consumer: way.secret(CONSUMER_KEY)?.clone(),
        };
        // Neither the secrets nor the signature are among what a program is started with: `printf` is a part of bash. What is
        // no time is not signed, and not shown.
        let command = format!(
            "(a={} s={} c={}; ovh() {{ t=$(curl -fsS {url}{VERSION}/auth/time) && [ \"$t\" -gt 0 ] 2>/dev/null || {{ echo 000; return; }}; \
             u={url}{VERSION}/domain/zone/{zone}/$2; h=$(printf '%s' \"$s+$c+$1+$u++$t\" | sha1sum); \
             printf 'X-Ovh-Application: %s\\nX-Ovh-Consumer: %s\\nX-Ovh-Timestamp: %s\\nX-Ovh-Signature: $1$%s\\n' \"$a\" \"$c\" \"$t\" \
             \"${{h%% *}}\" | curl -sS -o /dev/null -w '%{{http_code}}\\n' -X \"$1\" -H 'Content-Length: 0' -H @- \"$u\"; }};",
            way.in_bash(KEY_ID, "OVH_APPLICATION_KEY"),
            way.key_in_bash("OVH_APPLICATION_SECRET"),
            way.in_bash(CONSUMER_KEY, "OVH_CONSUMER_KEY"),
            url = word(&url),
        );
        Ok(Box::new(Ovh {
            line,
            url,
            keys,
            zone,
            seen: Seen::default(),
            command,
            fault: OnceLock::new(),
            may_not_write: OnceLock::new(),
        }))
    }
}

/// The address of the endpoint that stands beside the keys.
fn endpoint(way: &ZoneWay<'_>) -> Result<&'static str, String> {
    let text = way.secret(ENDPOINT)?.expose_secret().to_vec();
    let known = ENDPOINTS.iter().find(|(name, _)| name.as_bytes() == text.trim_ascii());
    known.map(|(_, url)| *url).ok_or_else(|| {
        let names = ENDPOINTS.map(|(name, _)| name).join(", ");
        format!("kwo cannot look at the zone {}: OVH_ENDPOINT has to be one of {names}", way.zone())
    })
}

impl Server for Ovh {
    fn identity(&self) -> SmolStr {
        format_smolstr!("{}{VERSION}/domain/zone/{}", self.line.api.server(), self.zone)
    }

    fn read<'a>(&'a self, at: Option<&'a str>) -> Promise<'a, Result<Vec<RecordSet>, String>> {
        Box::pin(async move {
            match at {
                None => self.read_all(None).await?,
                Some(at) => self.read_at(at, "").await?,
            }
            Ok(self.seen.sets(at))
        })
    }

    /// Between the end of a record and the refresh only the mark says that the world is still told the record.
    fn ends_with_mark(&self) -> bool {
        true
    }

    fn write<'a>(&'a self, patches: &'a [Patch]) -> Promise<'a, Wrote> {
        Box::pin(write_all(self, patches, &self.may_not_write))
    }

    fn patience(&self) -> &Patience {
        self.line.api.patience()
    }

    fn place_of_mark(&self, _: &str, at: &str) -> String {
        texts::place_of_mark(at)
    }

    /// It names the records and then kwo's mark by their ids, and so ends no other one. The mark ends only after the world was
    /// told that the records are gone. What is gone already is no mistake.
    fn ending(&self, set: &RecordSet) -> Option<SmolStr> {
        let (records, marks) = self.seen.parts(set)?;
        let ended = |objects: &[Object]| {
            let deletes = objects.iter().map(|object| format!("ovh DELETE record/{}; ", object.id));
            let deletes: String = deletes.collect();
            let deletes = match deletes.as_str() {
                "" => String::new(),
                deletes => format!("{{ {deletes}}} | (! grep -vxE '200|404') && "),
            };
            format!("{deletes}ovh POST refresh | (! grep -vx 200)")
        };
        let command = || format_smolstr!("{} {} && {})", self.command, ended(&records), ended(&marks));
        (!marks.is_empty()).then(command)
    }

    fn has_no_room(&self, at: &str) -> Option<String> {
        texts::has_no_room(at)
    }
}

impl Keeper for Ovh {
    fn publishes(&self) -> bool {
        true
    }

    fn objects(&self) -> Vec<Object> {
        self.seen.known().clone()
    }

    fn keep(&self, id: &SmolStr, object: Option<Object>) {
        self.seen.keep(id, object);
    }

    fn renew<'a>(&'a self, (of, at): (&'a str, &'a str)) -> Promise<'a, Result<(), String>> {
        Box::pin(self.read_at(at, of))
    }

    fn send<'a>(&'a self, request: &'a Request) -> Promise<'a, Sent> {
        Box::pin(self.send_once(request))
    }

    fn patience(&self) -> &Patience {
        self.line.api.patience()
    }
}

impl Ovh {
    /// The path of the zone, without the version of the API: so access rules have it.
    fn path(&self, rest: &str) -> String {
        format!("/domain/zone/{}/{rest}", encoded(&self.zone))
    }

    /// The header lines of a request that is sent now.
    fn signed(&self, method: &Method, path: &str, body: &str, clock: &Clock) -> Result<HeaderMap, String> {
        let headers = self.keys.sign(method, &format!("{}{path}", self.url), body, clock.now());
        headers
            .map_err(|why| format!("the keys of the zone {}: one cannot be used, because {why}", self.zone))
    }

    fn unlike(&self, why: &str) -> String {
        format!("{} does not answer like OVH: {why}", self.line.api.server())
    }

    /// A name without the zone.
    fn relative<'n>(&self, name: &'n str) -> &'n str {
        name.strip_suffix(self.zone.as_str()).unwrap_or(name).trim_end_matches('.')
    }

    async fn send_once(&self, request: &Request) -> Sent {
        let (method, rest, new, rule) = match request {
            Request::Make(new) => (Method::POST, "record".to_owned(), Some((new, true)), "record"),
            Request::Change(id, new) => (Method::PUT, format!("record/{id}"), Some((new, false)), "record/*"),
            Request::End(id) => (Method::DELETE, format!("record/{id}"), None, "record/*"),
            Request::Publish => (Method::POST, "refresh".to_owned(), None, "refresh"),
        };
        let json = match new.map(|(new, is_new)| self.json(new, is_new)).transpose() {
            Ok(json) => json,
            Err(error) => return Sent::Refused(error.to_string()),
        };
        let clock = match self.clock().await {
            Ok(clock) => clock,
            Err(why) => return Sent::Unreached(why),
        };
        let api = &self.line.api;
        self.line.pace.short_turn(api.patience()).await;
        let path = format!("{VERSION}{}", self.path(&rest));
        let body = json.as_deref().unwrap_or_default();
        let headers = match self.signed(&method, &path, body, clock) {
            Ok(headers) => headers,
            Err(why) => return Sent::Refused(why),
        };
        let rule = format!("{method} {}", self.path(rule));
        let ask = Ask { method, path: &path, headers: &headers, json: json.as_deref(), longest: SHORT };
        match api.once(&ask).await {
            Ok(answer) => self.sent(request, &answer, &rule),
            Err(NoAnswer::NotSent(why) | NoAnswer::Distrusted(why)) => Sent::Unreached(why),
            Err(NoAnswer::Lost(why) | NoAnswer::Hopeless(why)) => Sent::Unsure(why),
        }
    }

    /// As the API takes a record: its name without the zone, and a text in quotes, so that it is one string.
    fn json(&self, new: &New, is_new: bool) -> Result<String, serde_json::Error> {
        let New { name, of, content, ttl } = new;
        let target = if of == MARK_TYPE { format!("\"{content}\"") } else { content.to_string() };
        let field_type = is_new.then_some(of.as_str());
        let sub_domain = self.relative(name);
        serde_json::to_string(&Body { field_type, sub_domain, target: &target, ttl: *ttl })
    }

    fn sent(&self, request: &Request, answer: &Answer, rule: &str) -> Sent {
        let about = About { server: self.line.api.server(), rule };
        let done = match request {
            Request::End(_) | Request::Publish => succeeded(answer, about).map(|()| Sent::Done),
            // It answers nothing more; what is there is looked at after the write.
            Request::Change(id, New { name, of, content, ttl }) => succeeded(answer, about).map(|()| {
                let (name, of, content) = (name.clone(), of.clone(), content.clone());
                Sent::Made(Object { id: id.clone(), name, of, content, ttl: *ttl })
            }),
            Request::Make(new) => result::<Listed>(answer, about).and_then(|listed| {
                let object = listed.object(&self.zone).map_err(|why| No::Other(self.unlike(&why)))?;
                let why = || No::Other(self.unlike("what it wrote is not what it was asked to write"));
                Sent::made(object, new).ok_or_else(why)
            }),
        };
        Sent::answered(request, answer, done, &self.may_not_write)
    }
}
