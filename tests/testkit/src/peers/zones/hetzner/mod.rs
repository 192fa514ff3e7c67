//! In place of Hetzner, which is nobody's to run: the DNS part of its Cloud API over a zone in memory, held to the description
//! that Hetzner has published of it. `rules` has what a record set may be.

mod rules;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};

pub use rules::RrSet;

use self::rules::{No, fields, invalid, labels, new, records, ttl};
use super::front::replied;
use super::{Ask, Front, Meddle, Resolved, SECRET, Set, ZoneServer, answers};
use crate::loopback::{Asked, Reply};

/// A token that may only look.
pub const READER: &str = "sentinelOfTheDnsServerWhoMayOnlyLook0000000000000000000000000000";

/// The TTL of what has none of its own.
pub const DEFAULT_TTL: u64 = 10_800;

/// The labels of kwo's mark, in the order of its words.
const MARK: [&str; 3] = ["cluster", "tenant", "sum"];

/// The server with one zone.
pub struct Hetzner {
    zone: String,
    id: u64,
    sets: Mutex<Vec<RrSet>>,
    /// How many sets a page has at most, whatever is asked for.
    pub page: AtomicUsize,
    /// The mode and the status of the zone.
    pub state: Mutex<(&'static str, &'static str)>,
    /// How often an action is under way when somebody asks for it. Meanwhile the zone is as it was, and nobody changes it.
    pub slow: AtomicU64,
    /// How the next actions end.
    pub fails: AtomicU64,
    /// The action that is under way: its number, how often it still is, and what the zone is then.
    under_way: Mutex<Option<(u64, u64, Vec<RrSet>)>>,
    actions: AtomicU64,
}

