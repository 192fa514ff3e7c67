//! What only DigitalOcean can answer: pages of a list, records that are objects without a transaction, scopes of a token. It is
//! played by a server that is held to what DigitalOcean has published; kwo was never run against DigitalOcean itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use testkit::loopback::{Asked, Reply};
use testkit::peers::zones::digitalocean::{READER, Record, refused};
use testkit::peers::zones::{DigitalOcean, ZoneServer as _};
use testkit::run::steps;

use crate::dns::world::{World, ZONE, records, why};

fn world(
    answer: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static,
) -> Option<(World, Arc<DigitalOcean>)> {
    let server = Arc::new(DigitalOcean::start(ZONE));
    let front = server.fronted(answer);
    Some((World::new(Arc::clone(&server) as _, front, Arc::default())?, server))
}

fn www() -> String {
    World::id("A", "www.example.com")
}

/// A world whose server does so many writes more, and then refuses them.
fn cut() -> Option<(World, Arc<DigitalOcean>, Arc<AtomicUsize>)> {
    let left = Arc::new(AtomicUsize::new(usize::MAX));
    let of_front = Arc::clone(&left);
    let (world, server) = world(move |asked| {
        if asked.method == "GET" {
            return None;
        }
        let spent = of_front.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        spent.is_err().then(|| refused(403, "forbidden", "cut"))
    })?;
    Some((world, server, left))
}

fn addresses(server: &DigitalOcean) -> Vec<String> {
    server.resolve("A", "www.example.com").records
}

#[test]
fn a_write_that_is_cut_short_is_finished_by_the_next_run() {
    let Some((world, server, left)) = cut() else { return };
    let two = "{addresses: [192.0.2.10, 192.0.2.11]}";
    // Two addresses are new: a mark, two records, and the mark again. Then one of them is another one, and its mark twice.
    for (target, wants, writes) in [
        (two, ["192.0.2.10", "192.0.2.11"], 4),
        ("{addresses: [192.0.2.10, 192.0.2.12]}", ["192.0.2.10", "192.0.2.12"], 3),
    ] {
        let before = server.records().clone();
        for done in 0..writes {
            *server.records() = before.clone();
            world.roster_to(target, "[www.example.com]", "");
            left.store(done, Ordering::SeqCst);
            world.apply(&[]).expect(1);
            left.store(usize::MAX, Ordering::SeqCst);
            // It is not taken for somebody else's work, nor for done.
            let shown = world.kwo(&["plan", "--full"]).expect(0);
            assert!(
                shown.out.contains(&www()) && !shown.out.contains("somebody else"),
                "{done}: {}",
                shown.out
            );
            // Where nobody wants it any more, it is told as left over.
            world.roster("[]", "");
            let is_there = !addresses(&server).is_empty();
            assert_eq!(records(&world.plan(&[])["leftovers"]).len(), usize::from(is_there), "{done}");
            world.roster_to(target, "[www.example.com]", "");
            world.apply(&[]).expect(0);
            assert_eq!(addresses(&server), wants, "{done}");
            assert_eq!(steps(&world.plan(&[])), Vec::<String>::new());
        }
    }
}

#[test]
fn what_somebody_made_after_a_mark_was_written_is_theirs() {
    let Some((world, server, left)) = cut() else { return };
    // The run ends right after the mark: what takes it away is refused, too.
    left.store(1, Ordering::SeqCst);
    world.apply(&[]).expect(1);
    assert!(
        server.records().iter().any(|record| record.name == "_kwo.www" && record.data.contains(" making="))
    );
    left.store(usize::MAX, Ordering::SeqCst);
    server.put(("A", "www.example.com"), &["203.0.113.5"], None);
    let before = server.records().clone();
    let adopt = format!("--adopt={}", world.tenant);
    for args in [&[][..], &[adopt.as_str()]] {
        world.apply(args).expect(5);
        assert!(why(&world.plan(args), &www()).contains("adopt"));
    }
    assert_eq!(*server.records(), before);
    // By its own id it is taken over, and only then the mark is on it.
    world.apply(&[&format!("--adopt={}", www())]).expect(0);
    assert_eq!(addresses(&server), ["192.0.2.10"]);
    assert_eq!(steps(&world.plan(&[])), Vec::<String>::new());
}

