//! In place of DigitalOcean, which is nobody's to run: its API over a zone in memory, held to what DigitalOcean has published of
//! it. What it would refuse is refused, and so is a question whose answer is not published.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};

use super::front::replied;
use super::{Ask, Front, Meddle, Resolved, SECRET, Set, ZoneServer};
use crate::loopback::{Asked, Reply};

/// A token that may only look.
pub const READER: &str = "dop_v1_sentinelOfTheDnsServerWhoMayOnlyLook";

/// The header lines of each answer.
const LIMITS: &str = "ratelimit-limit: 5000\r\nratelimit-remaining: 4900\r\nratelimit-reset: 1402425459\r\n";

/// The fields of a record.
const FIELDS: [&str; 9] = ["type", "name", "data", "priority", "port", "ttl", "weight", "flags", "tag"];

/// The shortest TTL.
const SHORTEST: u64 = 30;

/// A record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Record {
    /// Its id.
    pub id: u64,
    /// Its type.
    pub of: String,
    /// Without the zone, or `@`.
    pub name: String,
    /// Names without a dot at their ends.
    pub data: String,
    /// Its TTL.
    pub ttl: u64,
    /// Of an MX record.
    pub priority: Option<u64>,
}

/// The server with one zone.
pub struct DigitalOcean {
    zone: String,
    records: Mutex<Vec<Record>>,
    made: AtomicU64,
    /// How many records a page has at most, whatever is asked for.
    pub page: AtomicUsize,
}

/// Why something is refused.
pub fn refused(status: u16, id: &str, message: &str) -> Reply {
    Reply::Answer(status, LIMITS, json!({"id": id, "message": message}).to_string())
}

fn unprocessable(message: &str) -> Reply {
    refused(422, "unprocessable_entity", message)
}

fn token() -> String {
    format!("dop_v1_{SECRET}0000")
}

fn decoded(text: &str) -> String {
    let mut pieces = text.split('%');
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |text, piece| {
        let code = u8::from_str_radix(&piece[..2], 16).expect("two digits");
        format!("{text}{}{}", char::from(code), &piece[2..])
    })
}

/// The path of a request, and its query.
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

fn is_mark(name: &str) -> bool {
    name.starts_with("_kwo.") || name.starts_with("_kwo-any.") || name == "_kwo" || name == "_kwo-any"
}

impl Record {
    fn listed(&self) -> Value {
        let Record { id, of, name, data, ttl, priority } = self;
        json!({"id": id, "type": of, "name": name, "data": data, "priority": priority, "port": null, "ttl": ttl,
            "weight": null, "flags": null, "tag": null})
    }
}

impl DigitalOcean {
    /// With this zone.
    pub fn start(zone: &str) -> DigitalOcean {
        let new = |id: u64, of: &str, data: &str| Record {
            id,
            of: of.to_owned(),
            name: "@".to_owned(),
            data: data.to_owned(),
            ttl: 1800,
            priority: None,
        };
        let servers = (1..=3).map(|at| new(28_448_428 + at, "NS", &format!("ns{at}.digitalocean.com")));
        let records = [new(28_448_428, "SOA", "1800")].into_iter().chain(servers).collect();
        DigitalOcean {
            zone: zone.to_owned(),
            records: Mutex::new(records),
            made: AtomicU64::new(28_448_440),
            page: AtomicUsize::new(200),
        }
    }

