//! Amazon Route 53, by its API of 2013-04-01. A hosted zone is known by its id, or found by its name once a run where only one
//! public zone has it. Lists are followed to their end; one that ends early is not believed. A write is one batch of
//! changes that is done only if each set that it changes is still as kwo saw it. Route 53 itself refuses what cannot stand
//! beside each other. `sign` signs what is asked, `xml` and `answers` read what is answered, `find` says which zone it is, `seen`
//! is the zone as it was listed, and `change` makes a batch of patches.

mod answers;
mod change;
mod find;
mod seen;
mod sign;
#[cfg(test)]
mod tests;
mod xml;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use jiff::Timestamp;
use kwo_planner::endings::word;
use kwo_planner::plain::counted;
use kwo_planner::systems::dns::{KEY_ID, SESSION_TOKEN};
use kwo_planner::tree::SmolStr;
use secrecy::ExposeSecret as _;
use smol_str::format_smolstr;

use self::answers::{About, No, Start, is_open, page, result};
use self::change::Batch;
use self::seen::{Listed, Seen, written};
use self::sign::{AccessKey, Unsigned, partition, query};
use self::xml::Element;
use super::pace::Pace;
use super::records::{Content, RecordSet};
use super::server::{Opener, Patch, Server, Wanted, Wrote, ZoneWay};
use super::texts::{self, mark_name};
use crate::providers::Promise;
use crate::providers::api::{Api, ApiOptions, Ask, NoAnswer};
use crate::providers::patience::Patience;

/// Where the API is, unless the zone is in another partition.
const API: &str = "https://route53.amazonaws.com";

/// The version of the API, as paths begin.
const VERSION: &str = "/2013-04-01";

/// How many requests are under way at a time.
const CONNECTIONS: usize = 4;

/// How many records one batch has. Each can be ended and made there, with a mark of 150 characters, and a batch has 32 000.
const AT_ONCE: usize = 128;

/// How many requests it is sent, in which time: an account has five a second, all its programs together.
const PACE: (usize, Duration) = (4, Duration::from_secs(1));

/// How many record sets a page has.
const PER_PAGE: &str = "300";

/// What an answer with that many may have.
const LONGEST: usize = 64 << 20;

/// What an answer to a write may have.
const SHORT: usize = 1 << 20;

/// No zone has more pages.
const MOST_PAGES: usize = 10_000;

/// The APIs, by address. One budget of waiting and one pace is for all zones there.
#[derive(Default)]
pub(super) struct Servers(BTreeMap<SmolStr, Result<Arc<Line>, String>>);

/// One API, and how fast it is asked.
struct Line {
    api: Api,
    pace: Pace,
    /// Its host, as it is signed.
    host: String,
    /// What paths have before them.
    before: String,
}

/// One zone.
struct Route53 {
    line: Arc<Line>,
    key: AccessKey,
    zone: SmolStr,
    /// The id that the roster says.
    named: Option<SmolStr>,
    /// The id, once the zone was found.
    id: OnceLock<SmolStr>,
    known: Mutex<Known>,
    /// What a command begins with.
    command: String,
    /// Why nobody asks for this zone any more in this run, where only the zone has a fault.
    fault: OnceLock<String>,
}

/// What was last seen.
#[derive(Default)]
struct Known {
    seen: Option<Seen>,
    /// The names that may be others by now.
    stale: BTreeSet<SmolStr>,
}

