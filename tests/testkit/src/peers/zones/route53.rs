//! In place of Route 53, which is AWS' to run: moto keeps the zones, botocore checks who signed what, and
//! `tests/peers/route53/serve.py` what AWS says of changes and moto does not check. One server is for all tests of a
//! process, each with a hosted zone of its own.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use super::front::replied;
use super::{Ask, Front, Meddle, Resolved, SECRET, Set, ZoneServer};
use crate::loopback::{Asked, Reply};
use crate::peers::http::Request;
use crate::peers::{Running, free_port, local, program};
use crate::places;

/// The id of a key that may all.
pub const MAY_ALL: &str = "AKIDMAYALL";

/// That of one that may only look.
pub const MAY_LOOK: &str = "AKIDMAYLOOK";

/// That of one that may nothing.
pub const MAY_NOTHING: &str = "AKIDMAYNOTHING";

/// That of one that ends by itself, and the token that belongs to it.
pub const ENDS: (&str, &str) = ("ASIAENDS", "sessionToken/with+signs==");

/// The paths of the API.
const VERSION: &str = "/2013-04-01/";

/// One hosted zone.
pub struct Route53 {
    address: SocketAddr,
    /// Its id.
    pub id: String,
    programs: PathBuf,
}

/// The server of this process: where it listens, and where its programs are.
fn server() -> Option<(SocketAddr, PathBuf)> {
    static SERVER: Mutex<Option<(SocketAddr, PathBuf, Running)>> = Mutex::new(None);
    let mut server = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
    if server.is_none() {
        let root = program("moto")?;
        let address = local(free_port());
        let script = places::root().join("tests/peers/route53/serve.py").display().to_string();
        let args = [script, address.port().to_string(), secret()];
        let folder = places::tmp().join("route53");
        std::fs::create_dir_all(&folder).expect("a folder");
        let packages = root.display().to_string();
        let env = [("PYTHONPATH", packages.as_str()), ("PYTHONDONTWRITEBYTECODE", "1")];
        let mut running = Running::start(Path::new("python3"), &args, &env, &folder);
        running.wait_for(address);
        *server = Some((address, root.join("programs"), running));
    }
    server.as_ref().map(|(address, programs, _)| (*address, programs.clone()))
}

/// The secret of all keys.
fn secret() -> String {
    format!("{SECRET}000000000000000000")
}

/// A refusal, in the form of AWS.
pub fn refused(status: u16, code: &str, message: &str) -> Reply {
    let body = format!(
        "<?xml version=\"1.0\"?>\n<ErrorResponse xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><Error><Type>Sender\
         </Type><Code>{code}</Code><Message>{message}</Message></Error><RequestId>7eb28fd5</RequestId></ErrorResponse>"
    );
    Reply::Answer(status, "", body)
}

impl Route53 {
    /// A hosted zone of this name, of several that may be there; nothing where there is no such program.
    pub fn start(zone: &str) -> Option<Route53> {
        Route53::hosted(zone, false)
    }

    /// The same, for everybody or private.
    pub fn hosted(zone: &str, private: bool) -> Option<Route53> {
        let (address, programs) = server()?;
        let mut made = Route53 { address, id: String::new(), programs };
        let told = made.test("zone", &json!({"name": zone, "private": private}));
        made.id = told["id"].as_str().expect("an id").to_owned();
        Some(made)
    }

    fn test(&self, path: &str, body: &Value) -> Value {
        let (host, path) = (self.address.to_string(), format!("/test/{path}"));
        let body = body.to_string();
        let request =
            Request { method: "POST", path: &path, host: &host, headers: &[], body: body.as_bytes() };
        let answer = request.ask(self.address).expect("an answer");
        assert_eq!(answer.status(), 200, "{path} {body}: {answer:?}");
        serde_json::from_slice(&answer.body).expect("JSON")
    }

    /// Lets a page of the zone have at most so many sets.
    pub fn page(&self, sets: usize) {
        self.test(&format!("page/{}", self.id), &json!({"sets": sets}));
    }

