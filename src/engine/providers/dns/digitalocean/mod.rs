//! DigitalOcean, by its API of version 2. A zone is known by its name. Each record is an object with an id; what makes sets
//! and marks of them is `objects`. Lists are followed to their end and counted: what is not all of a list is not believed.
//! DigitalOcean compares nothing and has no transactions, so `zone` looks right before each write and right after it.
//! `answers` reads what is answered.

mod answers;

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::{HeaderMap, Method};
use kwo_planner::endings::word;
use kwo_planner::tree::SmolStr;
use serde::Serialize;
use smol_str::format_smolstr;

use self::answers::{About, OneRecord, Page, ZONE, result, succeeded};
use super::lines::Lines;
use super::objects::{Keeper, New, No, Object, Request, Seen, Sent, write_all};
use super::pace::Pace;
use super::pages::{Reading, whole};
use super::records::RecordSet;
use super::server::{Opener, Patch, Server, Wrote, ZoneWay};
use super::texts::{self, mark_name};
use crate::providers::api::{Answer, Api, Ask, NoAnswer};
use crate::providers::patience::Patience;
use crate::providers::{Promise, encoded};

/// Where the API is.
const API: &str = "https://api.digitalocean.com";

/// How many requests are under way at a time.
const CONNECTIONS: usize = 4;

/// How many records a page has at most.
const PER_PAGE: usize = 200;

/// What an answer with that many may have.
const LONGEST: usize = 4 << 20;

/// What an answer to a write may have.
const SHORT: usize = 1 << 20;

/// How many requests DigitalOcean is sent, in which time: it takes 250 in a minute and 5,000 in an hour with one token.
const A_MINUTE: (usize, Duration) = (200, Duration::from_secs(60));
const AN_HOUR: (usize, Duration) = (4000, Duration::from_secs(3600));

/// No zone has more records.
const MOST: usize = 1_000_000;

/// The scopes of a token, as DigitalOcean names them.
const MAY_READ: &str = "domain:read";
const MAY_MAKE: &str = "domain:create";
const MAY_CHANGE: &str = "domain:update";
const MAY_END: &str = "domain:delete";

/// The APIs. One budget of waiting and one pace is for all zones there.
#[derive(Default)]
pub(super) struct Servers(Lines<Line>);

/// One API, and how fast it is asked.
struct Line {
    api: Api,
    minute: Pace,
    hour: Pace,
}

/// One zone.
struct DigitalOcean {
    line: Arc<Line>,
    headers: HeaderMap,
    zone: SmolStr,
    /// What was last seen of it, and of single names since.
    seen: Seen,
    /// What a command has before the address, and that up to the records.
    command: (String, String),
    /// Why nobody asks for this zone any more in this run, where only the zone has a fault.
    fault: OnceLock<String>,
    /// Why nobody writes to it any more: the token may not.
    may_not_write: OnceLock<String>,
}

/// A record as it is sent.
#[derive(Serialize)]
struct Body<'b> {
    #[serde(rename = "type")]
    of: &'b str,
    name: &'b str,
    data: &'b str,
    ttl: u32,
}

impl Opener for Servers {
    fn open(&mut self, way: &ZoneWay<'_>) -> Result<Box<dyn Server>, String> {
        let zone = way.zone().clone();
        let (line, url) = self.0.to(way, (API, CONNECTIONS), |api| {
            let pace = |(most, span)| Pace::new("DigitalOcean", most, span);
            Line { api, minute: pace(A_MINUTE), hour: pace(AN_HOUR) }
        })?;
        let headers = way.token("Bearer", way.key()?)?;
        let ca = way.ca_in_bash();
        // The token goes in by a pipe: whoever lists the programs of a machine sees what they were started with.
        let command = format!(
            "printf 'Authorization: Bearer %s\\n' {} | curl -sS{ca} -o /dev/null -w '%{{http_code}}\\n' -X DELETE -H @-",
            way.key_in_bash("DO_AUTH_TOKEN")
        );
        let command = (command, format!("{url}/v2/domains/{zone}/records"));
        Ok(Box::new(DigitalOcean {
            line,
            headers,
            zone,
            seen: Seen::default(),
            command,
            fault: OnceLock::new(),
            may_not_write: OnceLock::new(),
        }))
    }
}

