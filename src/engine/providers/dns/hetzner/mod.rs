//! Hetzner, by the DNS part of its Cloud API. A zone is found by its name once a run, and then known by its id. Lists are
//! followed to their end and counted: what is not all of a list is not believed. kwo's mark is in the labels of a set. Hetzner
//! compares nothing but whether a set that is made is there, so `zone` looks right before each write and right after it. What
//! Hetzner does after its answer, kwo waits for. `answers` reads what is answered, `list` follows lists, `seen` makes record sets
//! of what is listed, and `change` is what a write sends.

mod answers;
mod change;
mod list;
mod seen;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use http::{HeaderMap, Method};
use kwo_planner::endings::word;
use kwo_planner::tree::SmolStr;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use smol_str::format_smolstr;

use self::answers::{Action, No, OneAction, OneZone, Place, result};
use self::change::Request;
use self::seen::{Listed, Seen};
use super::lines::Lines;
use super::pace::Pace;
use super::records::{Comment, RecordSet, name};
use super::server::{Opener, Patch, Server, Wanted, Wrote, ZoneWay};
use crate::providers::api::{Api, Ask, NoAnswer};
use crate::providers::patience::Patience;
use crate::providers::{Promise, encoded};

/// Where the API is.
const API: &str = "https://api.hetzner.cloud";

/// How many requests are under way at a time.
const CONNECTIONS: usize = 4;

/// What an answer with that many may have.
const LONGEST: usize = 16 << 20;

/// What an answer to a write may have.
const SHORT: usize = 1 << 20;

/// How many requests Hetzner is sent, in which time: a project has 3,600 an hour, all its programs together.
const PACE: (usize, Duration) = (2880, Duration::from_secs(3600));

/// How long kwo waits for what Hetzner does after its answer, each time; these waits take nothing of the budget.
const WAITS: [Duration; 5] = [
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
    Duration::from_millis(1600),
];

/// The APIs. One budget of waiting and one pace is for all zones there.
#[derive(Default)]
pub(super) struct Servers(Lines<Line>);

/// One API, and how fast it is asked.
struct Line {
    api: Api,
    pace: Pace,
}

/// One zone.
struct Hetzner {
    line: Arc<Line>,
    headers: HeaderMap,
    zone: SmolStr,
    /// Where it is, once it was found.
    place: OnceLock<Place>,
    /// What was last seen of it, and of single names since.
    seen: Mutex<Vec<Seen>>,
    /// What a command begins with, up to the zones.
    command: (String, String),
    /// Why nobody asks for this zone any more in this run, where only the zone has a fault.
    fault: OnceLock<String>,
    /// Why nobody writes to it any more: the token may not.
    may_not_write: OnceLock<String>,
}

#[derive(Deserialize)]
struct OneSet {
    rrset: Listed,
}

impl Opener for Servers {
    fn open(&mut self, way: &ZoneWay<'_>) -> Result<Box<dyn Server>, String> {
        let zone = way.zone().clone();
        let (line, url) = self
            .0
            .to(way, (API, CONNECTIONS), |api| Line { api, pace: Pace::new("Hetzner", PACE.0, PACE.1) })?;
        let headers = way.token("Bearer", way.key()?)?;
        let ca = way.ca_in_bash();
        // The token goes in by a pipe: whoever lists the programs of a machine sees what they were started with.
        let command = format!(
            "printf 'Authorization: Bearer %s\\nContent-Type: application/json\\n' {} | curl -sS{ca} -o /dev/null -w \
             '%{{http_code}}\\n' -H @-",
            way.key_in_bash("HETZNER_API_TOKEN")
        );
        let command = (command, format!("{url}/v1/zones"));
        Ok(Box::new(Hetzner {
            line,
            headers,
            zone,
            place: OnceLock::new(),
            seen: Mutex::default(),
            command,
            fault: OnceLock::new(),
            may_not_write: OnceLock::new(),
        }))
    }
}

