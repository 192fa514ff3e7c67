//! A real PowerDNS Authoritative Server with one zone, its HTTP API and its answers to DNS.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::front::replied;
use super::{Ask, Front, Meddle, Resolved, SECRET, Set, ZoneServer, answers};
use crate::live;
use crate::loopback::{Asked, Reply};
use crate::peers::http::{Message, Request};
use crate::peers::{Running, free_port, local, program};

/// The server; ends with this.
pub struct PowerDns {
    /// Where the API listens.
    api: SocketAddr,
    /// Where it answers to DNS.
    dns: SocketAddr,
    zone: String,
    _running: Running,
    _folder: TempDir,
}

impl PowerDns {
    /// With this zone, which has an SOA and an NS record; nothing where there is no such program.
    pub fn start(zone: &str) -> Option<PowerDns> {
        let root = program("pdns")?;
        let folder = tempfile::tempdir().expect("a folder");
        let database = folder.path().join("zones.sqlite");
        if !filled(&root.join("schema.sql"), &database) {
            return live::missing("python3 with sqlite3 makes the database of PowerDNS");
        }
        let (api, dns) = (local(free_port()), local(free_port()));
        let config = format!(
            "launch=gsqlite3\ngsqlite3-database={}\nmodule-dir={}\napi=yes\napi-key={SECRET}\nwebserver=yes\n\
             webserver-address=127.0.0.1\nwebserver-port={}\nlocal-address=127.0.0.1\nlocal-port={}\nsocket-dir={}\n\
             daemon=no\nguardian=no\ndisable-syslog=yes\nquery-cache-ttl=0\ncache-ttl=0\nnegquery-cache-ttl=0\n",
            database.display(),
            root.display(),
            api.port(),
            dns.port(),
            folder.path().display()
        );
        std::fs::write(folder.path().join("pdns.conf"), config).expect("a file");
        let args = [format!("--config-dir={}", folder.path().display())];
        let libraries = root.display().to_string();
        let env = [("LD_LIBRARY_PATH", libraries.as_str())];
        let mut running = Running::start(&root.join("pdns_server"), &args, &env, folder.path());
        running.wait_for(api);
        let server = PowerDns { api, dns, zone: zone.to_owned(), _running: running, _folder: folder };
        let new = json!({"name": format!("{zone}."), "kind": "Native", "nameservers": ["ns1.example.net."]});
        let made = server.ask("POST", "/api/v1/servers/localhost/zones", &new.to_string());
        assert_eq!(made.status(), 201, "{made:?}");
        Some(server)
    }

    /// Where the API is.
    pub fn url(&self) -> String {
        format!("http://{}", self.api)
    }

    /// Asks the API with its key.
    fn ask(&self, method: &str, path: &str, body: &str) -> Message {
        let host = self.api.to_string();
        let headers = [("x-api-key", SECRET), ("content-type", "application/json")];
        let request = Request { method, path, host: &host, headers: &headers, body: body.as_bytes() };
        request.ask(self.api).expect("an answer")
    }

    fn path(&self) -> String {
        format!("/api/v1/servers/localhost/zones/{}.", self.zone)
    }

    fn patch(&self, set: &Value) {
        let answer = self.ask("PATCH", &self.path(), &json!({"rrsets": [set]}).to_string());
        assert_eq!(answer.status(), 204, "{answer:?}");
    }

    /// A front that answers a request itself where this says how.
    pub fn fronted(
        self: &Arc<Self>,
        answer: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static,
    ) -> Front {
        let server = Arc::clone(self);
        Front::before(answer, move |asked| server.forward(asked))
    }

    /// Passes a request on.
    fn forward(&self, asked: &Asked) -> Reply {
        let key =
            asked.headers.iter().find_map(|line| line.strip_prefix("x-api-key:")).unwrap_or_default().trim();
        // The front has the header lines in lower case.
        let key = if key == SECRET.to_ascii_lowercase() { SECRET } else { key };
        let host = self.api.to_string();
        let headers = [("x-api-key", key), ("content-type", "application/json")];
        let (method, path, body) = (asked.method.as_str(), asked.path.as_str(), asked.body.as_bytes());
        let answer = Request { method, path, host: &host, headers: &headers, body }.ask(self.api);
        match answer {
            Ok(answer) => Reply::Answer(answer.status(), "", answer.text()),
            Err(_) => Reply::Drop,
        }
    }
}