    /// All records.
    pub fn records(&self) -> MutexGuard<'_, Vec<Record>> {
        self.records.lock().expect("no other panic")
    }

    /// An id that none has.
    pub fn new_id(&self) -> u64 {
        self.made.fetch_add(1, Ordering::SeqCst)
    }

    /// A name as a record has it.
    pub fn relative(&self, name: &str) -> String {
        match name.strip_suffix(&self.zone).expect("a name of the zone") {
            "" => "@".to_owned(),
            rest => rest.trim_end_matches('.').to_owned(),
        }
    }

    fn full(&self, relative: &str) -> String {
        if relative == "@" { self.zone.clone() } else { format!("{relative}.{}", self.zone) }
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
        let bearer = asked.lines.iter().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("authorization").then(|| value.strip_prefix("Bearer "))?
        });
        let may_write = match bearer {
            Some(key) if key == token() => true,
            Some(READER) => false,
            _ => return refused(401, "unauthorized", "Unable to authenticate you"),
        };
        let (path, query) = parts(asked);
        let ["v2", "domains", zone, "records", rest @ ..] = path.as_slice() else {
            return refused(404, "not_found", "The resource you were accessing could not be found.");
        };
        if *zone != self.zone {
            return refused(404, "not_found", "The resource you were accessing could not be found.");
        }
        if asked.method != "GET" && !may_write {
            return refused(403, "forbidden", "You are missing the required permission domain:update.");
        }
        match (asked.method.as_str(), rest) {
            ("GET", []) => self.list(&query),
            ("POST", []) if query.is_empty() => self.write(asked, None),
            ("PUT", [id]) if query.is_empty() => self.write(asked, id.parse().ok()),
            ("DELETE", [id]) => {
                let mut records = self.records();
                let Some(at) = records.iter().position(|record| record.id.to_string() == *id) else {
                    return refused(404, "not_found", "The resource you were accessing could not be found.");
                };
                records.remove(at);
                Reply::Answer(204, LIMITS, String::new())
            }
            _ => refused(404, "not_found", "The resource you were accessing could not be found."),
        }
    }

    fn list(&self, query: &BTreeMap<&str, String>) -> Reply {
        if let Some(other) = query.keys().find(|key| !["name", "type", "per_page", "page"].contains(key)) {
            return unprocessable(&format!("nothing is published of {other}"));
        }
        let number = |key: &str, most: usize, usual: usize| match query.get(key) {
            None => Some(usual),
            Some(text) => text.parse().ok().filter(|number| (1..=most).contains(number)),
        };
        let (Some(most), Some(page)) = (number("per_page", 200, 20), number("page", usize::MAX, 1)) else {
            return unprocessable("per_page or page");
        };
        let most = most.min(self.page.load(Ordering::SeqCst));
        // A name is one of the zone, in full.
        let is_full = |name: &String| *name == self.zone || name.ends_with(&format!(".{}", self.zone));
        if query.get("name").is_some_and(|name| !is_full(name) || name.contains('*')) {
            return unprocessable("nothing is published of such a name");
        }
        let records = self.records();
        let fits = |record: &&Record| {
            query.get("name").is_none_or(|name| self.full(&record.name) == *name)
                && query.get("type").is_none_or(|of| record.of == *of)
        };
        let fitting: Vec<&Record> = records.iter().filter(fits).collect();
        let part: Vec<Value> =
            fitting.iter().skip(most * (page - 1)).take(most).map(|record| record.listed()).collect();
        let address = |page: usize| {
            format!("https://api.digitalocean.com/v2/domains/{}/records?page={page}", self.zone)
        };
        let last = fitting.len().div_ceil(most).max(1);
        let mut pages = json!({});
        if page > 1 {
            pages["first"] = json!(address(1));
            pages["prev"] = json!(address(page - 1));
        }
        if page < last {
            pages["next"] = json!(address(page + 1));
            pages["last"] = json!(address(last));
        }
        let links = if last == 1 { json!({}) } else { json!({"pages": pages}) };
        let body = json!({"domain_records": part, "links": links, "meta": {"total": fitting.len()}});
        Reply::Answer(200, LIMITS, body.to_string())
    }

    /// Makes a record, or changes the one with this id.
    fn write(&self, asked: &Asked, id: Option<u64>) -> Reply {
        let Ok(Value::Object(fields)) = serde_json::from_str::<Value>(&asked.body) else {
            return refused(400, "bad_request", "The request body is no object.");
        };
        if !asked.headers.iter().any(|line| line.starts_with("content-type: application/json")) {
            return refused(415, "unsupported_media_type", "expected JSON");
        }
        if let Some(other) = fields.keys().find(|field| !FIELDS.contains(&field.as_str())) {
            return unprocessable(&format!("a record has no {other}"));
        }
        let text = |field: &str| fields.get(field).and_then(Value::as_str).map(ToOwned::to_owned);
        let (Some(of), Some(name), Some(data)) = (text("type"), text("name"), text("data")) else {
            return unprocessable("a record has a type, a name and data");
        };
        let ttl = fields.get("ttl").and_then(Value::as_u64).unwrap_or(1800);
        let mut records = self.records();
        let at = match (&asked.method[..], id) {
            ("POST", _) => None,
            (_, id) => match records.iter().position(|record| Some(record.id) == id) {
                Some(at) if records[at].of == of => Some(at),
                Some(_) => return unprocessable("Type can not be changed"),
                None => {
                    return refused(404, "not_found", "The resource you were accessing could not be found.");
                }
            },
        };
        let others: Vec<&Record> = records
            .iter()
            .enumerate()
            .filter(|(other, record)| Some(*other) != at && record.name == name)
            .map(|(_, record)| record)
            .collect();
        if let Err(why) = check(&of, &name, &data, ttl, &others) {
            return unprocessable(&why);
        }
        let data = if of == "TXT" { data } else { data.trim_end_matches('.').to_ascii_lowercase() };
        let id = at.map_or_else(|| self.new_id(), |at| records[at].id);
        let record = Record { id, of, name: name.to_ascii_lowercase(), data, ttl, priority: None };
        let body = json!({"domain_record": record.listed()}).to_string();
        match at {
            Some(at) => records[at] = record,
            None => records.push(record),
        }
        Reply::Answer(if at.is_some() { 200 } else { 201 }, LIMITS, body)
    }

    /// What a request asks; nothing where kwo does not ask it.
    fn ask(&self, asked: &Asked) -> Option<Ask> {
        let (path, query) = parts(asked);
        let page = query.get("page").is_none_or(|page| page == "1");
        let [_, _, _, _, rest @ ..] = path.as_slice() else { return None };
        let name_of = |id: &str| {
            let records = self.records();
            records.iter().find(|record| record.id.to_string() == id).map(|record| record.name.clone())
        };
        let written = |name: String| if is_mark(&name) { Ask::Part } else { Ask::Write(1) };
        match (asked.method.as_str(), rest) {
            ("GET", _) => Some(match query.get("name") {
                _ if !page => Ask::Part,
                None => Ask::Look,
                Some(name) if is_mark(name) || query.contains_key("type") => Ask::Part,
                Some(name) => Ask::LookAt(name.clone()),
            }),
            ("POST", []) => {
                let body: Value = serde_json::from_str(&asked.body).expect("JSON");
                Some(written(body["name"].as_str().expect("a name").to_owned()))
            }
            ("PUT" | "DELETE", [id]) => Some(written(name_of(id).unwrap_or_default())),
            _ => None,
        }
    }
}

