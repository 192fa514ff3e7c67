//! Cloudflare, by its API of version 4. A zone is found by its name once a run, and then known by its id. Lists are followed
//! to their end and counted: what is not all of a list is not believed. A write is one transaction that makes records and
//! changes some, and ends none. Cloudflare compares nothing, so `zone` looks right before each write and right after it.
//! `answers` reads what is answered, `seen` makes record sets of records, `note` is kwo's mark in a comment, and `change` is
//! what a write sends.

mod answers;
mod change;
mod comment;
mod seen;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use http::{HeaderMap, Method};
use kwo_planner::endings::word;
use kwo_planner::tree::SmolStr;
use serde::de::DeserializeOwned;
use smol_str::format_smolstr;

use self::answers::{Info, ListedZone, No, Place, result};
use self::seen::{Listed, Record};
use super::lines::Lines;
use super::pace::Pace;
use super::pages::{Reading, whole};
use super::records::{RecordSet, name};
use super::server::{Opener, Patch, Server, Wanted, Wrote, ZoneWay};
use crate::providers::api::{Api, Ask, NoAnswer};
use crate::providers::patience::Patience;
use crate::providers::{Promise, encoded};

/// Where the API is.
const API: &str = "https://api.cloudflare.com";

/// How many requests are under way at a time.
const CONNECTIONS: usize = 8;

/// How many records one batch has: half of what the free plan takes.
const AT_ONCE: usize = 100;

/// How many records one answer has at most.
const PER_PAGE: usize = 5000;

/// What an answer with that many records may have.
const LONGEST: usize = 64 << 20;

/// What an answer to a write may have.
const SHORT: usize = 4 << 20;

/// How many requests Cloudflare is sent, in which time: it takes 1,200 of a user, and then refuses all for five minutes.
const PACE: (usize, Duration) = (960, Duration::from_secs(300));

/// No zone has more records, on any plan.
const MOST: usize = 2_000_000;

/// The rights of a token, as Cloudflare names them.
const MAY_FIND: &str = "Zone.Zone:Read";
const MAY_EDIT: &str = "Zone.DNS:Edit";

/// The APIs. One budget of waiting and one pace is for all zones there.
#[derive(Default)]
pub(super) struct Servers(Lines<Line>);

/// One API, and how fast it is asked.
struct Line {
    api: Api,
    pace: Pace,
}

/// One zone.
struct Cloudflare {
    line: Arc<Line>,
    /// For finding the zone, and for all else.
    finds: HeaderMap,
    headers: HeaderMap,
    zone: SmolStr,
    /// Where it is, once it was found.
    place: OnceLock<Place>,
    /// What was last seen of it, and of single names since.
    seen: Mutex<Vec<Record>>,
    /// What a command has before the address, and that up to the zones.
    command: (String, String),
    /// Why nobody asks for this zone any more in this run, where only the zone has a fault.
    fault: OnceLock<String>,
}

impl Opener for Servers {
    fn open(&mut self, way: &ZoneWay<'_>) -> Result<Box<dyn Server>, String> {
        let zone = way.zone().clone();
        let (line, url) = self
            .0
            .to(way, (API, CONNECTIONS), |api| Line { api, pace: Pace::new("Cloudflare", PACE.0, PACE.1) })?;
        let finds = way.token("Bearer", way.key_for_zone()?)?;
        let headers = way.token("Bearer", way.key()?)?;
        let ca = way.ca_in_bash();
        // The token goes in by a pipe: whoever lists the programs of a machine sees what they were started with.
        let command = format!(
            "printf 'Authorization: Bearer %s\\n' {} | curl -sS{ca} -o /dev/null -w '%{{http_code}}\\n' -X DELETE -H @-",
            way.key_in_bash("CLOUDFLARE_TOKEN")
        );
        let command = (command, format!("{url}/client/v4/zones"));
        Ok(Box::new(Cloudflare {
            line,
            finds,
            headers,
            zone,
            place: OnceLock::new(),
            seen: Mutex::default(),
            command,
            fault: OnceLock::new(),
        }))
    }
}

impl Server for Cloudflare {
    fn identity(&self) -> SmolStr {
        // Another zone of the same name has another id.
        let zone = self.place.get().map_or(&self.zone, |place| &place.id);
        format_smolstr!("{}/client/v4/zones/{zone}", self.line.api.server())
    }