impl Opener for Servers {
    fn open(&mut self, way: &ZoneWay<'_>) -> Result<Box<dyn Server>, String> {
        let zone = way.zone().clone();
        let url = way.text("url").unwrap_or(SmolStr::new_static(API));
        let line = self.0.entry(url.clone()).or_insert_with(|| {
            let (connections, timeout) = (CONNECTIONS, way.timeout);
            let api = Api::new(&ApiOptions { address: &url, ca: None, connections, timeout })?;
            let after = url.split_once("://").map_or(url.as_str(), |(_, after)| after);
            let (host, before) = after.split_once('/').unwrap_or((after, ""));
            let before = before.trim_end_matches('/');
            let before = if before.is_empty() { String::new() } else { format!("/{before}") };
            Ok(Arc::new(Line {
                api,
                pace: Pace::new("Route 53", PACE.0, PACE.1),
                host: host.to_owned(),
                before,
            }))
        });
        let line = Arc::clone(line.as_ref().map_err(Clone::clone)?);
        let id = String::from_utf8(way.secret(KEY_ID)?.expose_secret().to_vec());
        let id = id.map_err(|_| format!("the id of the access key of the zone {zone} is no text"))?;
        let has_token = way.credentials.connection.secrets.contains_key(SESSION_TOKEN);
        let token = has_token.then(|| way.secret(SESSION_TOKEN)).transpose()?.cloned();
        let key = AccessKey { id, secret: way.key()?.clone(), token };
        let token = if has_token { way.in_bash(SESSION_TOKEN, "AWS_SESSION_TOKEN") } else { String::new() };
        let command = format!(
            "AWS_ACCESS_KEY_ID={} AWS_SECRET_ACCESS_KEY={} AWS_SESSION_TOKEN={token} aws route53 \
             change-resource-record-sets --region {} --endpoint-url {}",
            way.in_bash(KEY_ID, "AWS_ACCESS_KEY_ID"),
            way.key_in_bash("AWS_SECRET_ACCESS_KEY"),
            partition(&line.host).1,
            word(&url)
        );
        Ok(Box::new(Route53 {
            line,
            key,
            zone,
            named: way.text("zone"),
            id: OnceLock::new(),
            known: Mutex::default(),
            command,
            fault: OnceLock::new(),
        }))
    }
}

impl Server for Route53 {
    fn identity(&self) -> SmolStr {
        // Another zone of the same name has another id.
        let zone = self.id.get().or(self.named.as_ref()).unwrap_or(&self.zone);
        format_smolstr!("{}{VERSION}/hostedzone/{zone}", self.line.api.server())
    }

    fn read<'a>(&'a self, at: Option<&'a str>) -> Promise<'a, Result<Vec<RecordSet>, String>> {
        Box::pin(self.look(at))
    }

    fn recall(&self, of: &str, at: &str) -> Option<Vec<RecordSet>> {
        let names: Vec<SmolStr> =
            Content::decisive(of, at, &self.zone).into_iter().map(|(_, name)| name).collect();
        let known = self.known();
        let seen = known.seen.as_ref().filter(|_| !names.iter().any(|name| known.stale.contains(name)))?;
        Some(seen.sets(Some(&names)))
    }

    fn at_once(&self) -> usize {
        AT_ONCE
    }

    fn remembers(&self) -> bool {
        true
    }

    fn write<'a>(&'a self, patches: &'a [Patch]) -> Promise<'a, Wrote> {
        Box::pin(self.send(patches))
    }

    fn patience(&self) -> &Patience {
        self.line.api.patience()
    }

    fn place_of_mark(&self, _: &str, at: &str) -> String {
        texts::place_of_mark(at)
    }

    /// It names the set and its mark as they are, and so ends nothing else. What is gone already is no mistake.
    fn ending(&self, set: &RecordSet) -> Option<SmolStr> {
        let (id, known) = (self.id.get()?, self.known());
        let batch = Batch::ending(known.seen.as_ref()?, set).ok()?.json().ok()?;
        let ended = format!("\"Status\": \"(PENDING|INSYNC)\"|type='{}'\\] but it was not found", set.of);
        Some(format_smolstr!(
            "{} --output json --hosted-zone-id {id} --change-batch {} 2>&1 | tee /dev/stderr | grep -qE {}",
            self.command,
            word(&batch),
            word(&ended)
        ))
    }

    fn has_no_room(&self, at: &str) -> Option<String> {
        texts::has_no_room(at)
    }

    fn objects(&self, wanted: &Wanted<'_>, _: Option<&RecordSet>, _: &[&RecordSet]) -> Option<String> {
        self.known().seen.as_ref()?.objection(wanted)
    }
}

