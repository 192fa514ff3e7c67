//! What only Hetzner can answer: pages of a list, actions that go on after the answer, labels and comments of others,
//! protections, tokens that may only look. It is played by a server that is held to what Hetzner has published; kwo was never
//! run against Hetzner itself.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use testkit::loopback::{Asked, Reply};
use testkit::peers::zones::hetzner::{DEFAULT_TTL, READER, RrSet, refused};
use testkit::peers::zones::{Hetzner, ZoneServer as _};
use testkit::run::steps;

use crate::dns::records::bash;
use crate::dns::world::{World, ZONE, records, why};

fn world(answer: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static) -> Option<(World, Arc<Hetzner>)> {
    let server = Arc::new(Hetzner::start(ZONE));
    let front = server.fronted(answer);
    Some((World::new(Arc::clone(&server) as _, front, Arc::default())?, server))
}

fn set(of: &str, name: &str, value: &str, comment: &str) -> RrSet {
    RrSet {
        name: name.to_owned(),
        of: of.to_owned(),
        ttl: Some(300),
        labels: [("env".to_owned(), "prod".to_owned())].into(),
        protected: false,
        records: vec![(value.to_owned(), comment.to_owned())],
    }
}

/// The set of this name, as it is there.
fn there(server: &Hetzner, of: &str, name: &str) -> RrSet {
    server.all().iter().find(|set| set.name == name && set.of == of).unwrap().clone()
}

#[test]
fn what_others_noted_stays_and_a_protection_is_told() {
    let Some((world, server)) = world(|_| None) else { return };
    server.all().extend([
        set("A", "two", "203.0.113.1", "by hand"),
        set("A", "old", "192.0.2.10", "mine"),
        set("CNAME", "web", "lb", ""),
        RrSet { ttl: None, ..set("A", "usual", "192.0.2.10", "") },
        RrSet { protected: true, ..set("A", "kept", "203.0.113.2", "ask ops") },
    ]);
    let all = "[two.example.com, old.example.com, usual.example.com, kept.example.com, www.example.com]";
    world.roster(all, "");
    let plan = world.plan(&["--adopt=*"]);
    let told = why(&plan, &World::id("A", "kept.example.com"));
    assert!(told.contains("a protection at Hetzner keeps A kept.example.com as it is"), "{told}");
    // What has no TTL of its own has that of the zone.
    let told = why(&plan, &World::id("A", "usual.example.com"));
    assert!(told.contains(&format!("/ttl is {DEFAULT_TTL}, and not 300")), "{told}");
    let kept = there(&server, "A", "kept");
    world.apply(&["--adopt=*"]).expect(5);
    world.apply(&[&format!("--adopt={}", World::id("A", "two.example.com"))]).expect(5);
    assert_eq!(there(&server, "A", "kept"), kept);
    // The comment is on what came in place of the record, and labels of others stand beside kwo's.
    for (name, comment) in [("two", "by hand"), ("old", "mine")] {
        let set = there(&server, "A", name);
        assert_eq!(set.records, [("192.0.2.10".to_owned(), comment.to_owned())]);
        assert_eq!((&*set.labels["env"], &*set.labels["kwo-tenant"]), ("prod", &*world.tenant));
        assert_eq!(set.labels.len(), 5, "{set:?}");
    }
    // A name below the zone is written without its end, and leads to what it says.
    world.roster_to("{cname: lb.example.com}", "[web.example.com]", "");
    world.apply(&["--adopt=*"]).expect(0);
    let web = there(&server, "CNAME", "web");
    assert_eq!((&*web.records[0].0, &*web.labels["kwo"]), ("lb", "kwo1"));
    assert_eq!(steps(&world.plan(&[])), Vec::<String>::new());
    // What somebody added to a set of kwo's outlives the command that ends it.
    world.roster("[www.example.com]", "");
    let plan = world.plan(&[]);
    let left = plan["leftovers"].as_array().unwrap();
    let left = left.iter().find(|left| left["id"] == World::id("A", "old.example.com")).unwrap();
    let mut sets = server.all();
    let old = sets.iter_mut().find(|set| set.name == "old").unwrap();
    old.records.push(("203.0.113.9".to_owned(), String::new()));
    drop(sets);
    let ran = bash(&world, left["command"].as_str().unwrap());
    assert!(ran.status.success(), "{ran:?}");
    let left = there(&server, "A", "old");
    assert_eq!(left.records, [("203.0.113.9".to_owned(), String::new())]);
    // It is not kwo's, and is told no more.
    assert_eq!(left.labels.keys().collect::<Vec<_>>(), ["env"]);
    assert!(!world.plan(&[])["leftovers"].to_string().contains("old.example.com"));
}