    fn read<'a>(&'a self, at: Option<&'a str>) -> Promise<'a, Result<Vec<RecordSet>, String>> {
        Box::pin(self.look(at))
    }

    fn ends(&self) -> Result<(), String> {
        Err("kwo ends no records at Cloudflare by itself".to_owned())
    }

    fn at_once(&self) -> usize {
        AT_ONCE
    }

    fn write<'a>(&'a self, patches: &'a [Patch]) -> Promise<'a, Wrote> {
        Box::pin(self.send(patches))
    }

    fn patience(&self) -> &Patience {
        self.line.api.patience()
    }

    fn place_of_mark(&self, of: &str, at: &str) -> String {
        format!("in the comment of {of} {at}")
    }

    /// It names the records with kwo's mark by their ids, and so ends no other one. What is gone already is no mistake.
    fn ending(&self, set: &RecordSet) -> Option<SmolStr> {
        let (Place { id, .. }, seen) = (self.place.get()?, self.known());
        let (own, _) = seen::parted(set, &seen);
        let ids: Vec<&str> = own.iter().map(|record| record.id.as_str()).collect();
        let records = match ids.as_slice() {
            [] => return None,
            [id] => (*id).to_owned(),
            ids => format!("{{{}}}", ids.join(",")),
        };
        let (command, zones) = &self.command;
        let address = word(&format!("{zones}/{id}/dns_records/{records}"));
        Some(format_smolstr!("{command} {address} | (! grep -vxE '200|404')"))
    }

    fn stays(&self, set: &RecordSet) -> Vec<SmolStr> {
        let seen = self.known();
        let (_, others) = seen::parted(set, &seen);
        others.iter().map(|record| record.text(set.ttl)).collect()
    }

    fn objects(
        &self,
        wanted: &Wanted<'_>,
        there: Option<&RecordSet>,
        others: &[&RecordSet],
    ) -> Option<String> {
        let paused = self.place.get().is_some_and(|place| place.paused);
        if paused && wanted.records.iter().any(|record| seen::said(record).1) {
            return Some(format!(
                "the zone {} is paused at {}, so Cloudflare proxies nothing there and DNS shows the address behind the \
                 proxy; let the zone go on there, and run kwo again",
                self.zone,
                self.line.api.server()
            ));
        }
        seen::objection(wanted, there, others, &self.known())
    }
}

impl Cloudflare {
    fn known(&self) -> MutexGuard<'_, Vec<Record>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One question that changes nothing.
    async fn ask<T: DeserializeOwned>(
        &self,
        path: &str,
        headers: &HeaderMap,
        right: &str,
    ) -> Result<(T, Option<Info>), String> {
        let api = &self.line.api;
        self.line.pace.turn(api.patience()).await?;
        let ask = Ask { method: Method::GET, path, headers, json: None, longest: LONGEST };
        let answer = api.read_part(&ask, &self.fault).await?;
        result(&answer, (api.server(), &self.zone, right)).map_err(No::why)
    }

    /// The id of the zone.
    async fn found(&self) -> Result<SmolStr, String> {
        if let Some(place) = self.place.get() {
            return Ok(place.id.clone());
        }
        let path = format!("/client/v4/zones?name={}&per_page=50", encoded(&self.zone));
        let (zones, _): (Vec<ListedZone>, _) = self.ask(&path, &self.finds, MAY_FIND).await?;
        let (server, zone) = (self.line.api.server(), &self.zone);
        let mut zones = zones.into_iter().filter(|listed| name(&listed.name) == *zone);
        let Some(listed) = zones.next() else {
            return Err(format!(
                "{server} shows no zone {zone} to the token; make the zone there first, or give the token the right `{MAY_FIND}` \
                 for it"
            ));
        };
        if zones.next().is_some() {
            return Err(format!(
                "{server} shows several zones {zone} to the token, in several accounts; use a token for one of them alone"
            ));
        }
        let place = listed.place((server, zone))?;
        Ok(self.place.get_or_init(|| place).id.clone())
    }