/// What an answer says that is none to the question.
pub fn refused(status: u16, code: &str, message: &str) -> Reply {
    let body = json!({"error": {"code": code, "message": message, "details": null}});
    Reply::Answer(status, "", body.to_string())
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
fn parts(asked: &Asked) -> (Vec<String>, BTreeMap<&str, String>) {
    let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let query = pairs.map(|(key, value)| (key, decoded(value))).collect();
    (path.split('/').skip(1).map(decoded).collect(), query)
}

/// The token that may all.
fn token() -> String {
    format!("{SECRET}{}", "0".repeat(42))
}

impl Hetzner {
    /// With this zone.
    pub fn start(zone: &str) -> Hetzner {
        let set = |of: &str, values: &[&str]| RrSet {
            name: "@".to_owned(),
            of: of.to_owned(),
            ttl: None,
            labels: BTreeMap::new(),
            protected: false,
            records: values.iter().map(|value| ((*value).to_owned(), String::new())).collect(),
        };
        let soa = "hydrogen.ns.hetzner.com. dns.hetzner.com. 2026010100 86400 10800 3600000 3600";
        let servers = ["hydrogen.ns.hetzner.com.", "oxygen.ns.hetzner.com.", "helium.ns.hetzner.de."];
        Hetzner {
            zone: zone.to_owned(),
            id: 4711,
            sets: Mutex::new(vec![set("SOA", &[soa]), set("NS", &servers)]),
            page: AtomicUsize::new(100),
            state: Mutex::new(("primary", "ok")),
            slow: AtomicU64::new(0),
            fails: AtomicU64::new(0),
            under_way: Mutex::default(),
            actions: AtomicU64::new(1),
        }
    }

    /// All record sets.
    pub fn all(&self) -> MutexGuard<'_, Vec<RrSet>> {
        self.sets.lock().expect("no other panic")
    }

    /// A front that answers a request itself where this says how.
    pub fn fronted(
        self: &Arc<Self>,
        answer: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static,
    ) -> Front {
        let server = Arc::clone(self);
        Front::before(answer, move |asked| server.answer(asked))
    }

    fn full(&self, name: &str) -> String {
        if name == "@" { self.zone.clone() } else { format!("{name}.{}", self.zone) }
    }

    fn relative(&self, full: &str) -> String {
        match full.strip_suffix(self.zone.as_str()).and_then(|above| above.strip_suffix('.')) {
            Some(above) => above.to_owned(),
            None => "@".to_owned(),
        }
    }

    fn answer(&self, asked: &Asked) -> Reply {
        self.answered(asked).unwrap_or_else(|(status, code, message)| refused(status, code, &message))
    }

    fn answered(&self, asked: &Asked) -> Result<Reply, No> {
        let line = |name: &str| {
            let of =
                |line: &&String| line.split_once(':').is_some_and(|(key, _)| key.eq_ignore_ascii_case(name));
            asked.lines.iter().find(of).and_then(|line| Some(line.split_once(':')?.1.trim().to_owned()))
        };
        let unauthorized = || (401, "unauthorized", "unable to authenticate".to_owned());
        let key = line("authorization").ok_or_else(unauthorized)?;
        let key = key.strip_prefix("Bearer ").ok_or_else(unauthorized)?;
        let writes = match () {
            () if key == token() => true,
            () if key == READER => false,
            () => return Err(unauthorized()),
        };
        let (path, query) = parts(asked);
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        if asked.method != "GET" && !writes {
            return Err((
                401,
                "token_readonly",
                "the token is only allowed to perform GET requests".to_owned(),
            ));
        }
        if !asked.body.is_empty() && line("content-type").as_deref() != Some("application/json") {
            return Err((400, "json_error", "the body is no JSON".to_owned()));
        }
        let ["v1", rest @ ..] = path.as_slice() else {
            return Err((404, "not_found", "no route".to_owned()));
        };
        let known = |zone: &str| zone == self.zone || zone == self.id.to_string();
        let (mode, _) = *self.state.lock().expect("no other panic");
        match (asked.method.as_str(), rest) {
            ("GET", ["actions", id]) => self.action(id),
            (_, ["zones", zone, ..]) if !known(zone) => Err((404, "not_found", "zone not found".to_owned())),
            ("GET", ["zones", _]) => Ok(Reply::Answer(200, "", self.told().to_string())),
            (_, ["zones", _, "rrsets", ..]) if mode != "primary" => {
                Err((422, "incorrect_zone_mode", "not supported for this Zone's mode".to_owned()))
            }
            ("GET", ["zones", _, "rrsets"]) => self.list(&query),
            ("POST", ["zones", _, "rrsets"]) => self.change(&asked.body, None, "create_rrset"),
            ("PUT", ["zones", _, "rrsets", name, of]) => self.label(&asked.body, name, of),
            ("POST", ["zones", _, "rrsets", name, of, "actions", action]) => {
                self.change(&asked.body, Some((name, of)), action)
            }
            _ => Err((405, "method_not_allowed", "kwo does not ask for that".to_owned())),
        }
    }

    fn told(&self) -> Value {
        let (mode, status) = *self.state.lock().expect("no other panic");
        let count: usize = self.all().iter().map(|set| set.records.len()).sum();
        json!({"zone": {"id": self.id, "name": self.zone, "created": "2026-01-30T23:55:00Z", "ttl": DEFAULT_TTL, "mode": mode,
            "primary_nameservers": [], "labels": {}, "protection": {"delete": false}, "status": status, "record_count": count,
            "authoritative_nameservers": {"assigned": [], "delegated": [], "delegation_last_check": null,
            "delegation_status": "unknown"}, "registrar": "other"}})
    }

    fn list(&self, query: &BTreeMap<&str, String>) -> Result<Reply, No> {
        if query.keys().any(|key| !["name", "sort", "page", "per_page"].contains(key))
            || query.get("sort").is_some_and(|sort| sort != "id")
        {
            return Err(invalid("query", "kwo does not ask for that"));
        }
        let number = |key: &str, usual: usize, most: usize| match query.get(key) {
            None => Ok(usual),
            Some(text) => {
                let number = text.parse().ok().filter(|number| (1..=most).contains(number));
                number.ok_or_else(|| invalid(key, "is out of bounds"))
            }
        };
        let (page, most) = (number("page", 1, usize::MAX)?, number("per_page", 25, 100)?);
        let most = most.min(self.page.load(Ordering::SeqCst));
        let sets = self.all();
        let mut fitting: Vec<&RrSet> =
            sets.iter().filter(|set| query.get("name").is_none_or(|name| set.name == *name)).collect();
        fitting.sort_by_key(|set| format!("{}/{}", set.name, set.of));
        let (total, last) = (fitting.len(), fitting.len().div_ceil(most).max(1));
        let part: Vec<Value> =
            fitting.iter().skip(most * (page - 1)).take(most).map(|set| set.listed(self.id)).collect();
        let body = json!({"rrsets": part, "meta": {"pagination": {"page": page, "per_page": most,
            "previous_page": (page > 1).then(|| page - 1), "next_page": (page < last).then(|| page + 1),
            "last_page": last, "total_entries": total}}});
        Ok(Reply::Answer(200, "", body.to_string()))
    }

    fn action(&self, id: &str) -> Result<Reply, No> {
        let id: u64 = id.parse().map_err(|_| (404, "not_found", "no action".to_owned()))?;
        if id >= self.actions.load(Ordering::SeqCst) {
            return Err((404, "not_found", "no action".to_owned()));
        }
        let mut under_way = self.under_way.lock().expect("no other panic");
        let status = match under_way.take() {
            Some((own, left, next)) if own == id && left > 1 => {
                *under_way = Some((own, left - 1, next));
                "running"
            }
            Some((own, _, next)) if own == id => {
                if self.fails.load(Ordering::SeqCst) > 0 {
                    self.fails.fetch_sub(1, Ordering::SeqCst);
                    "error"
                } else {
                    *self.all() = next;
                    "success"
                }
            }
            other => {
                *under_way = other;
                "success"
            }
        };
        Ok(Reply::Answer(200, "", json!({"action": told(id, status, "set_rrset_records")}).to_string()))
    }

    fn locked(&self) -> Result<(), No> {
        match &*self.under_way.lock().expect("no other panic") {
            Some(_) => Err((423, "locked", "there is already an Action running".to_owned())),
            None => Ok(()),
        }
    }

    fn label(&self, body: &str, name: &str, of: &str) -> Result<Reply, No> {
        self.locked()?;
        let new = labels(&fields(body, &["labels"], &["labels"])?["labels"])?;
        let mut sets = self.all();
        let set = find(&mut sets, name, of)?;
        set.labels = new;
        Ok(Reply::Answer(200, "", json!({"rrset": set.listed(self.id)}).to_string()))
    }

    /// A change of the records or the TTL of a set, or a new one.
    fn change(&self, body: &str, set: Option<(&str, &str)>, command: &str) -> Result<Reply, No> {
        self.locked()?;
        let mut next = self.all().clone();
        let mut made = None;
        match (set, command) {
            (None, _) => {
                let set = new(&self.zone, &next, body)?;
                made = Some(set.listed(self.id));
                next.push(set);
            }
            (Some((name, of)), "change_ttl") => {
                let ttl = ttl(&fields(body, &["ttl"], &["ttl"])?["ttl"])?;
                find(&mut next, name, of)?.ttl = ttl;
            }
            (Some((name, of)), "set_records" | "remove_records") => {
                let records = records(of, &fields(body, &["records"], &["records"])?["records"])?;
                let set = find(&mut next, name, of)?;
                if command == "set_records" {
                    set.records = records;
                } else {
                    for (value, _) in &records {
                        let before = set.records.len();
                        set.records.retain(|(have, _)| have != value);
                        if set.records.len() == before {
                            return Err(invalid("records", "a record is not there"));
                        }
                    }
                    next.retain(|set| !set.records.is_empty());
                }
            }
            _ => return Err((404, "not_found", "kwo does not ask for that".to_owned())),
        }
        let id = self.actions.fetch_add(1, Ordering::SeqCst);
        let slow = self.slow.load(Ordering::SeqCst);
        let status = if slow == 0 {
            *self.all() = next;
            "success"
        } else {
            *self.under_way.lock().expect("no other panic") = Some((id, slow, next));
            "running"
        };
        let mut body = json!({"action": told(id, status, command)});
        if let Some(made) = made {
            body["rrset"] = made;
        }
        Ok(Reply::Answer(201, "", body.to_string()))
    }

    /// What a request asks; nothing where kwo waits for an action.
    fn ask(&self, asked: &Asked) -> Option<Ask> {
        let (path, query) = parts(asked);
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        match (asked.method.as_str(), path.as_slice()) {
            ("GET", ["v1", "zones", _]) => Some(Ask::Find),
            ("GET", ["v1", "zones", _, "rrsets"]) => {
                Some(query.get("name").map_or(Ask::Look, |name| Ask::LookAt(self.full(name))))
            }
            ("POST" | "PUT", _) => Some(Ask::Write(1)),
            _ => None,
        }
    }
}

