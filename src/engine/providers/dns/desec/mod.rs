//! deSEC, by its API of version 1. Lists are followed to their end by the cursors that deSEC gives. A write is one request for
//! a record set and its mark, which is done wholly or not at all; where both are new it is one that deSEC refuses if they are
//! there. It compares nothing else, so `zone` looks right before each write and right after it. `answers` reads what is
//! answered, and `seen` makes record sets of what is listed, and of record sets what is sent.

mod answers;
mod seen;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use http::{HeaderMap, Method, StatusCode};
use kwo_planner::endings::word;
use kwo_planner::tree::SmolStr;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use smol_str::format_smolstr;

use self::answers::{No, result};
use self::seen::{Listed, Seen, below};
use super::lines::Lines;
use super::pace::Pace;
use super::records::{RecordSet, name};
use super::server::{Opener, Patch, Server, Wanted, Wrote, ZoneWay};
use super::texts::{mark_name, place_of_mark};
use crate::providers::api::{Api, Ask, NoAnswer};
use crate::providers::patience::Patience;
use crate::providers::{Promise, encoded};

/// Where the API is.
const API: &str = "https://desec.io";

/// How many requests are under way at a time.
const CONNECTIONS: usize = 4;

/// How many records one request has.
const AT_ONCE: usize = 200;

/// What an answer with a page of record sets may have.
const LONGEST: usize = 64 << 20;

/// What an answer to a write may have.
const SHORT: usize = 4 << 20;

/// How many questions deSEC is sent, in which time: an account has 50.
const READS: (usize, Duration) = (40, Duration::from_secs(60));

/// How many writes a zone is sent: it takes 15 in a minute and 100 in an hour.
const WRITES: [(usize, Duration); 2] = [(12, Duration::from_secs(60)), (80, Duration::from_secs(3600))];

/// No zone has more pages.
const MOST_PAGES: usize = 10_000;

/// The longest cursor.
const CURSOR: usize = 1000;

/// The APIs. One budget of waiting and one pace is for all zones there.
#[derive(Default)]
pub(super) struct Servers(Lines<Line>);

/// One API, and how fast it is asked.
struct Line {
    api: Api,
    reads: Pace,
}

/// One zone.
struct Desec {
    line: Arc<Line>,
    writes: [Pace; 2],
    headers: HeaderMap,
    zone: SmolStr,
    /// The least TTL that it takes, once it was found.
    least_ttl: OnceLock<u32>,
    /// What was last seen of it, and of single names since.
    seen: Mutex<Seen>,
    /// What a command begins with, and the address that it writes to.
    command: (String, String),
    /// Why nobody asks for this zone any more in this run, where only the zone has a fault.
    fault: OnceLock<String>,
}

/// The zone, as deSEC tells it.
#[derive(Deserialize)]
struct Domain {
    name: String,
    minimum_ttl: u32,
}

impl Opener for Servers {
    fn open(&mut self, way: &ZoneWay<'_>) -> Result<Box<dyn Server>, String> {
        let zone = way.zone().clone();
        let (line, url) = self
            .0
            .to(way, (API, CONNECTIONS), |api| Line { api, reads: Pace::new("deSEC", READS.0, READS.1) })?;
        let headers = way.token("Token", way.key()?)?;
        let ca = way.ca_in_bash();
        // The token goes in by a pipe: whoever lists the programs of a machine sees what they were started with.
        let command = format!(
            "printf 'Authorization: Token %s\\nContent-Type: application/json\\n' {} | curl -fsS{ca} -o /dev/null -X PATCH -H @-",
            way.key_in_bash("DESEC_TOKEN")
        );
        let command = (command, word(&format!("{url}/api/v1/domains/{zone}/rrsets/")));
        Ok(Box::new(Desec {
            line,
            writes: WRITES.map(|(most, span)| Pace::new("a zone at deSEC", most, span)),
            headers,
            zone,
            least_ttl: OnceLock::new(),
            seen: Mutex::default(),
            command,
            fault: OnceLock::new(),
        }))
    }
}

impl Server for Desec {
    fn identity(&self) -> SmolStr {
        format_smolstr!("{}{}", self.line.api.server(), self.path())
    }

    fn read<'a>(&'a self, at: Option<&'a str>) -> Promise<'a, Result<Vec<RecordSet>, String>> {
        Box::pin(self.look(at))
    }

    fn at_once(&self) -> usize {
        AT_ONCE
    }

    /// A request that makes new sets fails where one of them is there, and one that changes any does not.
    fn goes_apart(&self, patch: &Patch) -> bool {
        self.changes(std::slice::from_ref(patch)).1
    }

    fn write<'a>(&'a self, patches: &'a [Patch]) -> Promise<'a, Wrote> {
        Box::pin(self.send(patches))
    }

    fn patience(&self) -> &Patience {
        self.line.api.patience()
    }

