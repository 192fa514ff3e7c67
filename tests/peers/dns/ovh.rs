//! What only OVH can answer: keys that sign, ids alone in a list, and a zone that has to be refreshed. It is played by a server
//! that is held to what OVH has published; kwo was never run against OVH itself.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use testkit::loopback::{Asked, Reply};
use testkit::peers::zones::ovh::{READER, forbidden, refused};
use testkit::peers::zones::{Ovh, ZoneServer as _};
use testkit::run::steps;

use crate::dns::records::bash;
use crate::dns::world::{World, ZONE, records, why};

fn world(answer: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static) -> Option<(World, Arc<Ovh>)> {
    let server = Arc::new(Ovh::start(ZONE));
    let front = server.fronted(answer);
    Some((World::new(Arc::clone(&server) as _, front, Arc::default())?, server))
}

fn www() -> String {
    World::id("A", "www.example.com")
}

/// A world whose server does so many writes more, and then refuses them.
fn cut() -> Option<(World, Arc<Ovh>, Arc<AtomicUsize>)> {
    let left = Arc::new(AtomicUsize::new(usize::MAX));
    let of_front = Arc::clone(&left);
    let (world, server) = world(move |asked| {
        if asked.method == "GET" {
            return None;
        }
        let spent = of_front.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        spent.is_err().then(|| refused(409, "Client::Conflict", "cut"))
    })?;
    Some((world, server, left))
}

#[test]
fn a_zone_is_refreshed_before_a_set_counts_as_written() {
    let Some((world, server, left)) = cut() else { return };
    // A new set: its mark, the record, the refresh, the mark again, and one more refresh. One that changes: as many. The
    // requests between these are those of every server of objects.
    for (ttl, cuts) in [("", &[2, 4][..]), (", ttl: 90", &[2])] {
        let before = server.records().clone();
        for done in cuts.iter().copied() {
            *server.records() = before.clone();
            world.roster("[www.example.com]", ttl);
            left.store(done, Ordering::SeqCst);
            world.apply(&[]).expect(1);
            left.store(usize::MAX, Ordering::SeqCst);
            if done < 4 {
                let plan = world.plan(&[]);
                assert_eq!(records(&plan["steps"]), [www()], "{done}: {plan:#}");
            }
            world.apply(&[]).expect(0);
            assert_eq!(server.resolve("A", "www.example.com").records, ["192.0.2.10"], "{done}");
            assert!(done == 4 || server.is_fresh(), "{done}");
        }
    }
}

#[test]
fn what_ends_is_told_until_the_world_was_told() {
    let Some((world, server, left)) = cut() else { return };
    world.roster_to("{addresses: [192.0.2.10, 192.0.2.11]}", "[www.example.com]", "");
    world.apply(&[]).expect(0);
    let before = server.records().clone();
    let tenant = world.tenant.as_str();
    let typed = format!("offboard {tenant} (1 namespace)");
    let cut = ["offboard", tenant, "--stage", "cut", "--yes", "--lock-timeout=2m", "--confirm", &typed];
    let is_left = || server.records().iter().any(|record| record.name.ends_with("www"));
    // Two records, the refresh, the mark, and one more refresh.
    for done in [1, 2, 3] {
        *server.records() = before.clone();
        world.roster_to("{addresses: [192.0.2.10, 192.0.2.11]}", "[www.example.com]", "");
        left.store(done, Ordering::SeqCst);
        world.kwo(&cut).expect(5);
        left.store(usize::MAX, Ordering::SeqCst);
        assert!(is_left(), "{done}");
        world.kwo(&cut).expect(0);
        assert!(server.resolve("A", "www.example.com").records.is_empty() && !is_left(), "{done}");
        assert!(server.is_fresh(), "{done}");
    }
    // The last cut began with two records and went on with none, and brings back both.
    let status = world.kwo(&["offboard", tenant, "--status", "-o", "json"]).out;
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    let typed = format!("undo {tenant} ({} cuts)", status["cuts"].as_array().unwrap().len());
    world.kwo(&["offboard", tenant, "--undo", "--yes", "--lock-timeout=2m", "--confirm", &typed]).expect(0);
    assert_eq!(server.resolve("A", "www.example.com").records, ["192.0.2.10", "192.0.2.11"]);
    // A command that was cut short right before the refresh is told again.
    world.roster("[]", "");
    let leftover = || {
        let plan = world.plan(&[]);
        let left = plan["leftovers"].as_array().unwrap().iter().find(|left| left["id"] == www()).cloned();
        left.unwrap_or_else(|| panic!("{plan:#}"))
    };
    left.store(2, Ordering::SeqCst);
    let ran = bash(&world, leftover()["command"].as_str().unwrap());
    assert!(!ran.status.success() && world.set("A", "www.example.com").is_none() && !server.is_fresh());
    left.store(usize::MAX, Ordering::SeqCst);
    let told = leftover();
    assert!(told.to_string().contains("the end was perhaps not published"), "{told}");
    for _ in 0..2 {
        let ran = bash(&world, told["command"].as_str().unwrap());
        assert!(ran.status.success() && server.is_fresh() && !is_left(), "{ran:?}");
    }
    assert_eq!(records(&world.plan(&[])["leftovers"]), Vec::<String>::new());
}

