//! A zone on a server of its own, a roster for it, and a front between kwo and the server.

use std::sync::{Arc, Mutex};

use serde_json::Value;
use testkit::apiserver::unique;
use testkit::loopback::{Asked, Loopback, Reply};
use testkit::peers::http::Request;
use testkit::peers::pdns::{KEY, PowerDns};
use testkit::run::{Bench, Ran};

/// The zone of all tests; each has a server of its own.
pub(crate) const ZONE: &str = "example.com";

/// What a test works with.
pub(crate) struct World {
    pub(crate) bench: Bench,
    pub(crate) server: Arc<PowerDns>,
    /// The name of the tenant.
    pub(crate) tenant: String,
    front: Loopback,
    asked: Arc<Mutex<Vec<String>>>,
}

/// What a front does with a request; nothing where it goes on to the server.
pub(crate) type Meddle = Box<dyn Fn(&Asked) -> Option<Reply> + Send + Sync>;

impl World {
    /// Nothing where one of its servers cannot be had.
    #[track_caller]
    pub(crate) fn new() -> Option<World> {
        World::meddled(|_| Box::new(|_| None))
    }

    /// The same with a front that may do something else than pass a request on.
    #[track_caller]
    pub(crate) fn meddled(meddle: impl FnOnce(Arc<PowerDns>) -> Meddle) -> Option<World> {
        let bench = Bench::new("")?;
        let server = Arc::new(PowerDns::start(ZONE)?);
        std::fs::write(bench.path("key"), format!("{KEY}\n")).unwrap();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let (upstream, told, meddle) = (Arc::clone(&server), Arc::clone(&asked), meddle(Arc::clone(&server)));
        let front = Loopback::start(move |request| {
            told.lock().unwrap().push(format!("{} {}", request.method, request.path));
            meddle(&request).unwrap_or_else(|| forward(&upstream, &request))
        });
        let world = World { bench, server, tenant: unique("dns"), front, asked };
        world.roster("[www.example.com]", "");
        Some(world)
    }

    /// Writes a roster in which the tenant has these domains; the zone has what is said of it besides.
    pub(crate) fn roster(&self, domains: &str, zone: &str) {
        self.roster_to("{addresses: [192.0.2.10]}", domains, zone);
    }

    /// The same with another target.
    pub(crate) fn roster_to(&self, target: &str, domains: &str, zone: &str) {
        let (url, key, tenant) =
            (format!("http://{}", self.front.address), self.bench.path("key"), &self.tenant);
        let key = key.display();
        self.bench.write(&format!(
            "dns:\n  zones:\n    {ZONE}: {{provider: powerdns, url: '{url}', key: {{file: {key}}}, target: {target}{zone}}}\n\
             tenants:\n  {tenant}: {{domains: {domains}}}\n"
        ));
    }

    /// Applies, and looks for the key in all that was said.
    pub(crate) fn apply(&self, more: &[&str]) -> Ran {
        quiet(self.bench.apply(more))
    }

    /// Runs the program, and looks for the key in all that it said.
    pub(crate) fn kwo(&self, args: &[&str]) -> Ran {
        quiet(self.bench.kwo(args))
    }

    /// The plan.
    pub(crate) fn plan(&self, more: &[&str]) -> Value {
        let plan = self.bench.plan(more);
        assert!(!plan.to_string().contains(KEY));
        plan
    }

    /// The id of a record of the zone.
    pub(crate) fn id(of: &str, name: &str) -> String {
        format!("dns:Record/{ZONE}/{of}:{name}")
    }

    /// The set of a record.
    pub(crate) fn set(&self, of: &str, name: &str) -> Option<Value> {
        self.server.set(ZONE, of, name)
    }

    /// What the server was asked through the front since the last time.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

/// Passes a request on.
pub(crate) fn forward(server: &PowerDns, asked: &Asked) -> Reply {
    let key =
        asked.headers.iter().find_map(|line| line.strip_prefix("x-api-key:")).unwrap_or_default().trim();
    let host = server.api.to_string();
    let headers = [("x-api-key", key), ("content-type", "application/json")];
    let (method, path, body) = (asked.method.as_str(), asked.path.as_str(), asked.body.as_bytes());
    let answer = Request { method, path, host: &host, headers: &headers, body }.ask(server.api);
    match answer {
        Ok(answer) => Reply::Answer(answer.status(), "", answer.text()),
        Err(_) => Reply::Drop,
    }
}

/// The same, if it says nothing of the key.
fn quiet(ran: Ran) -> Ran {
    assert!(!ran.out.contains(KEY) && !ran.err.contains(KEY), "{}{}", ran.out, ran.err);
    ran
}

/// What a plan says of why this is held.
#[track_caller]
pub(crate) fn why(plan: &Value, id: &str) -> String {
    let held = plan["held"].as_array().unwrap().iter().find(|held| held["id"] == id);
    let held = held.unwrap_or_else(|| panic!("{id} is not held: {plan:#}"));
    held["hold"].to_string()
}

/// The ids of a list of a plan that are records.
pub(crate) fn records(list: &Value) -> Vec<String> {
    let ids = list.as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned());
    ids.filter(|id| id.starts_with("dns:")).collect()
}
