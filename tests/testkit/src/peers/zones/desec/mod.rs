//! In place of deSEC, which is nobody's to ask in tests: its API over a zone in memory, held to its documentation and to the
//! source of its server. `rules` has what a record set may be.

mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};

pub use rules::RrSet;

use super::front::replied;
use super::{Ask, Front, Meddle, Resolved, SECRET, Set, ZoneServer, answers};
use crate::loopback::{Asked, Reply};

/// A token whose policies let it write nothing.
pub const READER: &str = "sentinelOfTheDnsServerWhoMayOnlyLook";

/// The server with one zone.
pub struct Desec {
    zone: String,
    sets: Mutex<Vec<RrSet>>,
    made: AtomicU64,
    /// How many sets a page has at most.
    pub page: AtomicUsize,
    /// The least TTL of the zone. That of most is 3600; tests with many scenes need lower ones.
    pub least_ttl: AtomicU64,
}

/// What an answer says that is none to the question.
pub fn refused(status: u16, body: &Value) -> Reply {
    Reply::Answer(status, "", body.to_string())
}

fn detail(status: u16, text: &str) -> Reply {
    refused(status, &json!({"detail": text}))
}

fn decoded(text: &str) -> String {
    let mut pieces = text.split('%');
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |text, piece| {
        let code = u8::from_str_radix(&piece[..2], 16).expect("two digits");
        format!("{text}{}{}", char::from(code), &piece[2..])
    })
}

/// A request in parts.
fn parts(asked: &Asked) -> (Vec<&str>, BTreeMap<&str, String>) {
    let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    (path.split('/').skip(1).collect(), pairs.map(|(key, value)| (key, decoded(value))).collect())
}

/// Where the mark of a name stands.
fn mark_name(name: &str) -> String {
    match name.strip_prefix("*.") {
        Some(rest) => format!("_kwo-any.{rest}"),
        None => format!("_kwo.{name}"),
    }
}

impl Desec {
    /// With this zone.
    pub fn start(zone: &str) -> Desec {
        let servers = ["ns1.desec.io.".to_owned(), "ns2.desec.org.".to_owned()];
        let (subname, of) = (String::new(), "NS".to_owned());
        let ns = RrSet { subname, of, ttl: 3600, records: servers.to_vec(), created: 0 };
        Desec {
            zone: zone.to_owned(),
            sets: Mutex::new(vec![ns]),
            made: AtomicU64::new(1),
            page: AtomicUsize::new(500),
            least_ttl: AtomicU64::new(60),
        }
    }

    /// All record sets.
    pub fn all(&self) -> MutexGuard<'_, Vec<RrSet>> {
        self.sets.lock().expect("no other panic")
    }

    /// The next moment.
    pub fn now(&self) -> u64 {
        self.made.fetch_add(1, Ordering::SeqCst)
    }

    /// A front that answers a request itself where this says how.
    pub fn fronted(
        self: &Arc<Self>,
        answer: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static,
    ) -> Front {
        let server = Arc::clone(self);
        Front::before(answer, move |asked| server.answer(asked))
    }

    fn full(&self, subname: &str) -> String {
        if subname.is_empty() { self.zone.clone() } else { format!("{subname}.{}", self.zone) }
    }

    fn below(&self, full: &str) -> String {
        let above = full.strip_suffix(self.zone.as_str()).and_then(|above| above.strip_suffix('.'));
        above.unwrap_or_default().to_owned()
    }

    fn answer(&self, asked: &Asked) -> Reply {
        let line = |name: &str| {
            let of =
                |line: &&String| line.split_once(':').is_some_and(|(key, _)| key.eq_ignore_ascii_case(name));
            asked.lines.iter().find(of).and_then(|line| Some(line.split_once(':')?.1.trim()))
        };
        let key = line("authorization").and_then(|line| line.strip_prefix("Token "));
        let writes = match key {
            Some(key) if key == self.key() => true,
            Some(READER) => false,
            Some(_) => return detail(401, "Invalid token."),
            None => return detail(401, "Authentication credentials were not provided."),
        };
        let (path, query) = parts(asked);
        let least = self.least_ttl.load(Ordering::SeqCst);
        match (asked.method.as_str(), path.as_slice()) {
            (_, ["api", "v1", "domains", zone, ..]) if *zone != self.zone => {
                detail(404, "No Domain matches the given query.")
            }
            ("GET", ["api", "v1", "domains", _, ""]) => {
                let time = "2026-01-01T00:00:00.000000Z";
                let body = json!({"created": time, "keys": [], "minimum_ttl": least, "name": self.zone, "published": time,
                    "touched": time});
                Reply::Answer(200, "", body.to_string())
            }
            ("GET", ["api", "v1", "domains", _, "rrsets", ""]) => self.list(&query),
            ("POST" | "PATCH", ["api", "v1", "domains", _, "rrsets", ""]) => {
                if !writes {
                    return detail(403, "Insufficient token permissions.");
                }
                if line("content-type") != Some("application/json") {
                    return detail(415, "Unsupported media type in request.");
                }
                let Ok(body) = serde_json::from_str(&asked.body) else {
                    return detail(400, "JSON parse error");
                };
                let makes = asked.method == "POST";
                match rules::write(&mut self.all(), &body, (makes, least), || self.now()) {
                    Ok(told) => Reply::Answer(if makes { 201 } else { 200 }, "", json!(told).to_string()),
                    Err(errors) => refused(400, &errors),
                }
            }
            _ => detail(404, "Not found."),
        }
    }

    fn list(&self, query: &BTreeMap<&str, String>) -> Reply {
        if query.keys().any(|key| !["cursor", "subname"].contains(key)) {
            return detail(400, "kwo does not ask for that");
        }
        let most = self.page.load(Ordering::SeqCst);
        let sets = self.all();
        let mut fitting: Vec<&RrSet> =
            sets.iter().filter(|set| query.get("subname").is_none_or(|name| set.subname == *name)).collect();
        // The newest first.
        fitting.sort_by_key(|set| std::cmp::Reverse(set.created));
        let link = |cursor: &str, rel: &str| {
            format!("<https://desec.io/api/v1/domains/{}/rrsets/?cursor={cursor}>; rel=\"{rel}\"", self.zone)
        };
        if fitting.len() <= most {
            let all: Vec<Value> = fitting.iter().map(|set| set.listed(&self.zone)).collect();
            return Reply::Answer(200, "", json!(all).to_string());
        }
        let Some(cursor) = query.get("cursor") else {
            let line: &'static str = format!("link: {}\r\n", link("", "first")).leak();
            return Reply::Answer(400, line, json!({"detail": "Pagination required."}).to_string());
        };
        let before: u64 = match cursor.strip_prefix("p=") {
            Some(number) => number.parse().expect("a cursor of this server"),
            None => u64::MAX,
        };
        let rest: Vec<&&RrSet> = fitting.iter().filter(|set| set.created < before).collect();
        let mut links = vec![link("", "first")];
        if before != u64::MAX {
            links.push(link("p%3D1", "prev"));
        }
        if rest.len() > most {
            links.push(link(&format!("p%3D{}", rest[most - 1].created), "next"));
        }
        let part: Vec<Value> = rest.iter().take(most).map(|set| set.listed(&self.zone)).collect();
        let line: &'static str = format!("link: {}\r\n", links.join(", ")).leak();
        Reply::Answer(200, line, json!(part).to_string())
    }

    /// What a request asks; nothing where it looks for marks alone.
    fn ask(&self, asked: &Asked) -> Option<Ask> {
        let (path, query) = parts(asked);
        match (asked.method.as_str(), path.as_slice()) {
            ("GET", [.., "domains", _, ""]) => Some(Ask::Find),
            ("GET", _) => match query.get("subname") {
                None => Some(Ask::Look),
                Some(name) => (!name.starts_with("_kwo")).then(|| Ask::LookAt(self.full(name))),
            },
            (_, _) => {
                let body: Value = serde_json::from_str(&asked.body).ok()?;
                let text = |item: &Value, field: &str| item[field].as_str().unwrap_or_default().to_owned();
                let sets = body.as_array()?.iter().map(|item| (text(item, "subname"), text(item, "type")));
                let sets: BTreeSet<_> = sets.filter(|(name, _)| !name.starts_with("_kwo")).collect();
                Some(Ask::Write(sets.len()))
            }
        }
    }
}

