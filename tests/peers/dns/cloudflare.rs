//! What only Cloudflare can answer: pages of a list, a proxy, tokens that lack a right, one comment a record. It is played by a
//! server that is held to what Cloudflare has published; kwo was never run against Cloudflare itself.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use testkit::loopback::{Asked, Reply};
use testkit::peers::zones::cloudflare::{EDITOR, FINDER, QUOTA, READER, Record, refused};
use testkit::peers::zones::{Cloudflare, ZoneServer as _};
use testkit::run::steps;

use crate::dns::records::bash;
use crate::dns::world::{World, ZONE, records, why};

fn world(
    answer: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static,
) -> Option<(World, Arc<Cloudflare>)> {
    let server = Arc::new(Cloudflare::start(ZONE));
    let front = server.fronted(answer);
    Some((World::new(Arc::clone(&server) as _, front, Arc::default())?, server))
}

fn record(of: &str, name: &str, content: &str) -> Record {
    Record {
        id: format!("{:032x}", name.len() * 1000 + content.len()),
        of: of.to_owned(),
        name: name.to_owned(),
        content: content.to_owned(),
        ttl: 1,
        proxied: false,
        comment: String::new(),
        priority: None,
    }
}

#[test]
fn a_tunnel_is_reached_through_the_proxy_and_stays_in_agreement() {
    const TUNNEL: &str = "6ff42ae2-765d-4adf-8112-31c55c1551ef.cfargotunnel.com";
    let Some((world, server)) = world(|_| None) else { return };
    let target = format!("{{cname: {TUNNEL}, proxied: true}}");
    world.roster_to(&target, "[www.example.com, '*.w.example.com']", "");
    world.apply(&[]).expect(0);
    let told = || -> Vec<(String, bool, u64)> {
        let records = server.records();
        records.iter().map(|record| (record.content.clone(), record.proxied, record.ttl)).collect()
    };
    // Its TTL reads back as automatic, and that is what was wanted.
    let proxied = vec![(TUNNEL.to_owned(), true, 1); 2];
    assert_eq!(told(), proxied);
    assert_eq!(steps(&world.plan(&[])), Vec::<String>::new());
    // Somebody turns the proxy off: it is told as theirs, and turned on again.
    server.records()[0].proxied = false;
    let shown = world.kwo(&["plan", "--full"]).expect(0);
    assert!(shown.out.contains(".cfargotunnel.com. (proxied)"), "{}", shown.out);
    assert!(shown.out.contains("drift: written by `somebody else`"), "{}", shown.out);
    world.apply(&[]).expect(0);
    assert_eq!(told(), proxied);
    // While the zone is paused nothing goes through the proxy, though its records say so.
    server.state.lock().unwrap().1 = true;
    let plan = world.plan(&[]);
    for name in ["www", "*.w"] {
        let told = why(&plan, &World::id("CNAME", &format!("{name}.example.com")));
        assert!(
            told.contains("the zone example.com is paused") && told.contains("let the zone go on there"),
            "{told}"
        );
    }
}

#[test]
fn a_record_that_others_put_beside_kwos_outlives_the_tenant() {
    let Some((world, server)) = world(|_| None) else { return };
    world.roster("[www.example.com, old.example.com]", "");
    world.apply(&[]).expect(0);
    let theirs = Record { comment: "by hand".to_owned(), ..record("A", "old.example.com", "203.0.113.9") };
    server.records().push(theirs.clone());
    world.roster("[www.example.com]", "");
    let plan = world.plan(&[]);
    let id = World::id("A", "old.example.com");
    let left = plan["leftovers"].as_array().unwrap().iter().find(|left| left["id"] == id).unwrap();
    let told = "old.example.com still leads to 192.0.2.10, 203.0.113.9; not kwo's, and stays: 203.0.113.9";
    assert_eq!(left["in_force"], told);
    let ran = bash(&world, left["command"].as_str().unwrap());
    assert!(ran.status.success(), "{ran:?}");
    let mut there = server.records().clone();
    there.retain(|record| record.name == "old.example.com");
    assert_eq!(there, [theirs]);
    assert_eq!(records(&world.plan(&[])["leftovers"]), Vec::<String>::new());
}

