//! What only deSEC can answer: cursors of a list, a least TTL, few requests a minute, policies of tokens, sets that are made
//! only if they are new. It is played by a server that is held to deSEC's documentation and the source of its server; kwo was
//! never run against deSEC itself.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use serde_json::json;
use testkit::loopback::{Asked, Reply};
use testkit::peers::zones::desec::READER;
use testkit::peers::zones::{Desec, ZoneServer as _};
use testkit::run::steps;

use crate::dns::world::{World, ZONE, records, why};

fn world(answer: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static) -> Option<(World, Arc<Desec>)> {
    let server = Arc::new(Desec::start(ZONE));
    let front = server.fronted(answer);
    Some((World::new(Arc::clone(&server) as _, front, Arc::default())?, server))
}

#[test]
fn cursors_are_followed_and_a_list_that_is_not_all_is_not_believed() {
    let (zone, how): (Arc<OnceLock<Arc<Desec>>>, Arc<AtomicUsize>) = (Arc::default(), Arc::default());
    let (of_front, is) = (Arc::clone(&zone), Arc::clone(&how));
    let Some((world, server)) = world(move |asked| {
        let goes_on = asked.path.contains("cursor=p");
        match is.load(Ordering::SeqCst) {
            // Before the second page somebody ends a set and makes it again: now it is the newest.
            1 if goes_on => {
                is.store(0, Ordering::SeqCst);
                let server = of_front.get().unwrap();
                let now = server.now();
                server.all().iter_mut().find(|set| set.subname == "a" && set.of == "A").unwrap().created =
                    now;
                None
            }
            // The list leads back to its beginning, nowhere, or is not that of the zone.
            2 if goes_on => Some(Reply::Answer(
                200,
                "link: <https://desec.io/api/v1/domains/example.com/rrsets/?cursor=>; rel=\"first\", \
                 <https://desec.io/api/v1/domains/example.com/rrsets/?cursor=p%3D9999>; rel=\"next\"\r\n",
                "[]".to_owned(),
            )),
            3 if goes_on => Some(Reply::Answer(
                200,
                "link: <https://elsewhere.example/>; rel=\"next\"\r\n",
                "[]".to_owned(),
            )),
            4 if asked.path.contains("cursor=") => Some(Reply::Answer(200, "", "[]".to_owned())),
            _ => None,
        }
    }) else {
        return;
    };
    assert!(zone.set(Arc::clone(&server)).is_ok());
    world.roster("[a.example.com, b.example.com, c.example.com]", "");
    world.apply(&[]).expect(0);
    server.page.store(2, Ordering::SeqCst);
    for (at, expected) in [
        (0, ""),
        (1, ""),
        (2, "its list has no end"),
        (3, "goes on where no list does"),
        (4, "no NS records"),
    ] {
        how.store(at, Ordering::SeqCst);
        let plan = world.plan(&[]);
        assert_eq!(records(&plan["steps"]), Vec::<String>::new(), "{at}");
        if expected.is_empty() {
            assert_eq!((records(&plan["held"]), records(&plan["leftovers"])), (vec![], vec![]), "{at}");
        } else {
            let told = why(&plan, &World::id("A", "a.example.com"));
            assert!(told.contains(expected), "{told}");
        }
    }
}

#[test]
fn what_is_new_is_made_with_its_mark_and_never_written_over() {
    let zone: Arc<OnceLock<Arc<Desec>>> = Arc::default();
    let sent: Arc<Mutex<Vec<String>>> = Arc::default();
    let (of_front, told, armed) = (Arc::clone(&zone), Arc::clone(&sent), Arc::new(AtomicUsize::new(1)));
    let Some((world, server)) = world(move |asked| {
        if asked.method == "GET" {
            return None;
        }
        told.lock().unwrap().push(asked.method.clone());
        // Between the last look and the write somebody else is faster.
        if asked.body.contains("\"www\"") && armed.swap(0, Ordering::SeqCst) == 1 {
            of_front.get().unwrap().put(("A", "www.example.com"), &["203.0.113.5"], None);
        }
        None
    }) else {
        return;
    };
    assert!(zone.set(Arc::clone(&server)).is_ok());
    world.roster("[www.example.com, b.example.com]", "");
    let ran = world.apply(&[]);
    let said = format!("{}{}", ran.out, ran.err);
    assert_ne!(ran.code, 0, "{said}");
    let theirs = world.set("A", "www.example.com").unwrap();
    assert!(theirs.records == ["203.0.113.5"] && theirs.notes.is_empty(), "{theirs:?} {said}");
    assert_eq!(*sent.lock().unwrap(), ["POST", "POST"], "{said}");
    // The second set of a name has its mark beside that of the first one.
    world.roster_to("{addresses: [192.0.2.10, '2001:db8::10']}", "[b.example.com]", "");
    world.apply(&[]).expect(0);
    let marks = server.all().iter().find(|set| set.subname == "_kwo.b").unwrap().clone();
    assert_eq!((marks.records.len(), marks.ttl), (2, 300), "{marks:?}");
    assert_eq!(sent.lock().unwrap()[2..], ["PATCH"]);
    assert_eq!(server.resolve("AAAA", "b.example.com").records, ["2001:db8::10"]);
}

