//! In place of OVH, which is nobody's to run: its API over a zone in memory, held to what OVH has published of it. What was
//! written is told to the world only once the zone was refreshed, and each signature is checked by another program. `rules` has
//! what a record may be.

mod rules;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

pub use rules::{Record, forbidden, refused};

use self::rules::{check, fields, gone, is_like};
use super::front::replied;
use super::{Ask, Front, Meddle, Resolved, SECRET, Set, ZoneServer, answers};
use crate::loopback::{Asked, Reply};

/// The key of the application, and that of who lets it in.
const APPLICATION: &str = "7kbG7Bk7S9Nt7ZSV";
const CONSUMER: &str = "MtSwSrPpNjqfVSmJhLbPyr2i45lSwPU1";

/// A consumer key that may only look.
pub const READER: &str = "rEaDsOnLyNjqfVSmJhLbPyr2i45lSwPU";

/// How many seconds a signature is good for.
const GOOD: i64 = 30;

/// The server with one zone.
pub struct Ovh {
    zone: String,
    records: Mutex<Vec<Record>>,
    /// What the world is told.
    served: Mutex<Vec<Record>>,
    made: AtomicU64,
    /// How far its clock is ahead.
    pub ahead: AtomicI64,
}

fn secret() -> String {
    format!("{SECRET}0000000000")
}

fn sha1(text: &str) -> String {
    let mut sum = Command::new("sha1sum");
    let mut sum = sum.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("sha1sum");
    sum.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("a pipe");
    let out = sum.wait_with_output().expect("an answer").stdout;
    String::from_utf8(out[..40].to_vec()).expect("hex")
}