#[test]
fn a_record_that_moves_to_a_page_that_was_read_is_not_taken_for_gone() {
    let zone: Arc<OnceLock<Arc<Cloudflare>>> = Arc::default();
    let (of_front, moves) = (Arc::clone(&zone), Arc::new(AtomicUsize::new(0)));
    let armed = Arc::clone(&moves);
    let Some((world, server)) = world(move |asked| {
        // Right before the second page somebody ends a record of the first one, and makes another one.
        if asked.path.contains("&page=2") && armed.load(Ordering::SeqCst) > 0 {
            let left = armed.fetch_sub(1, Ordering::SeqCst);
            let mut records = of_front.get().unwrap().records();
            records.remove(0);
            let id = format!("{left:032}");
            records.push(Record { id, ..record("A", &format!("new{left}.example.com"), "203.0.113.9") });
        }
        None
    }) else {
        return;
    };
    assert!(zone.set(Arc::clone(&server)).is_ok());
    world.roster("[a.example.com, b.example.com, c.example.com, d.example.com]", "");
    world.apply(&[]).expect(0);
    let first: Vec<Record> = (0..5)
        .map(|at| Record {
            id: format!("{:032}", 90 + at),
            ..record("A", &format!("old{at}.example.com"), "203.0.113.9")
        })
        .collect();
    server.records().splice(0..0, first);
    server.page.store(6, Ordering::SeqCst);
    // Once: what is read then twice the same is believed.
    moves.store(1, Ordering::SeqCst);
    let plan = world.plan(&[]);
    assert_eq!((steps(&plan), records(&plan["held"])), (vec![], vec![]));
    assert_eq!(moves.load(Ordering::SeqCst), 0);
    // Each time: nothing is.
    server.page.store(5, Ordering::SeqCst);
    moves.store(100, Ordering::SeqCst);
    let plan = world.plan(&[]);
    assert_eq!(records(&plan["steps"]), Vec::<String>::new());
    let told = why(&plan, &World::id("A", "a.example.com"));
    assert!(told.contains("became another one each time that kwo read it; run kwo again"), "{told}");
}

#[test]
fn pages_are_followed_and_a_list_that_ends_early_is_not_believed() {
    let short = Arc::new(AtomicUsize::new(0));
    let of_front = Arc::clone(&short);
    let Some((world, server)) = world(move |asked| {
        // From some page on there is nothing, though the list says that there is more.
        let is_short = of_front.load(Ordering::SeqCst) > 0 && asked.path.contains("&page=2");
        let body = r#"{"success":true,"errors":[],"messages":[],"result":[],"result_info":{"page":2,"per_page":2,"count":0,"total_count":5,"total_pages":3}}"#;
        is_short.then(|| Reply::Answer(200, "", body.to_owned()))
    }) else {
        return;
    };
    server.page.store(2, Ordering::SeqCst);
    world.roster("[a.example.com, b.example.com, c.example.com, d.example.com, e.example.com]", "");
    world.apply(&[]).expect(0);
    assert_eq!(server.records().len(), 5);
    assert_eq!(steps(&world.plan(&[])), Vec::<String>::new());
    short.store(1, Ordering::SeqCst);
    let plan = world.plan(&[]);
    assert_eq!(records(&plan["steps"]), Vec::<String>::new());
    for name in ["a", "e"] {
        let told = why(&plan, &World::id("A", &format!("{name}.example.com")));
        assert!(told.contains("its list has 2 records, and says that there are 5"), "{told}");
    }
}