/// A world in which somebody writes this record into the set of `www` right before such a request is done.
fn raced(
    races: impl Fn(&Asked) -> bool + Send + Sync + 'static,
    adds: impl Fn(&mut RrSet) + Send + Sync + 'static,
) -> Option<(World, Arc<Hetzner>)> {
    let known: Arc<OnceLock<Arc<Hetzner>>> = Arc::default();
    let of_front = Arc::clone(&known);
    let (world, server) = world(move |asked| {
        if races(asked) {
            let mut sets = of_front.get().expect("a server").all();
            adds(sets.iter_mut().find(|set| set.name == "www" && set.of == "A").expect("a set"));
        }
        None
    })?;
    assert!(known.set(Arc::clone(&server)).is_ok());
    Some((world, server))
}

#[test]
fn what_somebody_adds_while_a_set_ends_is_theirs() {
    let theirs = ("203.0.113.9".to_owned(), String::new());
    let adds = theirs.clone();
    let Some((world, server)) = raced(
        |asked| asked.path.ends_with("/actions/remove_records"),
        move |set| set.records.push(adds.clone()),
    ) else {
        return;
    };
    world.apply(&[]).expect(0);
    let tenant = world.tenant.as_str();
    let typed = format!("offboard {tenant} (1 namespace)");
    let cut = ["offboard", tenant, "--stage", "cut", "--yes", "--lock-timeout=2m", "--confirm", &typed];
    // What somebody made of it since kwo wrote it is nothing that a cut ends, until kwo has written it again.
    server.all().iter_mut().find(|set| set.name == "www").expect("a set").records = vec![theirs.clone()];
    let changed = there(&server, "A", "www");
    let said = world.kwo(&cut).expect(5).err;
    assert!(said.contains("somebody changed it after kwo wrote it"), "{said}");
    assert_eq!(there(&server, "A", "www"), changed);
    world.apply(&[]).expect(0);
    world.kwo(&cut).expect(5);
    let left = there(&server, "A", "www");
    assert_eq!((left.records, left.labels.len()), (vec![theirs], 0));
    // On record is what was kwo's.
    let status = world.kwo(&["offboard", tenant, "--status", "-o", "json"]).out;
    assert!(status.contains("192.0.2.10") && !status.contains("203.0.113.9"), "{status}");
}

#[test]
fn labels_are_put_back_where_somebody_else_was_faster() {
    let Some((world, server)) = raced(
        |asked| asked.method == "PUT" && asked.body.contains("kwo-tenant"),
        |set| set.records = vec![("203.0.113.66".to_owned(), String::new())],
    ) else {
        return;
    };
    server.all().push(set("A", "www", "192.0.2.10", ""));
    let adopt = format!("--adopt={}", world.tenant);
    let ran = world.apply(&[&adopt]);
    assert_ne!(ran.code, 0, "{}{}", ran.out, ran.err);
    let there = there(&server, "A", "www");
    assert_eq!(there.records, [("203.0.113.66".to_owned(), String::new())]);
    assert_eq!(there.labels.keys().collect::<Vec<_>>(), ["env"]);
    // It is somebody's, as before.
    assert_eq!(records(&world.plan(&[])["steps"]), Vec::<String>::new());
}

