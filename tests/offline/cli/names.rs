//! `kwo dns check` where a stranger plays the resolver: what it answers is checked against the question, does nothing to a
//! terminal, and does not end in circles; without one, nothing is called right. Real servers are asked in `tests/peers/dns`.

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::thread;

use tempfile::TempDir;

use crate::cli::transcript;

const A: u8 = 1;
const NS: u8 = 2;
const CNAME: u8 = 5;
const AAAA: u8 = 28;
const NXDOMAIN: u8 = 3;
const REFUSED: u8 = 5;

const ROSTER: &str = "\
apiVersion: kwo/v1
kind: Roster
dns: {zones: {example.com: {provider: powerdns, url: 'http://127.0.0.1:9', key: {env: K}, target: {addresses: [192.0.2.10]}}}}
tenants:
  alice: {domains: [www.example.com, '*.alice.example.com', elsewhere.example.net]}
";

fn roster() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("roster.yaml"), ROSTER).unwrap();
    folder
}

/// One question: the name, the type, and the message.
struct Asked {
    name: String,
    of: u8,
    message: Vec<u8>,
}

/// A name on the wire. A `.` within a label is no matter here.
fn wire(name: &str) -> Vec<u8> {
    let labels = name.split('.').flat_map(|label| {
        let length = u8::try_from(label.len()).unwrap();
        std::iter::once(length).chain(label.bytes()).collect::<Vec<u8>>()
    });
    labels.chain([0]).collect()
}

impl Asked {
    fn read(message: &[u8]) -> Asked {
        let (mut at, mut labels) = (12, Vec::new());
        while message[at] != 0 {
            let end = at + 1 + usize::from(message[at]);
            labels.push(String::from_utf8_lossy(&message[at + 1..end]).into_owned());
            at = end;
        }
        Asked { name: labels.join("."), of: message[at + 2], message: message[..at + 5].to_vec() }
    }

    /// An answer to it.
    fn answer(&self, rcode: u8, records: &[(&str, u8, Vec<u8>)]) -> Vec<u8> {
        let mut out = self.message.clone();
        out[2..12].copy_from_slice(&[
            0x85,
            0x80 | rcode,
            0,
            1,
            0,
            u8::try_from(records.len()).unwrap(),
            0,
            0,
            0,
            0,
        ]);
        for (name, of, data) in records {
            out.extend(wire(name));
            out.extend([0, *of, 0, 1, 0, 0, 0, 60, 0, u8::try_from(data.len()).unwrap()]);
            out.extend(data);
        }
        out
    }
}

/// A resolver that answers each question with these datagrams.
fn resolver(answer: impl Fn(&Asked) -> Vec<Vec<u8>> + Send + 'static) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut message = [0; 2048];
        while let Ok((length, from)) = socket.recv_from(&mut message) {
            for datagram in answer(&Asked::read(&message[..length])) {
                socket.send_to(&datagram, from).unwrap();
            }
        }
    });
    address
}

fn check(folder: &Path, resolver: SocketAddr, more: &[&str]) -> String {
    let address = resolver.to_string();
    transcript(folder, &[&["dns", "check", "--dns-server", &address], more].concat())
        .replace(&address, "RESOLVER")
}

#[test]
fn without_an_answer_nothing_is_called_right() {
    let folder = roster();
    // Nobody is there, and one that does not resolve for strangers.
    let nobody = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refuses = resolver(|asked| vec![asked.answer(REFUSED, &[])]);
    for (address, why) in [
        (nobody, "RESOLVER does not answer ("),
        (refuses, "RESOLVER does not resolve names for this machine (REFUSED)"),
    ] {
        let told = check(folder.path(), address, &[]);
        for name in ["zone example.com", "www.example.com", "*.alice.example.com"] {
            assert!(told.contains(&format!("{name}: unknown: no resolver could be asked: {why}")), "{told}");
        }
        assert!(
            told.ends_with("---- exit 1 ----\n") && !told.contains("works") && !told.contains("elsewhere"),
            "{told}"
        );
    }
}

#[test]
fn what_a_stranger_answers_is_held_against_the_question() {
    let folder = roster();
    let address = resolver(|asked| {
        // Two lies first: one to another question's number, and one to another question.
        let mut other = asked.answer(NXDOMAIN, &[]);
        other[0] ^= 1;
        let elsewhere = Asked {
            message: [&asked.message[..12], &wire("example.org"), &[0, asked.of, 0, 1]].concat(),
            ..Asked::read(&asked.message)
        };
        let elsewhere = elsewhere.answer(NXDOMAIN, &[]);
        let alias = |from: &'static str, to: &str| (from, CNAME, wire(to));
        let right = match (asked.name.as_str(), asked.of) {
            ("example.com", NS) => asked.answer(
                0,
                &[
                    ("example.com", NS, wire("ns\u{1b}[2J.example.com")),
                    // What belongs to no question is nobody's answer.
                    ("example.org", NS, wire("ns.example.org")),
                ],
            ),
            ("www.example.com", A | AAAA) => asked.answer(
                0,
                &[alias("www.example.com", "a.example.com"), alias("a.example.com", "www.example.com")],
            ),
            ("kwo-dns-check.alice.example.com", A) => {
                asked.answer(0, &[("www.example.com", A, vec![192, 0, 2, 10])])
            }
            _ => asked.answer(0, &[]),
        };
        vec![other, vec![0; 3], elsewhere, right]
    });
    let told = check(folder.path(), address, &[]);
    assert!(
        !told.contains('\u{1b}') && !told.contains("there is no zone") && !told.contains("example.org"),
        "{told}"
    );
    assert!(told.contains("its name server ns\\027[2j.example.com has no address"), "{told}");
    assert!(
        told.contains("the aliases of www.example.com lead in circles, or through more than 16 names"),
        "{told}"
    );
    assert!(!told.contains("works"), "{told}");
    // One host, by the name that the roster gives it.
    let told = check(folder.path(), address, &["--host", "*.alice.example.com"]);
    assert!(told.contains("\n*.alice.example.com: failed: ") && !told.contains("www"), "{told}");
    let told = check(folder.path(), address, &["--host", "elsewhere.example.net"]);
    assert!(told.contains("no tenant has the host `elsewhere.example.net` in one of `dns.zones`"), "{told}");
}