impl Server for DigitalOcean {
    fn identity(&self) -> SmolStr {
        format_smolstr!("{}/v2/domains/{}", self.line.api.server(), self.zone)
    }

    fn read<'a>(&'a self, at: Option<&'a str>) -> Promise<'a, Result<Vec<RecordSet>, String>> {
        Box::pin(async move {
            match at {
                None => self.read_all().await?,
                Some(at) => self.read_at(at, "").await?,
            }
            Ok(self.seen.sets(at))
        })
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

    /// It names the records and then kwo's mark by their ids, and so ends no other one. The mark ends only after the records.
    /// What is gone already is no mistake.
    fn ending(&self, set: &RecordSet) -> Option<SmolStr> {
        let (records, marks) = self.seen.parts(set)?;
        let ended = |objects: &[Object]| {
            let (command, address) = &self.command;
            let ids: Vec<&str> = objects.iter().map(|object| object.id.as_str()).collect();
            let ids = match ids.as_slice() {
                [id] => (*id).to_owned(),
                ids => format!("{{{}}}", ids.join(",")),
            };
            format!("{command} {} | (! grep -vxE '204|404')", word(&format!("{address}/{ids}")))
        };
        if records.is_empty() || marks.is_empty() {
            return None;
        }
        Some(format_smolstr!("{} && {}", ended(&records), ended(&marks)))
    }

    fn has_no_room(&self, at: &str) -> Option<String> {
        texts::has_no_room(at)
    }
}

impl Keeper for DigitalOcean {
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

impl DigitalOcean {
    fn about<'a>(&'a self, scope: &'a str) -> About<'a> {
        About { server: self.line.api.server(), zone: &self.zone, scope }
    }

    fn records(&self) -> String {
        format!("/v2/domains/{}/records", encoded(&self.zone))
    }

    fn unlike(&self, why: &str) -> String {
        format!("{} does not answer like DigitalOcean: {why}", self.line.api.server())
    }

    /// Waits until one more request may be sent. A minute is short, so that takes nothing of the budget.
    async fn turn(&self) -> Result<(), String> {
        let patience = self.line.api.patience();
        self.line.hour.turn(patience).await?;
        self.line.minute.short_turn(patience).await;
        Ok(())
    }

    async fn read_all(&self) -> Result<(), String> {
        let server = self.line.api.server();
        let all = whole(server, || self.pages(""), |object| &object.id).await?;
        // Every zone has them, so without them this is a part of the zone, and what is missing may be there.
        if !all.iter().any(|object| matches!(&*object.of, "SOA" | "NS") && *object.name == *self.zone) {
            return Err(
                self.unlike("its list has no SOA and no NS record of the zone, so it is not all of the zone")
            );
        }
        *self.seen.known() = all;
        Ok(())
    }

    /// What is at a name, and kwo's mark on it; or the records of one type and their mark.
    async fn read_at(&self, at: &str, of: &str) -> Result<(), String> {
        // Nothing says what a filter makes of an asterisk.
        if at.contains('*') {
            return self.read_all().await;
        }
        let mark = mark_name(at);
        for (name, of) in [(at, of), (mark.as_str(), texts::MARK_TYPE)] {
            let of_type = if of.is_empty() { String::new() } else { format!("&type={of}") };
            let filter = format!("&name={}{of_type}", encoded(name));
            let server = self.line.api.server();
            let here = whole(server, || self.pages(&filter), |object| &object.id).await?;
            let fits = |object: &Object| object.name == name && (of.is_empty() || object.of == of);
            let mut known = self.seen.known();
            known.retain(|object| !fits(object));
            // Whatever else a filter lets through is not asked for.
            known.extend(here.into_iter().filter(fits));
        }
        Ok(())
    }