impl Route53 {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn about<'a>(&'a self, action: &'a str) -> About<'a> {
        let id = self.id.get().or(self.named.as_ref()).map(SmolStr::as_str);
        let partition = partition(&self.line.host).0;
        About { server: self.line.api.server(), zone: &self.zone, id, action, partition }
    }

    fn unlike(&self, why: &str) -> String {
        format!("{} does not answer like Route 53: {why}", self.line.api.server())
    }

    /// The header lines of a request.
    fn signed(&self, method: &Method, path: &str, query: &str, body: &str) -> Result<HeaderMap, String> {
        let Line { host, before, .. } = &*self.line;
        let (path, region) = (format!("{before}{path}"), partition(host).1);
        let unsigned =
            Unsigned { method: method.as_str(), host, path: &path, query, body, region, service: "route53" };
        let mut headers = self.key.sign(&unsigned, Timestamp::now())?;
        let xml = HeaderValue::from_static("application/xml");
        headers.insert(header::ACCEPT, xml.clone());
        headers.insert(header::CONTENT_TYPE, xml);
        Ok(headers)
    }

    /// One question that changes nothing.
    async fn ask(
        &self,
        path: &str,
        pairs: &[(&str, &str)],
        root: &str,
        action: &str,
    ) -> Result<Element, String> {
        let (api, query) = (&self.line.api, query(pairs));
        let whole = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
        let mut tries = 0;
        loop {
            self.line.pace.short_turn(api.patience()).await;
            let headers = self.signed(&Method::GET, path, &query, "")?;
            let ask =
                Ask { method: Method::GET, path: &whole, headers: &headers, json: None, longest: LONGEST };
            let answer = api.read_part(&ask, &self.fault).await?;
            match result(&answer, root, &self.about(action)) {
                Ok(element) => return Ok(element),
                Err(No::Busy(why)) => {
                    tries += 1;
                    if !api.pause(tries, answer.after).await {
                        let why = format!("{why} ({})", counted(tries, "try", "tries"));
                        return Err(api.patience().give_up(why));
                    }
                }
                Err(no) => return Err(no.why()),
            }
        }
    }

    /// All sets of the zone, or those at one name, to the end of the list.
    async fn list(&self, id: &str, at: Option<&str>) -> Result<Vec<Listed>, String> {
        let path = format!("{VERSION}/hostedzone/{id}/rrset");
        let mut next = at.map(|at| Start { name: written(at), of: None, identifier: None });
        let (mut all, mut had) = (Vec::new(), HashSet::new());
        for _ in 0..MOST_PAGES {
            let mut pairs = vec![("maxitems", PER_PAGE)];
            if let Some(Start { name, of, identifier }) = &next {
                pairs.push(("name", name));
                pairs.extend(of.as_deref().map(|of| ("type", of)));
                pairs.extend(identifier.as_deref().map(|identifier| ("identifier", identifier)));
            }
            let answer =
                self.ask(&path, &pairs, "ListResourceRecordSetsResponse", "ListResourceRecordSets").await?;
            let (sets, goes_on) = page(&answer, &self.zone).map_err(|why| self.unlike(&why))?;
            for listed in sets {
                if at.is_some_and(|at| at != listed.at) {
                    // The zone itself comes first, so this list begins elsewhere than was asked for.
                    if all.is_empty() && listed.at == self.zone {
                        return Err(
                            self.unlike("it was asked for one name, and its list begins with another one")
                        );
                    }
                    return Ok(all);
                }
                if !had.insert((listed.at.clone(), listed.plain.of.clone(), listed.identifier.clone())) {
                    return Err(self.unlike("its list has a record set twice"));
                }
                all.push(listed);
            }
            match goes_on {
                None => return Ok(all),
                goes_on if goes_on == next => return Err(self.unlike("its list does not go on")),
                goes_on => next = goes_on,
            }
        }
        Err(self.unlike("its list has no end"))
    }