impl ZoneServer for Desec {
    fn roster(&self, front: &Front, key: &Path) -> String {
        format!("provider: desec, url: 'http://{}', key: {{file: {}}}", front.address, key.display())
    }

    fn key(&self) -> String {
        format!("{SECRET}-0000")
    }

    fn identity(&self) -> String {
        format!("/api/v1/domains/{}", self.zone)
    }

    fn front(self: Arc<Self>, meddle: Meddle) -> Front {
        let server = Arc::clone(&self);
        self.fronted(move |asked| {
            let ask = server.ask(asked)?;
            let fetch = || server.answer(asked);
            Some(replied(&meddle, &ask, fetch))
        })
    }

    fn sets(&self) -> Vec<Set> {
        let all = self.all();
        let notes = |name: &str, of: &str| {
            let (place, end) = (self.below(&mark_name(name)), format!(" type={of}\""));
            let marks = all.iter().filter(|set| set.of == "TXT" && set.subname == place);
            let marks = marks.flat_map(|set| &set.records).filter(|mark| mark.ends_with(&end));
            marks.cloned().collect::<Vec<_>>()
        };
        let own = all.iter().filter(|set| !set.subname.starts_with("_kwo"));
        let mut sets: Vec<Set> = own
            .map(|set| {
                let name = self.full(&set.subname);
                let mut records = set.records.clone();
                records.sort();
                Set { of: set.of.clone(), ttl: set.ttl, records, notes: notes(&name, &set.of), name }
            })
            .collect();
        sets.sort_by(|one, other| (&one.name, &one.of).cmp(&(&other.name, &other.of)));
        sets
    }

    fn put(&self, (of, name): (&str, &str), records: &[&str], _: Option<&str>) {
        let subname = self.below(name);
        let records: Vec<String> = records.iter().map(|record| (*record).to_owned()).collect();
        let mut all = self.all();
        let at = all.iter().position(|set| set.subname == subname && set.of == of);
        let old = at.map(|at| all.remove(at));
        if !records.is_empty() {
            let created = old.map_or_else(|| self.now(), |old| old.created);
            all.push(RrSet { subname, of: of.to_owned(), ttl: 60, records, created });
        }
    }

    fn mark(&self, (of, name): (&str, &str), mark: &str) {
        self.put(("TXT", &mark_name(name)), &[&format!("\"{mark} type={of}\"")], None);
    }

    fn resolve(&self, of: &str, name: &str) -> Resolved {
        answers::served(&self.sets(), of, name)
    }

    fn compares(&self) -> bool {
        false
    }

    fn default_ttl(&self) -> u64 {
        3600
    }
}