impl ZoneServer for PowerDns {
    fn roster(&self, front: &Front, key: &Path) -> String {
        format!("provider: powerdns, url: 'http://{}', key: {{file: {}}}", front.address, key.display())
    }

    fn key(&self) -> String {
        SECRET.to_owned()
    }

    fn identity(&self) -> String {
        self.path()
    }

    fn front(self: Arc<Self>, meddle: Meddle) -> Front {
        let server = Arc::clone(&self);
        self.fronted(move |asked| {
            let ask = match (asked.method.as_str(), asked.path.split_once("?rrset_name=")) {
                ("GET", None) => Ask::Look,
                ("GET", Some((_, name))) => Ask::LookAt(name.trim_end_matches('.').to_owned()),
                _ => {
                    let body: Value = serde_json::from_str(&asked.body).expect("JSON");
                    Ask::Write(body["rrsets"].as_array().expect("record sets").len())
                }
            };
            let fetch = || server.forward(asked);
            Some(replied(&meddle, &ask, fetch))
        })
    }

    fn sets(&self) -> Vec<Set> {
        let zone: Value = serde_json::from_str(&self.ask("GET", &self.path(), "").text()).expect("JSON");
        let sets = zone["rrsets"].as_array().expect("record sets");
        let mut sets: Vec<Set> = sets.iter().filter(|set| set["type"] != "SOA").map(set).collect();
        sets.sort_by(|one, other| (&one.name, &one.of).cmp(&(&other.name, &other.of)));
        sets
    }

    fn put(&self, (of, name): (&str, &str), records: &[&str], comment: Option<&str>) {
        let records: Vec<Value> =
            records.iter().map(|content| json!({"content": content, "disabled": false})).collect();
        let mut set = json!({"changetype": "REPLACE", "name": format!("{name}."), "type": of, "ttl": 60, "records": records});
        if let Some(comment) = comment {
            set["comments"] = json!([{"account": "ops", "content": comment}]);
        }
        self.patch(&set);
    }

    fn mark(&self, (of, name): (&str, &str), mark: &str) {
        let comments = json!([{"account": "kwo", "content": mark}]);
        let set =
            json!({"changetype": "REPLACE", "name": format!("{name}."), "type": of, "comments": comments});
        self.patch(&set);
    }

    fn resolve(&self, of: &str, name: &str) -> Resolved {
        answers::resolve(self.dns, of, name)
    }

    fn compares(&self) -> bool {
        false
    }

    fn version(&self) -> Option<&str> {
        Some("4.")
    }
}

fn set(set: &Value) -> Set {
    let texts = |list: &Value, field: &str| {
        let mut texts: Vec<String> = list
            .as_array()
            .into_iter()
            .flatten()
            .map(|item| item[field].as_str().expect("a text").to_owned())
            .collect();
        texts.sort();
        texts
    };
    Set {
        of: set["type"].as_str().expect("a type").to_owned(),
        name: set["name"].as_str().expect("a name").trim_end_matches('.').to_owned(),
        ttl: set["ttl"].as_u64().expect("a TTL"),
        records: texts(&set["records"], "content"),
        notes: texts(&set["comments"], "content"),
    }
}

/// Makes the database that PowerDNS keeps its zones in.
fn filled(schema: &Path, database: &Path) -> bool {
    const PROGRAM: &str = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(sys.stdin.read())";
    let sql = std::fs::read(schema).expect("a schema");
    let mut python = Command::new("python3");
    python.args(["-c", PROGRAM]).arg(database).stdin(Stdio::piped());
    let Ok(mut python) = python.spawn() else { return false };
    python.stdin.take().expect("an input").write_all(&sql).expect("a program that reads");
    python.wait().is_ok_and(|status| status.success())
}