#[test]
fn what_hetzner_does_after_its_answer_is_waited_for() {
    // Answered in this order to the first writes; without an answer a write is done.
    const ANSWERS: [Option<(u16, &str)>; 7] = [
        Some((423, "locked")),
        Some((409, "conflict")),
        Some((429, "rate_limit_exceeded")),
        None,
        Some((422, "invalid_input")),
        Some((409, "uniqueness_error")),
        Some((403, "resource_limit_exceeded")),
    ];
    let at = AtomicUsize::new(0);
    let Some((world, server)) = world(move |asked| {
        let at = (asked.method == "POST").then(|| at.fetch_add(1, Ordering::SeqCst))?;
        let (status, code) = (*ANSWERS.get(at)?)?;
        Some(match refused(status, code, "so\u{1b}[1m it is") {
            Reply::Answer(status, _, body) => Reply::Answer(status, "retry-after: 0\r\n", body),
            other => other,
        })
    }) else {
        return;
    };
    server.slow.store(2, Ordering::SeqCst);
    // Put off three times; then it goes on after the answer, and kwo says so only when it is done.
    world.apply(&[]).expect(0);
    assert_eq!(server.resolve("A", "www.example.com").records, ["192.0.2.10"]);
    world.roster("[www.example.com, b.example.com]", "");
    // What is there already is planned once more in the same run.
    for says in
        ["answers 422 Unprocessable Entity: so", "the zone example.com has room for no more records: so"]
    {
        let ran = world.apply(&[]).expect(1);
        let told = format!("{}{}", ran.out, ran.err);
        assert!(told.contains(says) && !told.contains("so\u{1b}"), "{told}");
        assert!(world.set("A", "b.example.com").is_none());
    }
    // What fails after the answer is told, and nothing of it is there.
    server.fails.store(2, Ordering::SeqCst);
    let ran = world.apply(&[]);
    let told = format!("{}{}", ran.out, ran.err);
    assert!(ran.code == 1 && told.contains("could not do it: Action failed (action_failed)"), "{told}");
    assert!(world.set("A", "b.example.com").is_none());
    // A change is three requests: labels, records, TTL. The last one may be missing when the power goes.
    server.fails.store(0, Ordering::SeqCst);
    world.apply(&[]).expect(0);
    world.roster_to("{addresses: [192.0.2.11]}", "[www.example.com, b.example.com]", ", ttl: 90");
    let labels = there(&server, "A", "www").labels;
    server.fails.store(9, Ordering::SeqCst);
    world.apply(&[]).expect(1);
    let set = there(&server, "A", "www");
    assert!(set.labels != labels && set.records[0].0 == "192.0.2.10", "{set:?}");
    server.fails.store(0, Ordering::SeqCst);
    world.apply(&[]).expect(0);
    let set = there(&server, "A", "www");
    assert_eq!((set.records[0].0.as_str(), set.ttl), ("192.0.2.11", Some(90)));
    assert_eq!(steps(&world.plan(&[])), Vec::<String>::new());
}

