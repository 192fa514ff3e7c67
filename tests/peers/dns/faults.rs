//! A server that is away, refuses, or answers something else than it was asked: its records are held, the cluster is
//! applied, and the run ends with 5.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use testkit::loopback::Reply;

use crate::dns::world::{World, ZONE, why};

/// What is said where the server answers every question like this, after the rest was applied.
fn held(answer: impl Fn() -> Option<Reply> + Send + Sync + 'static) -> Option<String> {
    let world = World::meddled(|_| Box::new(move |_| answer()))?;
    let ran = world.bench.apply(&["--timeout=2s"]).expect(5);
    let namespace = format!("kube:Namespace/{}", world.tenant);
    assert!(ran.out.contains(&namespace) || ran.err.contains(&namespace), "{}{}", ran.out, ran.err);
    let plan = world.bench.plan(&["--timeout=2s"]);
    assert!(plan["steps"].as_array().unwrap().is_empty(), "{plan}");
    assert!(world.set("A", "www.example.com").is_none());
    Some(why(&plan, &World::id("A", "www.example.com")))
}

fn answers(status: u16, headers: &'static str, body: &'static str) -> Option<String> {
    held(move || Some(Reply::Answer(status, headers, body.to_owned())))
}

#[test]
fn a_server_that_refuses_the_key_is_told_with_what_it_takes() {
    let Some(told) = answers(401, "", "Unauthorized") else { return };
    assert!(told.contains("refuses the key (401 Unauthorized)") && told.contains("`api-key`"), "{told}");
    let Some(told) = answers(403, "", "Forbidden") else { return };
    assert!(told.contains("refuses the key (403 Forbidden)"), "{told}");
    let Some(told) = answers(404, "", "Not Found") else { return };
    assert!(told.contains("has no zone example.com on the server `localhost`"), "{told}");
}

#[test]
fn half_an_answer_is_not_believed() {
    let zone = r#"{"name": "example.com.", "kind": "Native", "rrsets": []}"#;
    let Some(told) = answers(200, "", zone) else { return };
    assert!(told.contains("has no SOA record, so it is not all of it"), "{told}");
    let Some(told) = answers(200, "", "{\"name\": \"example.com.\", \"kind\":") else { return };
    assert!(told.contains("does not answer like PowerDNS"), "{told}");
    let other = r#"{"name": "example.org.", "kind": "Native", "rrsets": []}"#;
    let Some(told) = answers(200, "", other) else { return };
    assert!(told.contains("its answer is another one"), "{told}");
    let slave = r#"{"name": "example.com.", "kind": "Slave", "rrsets": []}"#;
    let Some(told) = answers(200, "", slave) else { return };
    assert!(told.contains("has the zone example.com from another server (Slave)"), "{told}");
}

#[test]
fn a_server_that_is_silent_or_gone_keeps_nobody_waiting() {
    let began = Instant::now();
    let silent = || {
        std::thread::sleep(Duration::from_secs(30));
        Some(Reply::Drop)
    };
    let Some(world) = World::meddled(|_| Box::new(move |_| silent())) else { return };
    let plan = world.bench.plan(&["--timeout=500ms"]);
    let told = why(&plan, &World::id("A", "www.example.com"));
    assert!(told.contains("did not answer within 500ms"), "{told}");
    let Some(world) = World::meddled(|_| Box::new(|_| Some(Reply::Drop))) else { return };
    let plan = world.bench.plan(&[]);
    let told = why(&plan, &World::id("A", "www.example.com"));
    assert!(told.contains("lost the connection") || told.contains("could not connect"), "{told}");
    assert!(began.elapsed() < Duration::from_secs(40), "{:?}", began.elapsed());
}

#[test]
fn a_server_with_too_much_to_do_is_asked_again() {
    let count = AtomicUsize::new(0);
    let Some(world) = World::meddled(|_| {
        Box::new(move |_| {
            let busy = || Reply::Answer(429, "retry-after: 0\r\n", String::new());
            // The first look, the first write, and others between them.
            let number = count.fetch_add(1, Ordering::SeqCst);
            [0, 3, 4].contains(&number).then(busy)
        })
    }) else {
        return;
    };
    world.apply(&[]).expect(0);
    assert_eq!(world.server.resolve("A", "www.example.com").records, ["192.0.2.10"]);
}

#[test]
fn a_write_that_is_refused_is_told_in_the_servers_words() {
    let Some(world) = World::meddled(|_| {
        Box::new(|asked| {
            let refused = || Reply::Answer(422, "", r#"{"error": "no\u001b[1m way"}"#.to_owned());
            (asked.method == "PATCH").then(refused)
        })
    }) else {
        return;
    };
    let ran = world.apply(&[]).expect(1);
    let told = format!("{}{}", ran.out, ran.err);
    assert!(
        told.contains("answers 422 Unprocessable Entity: no") && !told.contains("\u{1b}[1m way"),
        "{told}"
    );
}

#[test]
fn a_key_that_is_not_there_holds_the_zone() {
    let Some(world) = World::new() else { return };
    std::fs::remove_file(world.bench.path("key")).unwrap();
    world.apply(&[]).expect(5);
    let told = why(&world.plan(&[]), &World::id("A", "www.example.com"));
    assert!(told.contains(&format!("kwo cannot look at the zone {ZONE}: the key file ")), "{told}");
    assert_eq!(world.asked(), Vec::<String>::new());
    // Nothing is wanted in the zone: nothing is held, and it is said all the same.
    world.roster("[]", "");
    let plan = world.kwo(&["plan"]).expect(0);
    assert!(plan.out.contains("kwo could not look for leftovers in the zone example.com"), "{}", plan.out);
}