#[test]
fn a_key_that_is_refused_is_told_with_the_rule_and_half_a_list_is_not_believed() {
    let state = Arc::new(AtomicUsize::new(0));
    let of_front = Arc::clone(&state);
    let Some((world, server)) = world(move |asked| {
        if asked.path.contains("example.org") {
            return Some(forbidden("NOT_GRANTED_CALL", "This call has not been granted"));
        }
        let is_list = asked.path.ends_with("/record") && asked.method == "GET";
        let ids = match of_front.load(Ordering::SeqCst) {
            1 => Vec::new(),
            2 => (0..10_001).collect(),
            3 => return is_list.then(|| Reply::Answer(200, "", "1, ".repeat(400_000))),
            4 => {
                return is_list
                    .then(|| Reply::Answer(307, "location: http://127.0.0.1:1/\r\n", String::new()));
            }
            _ => return None,
        };
        is_list.then(|| Reply::Answer(200, "", serde_json::json!(ids).to_string()))
    }) else {
        return;
    };
    let key = world.bench.path("key");
    let consumer = key.with_extension("consumer");
    let good = std::fs::read_to_string(&consumer).unwrap();
    std::fs::write(&consumer, READER).unwrap();
    let ran = world.apply(&[]).expect(1);
    let said = format!("{}{}", ran.out, ran.err);
    assert!(
        said.contains("the consumer key needs the access rule `POST /domain/zone/example.com/record`"),
        "{said}"
    );
    std::fs::write(&consumer, "nobodys").unwrap();
    let told = why(&world.plan(&[]), &www());
    assert!(told.contains("(INVALID_CREDENTIAL); the application key, its secret"), "{told}");
    std::fs::write(&consumer, &good).unwrap();
    world.apply(&[]).expect(0);
    for (now, says) in [
        (1, "its list has no NS record of the zone, so it is not all of the zone"),
        (2, "has 10001 records, and kwo asks for each of them, so it reads 10000"),
        (3, "has more than 1048576 bytes"),
        // Who is asked to sign elsewhere does not.
        (4, "answers 307 Temporary Redirect"),
    ] {
        state.store(now, Ordering::SeqCst);
        let told = why(&world.plan(&[]), &www());
        assert!(told.contains(says), "{told}");
    }
    state.store(0, Ordering::SeqCst);
    // Who says another time would get signatures for it.
    let time = server.ahead.swap(100_000, Ordering::SeqCst);
    let told = why(&world.plan(&[]), &www());
    assert!(told.contains("a time that is more than a day away from that of this machine"), "{told}");
    server.ahead.store(time, Ordering::SeqCst);
    // A zone that the key does not open holds no other one.
    let path = world.bench.path("roster.yaml");
    let roster = std::fs::read_to_string(&path).unwrap();
    let line = roster.lines().find(|line| line.contains("example.com: {")).unwrap();
    let two = format!("{line}\n{}", line.replace("example.com: {", "example.org: {"));
    let two = roster.replace(line, &two).replace("[www.example.com]", "[www.example.com, www.example.org]");
    std::fs::write(&path, two).unwrap();
    let plan = world.plan(&[]);
    let other = "dns:Record/example.org/A:www.example.org";
    assert_eq!(records(&plan["held"]), [other]);
    assert!(why(&plan, other).contains("the access rule `GET /domain/zone/example.org/record*`"), "{plan:#}");
    // A resolver lends its keys, and says where the API is.
    std::fs::write(world.bench.path("endpoint"), "ovh-mars\n").unwrap();
    let resolver = format!(
        "cluster: {{acme: {{email: ops@example.com}}}}\ndns:\n  resolvers: {{letsencrypt-ovh: {{provider: ovh, credentials: \
         {{OVH_APPLICATION_KEY: {{file: {0}.app}}, OVH_APPLICATION_SECRET: {{file: {0}}}, OVH_CONSUMER_KEY: {{file: \
         {0}.consumer}}, OVH_ENDPOINT: {{file: {1}}}}}}}}}\n",
        key.display(),
        world.bench.path("endpoint").display()
    );
    let (start, end) = (roster.find(", credentials: {").unwrap(), roster.find(", target").unwrap());
    let lent = format!("{}, resolver: letsencrypt-ovh{}", &roster[..start], &roster[end..]);
    let lent = lent.replacen("dns:\n", &resolver, 1);
    std::fs::write(&path, &lent).unwrap();
    assert_eq!(records(&world.plan(&[])["held"]), Vec::<String>::new());
    let address = lent.find(", url: ").unwrap();
    let after = address + lent[address..].find(", resolver").unwrap();
    std::fs::write(&path, format!("{}{}", &lent[..address], &lent[after..])).unwrap();
    let told = why(&world.plan(&[]), &www());
    assert!(told.contains("OVH_ENDPOINT has to be one of ovh-eu, ovh-ca, ovh-us"), "{told}");
    assert_eq!(server.resolve("A", "www.example.com").records, ["192.0.2.10"]);
}