    async fn look(&self, at: Option<&str>) -> Result<Vec<RecordSet>, String> {
        let id = self.found().await?;
        let filter = at.map_or_else(String::new, |at| format!("&name.exact={}", encoded(at)));
        let server = self.line.api.server();
        let records = whole(server, || self.pages(&id, &filter), |record| &record.id).await?;
        let mut known = self.known();
        match at {
            None => *known = records,
            Some(at) => {
                // Whatever else a filter lets through is not asked for.
                known.retain(|record| record.name != at);
                known.extend(records.into_iter().filter(|record| record.name == at));
            }
        }
        let here: Vec<Record> =
            known.iter().filter(|record| at.is_none_or(|at| record.name == at)).cloned().collect();
        Ok(seen::sets(&here))
    }

    /// All pages of a list, and how many; or why they do not fit together.
    async fn pages(&self, id: &str, filter: &str) -> Result<Reading<Record>, String> {
        let unlike = |why: &str| format!("{} does not answer like Cloudflare: {why}", self.line.api.server());
        let (mut records, mut ids, mut total) = (Vec::new(), HashSet::new(), None);
        for page in 1_usize.. {
            let path = format!("/client/v4/zones/{id}/dns_records?per_page={PER_PAGE}&page={page}{filter}");
            let (listed, info): (Vec<Listed>, _) = self.ask(&path, &self.headers, MAY_EDIT).await?;
            let Some(Info { total_count }) = info else {
                return Err(unlike("its list does not say how long it is"));
            };
            if total_count > MOST {
                return Err(unlike("its list is longer than that of any zone"));
            }
            // Where one was ended between two pages, the next one begins behind a record that nobody saw.
            if *total.get_or_insert(total_count) != total_count {
                return Ok(Err(unlike("its list became another one from page to page")));
            }
            let more = !listed.is_empty();
            for one in listed {
                let record = one.record(&self.zone).map_err(|why| unlike(&why))?;
                if !ids.insert(record.id.clone()) {
                    return Ok(Err(unlike("its list has a record twice")));
                }
                records.push(record);
            }
            if records.len() == total_count {
                return Ok(Ok((records, page)));
            }
            if !more || records.len() > total_count {
                let why =
                    format!("its list has {} records, and says that there are {total_count}", records.len());
                return Ok(Err(unlike(&why)));
            }
        }
        Err(unlike("its list has no end"))
    }

    async fn send(&self, patches: &[Patch]) -> Wrote {
        let Some(Place { id, .. }) = self.place.get() else {
            return Wrote::Changed(format!("the zone {} was not looked at", self.zone));
        };
        let batch = match change::batch(&self.known(), patches) {
            Ok(batch) => batch,
            Err(why) => return Wrote::Refused(why),
        };
        if batch.is_empty() {
            return Wrote::Done;
        }
        let json = match serde_json::to_string(&batch) {
            Ok(json) => json,
            Err(error) => return Wrote::Refused(error.to_string()),
        };
        let api = &self.line.api;
        if let Err(why) = self.line.pace.turn(api.patience()).await {
            return Wrote::NotSent(why);
        }
        let (path, headers) = (format!("/client/v4/zones/{id}/dns_records/batch"), &self.headers);
        let ask = Ask { method: Method::POST, path: &path, headers, json: Some(&json), longest: SHORT };
        let answer = match api.once(&ask).await {
            Ok(answer) => answer,
            Err(NoAnswer::NotSent(why) | NoAnswer::Distrusted(why)) => return Wrote::NotSent(why),
            Err(NoAnswer::Lost(why) | NoAnswer::Hopeless(why)) => return Wrote::Unsure(why),
        };
        match result::<serde_json::Value>(&answer, (api.server(), &self.zone, MAY_EDIT)) {
            Ok(_) => Wrote::Done,
            Err(no) if answer.is_busy() => Wrote::Busy(no.why(), answer.after),
            // Nobody says whether it was done.
            Err(No::Other(why)) if answer.status.is_server_error() || answer.status.is_success() => {
                Wrote::Unsure(why)
            }
            Err(No::Token(why)) => Wrote::Closed(why),
            Err(No::Changed(why)) => Wrote::Changed(why),
            Err(No::Full(why)) => Wrote::Full(why),
            Err(No::Other(why)) => Wrote::Refused(why),
        }
    }
}