fn find<'s>(sets: &'s mut [RrSet], name: &str, of: &str) -> Result<&'s mut RrSet, No> {
    match sets.iter_mut().find(|set| set.name == name && set.of == of) {
        Some(set) if set.protected => Err((423, "protected", "the RRSet is protected".to_owned())),
        Some(set) => Ok(set),
        None => Err((404, "not_found", "RRSet not found".to_owned())),
    }
}

fn told(id: u64, status: &str, command: &str) -> Value {
    let finished = (status != "running").then_some("2026-01-30T23:55:00Z");
    let error = (status == "error").then(|| json!({"code": "action_failed", "message": "Action failed"}));
    json!({"id": id, "command": command, "status": status, "progress": if status == "running" { 50 } else { 100 },
        "started": "2026-01-30T23:55:00Z", "finished": finished, "resources": [{"id": 4711, "type": "zone"}], "error": error})
}

impl ZoneServer for Hetzner {
    fn writes_together(&self) -> bool {
        false
    }

    fn roster(&self, front: &Front, key: &Path) -> String {
        format!("provider: hetzner, url: 'http://{}', key: {{file: {}}}", front.address, key.display())
    }

    fn key(&self) -> String {
        token()
    }

    fn identity(&self) -> String {
        format!("/v1/zones/{}", self.id)
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
        let sets = self.all();
        let set = |set: &RrSet| {
            let comments = set.records.iter().map(|(_, comment)| comment).filter(|text| !text.is_empty());
            let mut notes: Vec<String> = comments.cloned().collect();
            if let Some(form) = set.labels.get("kwo") {
                let word = |word: &&str| Some(format!(" {word}={}", set.labels.get(&format!("kwo-{word}"))?));
                notes.push(format!("{form}{}", MARK.iter().filter_map(word).collect::<String>()));
            }
            let is_own = |key: &str| key == "kwo" || MARK.iter().any(|word| key == format!("kwo-{word}"));
            let others = set.labels.iter().filter(|(key, _)| !is_own(key));
            notes.extend(others.map(|(key, value)| format!("{key}={value}")));
            notes.sort();
            let mut records: Vec<String> = set.records.iter().map(|(value, _)| value.clone()).collect();
            records.sort();
            let ttl = set.ttl.unwrap_or(DEFAULT_TTL);
            Set { of: set.of.clone(), name: self.full(&set.name), ttl, records, notes }
        };
        let mut all: Vec<Set> = sets.iter().filter(|set| set.of != "SOA").map(set).collect();
        all.sort_by(|one, other| (&one.name, &one.of).cmp(&(&other.name, &other.of)));
        all
    }

