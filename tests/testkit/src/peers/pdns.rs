//! A real PowerDNS Authoritative Server with one zone, its HTTP API and its answers to DNS.

use std::io::Write as _;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::http::{Message, Request};
use super::{Running, free_port, local, program};
use crate::live;

/// The key of the API, which no output may show.
pub const KEY: &str = "sentinel-of-the-dns-server";

/// The server; ends with this.
pub struct PowerDns {
    /// Where the API listens.
    pub api: SocketAddr,
    /// Where it answers to DNS.
    dns: SocketAddr,
    running: Running,
    folder: TempDir,
}

/// What a name leads to.
#[derive(Debug, Eq, PartialEq)]
pub struct Resolved {
    /// `0` where all is well, `3` where there is no such name.
    pub code: u8,
    /// The addresses and names of the answer, in order.
    pub records: Vec<String>,
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
            "launch=gsqlite3\ngsqlite3-database={}\nmodule-dir={}\napi=yes\napi-key={KEY}\nwebserver=yes\n\
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
        let server = PowerDns { api, dns, running, folder };
        let new = json!({"name": format!("{zone}."), "kind": "Native", "nameservers": ["ns1.example.net."]});
        let made = server.ask("POST", "/api/v1/servers/localhost/zones", &new.to_string());
        assert_eq!(made.status(), 201, "{made:?}\n{}", server.running.said());
        Some(server)
    }

    /// The address of the API.
    pub fn url(&self) -> String {
        format!("http://{}", self.api)
    }

    /// Asks the API with its key.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> Message {
        let host = self.api.to_string();
        let headers = [("x-api-key", KEY), ("content-type", "application/json")];
        let request = Request { method, path, host: &host, headers: &headers, body: body.as_bytes() };
        request.ask(self.api).expect("an answer")
    }

    /// All record sets of a zone, as the API shows them.
    pub fn sets(&self, zone: &str) -> Vec<Value> {
        let answer = self.ask("GET", &format!("/api/v1/servers/localhost/zones/{zone}."), "");
        let zone: Value = serde_json::from_str(&answer.text()).expect("JSON");
        let sets = zone["rrsets"].as_array().expect("record sets");
        // The serial goes up with every write.
        sets.iter().filter(|set| set["type"] != "SOA").cloned().collect()
    }

    /// One record set of a zone.
    pub fn set(&self, zone: &str, of: &str, name: &str) -> Option<Value> {
        let is = |set: &Value| set["type"] == of && set["name"] == format!("{name}.");
        self.sets(zone).into_iter().find(is)
    }

    /// Puts a record set there as others do, with a comment of theirs where there is one.
    pub fn put(&self, zone: &str, (of, name): (&str, &str), records: &[&str], comment: Option<&str>) {
        let records: Vec<Value> =
            records.iter().map(|content| json!({"content": content, "disabled": false})).collect();
        let mut set = json!({"changetype": "REPLACE", "name": format!("{name}."), "type": of, "ttl": 60, "records": records});
        if let Some(comment) = comment {
            set["comments"] = json!([{"account": "ops", "content": comment}]);
        }
        let path = format!("/api/v1/servers/localhost/zones/{zone}.");
        let answer = self.ask("PATCH", &path, &json!({"rrsets": [set]}).to_string());
        assert_eq!(answer.status(), 204, "{answer:?}");
    }

    /// What it answers to DNS about the addresses of a name (`A`, `AAAA`) or its other name (`CNAME`).
    pub fn resolve(&self, of: &str, name: &str) -> Resolved {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a time");
        let mut question = vec![0x12, 0x34, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            question.push(u8::try_from(label.len()).expect("a label"));
            question.extend(label.bytes());
        }
        question.extend([0, 0, type_number(of), 0, 1]);
        socket.send_to(&question, self.dns).expect("a question");
        let mut answer = [0; 4096];
        let length = socket.recv(&mut answer).expect("an answer");
        let answer = &answer[..length];
        let count = usize::from(u16::from_be_bytes([answer[6], answer[7]]));
        let mut at = question.len();
        let mut records = Vec::new();
        for _ in 0..count {
            at = label_end(answer, at);
            let length = usize::from(u16::from_be_bytes([answer[at + 8], answer[at + 9]]));
            let data = &answer[at + 10..at + 10 + length];
            records.push(match (u16::from_be_bytes([answer[at], answer[at + 1]]), data) {
                (1, [a, b, c, d]) => format!("{a}.{b}.{c}.{d}"),
                (28, data) => {
                    let address: [u8; 16] = data.try_into().expect("an address");
                    std::net::Ipv6Addr::from(address).to_string()
                }
                _ => name_at(answer, at + 10),
            });
            at += 10 + length;
        }
        records.sort();
        Resolved { code: answer[3] & 15, records }
    }

    /// The folder with its files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

fn type_number(of: &str) -> u8 {
    match of {
        "A" => 1,
        "CNAME" => 5,
        "AAAA" => 28,
        other => panic!("no type {other}"),
    }
}

/// Where a name of a message ends.
fn label_end(message: &[u8], mut at: usize) -> usize {
    loop {
        match message[at] {
            0 => return at + 1,
            length if length & 0xc0 == 0xc0 => return at + 2,
            length => at += 1 + usize::from(length),
        }
    }
}

/// The name at a place of a message, which may go on elsewhere.
fn name_at(message: &[u8], mut at: usize) -> String {
    let mut labels = Vec::new();
    loop {
        match message[at] {
            0 => return labels.join("."),
            high if high & 0xc0 == 0xc0 => at = usize::from(high & 0x3f) << 8 | usize::from(message[at + 1]),
            length => {
                let label = &message[at + 1..at + 1 + usize::from(length)];
                labels.push(String::from_utf8_lossy(label).into_owned());
                at += 1 + usize::from(length);
            }
        }
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
