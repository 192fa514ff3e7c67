//! What only DNS itself can answer: a key that is not the server's, one that may not transfer or write, a zone that the server
//! does not have. What a server that lies can answer is played in `src/engine/providers/dns/rfc2136/tests.rs`.

use std::sync::Arc;

use testkit::peers::zones::{Knot, Then, ZoneServer as _};

use crate::dns::world::{World, ZONE, why};

fn world() -> Option<World> {
    let server = Arc::new(Knot::start(ZONE)?);
    let front = Arc::clone(&server).front(Box::new(|_, _| Then::Answer));
    World::new(server, front, Arc::default())
}

#[test]
fn a_key_that_is_not_the_servers_is_told_with_what_to_do() {
    let Some(world) = world() else { return };
    let path = world.bench.path("roster.yaml");
    let roster = std::fs::read_to_string(&path).unwrap();
    let key = std::fs::read_to_string(world.bench.path("key")).unwrap();
    let id = World::id("A", "www.example.com");
    for (tsig, says) in [
        ("{name: none}", "knows no TSIG key `none` for hmac-sha256 that may do this (BADKEY)"),
        (
            "{name: kwo, algorithm: hmac-sha512}",
            "knows no TSIG key `kwo` for hmac-sha512 that may do this (BADKEY)",
        ),
        ("{name: nobody}", "knows no TSIG key `nobody` for hmac-sha256 that may do this (BADKEY)"),
    ] {
        std::fs::write(&path, roster.replace("tsig: {name: kwo}", &format!("tsig: {tsig}"))).unwrap();
        let told = why(&world.plan(&[]), &id);
        assert!(told.contains(says), "{told}");
    }
    std::fs::write(
        &path,
        roster
            .replace("    example.com: {", "    example.org: {")
            .replace("www.example.com", "www.example.org"),
    )
    .unwrap();
    let told = why(&world.plan(&[]), "dns:Record/example.org/A:www.example.org");
    assert!(told.contains("NOTAUTH"), "{told}");
    std::fs::write(&path, &roster).unwrap();
    for (secret, says) in [
        (key.to_uppercase(), "has another secret for the TSIG key `kwo` (BADSIG)"),
        ("no base64!".to_owned(), "the key of the zone example.com: it is no Base64"),
        ("c2hvcnQ=".to_owned(), "it has 5 bytes, and under 16 it can be guessed"),
    ] {
        std::fs::write(world.bench.path("key"), secret).unwrap();
        let told = why(&world.plan(&[]), &id);
        assert!(told.contains(says), "{told}");
    }
    assert!(world.set("A", "www.example.com").is_none());
}

#[test]
fn a_key_that_may_only_transfer_writes_nothing_and_another_algorithm_signs_as_well() {
    let Some(world) = world() else { return };
    let path = world.bench.path("roster.yaml");
    let roster = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, roster.replace("tsig: {name: kwo}", "tsig: {name: reader}")).unwrap();
    let ran = world.apply(&[]).expect(1);
    let told = format!("{}{}", ran.out, ran.err);
    assert!(told.contains("knows no TSIG key `reader` for hmac-sha256 that may do this (BADKEY)"), "{told}");
    assert!(world.set("A", "www.example.com").is_none());
    std::fs::write(&path, roster.replace("tsig: {name: kwo}", "tsig: {name: other, algorithm: hmac-sha512}"))
        .unwrap();
    world.apply(&[]).expect(0);
    assert_eq!(world.server.resolve("A", "www.example.com").records, ["192.0.2.10"]);
}

#[test]
fn a_text_at_the_place_of_marks_that_names_no_type_holds_the_name() {
    let Some(world) = world() else { return };
    let place = ("TXT", "_kwo.www.example.com");
    world.server.put(place, &["\"hello\""], None);
    let told = why(&world.plan(&[]), &World::id("A", "www.example.com"));
    assert!(told.contains("cannot read stands at TXT _kwo.www.example.com"), "{told}");
    world.server.put(place, &[], None);
    world.apply(&[]).expect(0);
    assert_eq!(world.server.resolve("A", "www.example.com").records, ["192.0.2.10"]);
}