    fn place_of_mark(&self, _: &str, at: &str) -> String {
        place_of_mark(at)
    }

    fn ending(&self, set: &RecordSet) -> Option<SmolStr> {
        self.ending_with(set, &[])
    }

    /// It ends the sets and their marks together, and leaves marks of other types as they were seen. The second time it ends
    /// nothing, and is no mistake.
    fn ending_with(&self, set: &RecordSet, also: &[&RecordSet]) -> Option<SmolStr> {
        let types: Vec<&str> = std::iter::once(set).chain(also.iter().copied()).map(|set| &*set.of).collect();
        let changes = self.known().ended(&set.name, &types, (&self.zone, self.least_ttl()));
        let (command, address) = &self.command;
        let body = serde_json::to_string(&changes).ok()?;
        Some(format_smolstr!("{command} --data {} {address}", word(&body)))
    }

    fn has_no_room(&self, at: &str) -> Option<String> {
        seen::has_no_room(at, &self.zone)
    }

    fn objects(&self, wanted: &Wanted<'_>, there: Option<&RecordSet>, _: &[&RecordSet]) -> Option<String> {
        let (least, ttl) = (self.least_ttl(), wanted.ttl?);
        let is = there.is_some_and(|there| there.ttl == ttl);
        (!is && ttl < least).then(|| {
            format!(
                "deSEC has no TTL below {least} seconds in the zone {}; write `ttl: {least}` under `dns.zones`, or ask its support \
                 for a lower one",
                self.zone
            )
        })
    }
}

