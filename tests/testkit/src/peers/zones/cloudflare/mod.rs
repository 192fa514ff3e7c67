//! In place of Cloudflare, which is nobody's to run: its API over a zone in memory, held to what Cloudflare has published of
//! it. `rules` has what a record may be.

mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

pub use rules::{QUOTA, Record};

use super::front::replied;
use super::{Ask, Front, Meddle, Resolved, SECRET, Set, ZoneServer};
use crate::loopback::{Asked, Reply};

/// A token that may only look.
pub const READER: &str = "sentinelOfTheDnsServerWhoMayOnlyLook0000";

/// A token that may change records, and not find the zone.
pub const EDITOR: &str = "sentinelOfTheDnsServerWhoFindsNoZone0000";

/// A token that may only find the zone.
pub const FINDER: &str = "sentinelOfTheDnsServerWhoFindsZones00000";

/// What Cloudflare answers for what is proxied.
const PROXY: &str = "104.16.0.1";

/// The server with one zone.
pub struct Cloudflare {
    zone: String,
    id: String,
    records: Mutex<Vec<Record>>,
    made: AtomicUsize,
    /// How many records a page has at most, whatever is asked for.
    pub page: AtomicUsize,
    /// The zones of that name, and of which type they are.
    pub zones: Mutex<Vec<&'static str>>,
    /// Their status, and whether they are paused.
    pub state: Mutex<(&'static str, bool)>,
}

/// A request in parts.
struct Parts<'a> {
    path: Vec<&'a str>,
    query: BTreeMap<&'a str, String>,
}

fn parts(asked: &Asked) -> Parts<'_> {
    let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let query = pairs.map(|(key, value)| (key, decoded(value))).collect();
    Parts { path: path.split('/').skip(1).collect(), query }
}

fn decoded(text: &str) -> String {
    let mut pieces = text.split('%');
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |text, piece| {
        let code = u8::from_str_radix(&piece[..2], 16).expect("two digits");
        format!("{text}{}{}", char::from(code), &piece[2..])
    })
}

/// What an answer says that is none to the question.
pub fn refused(status: u16, code: u64, message: &str) -> Reply {
    let body = json!({"success": false, "errors": [{"code": code, "message": message}], "messages": [], "result": null});
    Reply::Answer(status, "", body.to_string())
}

fn done(result: &Value, info: &Value) -> Reply {
    let mut body = json!({"success": true, "errors": [], "messages": [], "result": result});
    if !info.is_null() {
        body["result_info"] = info.clone();
    }
    Reply::Answer(200, "", body.to_string())
}

/// The token that may all.
fn token() -> String {
    format!("{SECRET}000000000000000000")
}

impl Cloudflare {
    /// With this zone.
    pub fn start(zone: &str) -> Cloudflare {
        Cloudflare {
            zone: zone.to_owned(),
            id: "023e105f4ecef8ad9ca31a8372d0c353".to_owned(),
            records: Mutex::default(),
            made: AtomicUsize::new(0),
            page: AtomicUsize::new(5000),
            zones: Mutex::new(vec!["full"]),
            state: Mutex::new(("active", false)),
        }
    }