fn parts(asked: &Asked) -> (Vec<&str>, BTreeMap<&str, String>) {
    let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    (path.split('/').skip(1).collect(), pairs.map(|(key, value)| (key, value.to_owned())).collect())
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

impl Ovh {
    /// With this zone.
    pub fn start(zone: &str) -> Ovh {
        let servers = ["dns104.ovh.net.", "ns104.ovh.net."].iter().enumerate();
        let records: Vec<Record> = servers
            .map(|(at, target)| Record {
                id: 5_000_000_000 + at as u64,
                of: "NS".to_owned(),
                name: String::new(),
                target: (*target).to_owned(),
                ttl: 0,
            })
            .collect();
        Ovh {
            zone: zone.to_owned(),
            served: Mutex::new(records.clone()),
            records: Mutex::new(records),
            made: AtomicU64::new(5_000_000_100),
            ahead: AtomicI64::new(-4000),
        }
    }

    /// All records, as they are written.
    pub fn records(&self) -> MutexGuard<'_, Vec<Record>> {
        self.records.lock().expect("no other panic")
    }

    fn served(&self) -> MutexGuard<'_, Vec<Record>> {
        self.served.lock().expect("no other panic")
    }

    /// Is the world told all that was written?
    pub fn is_fresh(&self) -> bool {
        *self.records() == *self.served()
    }

    fn new_id(&self) -> u64 {
        self.made.fetch_add(1, Ordering::SeqCst)
    }

    fn relative(&self, name: &str) -> String {
        name.strip_suffix(&self.zone).expect("a name of the zone").trim_end_matches('.').to_owned()
    }

    fn full(&self, relative: &str) -> String {
        if relative.is_empty() { self.zone.clone() } else { format!("{relative}.{}", self.zone) }
    }

    /// A front that answers a request itself where this says how.
    pub fn fronted(
        self: &Arc<Self>,
        answer: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static,
    ) -> Front {
        let server = Arc::clone(self);
        Front::before(answer, move |asked| server.answer(asked))
    }

    fn now(&self) -> i64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time").as_secs();
        i64::try_from(now).expect("a time") + self.ahead.load(Ordering::SeqCst)
    }

    /// Why the keys of a request are refused; or whether they may write.
    fn let_in(&self, asked: &Asked) -> Result<bool, Reply> {
        let header = |name: &str| {
            let line = asked.lines.iter().find_map(|line| {
                let (have, value) = line.split_once(": ")?;
                have.eq_ignore_ascii_case(name).then(|| value.to_owned())
            });
            line.unwrap_or_default()
        };
        if header("x-ovh-application") != APPLICATION {
            return Err(forbidden("INVALID_KEY", "This application key is invalid"));
        }
        let consumer = header("x-ovh-consumer");
        if ![CONSUMER, READER].contains(&consumer.as_str()) {
            return Err(forbidden("INVALID_CREDENTIAL", "This credential is not valid"));
        }
        let time: i64 = header("x-ovh-timestamp").parse().unwrap_or_default();
        if (time - self.now()).abs() > GOOD {
            return Err(refused(400, "Client::BadRequest", "Query out of time"));
        }
        let url = format!("http://{}{}", header("host"), asked.path);
        let signed = format!("{}+{consumer}+{}+{url}+{}+{time}", secret(), asked.method, asked.body);
        if header("x-ovh-signature") != format!("$1${}", sha1(&signed)) {
            return Err(refused(400, "Client::BadRequest", "Invalid signature"));
        }
        Ok(consumer == CONSUMER)
    }

    /// Answers a request.
    fn answer(&self, asked: &Asked) -> Reply {
        let (path, query) = parts(asked);
        if let ("GET", ["1.0", "auth", "time"]) = (asked.method.as_str(), path.as_slice()) {
            return Reply::Answer(200, "", self.now().to_string());
        }
        let may_write = match self.let_in(asked) {
            Ok(may_write) => may_write,
            Err(reply) => return reply,
        };
        let ["1.0", "domain", "zone", zone, rest @ ..] = path.as_slice() else {
            return gone("Got an invalid (or empty) URL");
        };
        if asked.method != "GET" && !may_write {
            return forbidden("NOT_GRANTED_CALL", "This call has not been granted");
        }
        if *zone != self.zone {
            return gone("This service does not exist");
        }
        let number = |id: &str| id.parse::<u64>().unwrap_or_default();
        match (asked.method.as_str(), rest) {
            ("GET", ["record"]) => {
                if let Some(other) = query.keys().find(|key| !["fieldType", "subDomain"].contains(key)) {
                    return refused(400, "Client::BadRequest", &format!("nothing is published of {other}"));
                }
                if query.get("subDomain").is_some_and(|name| name.is_empty() || name.contains(['*', '%'])) {
                    return refused(400, "Client::BadRequest", "nothing is published of such a name");
                }
                let records = self.records();
                let fits = |record: &&Record| {
                    query.get("fieldType").is_none_or(|of| record.of == *of)
                        && query.get("subDomain").is_none_or(|name| is_like(&record.name, name))
                };
                let ids: Vec<u64> = records.iter().filter(fits).map(|record| record.id).collect();
                Reply::Answer(200, "", json!(ids).to_string())
            }
            ("GET", ["record", id]) => match self.records().iter().find(|record| record.id == number(id)) {
                Some(record) => Reply::Answer(200, "", self.listed(record).to_string()),
                None => gone("The requested object (id = x) does not exist"),
            },
            ("POST", ["record"]) => self.make(asked),
            ("PUT", ["record", id]) => self.change(asked, number(id)),
            ("DELETE", ["record", id]) => {
                let mut records = self.records();
                let before = records.len();
                records.retain(|record| record.id != number(id));
                if records.len() == before {
                    return gone("The requested object (id = x) does not exist");
                }
                Reply::Answer(200, "", "null".to_owned())
            }
            ("POST", ["refresh"]) if asked.body.is_empty() => {
                *self.served() = self.records().clone();
                Reply::Answer(200, "", "null".to_owned())
            }
            _ => gone("Got an invalid (or empty) URL"),
        }
    }

    fn sets_of(&self, records: &[Record]) -> Vec<Set> {
        let mut sets: BTreeMap<(String, String), Set> = BTreeMap::new();
        for Record { of, name, target, ttl, .. } in records.iter().filter(|record| !is_mark(&record.name)) {
            let name = self.full(name);
            let new =
                || Set { of: of.clone(), name: name.clone(), ttl: *ttl, records: vec![], notes: vec![] };
            let set = sets.entry((name.clone(), of.clone())).or_insert_with(new);
            set.records.push(target.clone());
            set.records.sort();
        }
        for set in sets.values_mut() {
            let (place, end) = (self.relative(&mark_name(&set.name)), format!(" type={}\"", set.of));
            let marks = records.iter().filter(|record| record.of == "TXT" && record.name == place);
            set.notes = marks.map(|mark| mark.target.clone()).filter(|mark| mark.ends_with(&end)).collect();
        }
        sets.into_values().collect()
    }

    fn listed(&self, record: &Record) -> Value {
        let Record { id, of, name, target, ttl } = record;
        json!({"id": id, "zone": self.zone, "fieldType": of, "subDomain": name, "target": target, "ttl": ttl})
    }

    fn make(&self, asked: &Asked) -> Reply {
        let fields = match fields(asked, &["fieldType", "subDomain", "target", "ttl"]) {
            Ok(fields) => fields,
            Err(reply) => return reply,
        };
        let text = |field: &str| fields.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        let ttl = fields.get("ttl").and_then(Value::as_u64).unwrap_or_default();
        let (of, name) = (text("fieldType"), text("subDomain").to_ascii_lowercase());
        let record = Record { id: self.new_id(), of, name, target: text("target"), ttl };
        let mut records = self.records();
        if let Err(why) = check(&record, &records) {
            return refused(400, "Client::BadRequest", &why);
        }
        let body = self.listed(&record).to_string();
        records.push(record);
        Reply::Answer(200, "", body)
    }

    fn change(&self, asked: &Asked, id: u64) -> Reply {
        let fields = match fields(asked, &["subDomain", "target", "ttl"]) {
            Ok(fields) => fields,
            Err(reply) => return reply,
        };
        let mut records = self.records();
        let Some(at) = records.iter().position(|record| record.id == id) else {
            return gone("The requested object (id = x) does not exist");
        };
        let mut record = records[at].clone();
        let text = |field: &str| fields.get(field).and_then(Value::as_str).map(ToOwned::to_owned);
        record.name = text("subDomain").unwrap_or(record.name).to_ascii_lowercase();
        record.target = text("target").unwrap_or(record.target);
        record.ttl = fields.get("ttl").and_then(Value::as_u64).unwrap_or(record.ttl);
        if let Err(why) = check(&record, &records) {
            return refused(400, "Client::BadRequest", &why);
        }
        records[at] = record;
        Reply::Answer(200, "", "null".to_owned())
    }

    /// What a request asks; nothing where kwo does not ask it.
    fn ask(&self, asked: &Asked) -> Option<Ask> {
        let (path, query) = parts(asked);
        let ["1.0", "domain", _, _, rest @ ..] = path.as_slice() else {
            return (path.last() == Some(&"time")).then_some(Ask::Find);
        };
        let name_of = |id: &str| {
            let records = self.records();
            records.iter().find(|record| record.id.to_string() == id).map(|record| record.name.clone())
        };
        let written = |name: String| if is_mark(&name) { Ask::Part } else { Ask::Write(1) };
        match (asked.method.as_str(), rest) {
            ("GET", ["record"]) => Some(match query.get("subDomain") {
                None => Ask::Look,
                Some(name) if is_mark(name) || query.contains_key("fieldType") => Ask::Part,
                Some(name) => Ask::LookAt(self.full(name)),
            }),
            ("GET", _) | ("POST", ["refresh"]) => Some(Ask::Part),
            ("POST", _) => {
                let body: Value = serde_json::from_str(&asked.body).expect("JSON");
                Some(written(body["subDomain"].as_str().expect("a name").to_owned()))
            }
            ("PUT" | "DELETE", [_, id]) => Some(written(name_of(id).unwrap_or_default())),
            _ => None,
        }
    }
}