#[test]
fn pages_are_followed_and_a_list_that_ends_early_is_not_believed() {
    let short = Arc::new(AtomicUsize::new(0));
    let of_front = Arc::clone(&short);
    let Some((world, server)) = world(move |asked| {
        let state = of_front.load(Ordering::SeqCst);
        let of_all = asked.path.ends_with("&page=1") && state == 3;
        let second = asked.path.contains("&page=2") && state > 0;
        let body = match state {
            // It says that there is more, and then that there is not.
            1 => r#"{"domain_records":[],"links":{"pages":{"first":"x","prev":"x"}},"meta":{"total":12}}"#,
            2 => r#"{"domain_records":[],"links":{}}"#,
            // A zone without anything is none.
            _ => r#"{"domain_records":[],"links":{},"meta":{"total":0}}"#,
        };
        (second || of_all).then(|| Reply::Answer(200, "", body.to_owned()))
    }) else {
        return;
    };
    server.page.store(4, Ordering::SeqCst);
    world.roster("[a.example.com, b.example.com, '*.c.example.com', d.example.com]", "");
    world.apply(&[]).expect(0);
    assert_eq!(server.sets().iter().filter(|set| set.of == "A").count(), 4);
    assert_eq!(steps(&world.plan(&[])), Vec::<String>::new());
    for (state, says) in [
        (1, "its list has 4 records, and says that there are 12"),
        (2, "its answer is another one (line 1"),
        (3, "its list has no SOA and no NS record of the zone, so it is not all of the zone"),
    ] {
        short.store(state, Ordering::SeqCst);
        let plan = world.plan(&[]);
        assert_eq!(records(&plan["steps"]), Vec::<String>::new());
        for name in ["a", "d"] {
            let told = why(&plan, &World::id("A", &format!("{name}.example.com")));
            assert!(told.contains(says), "{told}");
        }
    }
}

#[test]
fn a_token_that_lacks_a_scope_is_told_with_the_scope_and_what_is_refused_leaves_no_mark() {
    let answers = Arc::new(AtomicUsize::new(0));
    let of_front = Arc::clone(&answers);
    let Some((world, server)) = world(move |asked| {
        let is_record = asked.method == "POST" && asked.body.contains(r#""type":"A""#);
        match is_record.then(|| of_front.fetch_add(1, Ordering::SeqCst))? {
            // Put off, and asked again in the same run.
            1 => Some(Reply::Answer(429, "retry-after: 0\r\n", r#"{"id":"too_many_requests"}"#.to_owned())),
            2 => Some(refused(422, "unprocessable_entity", "CNAME \u{1b}[1mrecords cannot share a name")),
            _ => None,
        }
    }) else {
        return;
    };
    let key = world.bench.path("key");
    std::fs::write(&key, READER).unwrap();
    let first = server.records().clone();
    let ran = world.apply(&[]).expect(1);
    let said = format!("{}{}", ran.out, ran.err);
    assert!(said.contains("it needs the scope `domain:create` for the zone example.com"), "{said}");
    assert_eq!(*server.records(), first);
    std::fs::write(&key, server.key()).unwrap();
    answers.store(1, Ordering::SeqCst);
    let ran = world.apply(&[]).expect(1);
    let said = format!("{}{}", ran.out, ran.err);
    assert!(said.contains("records cannot share a name") && !said.contains('\u{1b}'), "{said}");
    assert_eq!((answers.load(Ordering::SeqCst), &*server.records()), (3, &first));
    // Another zone than that of the account.
    let path = world.bench.path("roster.yaml");
    let roster = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, roster.replace(ZONE, "example.org")).unwrap();
    let told = why(&world.plan(&[]), "dns:Record/example.org/A:www.example.org");
    assert!(told.contains("the token shows no zone example.org: make it there first"), "{told}");
    // A resolver lends its token.
    let resolver = format!(
        "cluster: {{acme: {{email: ops@example.com}}}}\ndns:\n  resolvers: {{letsencrypt-digitalocean: {{provider: digitalocean, \
         credentials: {{DO_AUTH_TOKEN: {{file: {}}}}}}}}}\n",
        key.display()
    );
    let own = format!("key: {{file: {}}}", key.display());
    let lent = roster.replacen("dns:\n", &resolver, 1).replace(&own, "resolver: letsencrypt-digitalocean");
    std::fs::write(&path, lent).unwrap();
    assert_eq!(records(&world.plan(&[])["steps"]), [www()]);
}

#[test]
fn two_records_that_say_the_same_are_one_answer_and_end_together() {
    let Some((world, server)) = world(|_| None) else { return };
    world.roster("[www.example.com, old.example.com]", "");
    world.apply(&[]).expect(0);
    let twin = |server: &DigitalOcean| {
        let records = server.records();
        let old = records.iter().find(|record| record.name == "old").unwrap();
        Record { id: 99_999_999, ..old.clone() }
    };
    let twin = twin(&server);
    server.records().push(twin);
    assert_eq!(steps(&world.plan(&[])), Vec::<String>::new());
    world.roster("[www.example.com]", "");
    let plan = world.plan(&[]);
    let id = World::id("A", "old.example.com");
    let left = plan["leftovers"].as_array().unwrap().iter().find(|left| left["id"] == id).unwrap();
    let ran = crate::dns::records::bash(&world, left["command"].as_str().unwrap());
    assert!(ran.status.success(), "{ran:?}");
    assert!(!server.records().iter().any(|record| record.name.ends_with("old")));
    assert_eq!(records(&world.plan(&[])["leftovers"]), Vec::<String>::new());
}