/// Can such a record stand beside these?
fn check(of: &str, name: &str, data: &str, ttl: u64, others: &[&Record]) -> Result<(), String> {
    let no = |message: &str| Err(message.to_owned());
    let label = |label: &str| {
        let is_char = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        (1..=63).contains(&label.len()) && (label == "*" || label.bytes().all(is_char))
    };
    if name != "@" && (name.len() > 255 || !name.split('.').all(label)) {
        return no(
            "Only valid hostname characters are allowed. (a-z, A-Z, 0-9, ., _ and -) Or a single record of '@'.",
        );
    }
    match of {
        "A" if data.parse::<Ipv4Addr>().is_err() => return no("IP address did not match IPv4 format."),
        "AAAA" if data.parse::<Ipv6Addr>().is_err() => return no("IP address did not match IPv6 format."),
        "CNAME" if name == "@" => return no("CNAME records cannot be at the root of a domain."),
        "CNAME" if data != "@" && !data.ends_with('.') => return no("Data needs to end with a dot (.)"),
        "TXT" if data.is_empty() || data.len() > 512 => {
            return no("Data is too long (maximum is 512 characters)");
        }
        "A" | "AAAA" | "CNAME" | "TXT" => {}
        _ => return no("this server is only asked for four types"),
    }
    if ttl < SHORTEST {
        return no("TTL must be greater than or equal to 30");
    }
    let is_cname = |record: &&&Record| record.of == "CNAME";
    if of == "CNAME" && !others.is_empty() || others.iter().any(|record| is_cname(&record)) {
        return no("CNAME records cannot share a name with other records");
    }
    Ok(())
}

impl ZoneServer for DigitalOcean {
    fn writes_together(&self) -> bool {
        false
    }

