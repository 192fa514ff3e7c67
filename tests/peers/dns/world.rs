//! A zone on a server of its own, a roster for it, and a front between kwo and the server.

use std::sync::{Arc, Mutex};

use serde_json::Value;
use testkit::apiserver::unique;
use testkit::peers::zones::{self, Ask, Front, Meddle, Row, SECRET, Set, Then, ZoneServer};
use testkit::run::{Bench, Ran};

/// The zone of all tests; each has a server of its own.
pub(crate) const ZONE: &str = "example.com";

/// What a test works with.
pub(crate) struct World {
    pub(crate) bench: Bench,
    pub(crate) server: Arc<dyn ZoneServer>,
    /// The name of the tenant.
    pub(crate) tenant: String,
    front: Front,
    asked: Arc<Mutex<Vec<Ask>>>,
}

/// Plays a scene on every server that can be had.
#[track_caller]
pub(crate) fn each(scene: impl Fn(&World)) {
    each_meddled(|_| Box::new(|_, _| Then::Answer), scene);
}

/// The same with a front that may do something else than pass a request on.
#[track_caller]
pub(crate) fn each_meddled(meddle: impl Fn(Arc<dyn ZoneServer>) -> Meddle, scene: impl Fn(&World)) {
    for Row { name, start } in &zones::ALL {
        println!("on {name}");
        let Some(server) = start(ZONE) else { continue };
        let Some(world) = World::before(server, &meddle) else { return };
        scene(&world);
    }
}

impl World {
    /// Before a server; nothing where there is no cluster.
    #[track_caller]
    fn before(server: Arc<dyn ZoneServer>, meddle: &impl Fn(Arc<dyn ZoneServer>) -> Meddle) -> Option<World> {
        let asked: Arc<Mutex<Vec<Ask>>> = Arc::default();
        let (told, meddle) = (Arc::clone(&asked), meddle(Arc::clone(&server)));
        let front = Arc::clone(&server).front(Box::new(move |ask, pass| {
            told.lock().unwrap().push(ask.clone());
            meddle(ask, pass)
        }));
        World::new(server, front, asked)
    }

    /// With this front.
    #[track_caller]
    pub(crate) fn new(
        server: Arc<dyn ZoneServer>,
        front: Front,
        asked: Arc<Mutex<Vec<Ask>>>,
    ) -> Option<World> {
        let bench = Bench::new("")?;
        std::fs::write(bench.path("key"), format!("{}\n", server.key())).unwrap();
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
        let (way, tenant) = (self.server.roster(&self.front, &self.bench.path("key")), &self.tenant);
        self.bench.write(&format!(
            "dns:\n  zones:\n    {ZONE}: {{{way}, target: {target}{zone}}}\ntenants:\n  {tenant}: {{domains: {domains}}}\n"
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
        assert!(!plan.to_string().contains(SECRET));
        plan
    }

    /// The id of a record of the zone.
    pub(crate) fn id(of: &str, name: &str) -> String {
        format!("dns:Record/{ZONE}/{of}:{name}")
    }

    /// The set of a record.
    pub(crate) fn set(&self, of: &str, name: &str) -> Option<Set> {
        self.server.set(of, name)
    }

    /// What the server was asked about records through the front since the last time.
    pub(crate) fn asked(&self) -> Vec<Ask> {
        let mut asked = self.asked_at_all();
        asked.retain(|ask| !matches!(ask, Ask::Find | Ask::Part));
        asked
    }

    /// The same with all else.
    pub(crate) fn asked_at_all(&self) -> Vec<Ask> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

/// The same, if it says nothing of the key.
fn quiet(ran: Ran) -> Ran {
    assert!(!ran.out.contains(SECRET) && !ran.err.contains(SECRET), "{}{}", ran.out, ran.err);
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