#[test]
fn a_token_that_lacks_a_right_is_told_with_the_right() {
    let posts = Arc::new(AtomicUsize::new(0));
    let of_front = Arc::clone(&posts);
    let Some((world, server)) = world(move |asked| {
        of_front.fetch_add(usize::from(asked.method == "POST"), Ordering::SeqCst);
        None
    }) else {
        return;
    };
    let id = World::id("A", "www.example.com");
    let key = world.bench.path("key");
    let told = |token: &str| {
        std::fs::write(&key, token).unwrap();
        why(&world.plan(&[]), &id)
    };
    for (token, says) in [
        (
            EDITOR,
            "Unauthorized to access requested resource (9109); it has to be an API token with the right `Zone.Zone:Read`",
        ),
        (FINDER, "Authentication error (10000); it has to be an API token with the right `Zone.DNS:Edit`"),
        ("short", "refuses the token (400 Bad Request): Invalid request headers (6003)"),
    ] {
        let told = told(token);
        assert!(told.contains(says), "{told}");
    }
    // Each record is refused, and Cloudflare is asked once.
    std::fs::write(&key, READER).unwrap();
    world.roster("[www.example.com, b.example.com, c.example.com]", "");
    let ran = world.apply(&[]).expect(1);
    let said = format!("{}{}", ran.out, ran.err);
    assert!(said.contains("with the right `Zone.DNS:Edit` for the zone example.com"), "{said}");
    assert_eq!((posts.load(Ordering::SeqCst), server.records().len()), (1, 0));
    for (zones, says) in [
        (vec![], "shows no zone example.com to the token; make the zone there first, or give the token"),
        (vec!["full", "full"], "shows several zones example.com to the token"),
        (vec!["secondary"], "has the zone example.com from another server"),
        (vec!["partial"], "does not answer for the zone example.com"),
        (
            vec!["internal"],
            "the type of the zone example.com is `internal`, and kwo writes to zones that are `full`",
        ),
    ] {
        *server.zones.lock().unwrap() = zones;
        let told = told(&server.key());
        assert!(told.contains(says), "{told}");
    }
    *server.zones.lock().unwrap() = vec!["full"];
    for (status, says) in [
        ("pending", "its status is `pending`; set its name servers at the registrar"),
        ("moved", "its status is `moved`; its name servers are others; name the server that answers for it"),
        ("deactivated", "its status is `deactivated`; let it become `active` there"),
    ] {
        server.state.lock().unwrap().0 = status;
        let told = told(&server.key());
        assert!(told.contains("does not answer for the zone example.com") && told.contains(says), "{told}");
    }
    server.state.lock().unwrap().0 = "active";
    // A resolver lends its tokens: one finds the zone, and one is for its records.
    let path = world.bench.path("roster.yaml");
    let roster = std::fs::read_to_string(&path).unwrap();
    for (name, token) in [("edits", EDITOR), ("finds", FINDER)] {
        std::fs::write(world.bench.path(name), token).unwrap();
    }
    let resolver = format!(
        "cluster: {{acme: {{email: ops@example.com}}}}\ndns:\n  resolvers: {{letsencrypt-cloudflare: {{provider: cloudflare, \
         credentials: {{CF_DNS_API_TOKEN: {{file: {}}}, CF_ZONE_API_TOKEN: {{file: {}}}}}}}}}\n",
        world.bench.path("edits").display(),
        world.bench.path("finds").display()
    );
    let own = format!("key: {{file: {}}}", key.display());
    let lent = roster.replacen("dns:\n", &resolver, 1).replace(&own, "resolver: letsencrypt-cloudflare");
    assert!(lent.contains("resolver: letsencrypt-cloudflare"), "{lent}");
    std::fs::write(&path, lent).unwrap();
    assert_eq!(records(&world.plan(&[])["steps"]).len(), 3);
}