    fn roster(&self, front: &Front, key: &Path) -> String {
        format!("provider: digitalocean, url: 'http://{}', key: {{file: {}}}", front.address, key.display())
    }

    fn key(&self) -> String {
        token()
    }

    fn identity(&self) -> String {
        format!("/v2/domains/{}", self.zone)
    }

    fn front(self: Arc<Self>, meddle: Meddle) -> Front {
        let server = Arc::clone(&self);
        self.fronted(move |asked| {
            let ask = server.ask(asked)?;
            Some(replied(&meddle, &ask, || server.answer(asked)))
        })
    }

    fn sets(&self) -> Vec<Set> {
        let records = self.records();
        let mut sets: BTreeMap<(String, String), Set> = BTreeMap::new();
        for Record { of, name, data, ttl, priority, .. } in
            records.iter().filter(|record| record.of != "SOA" && !is_mark(&record.name))
        {
            let name = self.full(name);
            let new =
                || Set { of: of.clone(), name: name.clone(), ttl: *ttl, records: vec![], notes: vec![] };
            let set = sets.entry((name.clone(), of.clone())).or_insert_with(new);
            set.records.push(priority.map_or(data.clone(), |priority| format!("{priority} {data}")));
            set.records.sort();
        }
        for set in sets.values_mut() {
            let (place, end) = (self.relative(&mark_name(&set.name)), format!(" type={}", set.of));
            let marks = records.iter().filter(|record| record.of == "TXT" && record.name == place);
            set.notes = marks.map(|mark| mark.data.clone()).filter(|mark| mark.ends_with(&end)).collect();
        }
        sets.into_values().collect()
    }

    fn put(&self, (of, name): (&str, &str), records: &[&str], _: Option<&str>) {
        let name = self.relative(name);
        let mut all = self.records();
        let (mut here, others): (Vec<Record>, Vec<Record>) =
            all.drain(..).partition(|record| record.of == of && record.name == name);
        *all = others;
        here.truncate(records.len());
        for (at, text) in records.iter().enumerate() {
            let (priority, data) = match text.split_once(' ').filter(|_| of == "MX") {
                Some((priority, data)) => (priority.parse().ok(), data),
                None => (None, *text),
            };
            // Whoever changes a record leaves its id.
            let id = here.get(at).map_or_else(|| self.new_id(), |record| record.id);
            let data = data.trim_end_matches('.').to_owned();
            all.push(Record { id, of: of.to_owned(), name: name.clone(), data, ttl: 60, priority });
        }
    }

    fn mark(&self, (of, name): (&str, &str), mark: &str) {
        let (place, end) = (self.relative(&mark_name(name)), format!(" type={of}"));
        let mut all = self.records();
        all.retain(|record| record.name != place || !record.data.ends_with(&end));
        let (id, data) = (self.new_id(), format!("{mark}{end}"));
        all.push(Record { id, of: "TXT".to_owned(), name: place, data, ttl: 300, priority: None });
    }

    fn resolve(&self, of: &str, name: &str) -> Resolved {
        let all = self.records();
        let names: Vec<String> = all.iter().map(|record| self.full(&record.name)).collect();
        // What has names below it is there, too.
        let is_there = |name: &str| {
            names
                .iter()
                .any(|have| have == name || have.strip_suffix(name).is_some_and(|above| above.ends_with('.')))
        };
        // A wildcard answers for what is not there, up to the next name that is.
        let mut answers = is_there(name).then(|| name.to_owned());
        let mut rest = name;
        while answers.is_none() {
            let Some((_, parent)) = rest.split_once('.') else { break };
            let wildcard = format!("*.{parent}");
            if names.contains(&wildcard) {
                answers = Some(wildcard);
            }
            if is_there(parent) {
                break;
            }
            rest = parent;
        }
        let Some(owner) = answers else { return Resolved { code: 3, records: Vec::new() } };
        let owner = self.relative(&owner);
        let fits = |record: &&Record| record.name == owner && record.of == of;
        let mut records: Vec<String> = all.iter().filter(fits).map(|record| record.data.clone()).collect();
        records.sort();
        Resolved { code: 0, records }
    }

    fn compares(&self) -> bool {
        false
    }

    fn finds(&self, name: &str) -> bool {
        !name.contains('*')
    }

    fn writes_at_once(&self) -> bool {
        false
    }
}
