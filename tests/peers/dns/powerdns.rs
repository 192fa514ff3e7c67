//! What only an HTTP API can answer: a key that is refused, another zone, too much to do.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use testkit::loopback::{Asked, Reply};
use testkit::peers::zones::PowerDns;

use crate::dns::world::{World, ZONE, why};

fn world(answer: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static) -> Option<World> {
    let server = Arc::new(PowerDns::start(ZONE)?);
    let front = server.fronted(answer);
    World::new(server, front, Arc::default())
}

/// What is said where every answer is the next of these, and then the last one.
fn held(answers: &'static [(u16, &'static str)]) -> Vec<String> {
    let at = Arc::new(AtomicUsize::new(0));
    let of_front = Arc::clone(&at);
    let Some(world) = world(move |_| {
        let (status, body) = answers[of_front.load(Ordering::SeqCst)];
        Some(Reply::Answer(status, "", body.to_owned()))
    }) else {
        return Vec::new();
    };
    let told = |number| {
        at.store(number, Ordering::SeqCst);
        why(&world.plan(&[]), &World::id("A", "www.example.com"))
    };
    (0..answers.len()).map(told).collect()
}

#[test]
fn an_answer_that_is_none_is_told_with_what_to_do() {
    const ANSWERS: &[(u16, &str)] = &[
        (401, "Unauthorized"),
        (403, "Forbidden"),
        (404, "Not Found"),
        (200, r#"{"name": "example.com.", "kind": "Native", "rrsets": []}"#),
        (200, "{\"name\": \"example.com.\", \"kind\":"),
        (200, r#"{"name": "example.org.", "kind": "Native", "rrsets": []}"#),
        (200, r#"{"name": "example.com.", "kind": "Slave", "rrsets": []}"#),
    ];
    const SAYS: [&str; 7] = [
        "refuses the key (401 Unauthorized); it has to be the `api-key`",
        "refuses the key (403 Forbidden)",
        "has no zone example.com on the server `localhost`",
        "has no SOA record, so it is not all of it",
        "does not answer like PowerDNS",
        "its answer is another one",
        "has the zone example.com from another server (Slave)",
    ];
    for (told, says) in held(ANSWERS).iter().zip(SAYS) {
        assert!(told.contains(says), "{told}");
    }
}

#[test]
fn a_server_with_too_much_to_do_is_asked_again() {
    let count = AtomicUsize::new(0);
    let Some(world) = world(move |_| {
        let busy = || Reply::Answer(429, "retry-after: 0\r\n", String::new());
        // The first look, the first write, and others between them.
        let number = count.fetch_add(1, Ordering::SeqCst);
        [0, 3, 4].contains(&number).then(busy)
    }) else {
        return;
    };
    world.apply(&[]).expect(0);
    assert_eq!(world.server.resolve("A", "www.example.com").records, ["192.0.2.10"]);
}

#[test]
fn a_write_that_is_refused_is_told_in_the_servers_words() {
    let Some(world) = world(|asked| {
        let refused = || Reply::Answer(422, "", r#"{"error": "no\u001b[1m way"}"#.to_owned());
        (asked.method == "PATCH").then(refused)
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
