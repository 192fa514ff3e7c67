//! One question of DNS over UDP, and what is answered.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use super::Set;

/// What a name leads to.
#[derive(Debug, Eq, PartialEq)]
pub struct Resolved {
    /// `0` where all is well, `3` where there is no such name.
    pub code: u8,
    /// The addresses and names of the answer, in order.
    pub records: Vec<String>,
}

/// What a server answers about the addresses of a name (`A`, `AAAA`) or its other name (`CNAME`).
pub(super) fn resolve(server: SocketAddr, of: &str, name: &str) -> Resolved {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a time");
    let mut question = vec![0x12, 0x34, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        question.push(u8::try_from(label.len()).expect("a label"));
        question.extend(label.bytes());
    }
    question.extend([0, 0, type_number(of), 0, 1]);
    socket.send_to(&question, server).expect("a question");
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

/// What a server with these sets answers.
pub(super) fn served(all: &[Set], of: &str, name: &str) -> Resolved {
    // What has names below it is there, too.
    let is_there = |name: &str| {
        all.iter().any(|set| {
            set.name == name || set.name.strip_suffix(name).is_some_and(|above| above.ends_with('.'))
        })
    };
    // A wildcard answers for what is not there, up to the next name that is.
    let mut answers = is_there(name).then(|| name.to_owned());
    let mut rest = name;
    while answers.is_none() {
        let Some((_, parent)) = rest.split_once('.') else { break };
        let wildcard = format!("*.{parent}");
        if all.iter().any(|set| set.name == wildcard) {
            answers = Some(wildcard);
        }
        if is_there(parent) {
            break;
        }
        rest = parent;
    }
    let Some(owner) = answers else { return Resolved { code: 3, records: Vec::new() } };
    let fits = all.iter().filter(|set| set.name == owner && set.of == of);
    let records = fits.flat_map(|set| &set.records);
    let mut records: Vec<String> = records.map(|record| record.trim_end_matches('.').to_owned()).collect();
    records.sort();
    Resolved { code: 0, records }
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

/// How many record sets an update adds records to, the marks not counted.
pub(super) fn added(message: &[u8]) -> usize {
    let count = |at: usize| usize::from(u16::from_be_bytes([message[at], message[at + 1]]));
    let (conditions, changes) = (count(6), count(8));
    // Behind the head stands the zone with its type and class.
    let mut at = label_end(message, 12) + 4;
    let mut sets = std::collections::BTreeSet::new();
    for entry in 0..conditions + changes {
        let name = name_at(message, at);
        at = label_end(message, at);
        let (of, class) = (count(at), count(at + 2));
        if entry >= conditions && class == 1 && !name.starts_with("_kwo") {
            sets.insert((name, of));
        }
        at += 10 + count(at + 8);
    }
    sets.len()
}