    /// Protects a set, which need not be there.
    pub fn protect(&self, (of, name): (&str, &str), comment: &str) {
        self.test(&format!("protect/{}", self.id), &json!({"type": of, "name": name, "comment": comment}));
    }

    /// Puts sets there that do more than to answer with their records, in place of what is there.
    pub fn put_special(&self, (of, name): (&str, &str), special: &Value) {
        self.test(&format!("put/{}", self.id), &json!({"type": of, "name": name, "special": special}));
    }

    fn put_plain(&self, (of, name): (&str, &str), ttl: u64, values: &[String]) {
        let set = json!({"type": of, "name": name, "ttl": ttl, "values": values});
        self.test(&format!("put/{}", self.id), &set);
    }

    /// A front that answers a request itself where this says how.
    pub fn fronted(
        self: &Arc<Self>,
        answer: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static,
    ) -> Front {
        let server = Arc::clone(self);
        Front::before(answer, move |asked| server.forward(asked))
    }

    /// Passes a request on, with all header lines that may be signed.
    fn forward(&self, asked: &Asked) -> Reply {
        let lines = asked.lines.iter().filter_map(|line| line.split_once(':'));
        let lines = lines.map(|(name, value)| (name.to_ascii_lowercase(), value.trim()));
        let of_connection = ["connection", "content-length", "host", "accept-encoding"];
        let lines: Vec<(String, &str)> =
            lines.filter(|(name, _)| !of_connection.contains(&name.as_str())).collect();
        let headers: Vec<(&str, &str)> = lines.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        let host =
            asked.headers.iter().find_map(|line| line.strip_prefix("host:")).unwrap_or_default().trim();
        let (method, path, body) = (asked.method.as_str(), asked.path.as_str(), asked.body.as_bytes());
        match (Request { method, path, host, headers: &headers, body }).ask(self.address) {
            Ok(answer) => Reply::Answer(answer.status(), "", answer.text()),
            Err(_) => Reply::Drop,
        }
    }

    /// All sets as they are: type, name in one form, TTL, values, and whether they do more than that.
    fn all(&self) -> Vec<(String, String, u64, Vec<String>, bool)> {
        let told = self.test(&format!("sets/{}", self.id), &json!({}));
        let all: Vec<(String, String, u64, Vec<String>, bool)> = serde_json::from_value(told).expect("sets");
        let plain = |name: &str| name.trim_end_matches('.').replace(r"\052", "*");
        all.into_iter()
            .map(|(of, name, ttl, mut values, special)| {
                values.sort();
                (of, plain(&name), ttl, values, special)
            })
            .collect()
    }
}

/// Where the mark of a name stands.
fn mark_name(name: &str) -> String {
    match name.strip_prefix("*.") {
        Some(rest) => format!("_kwo-any.{rest}"),
        None => format!("_kwo.{name}"),
    }
}

/// What a request asks; nothing where it is the next page of a list, or asks for a mark.
fn ask(asked: &Asked) -> Option<Ask> {
    let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
    if asked.method == "POST" {
        let sets = asked.body.split("<ResourceRecordSet>").skip(1);
        let of = |set: &str, tag: &str| {
            let (_, rest) = set.split_once(&format!("<{tag}>")).expect("a field");
            rest.split('<').next().unwrap_or_default().to_owned()
        };
        let sets: BTreeSet<(String, String)> = sets
            .map(|set| (of(set, "Name"), of(set, "Type")))
            .filter(|(name, _)| !name.starts_with("_kwo"))
            .collect();
        return Some(Ask::Write(sets.len()));
    }
    if !path.starts_with(VERSION) || !path.ends_with("/rrset") {
        return Some(Ask::Find);
    }
    let value = |key: &str| query.split('&').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='));
    match (value("name"), value("type")) {
        (None, _) => Some(Ask::Look),
        (Some(name), None) if !name.starts_with("_kwo") => {
            Some(Ask::LookAt(name.replace("%5C052", "*").trim_end_matches('.').to_owned()))
        }
        _ => None,
    }
}