    async fn look(&self, at: Option<&str>) -> Result<Vec<RecordSet>, String> {
        let id = self.found().await?;
        let has_all = self.known().seen.is_some();
        match at.filter(|_| has_all) {
            None => {
                self.known().seen = None;
                let listed = self.list(&id, None).await?;
                // Every zone has one, so without it this is a part of the zone, and what is missing may be there.
                if !listed.iter().any(|listed| listed.plain.of == "SOA" && listed.at == self.zone) {
                    return Err(self.unlike("its list has no SOA record, so it is not all of the zone"));
                }
                *self.known() = Known { seen: Some(Seen::of(listed)), stale: BTreeSet::new() };
            }
            Some(at) => {
                self.known().stale.insert(at.into());
                let place = mark_name(at);
                let (here, marks) = (self.list(&id, Some(at)).await?, self.list(&id, Some(&place)).await?);
                let mut known = self.known();
                if let Some(seen) = &mut known.seen {
                    seen.renew(at, here);
                    seen.renew(&place, marks);
                }
                known.stale.remove(at);
            }
        }
        let names = at.map(|at| [SmolStr::from(at)]);
        let known = self.known();
        Ok(known
            .seen
            .as_ref()
            .map(|seen| seen.sets(names.as_ref().map(<[_; 1]>::as_slice)))
            .unwrap_or_default())
    }

    async fn send(&self, patches: &[Patch]) -> Wrote {
        let batch = match (self.id.get(), &self.known().seen) {
            (Some(id), Some(seen)) => Batch::of(seen, patches).map(|batch| (id, batch)),
            _ => return Wrote::Changed(format!("the zone {} was not looked at", self.zone)),
        };
        let (id, batch) = match batch {
            Ok(batch) => batch,
            Err(why) => return Wrote::Refused(why),
        };
        let wrote = self.post(id, &batch.xml()).await;
        let mut known = self.known();
        match &wrote {
            Wrote::Done => {
                if let Some(seen) = &mut known.seen {
                    batch.noted(seen);
                }
            }
            Wrote::Refused(_)
            | Wrote::Closed(_)
            | Wrote::Denied(_)
            | Wrote::Full(_)
            | Wrote::Busy(..)
            | Wrote::NotSent(_) => {}
            Wrote::Changed(_) | Wrote::Unsure(_) => {
                known.stale.extend(patches.iter().map(|patch| patch.after.name.clone()));
            }
        }
        wrote
    }

    async fn post(&self, id: &str, body: &str) -> Wrote {
        let api = &self.line.api;
        self.line.pace.short_turn(api.patience()).await;
        let path = format!("{VERSION}/hostedzone/{id}/rrset/");
        let headers = match self.signed(&Method::POST, &path, "", body) {
            Ok(headers) => headers,
            Err(why) => return Wrote::Refused(why),
        };
        let ask =
            Ask { method: Method::POST, path: &path, headers: &headers, json: Some(body), longest: SHORT };
        let answer = match api.once(&ask).await {
            Ok(answer) => answer,
            Err(NoAnswer::NotSent(why) | NoAnswer::Distrusted(why)) => return Wrote::NotSent(why),
            Err(NoAnswer::Lost(why) | NoAnswer::Hopeless(why)) => return Wrote::Unsure(why),
        };
        match result(&answer, "ChangeResourceRecordSetsResponse", &self.about("ChangeResourceRecordSets")) {
            Ok(_) => Wrote::Done,
            Err(No::Busy(why)) => Wrote::Busy(why, answer.after),
            Err(No::Changed(why)) => Wrote::Changed(why),
            // Nobody says whether it was done.
            Err(No::Other(why)) if is_open(answer.status) => Wrote::Unsure(why),
            Err(No::Denied(why)) => Wrote::Denied(why),
            // The key or the zone is at fault; of what was sent it says 400.
            Err(No::Other(why)) if answer.status != StatusCode::BAD_REQUEST => Wrote::Closed(why),
            Err(No::Other(why)) => Wrote::Refused(why),
        }
    }
}