impl ZoneServer for Ovh {
    fn writes_together(&self) -> bool {
        false
    }

    fn roster(&self, front: &Front, key: &Path) -> String {
        for (end, text) in [("app", APPLICATION), ("consumer", CONSUMER)] {
            let path = key.with_extension(end);
            if !path.exists() {
                std::fs::write(path, text).expect("a file");
            }
        }
        let key = key.display();
        format!(
            "provider: ovh, url: 'http://{}', credentials: {{OVH_APPLICATION_KEY: {{file: {key}.app}}, \
             OVH_APPLICATION_SECRET: {{file: {key}}}, OVH_CONSUMER_KEY: {{file: {key}.consumer}}}}",
            front.address
        )
    }

    fn key(&self) -> String {
        secret()
    }

    fn identity(&self) -> String {
        format!("/1.0/domain/zone/{}", self.zone)
    }

    fn front(self: Arc<Self>, meddle: Meddle) -> Front {
        let server = Arc::clone(&self);
        self.fronted(move |asked| {
            let ask = server.ask(asked)?;
            Some(replied(&meddle, &ask, || server.answer(asked)))
        })
    }

    fn sets(&self) -> Vec<Set> {
        self.sets_of(&self.records())
    }

    fn put(&self, (of, name): (&str, &str), records: &[&str], _: Option<&str>) {
        let name = self.relative(name);
        let mut all = self.records();
        let (mut here, others): (Vec<Record>, Vec<Record>) =
            all.drain(..).partition(|record| record.of == of && record.name == name);
        *all = others;
        here.truncate(records.len());
        for (at, text) in records.iter().enumerate() {
            // Whoever changes a record leaves its id.
            let id = here.get(at).map_or_else(|| self.new_id(), |record| record.id);
            all.push(Record {
                id,
                of: of.to_owned(),
                name: name.clone(),
                target: (*text).to_owned(),
                ttl: 60,
            });
        }
        *self.served() = all.clone();
    }

    fn mark(&self, (of, name): (&str, &str), mark: &str) {
        let (place, end) = (self.relative(&mark_name(name)), format!(" type={of}\""));
        let mut all = self.records();
        all.retain(|record| record.name != place || !record.target.ends_with(&end));
        let (id, target) = (self.new_id(), format!("\"{mark}{end}"));
        all.push(Record { id, of: "TXT".to_owned(), name: place, target, ttl: 300 });
    }

    fn resolve(&self, of: &str, name: &str) -> Resolved {
        answers::served(&self.sets_of(&self.served()), of, name)
    }

    fn compares(&self) -> bool {
        false
    }

    fn finds(&self, name: &str) -> bool {
        !name.contains('*') && name != self.zone
    }

    fn writes_at_once(&self) -> bool {
        false
    }
}