#[test]
fn what_somebody_renames_or_makes_new_meanwhile_is_not_taken_for_gone() {
    let state = Arc::new(AtomicUsize::new(0));
    let armed: Arc<OnceLock<Arc<Ovh>>> = Arc::default();
    let (of_front, now) = (Arc::clone(&armed), Arc::clone(&state));
    let Some((world, server)) = world(move |asked| {
        let mut records = of_front.get()?.records();
        let asks = |name: &str| {
            records
                .iter()
                .any(|record| record.name == name && asked.path.ends_with(&format!("/record/{}", record.id)))
        };
        match now.load(Ordering::SeqCst) {
            // Right before the look at the name that a write is decided by.
            1 if asked.path.ends_with("/record?subDomain=www") => {
                let old = records.iter_mut().find(|record| record.name == "old");
                old.into_iter().for_each(|record| record.name = "www".to_owned());
            }
            // Between the list and the look at a record.
            2 if asks("www") => {
                now.store(0, Ordering::SeqCst);
                let www = records.iter_mut().find(|record| record.name == "www");
                www.into_iter().for_each(|record| record.id += 1_000_000);
            }
            3 if asks("www") => return Some(refused(404, "Client::NotFound", "no")),
            _ => {}
        }
        None
    }) else {
        return;
    };
    assert!(armed.set(Arc::clone(&server)).is_ok());
    server.put(("A", "old.example.com"), &["203.0.113.9"], None);
    assert_eq!(records(&world.plan(&[])["steps"]), [www()]);
    state.store(1, Ordering::SeqCst);
    let ran = world.apply(&[]).expect(1);
    let set = world.set("A", "www.example.com").unwrap();
    assert_eq!((set.records, set.notes), (vec!["203.0.113.9".to_owned()], vec![]), "{}{}", ran.out, ran.err);
    state.store(0, Ordering::SeqCst);
    world.apply(&[&format!("--adopt={}", www())]).expect(0);
    state.store(2, Ordering::SeqCst);
    assert_eq!(steps(&world.plan(&[])), Vec::<String>::new());
    assert_eq!(state.swap(3, Ordering::SeqCst), 0);
    let told = why(&world.plan(&[]), &www());
    assert!(told.contains("names a record that is not there, each time that kwo read it"), "{told}");
}