    /// All pages of a list, and how many; or why they do not fit together.
    async fn pages(&self, filter: &str) -> Result<Reading<Object>, String> {
        let (mut objects, mut ids, mut all) = (Vec::new(), HashSet::new(), None);
        for number in 1_usize.. {
            self.turn().await?;
            let path = format!("{}?per_page={PER_PAGE}&page={number}{filter}", self.records());
            let ask = Ask {
                method: Method::GET,
                path: &path,
                headers: &self.headers,
                json: None,
                longest: LONGEST,
            };
            let answer = self.line.api.read_part(&ask, &self.fault).await?;
            let page: Page = result(&answer, self.about(MAY_READ)).map_err(|no| match no {
                No::Gone(why) => format!(
                    "{why}; the token shows no zone {}: make it there first, or name the token of the account that has it",
                    self.zone
                ),
                no => no.why(),
            })?;
            let (total, goes_on) = (page.meta.total, page.goes_on());
            if total > MOST {
                return Err(self.unlike("its list is longer than that of any zone"));
            }
            // Where one was ended between two pages, the next one begins behind a record that nobody saw.
            if *all.get_or_insert(total) != total {
                return Ok(Err(self.unlike("its list became another one from page to page")));
            }
            let more = !page.domain_records.is_empty();
            for one in page.domain_records {
                let object = one.object(&self.zone).map_err(|why| self.unlike(&why))?;
                if !ids.insert(object.id.clone()) {
                    return Ok(Err(self.unlike("its list has a record twice")));
                }
                objects.push(object);
            }
            if objects.len() == total && !goes_on {
                return Ok(Ok((objects, number)));
            }
            if !more || !goes_on || objects.len() >= total {
                let why = format!("its list has {} records, and says that there are {total}", objects.len());
                return Ok(Err(self.unlike(&why)));
            }
        }
        Err(self.unlike("its list has no end"))
    }

    async fn send_once(&self, request: &Request) -> Sent {
        let records = self.records();
        let (method, path, new, scope) = match request {
            Request::Make(new) => (Method::POST, records, Some(new), MAY_MAKE),
            Request::Change(id, new) => (Method::PUT, format!("{records}/{id}"), Some(new), MAY_CHANGE),
            Request::End(id) => (Method::DELETE, format!("{records}/{id}"), None, MAY_END),
            Request::Publish => return Sent::Done,
        };
        let json = match new.map(|new| self.json(new)).transpose() {
            Ok(json) => json,
            Err(error) => return Sent::Refused(error.to_string()),
        };
        if let Err(why) = self.turn().await {
            return Sent::Unreached(why);
        }
        let ask = Ask { method, path: &path, headers: &self.headers, json: json.as_deref(), longest: SHORT };
        match self.line.api.once(&ask).await {
            Ok(answer) => self.sent(request, &answer, scope),
            Err(NoAnswer::NotSent(why) | NoAnswer::Distrusted(why)) => Sent::Unreached(why),
            Err(NoAnswer::Lost(why) | NoAnswer::Hopeless(why)) => Sent::Unsure(why),
        }
    }

    /// As the API takes a record: its name without the zone, and what it leads to with a dot at its end.
    fn json(&self, new: &New) -> Result<String, serde_json::Error> {
        let New { name, of, content, ttl } = new;
        let relative = name.strip_suffix(self.zone.as_str()).unwrap_or(name).trim_end_matches('.');
        let name = if relative.is_empty() { ZONE } else { relative };
        serde_json::to_string(&Body { of, name, data: content, ttl: *ttl })
    }

    fn sent(&self, request: &Request, answer: &Answer, scope: &str) -> Sent {
        let about = self.about(scope);
        let done = match request {
            Request::End(_) | Request::Publish => succeeded(answer, about).map(|()| Sent::Done),
            Request::Make(new) | Request::Change(_, new) => {
                result::<OneRecord>(answer, about).and_then(|one| {
                    let object = one.domain_record.object(&self.zone);
                    let object = object.map_err(|why| No::Other(self.unlike(&why)))?;
                    let why = || No::Other(self.unlike("what it wrote is not what it was asked to write"));
                    Sent::made(object, new).ok_or_else(why)
                })
            }
        };
        Sent::answered(request, answer, done, &self.may_not_write)
    }
}