impl Server for Hetzner {
    fn identity(&self) -> SmolStr {
        // Another zone of the same name has another id.
        let zone =
            self.place.get().map_or_else(|| self.zone.clone(), |place| format_smolstr!("{}", place.id));
        format_smolstr!("{}/v1/zones/{zone}", self.line.api.server())
    }

    fn read<'a>(&'a self, at: Option<&'a str>) -> Promise<'a, Result<Vec<RecordSet>, String>> {
        Box::pin(self.look(at))
    }

    fn write<'a>(&'a self, patches: &'a [Patch]) -> Promise<'a, Wrote> {
        Box::pin(async move {
            for patch in patches {
                let wrote = self.one(patch).await;
                if wrote != Wrote::Done {
                    return wrote;
                }
            }
            Wrote::Done
        })
    }

    fn patience(&self) -> &Patience {
        self.line.api.patience()
    }

    fn place_of_mark(&self, of: &str, at: &str) -> String {
        format!("in the labels of {of} {at}")
    }

    /// It names the records as they were seen, and so ends no other one; of what is left then it takes kwo's mark off. What is
    /// gone already is no mistake.
    fn ending(&self, set: &RecordSet) -> Option<SmolStr> {
        let Place { id, .. } = self.place.get()?;
        let known = self.known();
        let there = known.iter().find(|seen| is_of(seen, set))?;
        let (records, labels) = (change::ended(there).ok()?, change::unmarked(there).ok()?);
        let (command, zones) = &self.command;
        let address = format!("{zones}/{id}{}", self.path(set)?);
        let one = |data: &str, address: &str| {
            format!("{command} {data} {} | (! grep -vxE '2[0-9][0-9]|404')", word(address))
        };
        Some(format_smolstr!(
            "{} && {}",
            one(&format!("--data {}", word(&records)), &format!("{address}/actions/remove_records")),
            one(&format!("-X PUT --data {}", word(&labels)), &address)
        ))
    }

    fn carried(&self, comments: Vec<Comment>, records: &[SmolStr]) -> Vec<Comment> {
        seen::carried(comments, records)
    }

    fn objects(&self, wanted: &Wanted<'_>, there: Option<&RecordSet>, _: &[&RecordSet]) -> Option<String> {
        let (there, known) = (there?, self.known());
        seen::objection(wanted, known.iter().find(|seen| is_of(seen, there))?)
    }
}

fn is_of(seen: &Seen, set: &RecordSet) -> bool {
    seen.set.of == set.of && seen.set.name == set.name
}

