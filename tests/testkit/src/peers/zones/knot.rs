//! A real Knot DNS with one zone, transfers and updates with TSIG. Its zone and its keys are set up as the manual says; who
//! runs it writes to the zone by its own program, `knotc`.

use std::collections::BTreeMap;
use std::io::{Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use tempfile::TempDir;

use super::{Ask, Front, Meddle, Resolved, SECRET, Set, Then, ZoneServer, answers, front, what};
use crate::peers::{Running, free_port, local, program};
use crate::places;

/// The server; ends with this.
pub struct Knot {
    root: PathBuf,
    dns: SocketAddr,
    zone: String,
    _running: Running,
    folder: TempDir,
}

/// What the manual says that stands in the configuration of a server.
///
/// # Panics
/// Where it says nothing of it.
pub fn snippet(server: &str) -> String {
    let page = std::fs::read_to_string(places::root().join("docs/how-to/dns-records.md")).expect("a page");
    let mut blocks = page.split("```").skip(1).step_by(2);
    let begin = format!("# {server}");
    let block = blocks.find(|block| block.lines().nth(1).is_some_and(|line| line.starts_with(&begin)));
    block.expect("a block of the page").split_once('\n').expect("lines").1.to_owned()
}

impl Knot {
    /// With this zone, which has an SOA and an NS record; nothing where there is no such program.
    pub fn start(zone: &str) -> Option<Knot> {
        let root = program("knot")?;
        let folder = tempfile::tempdir().expect("a folder");
        let dns = local(free_port());
        let path = folder.path().display();
        let ours = snippet("knot.conf").replace("example.com", zone).replace("SECRET", &secret());
        // Beside the key of the manual one that may only transfer, one that may nothing, and one that signs otherwise.
        let ours = ours.replace("    acl: kwo\n", "    acl: [kwo, reader, other]\n").replacen(
            "acl:\n",
            &format!(
                "  - id: reader\n    algorithm: hmac-sha256\n    secret: {0}\n  - id: nobody\n    algorithm: hmac-sha256\n    \
                 secret: {0}\n  - id: other\n    algorithm: hmac-sha512\n    secret: {0}\nacl:\n  - id: reader\n    \
                 key: reader\n    action: transfer\n  - id: other\n    key: other\n    action: [transfer, update]\n",
                secret()
            ),
            1,
        );
        let config = format!(
            "server:\n  listen: 127.0.0.1@{}\n  rundir: {path}\ndatabase:\n  storage: {path}\n\
             log:\n  - target: stderr\n    any: info\ntemplate:\n  - id: default\n    storage: {path}\n{ours}",
            dns.port()
        );
        std::fs::write(folder.path().join("knot.conf"), config).expect("a file");
        let soa = "ns1.example.net. ops.example.net. 1 7200 900 1209600 300";
        let text = format!("{zone}. 3600 SOA {soa}\n{zone}. 3600 NS ns1.example.net.\n");
        std::fs::write(folder.path().join(format!("{zone}.zone")), text).expect("a file");
        let args = ["-c".to_owned(), "knot.conf".to_owned()];
        let mut running = Running::start(
            &root.join("knotd"),
            &args,
            &[("LD_LIBRARY_PATH", &libraries(&root))],
            folder.path(),
        );
        running.wait_for(dns);
        let socket = folder.path().join("knot.sock");
        running.wait("has no control socket", || socket.exists().then_some(()));
        Some(Knot { root, dns, zone: zone.to_owned(), _running: running, folder })
    }

    /// Runs commands of the server, in one transaction of the zone where they write.
    fn knotc(&self, args: &[&str]) -> String {
        let output = Command::new(self.root.join("knotc"))
            .args(["-s", "knot.sock"])
            .args(args)
            .env("LD_LIBRARY_PATH", libraries(&self.root))
            .current_dir(self.folder.path())
            .output()
            .expect("knotc");
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn replace(&self, (of, name): (&str, &str), ttl: u32, records: &[String]) {
        let (zone, name) = (self.zone.as_str(), format!("{name}."));
        self.knotc(&["-b", "zone-begin", zone]);
        let there = self.all().contains_key(&(name.trim_end_matches('.').to_owned(), of.to_owned()));
        if there {
            self.knotc(&["zone-unset", zone, &name, of]);
        }
        for record in records {
            self.knotc(&["zone-set", zone, &name, &ttl.to_string(), of, record]);
        }
        self.knotc(&["-b", "zone-commit", zone]);
    }

    /// All records by name and type, with the TTL.
    fn all(&self) -> BTreeMap<(String, String), (u64, Vec<String>)> {
        let mut all: BTreeMap<(String, String), (u64, Vec<String>)> = BTreeMap::new();
        for line in self.knotc(&["zone-read", &self.zone]).lines() {
            let words: Vec<&str> = line.splitn(5, ' ').collect();
            let [_, name, ttl, of, record] = words[..] else { continue };
            let key = (name.trim_end_matches('.').to_owned(), of.to_owned());
            let (own, records) = all.entry(key).or_default();
            *own = ttl.parse().expect("a TTL");
            records.push(record.to_owned());
            records.sort();
        }
        all
    }
}

/// The secret of the key, in Base64.
fn secret() -> String {
    format!("{SECRET}0000000000")
}

fn libraries(root: &Path) -> String {
    root.display().to_string()
}

/// Where the mark of a name stands.
fn mark_name(name: &str) -> String {
    match name.strip_prefix("*.") {
        Some(rest) => format!("_kwo-any.{rest}"),
        None => format!("_kwo.{name}"),
    }
}

impl ZoneServer for Knot {
    fn roster(&self, front: &Front, key: &Path) -> String {
        let (address, key) = (front.address, key.display());
        format!("provider: rfc2136, nameserver: '{address}', tsig: {{name: kwo}}, key: {{file: {key}}}")
    }

    fn key(&self) -> String {
        secret()
    }

    fn identity(&self) -> String {
        format!("/{}", self.zone)
    }

    fn front(self: Arc<Self>, meddle: Meddle) -> Front {
        front::serve(move |client| {
            let fetch = |question: &[u8]| {
                let mut server = TcpStream::connect(self.dns).ok()?;
                server.write_all(question).ok()?;
                frame(&mut server)
            };
            let mut client = client;
            while let Some(question) = frame(&mut client) {
                let fetch = || fetch(&question);
                let (then, answer) = what(&meddle, &asked(&question), fetch);
                let all = match then {
                    Then::Drop | Then::Flood | Then::Silence => return,
                    Then::Answer | Then::Half => answer.unwrap_or_else(fetch),
                };
                let Some(all) = all else { return };
                let part = if then == Then::Half { all.len() / 2 } else { all.len() };
                if client.write_all(&all[..part]).is_err() || then == Then::Half {
                    return;
                }
            }
        })
    }

    fn sets(&self) -> Vec<Set> {
        let all = self.all();
        let marks = |name: &str, of: &str| {
            let marks = all.get(&(mark_name(name), "TXT".to_owned()));
            let marks = marks.into_iter().flat_map(|(_, marks)| marks);
            let end = format!(" type={of}\"");
            marks.filter(|mark| mark.ends_with(&end)).cloned().collect::<Vec<_>>()
        };
        let sets = all.iter().filter(|((name, of), _)| {
            of != "SOA" && !name.starts_with("_kwo.") && !name.starts_with("_kwo-any.")
        });
        let set = |((name, of), (ttl, records)): (&(String, String), &(u64, Vec<String>))| Set {
            of: of.clone(),
            name: name.clone(),
            ttl: *ttl,
            records: records.clone(),
            notes: marks(name, of),
        };
        sets.map(set).collect()
    }

    fn put(&self, set: (&str, &str), records: &[&str], _: Option<&str>) {
        let records: Vec<String> = records.iter().map(|record| (*record).to_owned()).collect();
        self.replace(set, 60, &records);
    }

    fn mark(&self, (of, name): (&str, &str), mark: &str) {
        self.replace(("TXT", &mark_name(name)), 300, &[format!("\"{mark} type={of}\"")]);
    }

    fn resolve(&self, of: &str, name: &str) -> Resolved {
        answers::resolve(self.dns, of, name)
    }

    fn compares(&self) -> bool {
        true
    }

    fn programs(&self) -> Option<&Path> {
        Some(&self.root)
    }
}

/// One message with its length in front, as TCP carries it.
fn frame(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).ok()?;
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut message).ok()?;
    Some([length.to_vec(), message].concat())
}

/// What a message asks: an update, by its opcode, changes as many sets as it adds names that are no marks.
fn asked(question: &[u8]) -> Ask {
    let message = &question[2..];
    if message[2] >> 3 & 15 != 5 {
        return Ask::Look;
    }
    Ask::Write(answers::added(message))
}