impl ZoneServer for Route53 {
    fn roster(&self, front: &Front, key: &Path) -> String {
        let id = key.with_extension("id");
        if !id.exists() {
            std::fs::write(&id, MAY_ALL).expect("a file");
        }
        format!(
            "provider: route53, url: 'http://{}', zone: {}, credentials: {{AWS_ACCESS_KEY_ID: {{file: {}}}, \
             AWS_SECRET_ACCESS_KEY: {{file: {}}}}}",
            front.address,
            self.id,
            id.display(),
            key.display()
        )
    }

    fn key(&self) -> String {
        secret()
    }

    fn identity(&self) -> String {
        format!("/2013-04-01/hostedzone/{}", self.id)
    }

    fn front(self: Arc<Self>, meddle: Meddle) -> Front {
        let server = Arc::clone(&self);
        self.fronted(move |asked| {
            let ask = ask(asked)?;
            Some(replied(&meddle, &ask, || server.forward(asked)))
        })
    }

    fn sets(&self) -> Vec<Set> {
        let all = self.all();
        let notes = |name: &str, of: &str| {
            let (place, end) = (mark_name(name), format!(" type={of}\""));
            let marks = all.iter().filter(|(of, name, ..)| of == "TXT" && *name == place);
            let marks = marks.flat_map(|(_, _, _, values, _)| values).filter(|mark| mark.ends_with(&end));
            marks.cloned().collect::<Vec<_>>()
        };
        let sets = all.iter().filter(|(of, name, ..)| {
            of != "SOA" && !name.starts_with("_kwo.") && !name.starts_with("_kwo-any.")
        });
        let mut sets: Vec<Set> = sets
            .map(|(of, name, ttl, values, _)| Set {
                of: of.clone(),
                name: name.clone(),
                ttl: *ttl,
                records: values.clone(),
                notes: notes(name, of),
            })
            .collect();
        sets.sort_by(|one, other| (&one.name, &one.of).cmp(&(&other.name, &other.of)));
        sets
    }

    fn put(&self, set: (&str, &str), records: &[&str], _: Option<&str>) {
        let records: Vec<String> = records.iter().map(|record| (*record).to_owned()).collect();
        self.put_plain(set, 60, &records);
    }

    fn mark(&self, (of, name): (&str, &str), mark: &str) {
        self.put_plain(("TXT", &mark_name(name)), 300, &[format!("\"{mark} type={of}\"")]);
    }

    fn resolve(&self, of: &str, name: &str) -> Resolved {
        let all = self.all();
        let names: BTreeSet<&str> = all.iter().map(|(_, name, ..)| name.as_str()).collect();
        // What has names below it is there, too.
        let is_there = |name: &str| {
            names.iter().any(|have| {
                *have == name || have.strip_suffix(name).is_some_and(|above| above.ends_with('.'))
            })
        };
        // A wildcard answers for what is not there, up to the next name that is.
        let mut answers = is_there(name).then(|| name.to_owned());
        let mut rest = name;
        while answers.is_none() {
            let Some((_, parent)) = rest.split_once('.') else { break };
            let wildcard = format!("*.{parent}");
            if names.contains(wildcard.as_str()) {
                answers = Some(wildcard);
            }
            if is_there(parent) {
                break;
            }
            rest = parent;
        }
        let Some(owner) = answers else { return Resolved { code: 3, records: Vec::new() } };
        let fits =
            |(have, name, ..): &&(String, String, u64, Vec<String>, bool)| *name == owner && have == of;
        let records = all.iter().filter(fits).flat_map(|(_, _, _, values, _)| values);
        let mut records: Vec<String> =
            records.map(|record| record.trim_end_matches('.').to_owned()).collect();
        records.sort();
        Resolved { code: 0, records }
    }

    fn compares(&self) -> bool {
        true
    }

    fn programs(&self) -> Option<&Path> {
        Some(&self.programs)
    }
}