#[test]
fn pages_are_followed_and_a_list_that_is_not_all_is_not_believed() {
    let (zone, moves): (Arc<OnceLock<Arc<Hetzner>>>, Arc<AtomicUsize>) = (Arc::default(), Arc::default());
    let (of_front, armed) = (Arc::clone(&zone), Arc::clone(&moves));
    let short = Arc::new(AtomicUsize::new(0));
    let ends = Arc::clone(&short);
    let Some((world, server)) = world(move |asked| {
        let is_second = asked.path.contains("&page=2");
        // Right before the second page somebody ends the first set of the zone, and makes another one.
        if is_second && armed.load(Ordering::SeqCst) > 0 {
            let left = armed.fetch_sub(1, Ordering::SeqCst);
            let mut sets = of_front.get().unwrap().all();
            let at = sets.iter().position(|set| set.name.starts_with('0')).unwrap();
            sets.remove(at);
            let name = format!("0{:03}", 100 - left);
            sets.push(set("TXT", &name, "\"x\"", ""));
        }
        // From some page on there is nothing, though the list says that there is more; or it does not say so.
        let total = match (is_second, ends.load(Ordering::SeqCst)) {
            (true, 1) => "7",
            (true, 2) => "null",
            _ => return None,
        };
        let meta =
            format!(r#"{{"page":2,"per_page":2,"next_page":null,"last_page":null,"total_entries":{total}}}"#);
        Some(Reply::Answer(200, "", format!(r#"{{"rrsets":[],"meta":{{"pagination":{meta}}}}}"#)))
    }) else {
        return;
    };
    assert!(zone.set(Arc::clone(&server)).is_ok());
    world.roster("[a.example.com, b.example.com, c.example.com, d.example.com, e.example.com]", "");
    world.apply(&[]).expect(0);
    server.page.store(2, Ordering::SeqCst);
    assert_eq!(steps(&world.plan(&[])), Vec::<String>::new());
    for (ended, says) in [
        (1, "its list has 2 record sets, and says that there are 7"),
        (2, "its list became another one from page to page"),
    ] {
        short.store(ended, Ordering::SeqCst);
        let plan = world.plan(&[]);
        assert_eq!(records(&plan["steps"]), Vec::<String>::new());
        for name in ["a", "e"] {
            let told = why(&plan, &World::id("A", &format!("{name}.example.com")));
            assert!(told.contains(says), "{told}");
        }
    }
    short.store(0, Ordering::SeqCst);
    let first = (0..4).map(|at| set("TXT", &format!("00{at}"), "\"x\"", ""));
    server.all().extend(first);
    server.page.store(6, Ordering::SeqCst);
    // Once: what is read then twice the same is believed.
    moves.store(1, Ordering::SeqCst);
    let plan = world.plan(&[]);
    assert_eq!((steps(&plan), records(&plan["held"]), moves.load(Ordering::SeqCst)), (vec![], vec![], 0));
    // Each time: nothing is.
    moves.store(99, Ordering::SeqCst);
    let plan = world.plan(&[]);
    assert_eq!(records(&plan["steps"]), Vec::<String>::new());
    let told = why(&plan, &World::id("A", "a.example.com"));
    assert!(told.contains("became another one each time that kwo read it; run kwo again"), "{told}");
}

#[test]
fn a_token_that_lacks_a_right_and_a_zone_that_nobody_is_told_are_told() {
    let posts = Arc::new(AtomicUsize::new(0));
    let of_front = Arc::clone(&posts);
    let Some((world, server)) = world(move |asked| {
        of_front.fetch_add(usize::from(asked.method == "POST"), Ordering::SeqCst);
        None
    }) else {
        return;
    };
    let (id, key) = (World::id("A", "www.example.com"), world.bench.path("key"));
    // Each record is refused, and Hetzner is asked once.
    std::fs::write(&key, READER).unwrap();
    world.roster("[www.example.com, b.example.com, c.example.com]", "");
    let ran = world.apply(&[]).expect(1);
    let said = format!("{}{}", ran.out, ran.err);
    assert!(
        said.contains("(token_readonly); it has to be an API token of the project that the zone example.com"),
        "{said}"
    );
    assert_eq!((posts.load(Ordering::SeqCst), server.all().len()), (1, 2));
    std::fs::write(&key, server.key()).unwrap();
    for (state, says) in [
        (("secondary", "ok"), "has the zone example.com from another server"),
        (("primary", "error"), "could not bring the zone example.com to its name servers"),
    ] {
        *server.state.lock().unwrap() = state;
        let told = why(&world.plan(&[]), &id);
        assert!(told.contains(says), "{told}");
    }
    *server.state.lock().unwrap() = ("primary", "ok");
    // A resolver lends its token.
    let path = world.bench.path("roster.yaml");
    let roster = std::fs::read_to_string(&path).unwrap();
    let resolver = format!(
        "cluster: {{acme: {{email: ops@example.com}}}}\ndns:\n  resolvers: {{letsencrypt-hetzner: {{provider: hetzner, \
         credentials: {{HETZNER_API_TOKEN: {{file: {}}}}}}}}}\n",
        key.display()
    );
    let own = format!("key: {{file: {}}}", key.display());
    let lent = roster.replacen("dns:\n", &resolver, 1).replace(&own, "resolver: letsencrypt-hetzner");
    assert!(lent.contains("resolver: letsencrypt-hetzner"), "{lent}");
    std::fs::write(&path, &lent).unwrap();
    assert_eq!(records(&world.plan(&[])["steps"]).len(), 3);
    std::fs::write(&path, lent.replace(ZONE, "example.org")).unwrap();
    let told = why(&world.plan(&[]), "dns:Record/example.org/A:www.example.org");
    assert!(told.contains("shows no zone example.org to the token; make the zone there first"), "{told}");
}