impl Hetzner {
    fn known(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unlike(&self, why: &str) -> String {
        format!("{} does not answer like Hetzner: {why}", self.line.api.server())
    }

    /// The path of a set below its zone; nothing where kwo writes no such set.
    fn path(&self, set: &RecordSet) -> Option<String> {
        let at = seen::relative(&set.name, &self.zone);
        let is_plain =
            |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._*@".contains(&byte));
        (is_plain(at) && is_plain(&set.of)).then(|| format!("/rrsets/{at}/{}", set.of))
    }

    /// One question that changes nothing.
    async fn ask<T: DeserializeOwned>(&self, path: &str) -> Result<T, No> {
        let (api, headers) = (&self.line.api, &self.headers);
        let mut tries = 0;
        loop {
            self.line.pace.turn(api.patience()).await.map_err(No::Other)?;
            let ask = Ask { method: Method::GET, path, headers, json: None, longest: LONGEST };
            let answer = api.read_part(&ask, &self.fault).await.map_err(No::Other)?;
            match result(&answer, (api.server(), &self.zone)) {
                Err(No::Busy(why)) => {
                    tries += 1;
                    if !api.pause(tries, answer.after).await {
                        return Err(No::Other(api.patience().give_up(why)));
                    }
                }
                told => return told,
            }
        }
    }

    /// The id of the zone.
    async fn found(&self) -> Result<u64, String> {
        if let Some(place) = self.place.get() {
            return Ok(place.id);
        }
        let (server, zone) = (self.line.api.server(), &self.zone);
        let OneZone { zone: told } = match self.ask(&format!("/v1/zones/{}", encoded(zone))).await {
            Ok(told) => told,
            Err(No::Missing(_)) => {
                return Err(format!(
                    "{server} shows no zone {zone} to the token; make the zone there first, or name a token of the project that \
                     it is in"
                ));
            }
            Err(no) => return Err(no.why()),
        };
        if name(&told.name) != *zone {
            return Err(self.unlike("it was asked for one zone, and its answer is another one"));
        }
        let place = told.place((server, zone))?;
        Ok(self.place.get_or_init(|| place).id)
    }

    async fn look(&self, at: Option<&str>) -> Result<Vec<RecordSet>, String> {
        let id = self.found().await?;
        let filter =
            at.map_or_else(String::new, |at| format!("&name={}", encoded(seen::relative(at, &self.zone))));
        let listed = self.whole(id, &filter).await?;
        // Every zone has one, so without it this is a part of the zone, and what is missing may be there.
        if at.is_none() && !listed.iter().any(|seen| seen.set.of == "SOA" && seen.set.name == self.zone) {
            return Err(self.unlike("its list has no SOA record, so it is not all of the zone"));
        }
        let mut known = self.known();
        match at {
            None => *known = listed,
            Some(at) => {
                // Whatever else a filter lets through is not asked for.
                known.retain(|seen| seen.set.name != at);
                known.extend(listed.into_iter().filter(|seen| seen.set.name == at));
            }
        }
        let here = known.iter().filter(|seen| at.is_none_or(|at| seen.set.name == at));
        Ok(here.map(|seen| seen.set.clone()).collect())
    }

    async fn one(&self, patch: &Patch) -> Wrote {
        if let Some(why) = self.may_not_write.get() {
            return Wrote::Refused(why.clone());
        }
        let Some(Place { id, .. }) = self.place.get() else {
            return Wrote::Changed(format!("the zone {} was not looked at", self.zone));
        };
        let Some(path) = self.path(&patch.after) else {
            return Wrote::Refused(format!("kwo writes nothing at the name of {}", patch.after.of));
        };
        let there = self.known().iter().find(|seen| is_of(seen, &patch.after)).cloned();
        let requests = match change::requests(patch, there.as_ref(), &self.zone) {
            Ok(requests) => requests,
            Err(why) => return Wrote::Refused(why),
        };
        let mut is_marked = false;
        for (at, request) in requests.iter().enumerate() {
            if let Request::Label(_) = request {
                // What the answer does not show is not known any more.
                self.known().retain(|seen| !is_of(seen, &patch.after));
            }
            let mut wrote = self.carry(*id, &path, request).await;
            if let (Request::Label(_), Wrote::Done) = (request, &wrote) {
                is_marked = true;
                wrote = self.unchanged(&patch.after, there.as_ref());
            }
            if let (true, Wrote::Changed(_) | Wrote::Refused(_), Some(there)) = (is_marked, &wrote, &there)
                && let Ok(before) = change::as_before(there)
            {
                // What kwo did not write is not kwo's. Where this fails, too, the next run tells it.
                drop(self.carry(*id, &path, &Request::Free(before)).await);
            }
            match wrote {
                Wrote::Done => {}
                wrote if at == 0 => return wrote,
                // A part is done, so this is not what was decided by any more.
                Wrote::Busy(why, _) | Wrote::NotSent(why) | Wrote::Unsure(why) => return Wrote::Unsure(why),
                Wrote::Refused(why) | Wrote::Closed(why) | Wrote::Denied(why) | Wrote::Full(why) => {
                    return Wrote::Refused(why);
                }
                Wrote::Changed(why) => return Wrote::Changed(why),
            }
        }
        Wrote::Done
    }

    /// One request of a write, to the end of what Hetzner does about it.
    async fn carry(&self, id: u64, path: &str, request: &Request) -> Wrote {
        let zone = format!("/v1/zones/{id}");
        let (method, path, body) = match request {
            Request::Make(body) => (Method::POST, format!("{zone}/rrsets"), body),
            Request::Label(body) | Request::Free(body) => (Method::PUT, format!("{zone}{path}"), body),
            Request::Set(body) => (Method::POST, format!("{zone}{path}/actions/set_records"), body),
            Request::Keep(body) => (Method::POST, format!("{zone}{path}/actions/change_ttl"), body),
            Request::End(body) => (Method::POST, format!("{zone}{path}/actions/remove_records"), body),
        };
        let api = &self.line.api;
        if let Err(why) = self.line.pace.turn(api.patience()).await {
            return Wrote::NotSent(why);
        }
        let ask = Ask { method, path: &path, headers: &self.headers, json: Some(body), longest: SHORT };
        let answer = match api.once(&ask).await {
            Ok(answer) => answer,
            Err(NoAnswer::NotSent(why) | NoAnswer::Distrusted(why)) => return Wrote::NotSent(why),
            Err(NoAnswer::Lost(why) | NoAnswer::Hopeless(why)) => return Wrote::Unsure(why),
        };
        let about = (api.server(), self.zone.as_str());
        let told = if let Request::Free(_) = request {
            match result(&answer, about) {
                // Mostly nothing is left.
                Ok(OneSet { .. }) | Err(No::Missing(_)) => Ok(Wrote::Done),
                Err(no) => Err(no),
            }
        } else if let Request::Label(_) = request {
            result(&answer, about).map(|OneSet { rrset }| match rrset.seen(&self.zone, self.default_ttl()) {
                Ok(now) => {
                    let mut known = self.known();
                    known.retain(|seen| !is_of(seen, &now.set));
                    known.push(now);
                    Wrote::Done
                }
                Err(why) => Wrote::Unsure(self.unlike(&why)),
            })
        } else {
            match result(&answer, about) {
                Ok(OneAction { action }) => Ok(self.done(action).await),
                Err(no) => Err(no),
            }
        };
        match told {
            Ok(wrote) => wrote,
            Err(No::Busy(why)) => Wrote::Busy(why, answer.after),
            // Nobody says whether it was done.
            Err(No::Other(why)) if answer.status.is_server_error() || answer.status.is_success() => {
                Wrote::Unsure(why)
            }
            Err(No::Token(why)) => Wrote::Refused(self.may_not_write.get_or_init(|| why).clone()),
            Err(No::Changed(why) | No::Missing(why)) => Wrote::Changed(why),
            Err(No::Other(why)) => Wrote::Refused(why),
        }
    }

    fn default_ttl(&self) -> u32 {
        self.place.get().map_or(0, |place| place.ttl)
    }

    /// Are the records still as they were when the write was decided? The answer to its labels shows them.
    fn unchanged(&self, set: &RecordSet, there: Option<&Seen>) -> Wrote {
        let is = |now: &Seen| {
            there.is_some_and(|there| now.set.records == there.set.records && now.set.ttl == there.set.ttl)
        };
        let known = self.known();
        match known.iter().find(|seen| is_of(seen, set)) {
            Some(now) if is(now) => Wrote::Done,
            _ => Wrote::Changed(format!("{} {} has changed", set.of, set.name)),
        }
    }

    /// Waits until Hetzner has done what it answered.
    async fn done(&self, mut action: Action) -> Wrote {
        let (server, patience) = (self.line.api.server(), self.line.api.patience());
        let mut waits = WAITS.iter();
        let mut tries = 0;
        loop {
            match action.is_done(server) {
                Ok(Some(())) => return Wrote::Done,
                Ok(None) => {}
                Err(why) => return Wrote::Unsure(why),
            }
            match waits.next() {
                Some(wait) => patience.keep_pace(*wait).await,
                None => {
                    tries += 1;
                    if !patience.pause(tries, None).await {
                        return Wrote::Unsure(format!("{server} is still at it; run kwo again"));
                    }
                }
            }
            match self.ask(&format!("/v1/actions/{}", action.id)).await {
                Ok(OneAction { action: now }) if now.id == action.id => action = now,
                Ok(_) => {
                    return Wrote::Unsure(
                        self.unlike("it was asked for one action, and its answer is another one"),
                    );
                }
                Err(no) => return Wrote::Unsure(no.why()),
            }
        }
    }
}