    fn put(&self, (of, name): (&str, &str), values: &[&str], comment: Option<&str>) {
        let name = self.relative(name);
        let mut all = self.all();
        let at = all.iter().position(|set| set.name == name && set.of == of);
        // Whoever changes a record leaves its labels, and its comment.
        let old = at.map(|at| all.remove(at));
        if values.is_empty() {
            return;
        }
        let old_comment = |at: usize| old.as_ref().and_then(|old| Some(old.records.get(at)?.1.clone()));
        let records = values.iter().enumerate().map(|(at, value)| {
            let comment = comment.filter(|_| at == 0).map(ToOwned::to_owned);
            ((*value).to_owned(), comment.or_else(|| old_comment(at)).unwrap_or_default())
        });
        let records = records.collect();
        let labels = old.map(|old| old.labels).unwrap_or_default();
        all.push(RrSet { name, of: of.to_owned(), ttl: Some(60), labels, protected: false, records });
    }

    fn mark(&self, (of, name): (&str, &str), mark: &str) {
        let name = self.relative(name);
        let mut all = self.all();
        let set = all.iter_mut().find(|set| set.name == name && set.of == of).expect("a set");
        let mut words = mark.split(' ');
        set.labels.insert("kwo".to_owned(), words.next().expect("a form").to_owned());
        let pairs = words.filter_map(|word| word.split_once('='));
        set.labels.extend(pairs.map(|(key, value)| (format!("kwo-{key}"), value.to_owned())));
    }

    fn resolve(&self, of: &str, name: &str) -> Resolved {
        answers::served(&self.sets(), of, name)
    }

    fn compares(&self) -> bool {
        false
    }

    fn keeps_marks(&self) -> bool {
        false
    }
}
