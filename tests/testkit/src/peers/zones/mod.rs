//! Servers of DNS zones, all by one contract, so that each scene of the tests is played on each of them. A new one is a
//! file here and a row in [`ALL`]. They are real but for Cloudflare, deSEC, DigitalOcean, Hetzner, OVH and Route 53.

mod answers;
pub mod cloudflare;
pub mod desec;
pub mod digitalocean;
mod front;
pub mod hetzner;
mod knot;
pub mod ovh;
mod pdns;
pub mod route53;

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

pub use answers::Resolved;
pub use cloudflare::Cloudflare;
pub use desec::Desec;
pub use digitalocean::DigitalOcean;
pub use front::{Front, Meddle, Then, what};
pub use hetzner::Hetzner;
pub use knot::{Knot, snippet};
pub use ovh::Ovh;
pub use pdns::PowerDns;
pub use route53::Route53;

/// The secrets of all servers have this in them, and no output may show it.
pub const SECRET: &str = "sentinelOfTheDnsServer";

/// A server, and how it is started with one zone.
pub struct Row {
    /// For people.
    pub name: &'static str,
    /// With this zone, which has an SOA and an NS record; nothing where there is no such program.
    pub start: fn(zone: &str) -> Option<Arc<dyn ZoneServer>>,
}

/// All servers.
pub static ALL: [Row; 8] = [
    Row { name: "PowerDNS", start: |zone| Some(Arc::new(PowerDns::start(zone)?)) },
    Row { name: "Knot", start: |zone| Some(Arc::new(Knot::start(zone)?)) },
    Row { name: "Cloudflare", start: |zone| Some(Arc::new(Cloudflare::start(zone))) },
    Row { name: "Hetzner", start: |zone| Some(Arc::new(Hetzner::start(zone))) },
    Row { name: "deSEC", start: |zone| Some(Arc::new(Desec::start(zone))) },
    Row { name: "Route53", start: |zone| Some(Arc::new(Route53::start(zone)?)) },
    Row { name: "DigitalOcean", start: |zone| Some(Arc::new(DigitalOcean::start(zone))) },
    Row { name: "OVH", start: |zone| Some(Arc::new(Ovh::start(zone))) },
];

/// All records of one type at one name, as whoever runs the server sees them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Set {
    /// Its type.
    pub of: String,
    /// Without a dot at its end.
    pub name: String,
    /// Its TTL.
    pub ttl: u64,
    /// As the server writes them, in order.
    pub records: Vec<String>,
    /// The comments on it and kwo's marks, in order.
    pub notes: Vec<String>,
}

/// What a server is asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Ask {
    /// Which zone it is, where the server knows zones by ids: once a run.
    Find,
    /// A further part of the look or the write beside it: kwo's mark, where that is a record of its own, or one more page.
    Part,
    /// All of the zone.
    Look,
    /// One name of it.
    LookAt(String),
    /// A change of this many record sets, the marks not counted.
    Write(usize),
}

/// A server with one zone; it ends with this.
pub trait ZoneServer: Send + Sync {
    /// What the zone says in a roster besides its target, where the server is reached there and the key is in this file.
    fn roster(&self, front: &Front, key: &Path) -> String;

    /// What is in the file of the key.
    fn key(&self) -> String;

    /// What kwo says that it is, in a saved plan: how that ends.
    fn identity(&self) -> String;

    /// What stands before the server and may do something else than pass a request on.
    fn front(self: Arc<Self>, meddle: Meddle) -> Front;

    /// All record sets but the SOA record, whose serial goes up with every write.
    fn sets(&self) -> Vec<Set>;

    /// Puts a record set there as others do, in place of what is there, with a comment of theirs where the server has such.
    fn put(&self, set: (&str, &str), records: &[&str], comment: Option<&str>);

    /// Puts this mark of kwo on a set, in place of the one that it has.
    fn mark(&self, set: (&str, &str), mark: &str);

    /// What it answers to DNS about the addresses of a name (`A`, `AAAA`) or its other name (`CNAME`).
    fn resolve(&self, of: &str, name: &str) -> Resolved;

    /// Does it write only if what kwo saw is still so? Then kwo need not look right before and right after.
    fn compares(&self) -> bool;

    /// Can it be asked for one name? Then it is not asked for all of the zone where one is to be written.
    fn finds(&self, _name: &str) -> bool {
        true
    }

    /// Is a set written with its mark by one request? Otherwise what a write was killed at has to be finished.
    fn writes_at_once(&self) -> bool {
        true
    }

    /// Does one request write several sets, all or none?
    fn writes_together(&self) -> bool {
        true
    }

    /// Does kwo end records there when a tenant leaves?
    fn ends(&self) -> bool {
        true
    }

    /// Does a mark stay where the records are gone that it is on?
    fn keeps_marks(&self) -> bool {
        true
    }

    /// The TTL where the roster says none.
    fn default_ttl(&self) -> u64 {
        300
    }

    /// How its version begins, where it tells it.
    fn version(&self) -> Option<&str> {
        None
    }

    /// The folder with the programs that the command of a leftover needs.
    fn programs(&self) -> Option<&Path> {
        None
    }
}

impl dyn ZoneServer {
    /// One record set.
    pub fn set(&self, of: &str, name: &str) -> Option<Set> {
        self.sets().into_iter().find(|set| set.of == of && set.name == name)
    }
}

impl Set {
    /// In one line.
    pub fn told(&self) -> Value {
        let Set { of, name, ttl, records, notes } = self;
        json!([of, name, ttl, records, notes])
    }
}