    /// All records.
    pub fn records(&self) -> MutexGuard<'_, Vec<Record>> {
        self.records.lock().expect("no other panic")
    }

    fn new_id(&self) -> String {
        format!("{:032x}", 0x372e_6795_0000 + self.made.fetch_add(1, Ordering::SeqCst))
    }

    /// A front that answers a request itself where this says how.
    pub fn fronted(
        self: &Arc<Self>,
        answer: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static,
    ) -> Front {
        let server = Arc::clone(self);
        Front::before(answer, move |asked| server.answer(asked))
    }

    /// Answers a request.
    fn answer(&self, asked: &Asked) -> Reply {
        let header = asked.headers.iter().find_map(|line| line.strip_prefix("authorization:"));
        let Some(bearer) = header else {
            return refused(400, 9106, "Missing X-Auth-Key, X-Auth-Email or Authorization headers");
        };
        let Some(key) = bearer.trim().strip_prefix("bearer ").filter(|key| key.len() == 40) else {
            return refused(400, 6003, "Invalid request headers");
        };
        // The front has the header lines in lower case.
        let is = |token: &str| key == token.to_ascii_lowercase();
        let Parts { path, query } = parts(asked);
        let (finds, reads, writes) = match () {
            () if is(&token()) => (true, true, true),
            () if is(READER) => (true, true, false),
            () if is(EDITOR) => (false, true, true),
            () if is(FINDER) => (true, false, false),
            () => return refused(403, 9109, "Invalid access token"),
        };
        let knows = |keys: &[&str]| query.keys().all(|key| keys.contains(key));
        let number = |key: &str, most: usize| match query.get(key) {
            None => Some(20),
            Some(text) => text.parse().ok().filter(|number| (1..=most).contains(number)),
        };
        match (asked.method.as_str(), path.as_slice()) {
            ("GET", ["client", "v4", "zones"]) if knows(&["name", "per_page"]) => {
                if !finds {
                    return refused(403, 9109, "Unauthorized to access requested resource");
                }
                let Some(most @ 5..) = number("per_page", 50) else { return refused(400, 1004, "per_page") };
                let own = query.get("name").is_none_or(|name| *name == self.zone);
                let zones = self.zones.lock().expect("no other panic");
                let zones = zones.iter().filter(|_| own);
                let (status, paused) = *self.state.lock().expect("no other panic");
                let zones: Vec<Value> = zones
                    .map(|of| json!({"id": self.id, "name": self.zone, "status": status, "type": of, "paused": paused}))
                    .collect();
                let info = json!({"page": 1, "per_page": most, "count": zones.len(), "total_count": zones.len(), "total_pages": 1});
                done(&json!(zones), &info)
            }
            (_, ["client", "v4", "zones", id, "dns_records", ..]) if *id != self.id => {
                refused(404, 7003, "Could not route to the zone, perhaps your object identifier is invalid?")
            }
            (_, ["client", "v4", "zones", _, "dns_records", ..]) if !reads => {
                refused(403, 10000, "Authentication error")
            }
            ("GET", ["client", "v4", "zones", _, "dns_records"])
                if knows(&["per_page", "page", "name.exact"]) =>
            {
                let (Some(most), Some(page)) = (number("per_page", 5000), number("page", usize::MAX)) else {
                    return refused(400, 1004, "per_page or page");
                };
                let most = most.min(self.page.load(Ordering::SeqCst));
                let page = if query.contains_key("page") { page } else { 1 };
                let records = self.records();
                let name = query.get("name.exact");
                let fits = |record: &&Record| name.is_none_or(|name| record.name.eq_ignore_ascii_case(name));
                let fitting: Vec<&Record> = records.iter().filter(fits).collect();
                let part: Vec<Value> =
                    fitting.iter().skip(most * (page - 1)).take(most).map(|record| record.listed()).collect();
                let total = fitting.len();
                let info = json!({"page": page, "per_page": most, "count": part.len(), "total_count": total,
                    "total_pages": total.div_ceil(most)});
                done(&json!(part), &info)
            }
            ("POST" | "DELETE", ["client", "v4", "zones", _, "dns_records", ..]) if !writes => {
                refused(403, 10000, "Authentication error")
            }
            ("POST", ["client", "v4", "zones", _, "dns_records", "batch"]) if query.is_empty() => {
                let Ok(body) = serde_json::from_str(&asked.body) else {
                    return refused(400, 9207, "Request body is invalid.");
                };
                match rules::batch(&self.zone, &mut self.records(), || self.new_id(), &body) {
                    Ok(result) => done(&result, &Value::Null),
                    Err((code, message)) => refused(400, code, &message),
                }
            }
            ("DELETE", ["client", "v4", "zones", _, "dns_records", id]) => {
                let mut records = self.records();
                let before = records.len();
                records.retain(|record| record.id != *id);
                if records.len() == before {
                    return refused(404, 81044, "Record does not exist.");
                }
                done(&json!({"id": id}), &Value::Null)
            }
            _ => refused(400, 7000, "No route for that URI"),
        }
    }

    /// What a request asks; nothing where kwo does not ask it.
    fn ask(&self, asked: &Asked) -> Option<Ask> {
        let Parts { path, query } = parts(asked);
        match (asked.method.as_str(), path.as_slice()) {
            ("GET", [_, _, "zones"]) => Some(Ask::Find),
            ("GET", _) => Some(query.get("name.exact").map_or(Ask::Look, |name| Ask::LookAt(name.clone()))),
            ("POST", _) => {
                let body: Value = serde_json::from_str(&asked.body).expect("JSON");
                let records = self.records();
                let text = |item: &Value, field: &str| item[field].as_str().unwrap_or_default().to_owned();
                let of_patch = |item: &Value| {
                    let record = records.iter().find(|record| record.id == text(item, "id"));
                    record.map(|record| (record.name.clone(), record.of.clone()))
                };
                let list = |name: &str| body[name].as_array().cloned().unwrap_or_default();
                let posts = list("posts");
                let posted = posts.iter().map(|item| (text(item, "name"), text(item, "type")));
                let patches = list("patches");
                let sets: BTreeSet<_> = posted.chain(patches.iter().filter_map(of_patch)).collect();
                Some(Ask::Write(sets.len()))
            }
            _ => None,
        }
    }
}