#[test]
fn a_least_ttl_is_told_and_what_desec_puts_off_is_asked_again() {
    // Answered in this order to the first writes; without an answer a write is done.
    const ANSWERS: [Option<u16>; 5] = [
        Some(429),
        None,
        Some(400),
        // A run asks a second time where it does not know what became of a write.
        Some(502),
        Some(502),
    ];
    let at = AtomicUsize::new(0);
    let Some((world, server)) = world(move |asked| {
        let at = (asked.method != "GET").then(|| at.fetch_add(1, Ordering::SeqCst))?;
        let status = (*ANSWERS.get(at)?)?;
        let body = json!([{"records": ["so\u{1b}[1m it is"]}]).to_string();
        Some(Reply::Answer(status, if status == 429 { "retry-after: 1\r\n" } else { "" }, body))
    }) else {
        return;
    };
    server.least_ttl.store(3600, Ordering::SeqCst);
    let id = World::id("A", "www.example.com");
    world.roster("[www.example.com]", ", ttl: 300");
    let told = why(&world.plan(&[]), &id);
    assert!(told.contains("deSEC has no TTL below 3600 seconds in the zone example.com"), "{told}");
    // Without one it is what most zones take, and so is that of the mark.
    world.roster("[www.example.com]", "");
    world.apply(&[]).expect(0);
    let ttls: Vec<u64> = server.all().iter().map(|set| set.ttl).collect();
    assert_eq!(ttls, [3600, 3600, 3600]);
    world.roster("[www.example.com, b.example.com]", "");
    for says in ["answers 400 Bad Request: so", "answers 502 Bad Gateway"] {
        let ran = world.apply(&[]).expect(1);
        let told = format!("{}{}", ran.out, ran.err);
        assert!(told.contains(says) && !told.contains("so\u{1b}"), "{told}");
        assert!(world.set("A", "b.example.com").is_none());
    }
    world.apply(&[]).expect(0);
    assert_eq!(steps(&world.plan(&[])), Vec::<String>::new());
}

#[test]
fn a_token_that_may_not_write_and_a_zone_that_is_not_there_are_told() {
    let writes = Arc::new(AtomicUsize::new(0));
    let of_front = Arc::clone(&writes);
    let Some((world, server)) = world(move |asked| {
        of_front.fetch_add(usize::from(asked.method != "GET"), Ordering::SeqCst);
        None
    }) else {
        return;
    };
    let key = world.bench.path("key");
    std::fs::write(&key, READER).unwrap();
    world.roster("[www.example.com, b.example.com, c.example.com]", "");
    let ran = world.apply(&[]).expect(1);
    let said = format!("{}{}", ran.out, ran.err);
    assert!(said.contains("Insufficient token permissions.; it has to be a token of the account"), "{said}");
    // Each record is refused. Other ones may be allowed to the token, so each is tried: together, divided, alone.
    assert_eq!((writes.load(Ordering::SeqCst), server.all().len()), (5, 1));
    std::fs::write(&key, server.key()).unwrap();
    // A resolver lends its token.
    let path = world.bench.path("roster.yaml");
    let roster = std::fs::read_to_string(&path).unwrap();
    let resolver = format!(
        "cluster: {{acme: {{email: ops@example.com}}}}\ndns:\n  resolvers: {{letsencrypt-desec: {{provider: desec, credentials: \
         {{DESEC_TOKEN: {{file: {}}}}}}}}}\n",
        key.display()
    );
    let own = format!("key: {{file: {}}}", key.display());
    let lent = roster.replacen("dns:\n", &resolver, 1).replace(&own, "resolver: letsencrypt-desec");
    assert!(lent.contains("resolver: letsencrypt-desec"), "{lent}");
    std::fs::write(&path, &lent).unwrap();
    assert_eq!(records(&world.plan(&[])["steps"]).len(), 3);
    std::fs::write(&path, lent.replace(ZONE, "example.org")).unwrap();
    let told = why(&world.plan(&[]), "dns:Record/example.org/A:www.example.org");
    assert!(told.contains("shows no zone example.org to the token; make the zone there first"), "{told}");
}