impl Desec {
    fn known(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn least_ttl(&self) -> u32 {
        self.least_ttl.get().copied().unwrap_or_default()
    }

    fn path(&self) -> String {
        format!("/api/v1/domains/{}", self.zone)
    }

    fn unlike(&self, why: &str) -> String {
        format!("{} does not answer like deSEC: {why}", self.line.api.server())
    }

    /// One question that changes nothing, and the cursor of what goes on.
    async fn ask<T: DeserializeOwned>(&self, path: &str) -> Result<(T, Option<String>), No> {
        let (api, headers) = (&self.line.api, &self.headers);
        self.line.reads.turn(api.patience()).await.map_err(No::Other)?;
        let ask = Ask { method: Method::GET, path, headers, json: None, longest: LONGEST };
        let answer = api.read_part(&ask, &self.fault).await.map_err(No::Other)?;
        let told = result(&answer, (api.server(), &self.zone))?;
        let next = answer.next.as_deref().map(|next| {
            cursor(next).ok_or_else(|| No::Other(self.unlike("its list goes on where no list does")))
        });
        Ok((told, next.transpose()?))
    }

    /// Is the zone there? Asked once a run.
    async fn found(&self) -> Result<(), String> {
        if self.least_ttl.get().is_some() {
            return Ok(());
        }
        let (server, zone) = (self.line.api.server(), &self.zone);
        let (told, _): (Domain, _) = match self.ask(&format!("{}/", self.path())).await {
            Ok(told) => told,
            Err(No::Missing(_)) => {
                return Err(format!(
                    "{server} shows no zone {zone} to the token; make the zone there first, or name a token of the account that it \
                     is in"
                ));
            }
            Err(no) => return Err(no.why()),
        };
        if name(&told.name) != *zone {
            return Err(self.unlike("it was asked for one zone, and its answer is another one"));
        }
        self.least_ttl.get_or_init(|| told.minimum_ttl);
        Ok(())
    }

    async fn look(&self, at: Option<&str>) -> Result<Vec<RecordSet>, String> {
        self.found().await?;
        match at {
            None => {
                let all = self.all().await?;
                // Every zone has them, so without them this is a part of the zone, and what is missing may be there.
                if all.get("NS", &self.zone).is_none() {
                    return Err(
                        self.unlike("its list has no NS records of the zone, so it is not all of the zone")
                    );
                }
                *self.known() = all;
            }
            Some(at) => {
                let mark = mark_name(at);
                for place in [at, mark.as_str()] {
                    let listed = self.at(place).await?;
                    self.known().renew(place, listed);
                }
            }
        }
        Ok(self.known().sets(at))
    }

    /// All sets at one name.
    async fn at(&self, at: &str) -> Result<Vec<Listed>, String> {
        let path = format!("{}/rrsets/?subname={}", self.path(), encoded(below(at, &self.zone)));
        let (listed, next): (Vec<Listed>, _) = self.ask(&path).await.map_err(No::why)?;
        for set in &listed {
            if set.at(&self.zone).map_err(|why| self.unlike(&why))? != at {
                return Err(self.unlike("it was asked for one name, and its list has another one"));
            }
        }
        // No name has that many types.
        if next.is_some() {
            return Err(self.unlike("its list of one name goes on"));
        }
        Ok(listed)
    }

    /// All sets of the zone. The newest come first, and a page begins behind the last set of the one before. So what was there
    /// all the time is in the list; what was ended and made again meanwhile stands in the first page, which is read once more.
    async fn all(&self) -> Result<Seen, String> {
        let (mut all, mut had) = (Seen::default(), HashSet::new());
        let mut next = Some(String::new());
        let mut pages = 0;
        while let Some(cursor) = next {
            if !had.insert(cursor.clone()) || pages == MOST_PAGES {
                return Err(self.unlike("its list has no end"));
            }
            pages += 1;
            let (listed, goes_on) = self.page(&cursor).await?;
            for (at, set) in listed {
                if !all.insert(at, set) {
                    return Err(self.unlike("its list has a record set twice"));
                }
            }
            next = goes_on;
        }
        if pages > 1 {
            let (newest, _) = self.page("").await?;
            for (at, set) in newest {
                all.insert(at, set);
            }
        }
        Ok(all)
    }

    async fn page(&self, cursor: &str) -> Result<(Vec<(SmolStr, Listed)>, Option<String>), String> {
        let path = format!("{}/rrsets/?cursor={cursor}", self.path());
        let (listed, next): (Vec<Listed>, _) = self.ask(&path).await.map_err(No::why)?;
        let named = listed.into_iter().map(|set| Ok((set.at(&self.zone)?, set)));
        let named: Result<Vec<_>, String> = named.collect();
        Ok((named.map_err(|why| self.unlike(&why))?, next))
    }

    /// What is sent, and whether all of it is new.
    fn changes(&self, patches: &[Patch]) -> (Vec<Listed>, bool) {
        let (known, about) = (self.known(), (self.zone.as_str(), self.least_ttl()));
        let sent = |patch: &Patch| known.changes(&patch.after, patch.writes_records, about);
        let changes: Vec<Listed> = patches.iter().flat_map(sent).collect();
        let is_new = known.has_none_of(&changes, &self.zone);
        (changes, is_new)
    }

    async fn send(&self, patches: &[Patch]) -> Wrote {
        let (changes, is_new) = self.changes(patches);
        let json = match serde_json::to_string(&changes) {
            Ok(json) => json,
            Err(error) => return Wrote::Refused(error.to_string()),
        };
        let api = &self.line.api;
        for pace in &self.writes {
            if let Err(why) = pace.turn(api.patience()).await {
                return Wrote::NotSent(why);
            }
        }
        // What is new is made, and not written over.
        let method = if is_new { Method::POST } else { Method::PATCH };
        let path = format!("{}/rrsets/", self.path());
        let ask = Ask { method, path: &path, headers: &self.headers, json: Some(&json), longest: SHORT };
        let answer = match api.once(&ask).await {
            Ok(answer) => answer,
            Err(NoAnswer::NotSent(why) | NoAnswer::Distrusted(why)) => return Wrote::NotSent(why),
            Err(NoAnswer::Lost(why) | NoAnswer::Hopeless(why)) => return Wrote::Unsure(why),
        };
        match result::<IgnoredAny>(&answer, (api.server(), &self.zone)) {
            Ok(_) => Wrote::Done,
            Err(no) if answer.is_busy() => Wrote::Busy(no.why(), answer.after),
            // Nobody says whether it was done.
            Err(No::Other(why)) if answer.status.is_server_error() || answer.status.is_success() => {
                Wrote::Unsure(why)
            }
            // A token may have a policy for a name.
            Err(No::Token(why)) if answer.status == StatusCode::FORBIDDEN => Wrote::Denied(why),
            Err(No::Token(why) | No::Missing(why)) => Wrote::Closed(why),
            Err(No::Changed(why)) => Wrote::Changed(why),
            Err(No::Other(why)) => Wrote::Refused(why),
        }
    }
}

/// The cursor of an address where a list goes on, as it stands there.
fn cursor(next: &str) -> Option<String> {
    let (_, query) = next.split_once('?')?;
    let cursor = query.split('&').find_map(|pair| pair.strip_prefix("cursor="))?;
    let is = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%=+".contains(&byte);
    let fits = (1..=CURSOR).contains(&cursor.len()) && cursor.bytes().all(is);
    fits.then(|| cursor.to_owned())
}

#[cfg(test)]
mod tests {
    use super::cursor;

    #[test]
    fn a_cursor_is_one_and_never_leads_elsewhere() {
        for (next, is) in [
            ("https://desec.io/api/v1/domains/example.com/rrsets/?cursor=cD0yMDI%3D", Some("cD0yMDI%3D")),
            ("https://elsewhere.example/x?type=A&cursor=ab", Some("ab")),
            ("https://desec.io/x?cursor=", None),
            ("https://desec.io/x?cursor=a b", None),
            ("https://desec.io/x", None),
        ] {
            assert_eq!(cursor(next).as_deref(), is, "{next}");
        }
    }
}