/// A mark in the short form of a comment, or as it is where it has none.
fn short(mark: &str) -> String {
    let value = |key: &str| mark.split(' ').find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
    let (Some(uid), Some(tenant), Some(_)) = (value("cluster"), value("tenant"), value("sum")) else {
        return mark.to_owned();
    };
    let digits = uid.replace('-', "");
    let bytes = (0..16).map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).expect("digits"));
    format!("kwo1 {} AAAAAAAA {tenant}", URL_SAFE_NO_PAD.encode(bytes.collect::<Vec<_>>()))
}

/// What a comment says: what others wrote, and a mark in its long form.
fn notes(comment: &str) -> Vec<String> {
    let Some(at) = comment.find("kwo1 ") else {
        return Some(comment.to_owned()).into_iter().filter(|comment| !comment.is_empty()).collect();
    };
    let words: Vec<&str> = comment[at..].split(' ').collect();
    let [_, uid, sum, tenant] = words.as_slice() else { return vec![comment.to_owned()] };
    let hex = |text: &str| {
        let bytes = URL_SAFE_NO_PAD.decode(text).expect("Base64");
        bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let mark = format!("kwo1 cluster={} tenant={tenant} sum={}", hex(uid), hex(sum));
    [comment[..at].trim_end().to_owned(), mark].into_iter().filter(|note| !note.is_empty()).collect()
}

impl ZoneServer for Cloudflare {
    fn roster(&self, front: &Front, key: &Path) -> String {
        format!("provider: cloudflare, url: 'http://{}', key: {{file: {}}}", front.address, key.display())
    }

    fn key(&self) -> String {
        token()
    }

    fn identity(&self) -> String {
        format!("/client/v4/zones/{}", self.id)
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
        let mut sets: BTreeMap<(String, String), Set> = BTreeMap::new();
        for Record { of, name, content, ttl, comment, .. } in self.records().iter() {
            let new =
                || Set { of: of.clone(), name: name.clone(), ttl: *ttl, records: vec![], notes: vec![] };
            let set = sets.entry((name.clone(), of.clone())).or_insert_with(new);
            set.records.push(content.clone());
            set.notes.extend(notes(comment));
            set.records.sort();
            set.notes.sort();
        }
        sets.into_values().collect()
    }

    fn put(&self, (of, name): (&str, &str), records: &[&str], comment: Option<&str>) {
        let mut all = self.records();
        let (mut here, others): (Vec<Record>, Vec<Record>) =
            all.drain(..).partition(|record| record.of == of && record.name == name);
        *all = others;
        here.truncate(records.len());
        for (at, text) in records.iter().enumerate() {
            let (priority, content) = match text.split_once(' ').filter(|_| of == "MX") {
                Some((priority, content)) => (priority.parse().ok(), content),
                None => (None, *text),
            };
            let new = Record {
                id: self.new_id(),
                of: of.to_owned(),
                name: name.to_owned(),
                content: content.trim_end_matches('.').to_owned(),
                ttl: 60,
                proxied: false,
                comment: comment.unwrap_or_default().to_owned(),
                priority,
            };
            // Whoever changes a record leaves its id and its comment.
            all.push(match here.get(at).cloned() {
                Some(Record { id, comment: old, .. }) => {
                    Record { id, comment: comment.map_or(old, ToOwned::to_owned), ..new }
                }
                None => new,
            });
        }
    }

    fn mark(&self, (of, name): (&str, &str), mark: &str) {
        let mut all = self.records();
        for record in all.iter_mut().filter(|record| record.of == of && record.name == name) {
            record.comment = short(mark);
        }
    }

    fn resolve(&self, of: &str, name: &str) -> Resolved {
        let all = self.records();
        let is_there = |name: &str| all.iter().any(|record| record.name == name);
        // A wildcard answers for what is not there, up to the next name that is.
        let mut answers = is_there(name).then(|| name.to_owned());
        let mut rest = name;
        while answers.is_none() {
            let Some((_, parent)) = rest.split_once('.') else { break };
            let wildcard = format!("*.{parent}");
            if is_there(&wildcard) {
                answers = Some(wildcard);
            }
            if is_there(parent) {
                break;
            }
            rest = parent;
        }
        let Some(owner) = answers else { return Resolved { code: 3, records: Vec::new() } };
        let mut records: Vec<String> = all
            .iter()
            .filter(|record| record.name == owner && record.of == of)
            .map(|record| if record.proxied { PROXY.to_owned() } else { record.content.clone() })
            .collect();
        records.sort();
        Resolved { code: 0, records }
    }

    fn ends(&self) -> bool {
        false
    }

    fn compares(&self) -> bool {
        false
    }

    fn keeps_marks(&self) -> bool {
        false
    }
}