#[test]
fn what_cloudflare_refuses_is_told_and_what_it_puts_off_is_asked_again() {
    // Answered in this order to the first writes; without an answer a write is done.
    const ANSWERS: [Option<(u16, u64, &str)>; 6] = [
        Some((429, 971, "Please wait and consider throttling your request speed")),
        Some((400, 81053, "An A, AAAA, or CNAME record with that \u{1b}[1mhost already exists.")),
        Some((400, 81058, "An identical record already exists.")),
        None,
        // A run asks a second time where it does not know what became of a write.
        Some((502, 0, "")),
        Some((502, 0, "")),
    ];
    let at = AtomicUsize::new(0);
    let Some((world, server)) = world(move |asked| {
        let at = (asked.method == "POST").then(|| at.fetch_add(1, Ordering::SeqCst))?;
        let (status, code, message) = (*ANSWERS.get(at)?)?;
        Some(match refused(status, code, message) {
            Reply::Answer(429, _, body) => Reply::Answer(429, "retry-after: 0\r\n", body),
            other => other,
        })
    }) else {
        return;
    };
    // Put off and then refused; there already, and then not there; twice without a word of what became of it.
    for (code, says) in
        [(1, "An A, AAAA, or CNAME record with that"), (0, ""), (1, "answers 502 Bad Gateway")]
    {
        server.records().clear();
        let ran = world.apply(&[]);
        let told = format!("{}{}", ran.out, ran.err);
        assert!(ran.code == code && told.contains(says) && !told.contains("\u{1b}[1mhost"), "{code}: {told}");
        assert_eq!(server.records().len(), usize::from(code == 0), "{told}");
    }
    // The plan of the zone has no room.
    *server.records() = (0..QUOTA)
        .map(|at| Record {
            id: format!("{at:032}"),
            ..record("A", &format!("h{at}.example.com"), "192.0.2.1")
        })
        .collect();
    let ran = world.apply(&[]).expect(1);
    let told = format!("{}{}", ran.out, ran.err);
    assert!(told.contains("has room for no more records: Record quota exceeded. (81045)"), "{told}");
}

#[test]
fn what_others_have_at_a_name_stays_as_it_is() {
    let Some((world, server)) = world(|_| None) else { return };
    world
        .roster("[www.example.com, two.example.com, long.example.com, v6.example.com, auto.example.com]", "");
    let theirs = [
        record("A", "two.example.com", "192.0.2.10"),
        record("A", "two.example.com", "203.0.113.20"),
        Record { comment: "x".repeat(90), ..record("A", "long.example.com", "192.0.2.10") },
        Record { proxied: true, ..record("AAAA", "v6.example.com", "2001:db8::1") },
        Record { comment: "by hand".to_owned(), ..record("A", "auto.example.com", "192.0.2.10") },
    ];
    for (at, record) in theirs.iter().enumerate() {
        server.records().push(Record { id: format!("{at:032}"), ..record.clone() });
    }
    let before = server.records().clone();
    world.apply(&["--adopt=*"]).expect(5);
    let plan = world.plan(&["--adopt=*"]);
    for (name, says) in [
        ("two", "has 2 records, and the roster wants 1; kwo ends none at Cloudflare"),
        ("long", "cannot be marked: it has a comment of 90 characters"),
        (
            "v6",
            "AAAA v6.example.com 2001:db8::1 (proxied), which is proxied, so what is not to be proxied would be, too",
        ),
    ] {
        let told = why(&plan, &World::id("A", &format!("{name}.example.com")));
        assert!(told.contains(says), "{told}");
    }
    // An automatic TTL is that of the roster, so the mark alone was added, behind what stood there.
    let after = server.records().clone();
    assert_eq!(after[..4], before[..4]);
    let auto = &after[4];
    assert!(auto.comment.starts_with("by hand kwo1 ") && auto.comment.len() <= 100, "{auto:?}");
    assert_eq!(Record { comment: "by hand".to_owned(), ..auto.clone() }, before[4]);
    assert_eq!(after.len(), before.len() + 1);
    assert_eq!(records(&plan["steps"]), Vec::<String>::new());
}
