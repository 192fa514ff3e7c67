//! What only Route 53 can answer: routing policies and aliases, protections, pages, keys that lack a right, zones of one name.
//! moto plays it, with checks of what AWS says of changes (`tests/peers/route53/serve.py`); kwo was never run against AWS.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use testkit::apiserver::unique;
use testkit::loopback::{Asked, Reply};
use testkit::peers::zones::route53::{ENDS, MAY_ALL, MAY_LOOK, MAY_NOTHING, refused};
use testkit::peers::zones::{Route53, ZoneServer as _};
use testkit::run::steps;

use crate::dns::world::{World, ZONE, records, why};

fn world(answer: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static) -> Option<(World, Arc<Route53>)> {
    let server = Arc::new(Route53::start(ZONE)?);
    let front = server.fronted(answer);
    Some((World::new(Arc::clone(&server) as _, front, Arc::default())?, server))
}

#[test]
fn policies_aliases_and_protections_are_told_and_all_else_is_written() {
    let Some((world, server)) = world(|_| None) else { return };
    let weighted = |identifier: &str, value: &str| json!({"SetIdentifier": identifier, "Weight": 1, "TTL": 60, "ResourceRecords": [value]});
    server.put_special(
        ("A", "blue.example.com"),
        &json!([weighted("blue", "192.0.2.10"), weighted("green", "203.0.113.9")]),
    );
    let target =
        json!({"HostedZoneId": "Z2", "DNSName": "d1.cloudfront.net.", "EvaluateTargetHealth": false});
    server.put_special(("A", "cdn.example.com"), &json!([{"AliasTarget": target}]));
    server.protect(("A", "kept.example.com"), "ask ops");
    let before = server.sets();
    world.roster(
        "[blue.example.com, cdn.example.com, kept.example.com, '*.w.example.com', www.example.com]",
        "",
    );
    let plan = world.plan(&["--adopt=*"]);
    for (name, says) in [
        ("blue.example.com", "192.0.2.10 (SetIdentifier blue, Weight 1), 203.0.113.9 (SetIdentifier green"),
        ("cdn.example.com", "alias of d1.cloudfront.net."),
    ] {
        let told = why(&plan, &World::id("A", name));
        assert!(
            told.contains(says) && told.contains("kwo changes no record set with a routing policy"),
            "{told}"
        );
    }
    let ran = world.apply(&["--adopt=*"]).expect(1);
    let said = format!("{}{}", ran.out, ran.err);
    assert!(
        said.contains("has a protection: ask ops") && said.contains("a protection keeps the record set"),
        "{said}"
    );
    for name in ["x.w.example.com", "www.example.com"] {
        assert_eq!(server.resolve("A", name).records, ["192.0.2.10"], "{said}");
    }
    let after = server.sets();
    assert!(before.iter().all(|set| after.contains(set)), "{after:?}");
    assert!(world.set("A", "kept.example.com").is_none());
    // Of another type there is room beside an alias.
    world.roster_to("{addresses: ['2001:db8::10']}", "[cdn.example.com, www.example.com]", "");
    let plan = world.plan(&[]);
    assert_eq!(
        records(&plan["steps"]),
        ["cdn", "www"].map(|name| World::id("AAAA", &format!("{name}.example.com")))
    );
    // What became an alias meanwhile is kwo's by its mark alone: no command ends it, and nobody writes over it.
    server.put_special(("A", "www.example.com"), &json!([{"AliasTarget": target}]));
    let plan = world.plan(&[]);
    let left = plan["leftovers"]
        .as_array()
        .unwrap()
        .iter()
        .find(|left| left["id"] == World::id("A", "www.example.com"));
    let command = left.unwrap()["command"].as_str().unwrap().to_owned();
    assert!(command.starts_with("dig "), "{command}");
}

#[test]
fn what_route53_puts_off_is_asked_again_and_pages_are_followed() {
    // Answered in this order to the first requests of a kind; the rest is passed on.
    let (reads, writes, short) = (AtomicUsize::new(0), AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let of_front = Arc::clone(&short);
    let Some((world, server)) = world(move |asked| {
        let (is_write, is_list) = (asked.method == "POST", asked.path.contains("/rrset?"));
        if is_write && writes.fetch_add(1, Ordering::SeqCst) == 0 {
            return Some(refused(400, "PriorRequestNotComplete", "The request was rejected"));
        }
        if is_list && reads.fetch_add(1, Ordering::SeqCst) == 0 {
            return Some(refused(400, "Throttling", "Rate exceeded"));
        }
        // From some page on there is nothing, and the list says that it ends.
        let is_short = is_list && asked.path.contains("&name=") && of_front.load(Ordering::SeqCst) == 1;
        let list = "<?xml version=\"1.0\"?><ListResourceRecordSetsResponse><ResourceRecordSets></ResourceRecordSets>\
                    <IsTruncated>true</IsTruncated></ListResourceRecordSetsResponse>";
        is_short.then(|| Reply::Answer(200, "", list.to_owned()))
    }) else {
        return;
    };
    server.page(2);
    world.roster("[a.example.com, b.example.com, c.example.com, d.example.com, '*.e.example.com']", "");
    world.apply(&[]).expect(0);
    assert_eq!(server.sets().iter().filter(|set| set.of == "A").count(), 5);
    assert_eq!(steps(&world.plan(&[])), Vec::<String>::new());
    short.store(1, Ordering::SeqCst);
    let plan = world.plan(&[]);
    assert_eq!(records(&plan["steps"]), Vec::<String>::new());
    for name in ["a", "d"] {
        let told = why(&plan, &World::id("A", &format!("{name}.example.com")));
        assert!(told.contains("its list ends early, and does not say where it goes on"), "{told}");
    }
}

#[test]
fn a_key_that_lacks_a_right_is_told_with_the_action() {
    let Some((world, server)) = world(|_| None) else { return };
    let (id, arn) =
        (World::id("A", "www.example.com"), format!("arn:aws:route53:::hostedzone/{}", server.id));
    let is = |key: &str| std::fs::write(world.bench.path("key.id"), key).unwrap();
    is(MAY_NOTHING);
    let told = why(&world.plan(&[]), &id);
    assert!(told.contains(&format!("has to be allowed `route53:GetHostedZone` on `{arn}`")), "{told}");
    is("AKIDUNKNOWN");
    let told = why(&world.plan(&[]), &id);
    assert!(told.contains("there is no such access key"), "{told}");
    is(MAY_LOOK);
    let ran = world.apply(&[]).expect(1);
    let said = format!("{}{}", ran.out, ran.err);
    let may_not = format!("has to be allowed `route53:ChangeResourceRecordSets` on `{arn}`");
    assert!(said.contains(&may_not) && world.set("A", "www.example.com").is_none(), "{said}");
    // A key that ends by itself has a token beside it.
    is(ENDS.0);
    let token = world.bench.path("token");
    std::fs::write(&token, ENDS.1).unwrap();
    let path = world.bench.path("roster.yaml");
    let roster = std::fs::read_to_string(&path).unwrap();
    let with = format!("credentials: {{AWS_SESSION_TOKEN: {{file: {}}}, ", token.display());
    std::fs::write(&path, roster.replace("credentials: {", &with)).unwrap();
    world.apply(&[]).expect(0);
    assert_eq!(server.resolve("A", "www.example.com").records, ["192.0.2.10"]);
    // Another zone by its id.
    let Some(other) = Route53::start("example.org") else { return };
    std::fs::write(&path, roster.replace(&server.id, &other.id)).unwrap();
    is(MAY_ALL);
    let told = why(&world.plan(&[]), &id);
    assert!(
        told.contains(&format!("the hosted zone {} at ", other.id))
            && told.contains("is example.org, and not"),
        "{told}"
    );
    std::fs::write(&path, roster.replace(&server.id, "Z0NONE")).unwrap();
    let told = why(&world.plan(&[]), &id);
    assert!(
        told.contains("answers NoSuchHostedZone") && told.contains("let `zone` under `dns.zones` be"),
        "{told}"
    );
}

#[test]
fn a_zone_is_found_by_its_name_only_where_no_other_one_has_it() {
    let Some((world, server)) = world(|_| None) else { return };
    let zone = format!("{}.example", unique("r53"));
    let path = world.bench.path("roster.yaml");
    let roster = std::fs::read_to_string(&path).unwrap();
    // A resolver lends its key.
    let resolver = format!(
        "cluster: {{acme: {{email: ops@example.com}}}}\ndns:\n  resolvers: {{letsencrypt-route53: {{provider: route53, region: \
         eu-central-1, credentials: {{AWS_ACCESS_KEY_ID: {{file: {0}.id}}, AWS_SECRET_ACCESS_KEY: {{file: {0}}}}}}}}}\n",
        world.bench.path("key").display()
    );
    let (own, lent) = (format!("zone: {}, credentials: ", server.id), "resolver: letsencrypt-route53");
    let before = roster.find(&own).unwrap();
    let end = before + roster[before..].find("}}, target").unwrap() + 2;
    let by_name = format!("{}{lent}{}", &roster[..before], &roster[end..]);
    let by_name = by_name.replacen("dns:\n", &resolver, 1).replace(ZONE, &zone);
    std::fs::write(&path, &by_name).unwrap();
    let id = format!("dns:Record/{zone}/A:www.{zone}");
    let told = || why(&world.plan(&[]), &id);
    assert!(told().contains(&format!("shows no hosted zone {zone} to the access key")), "{}", told());
    let Some(private) = Route53::hosted(&zone, true) else { return };
    let says = format!("has no public zone {zone}, and these private ones: {}; write `zone: ID`", private.id);
    assert!(told().contains(&says), "{}", told());
    let Some(public) = Route53::start(&zone) else { return };
    assert_eq!(records(&world.plan(&[])["steps"]), [id.as_str()]);
    let Some(second) = Route53::start(&zone) else { return };
    let said = told();
    let says = format!("has several public zones {zone}: ");
    let all = [&public.id, &second.id, &private.id];
    assert!(said.contains(&says) && all.iter().all(|id| said.contains(id.as_str())), "{said}");
    let named = by_name.replace(lent, &format!("{lent}, zone: {}", second.id));
    std::fs::write(&path, named).unwrap();
    assert_eq!(records(&world.plan(&[])["steps"]), [id.as_str()]);
    // What a resolver makes in the cluster is not for this test.
    std::fs::write(&path, roster.replace(&server.id, &second.id).replace(ZONE, &zone)).unwrap();
    world.apply(&[]).expect(0);
    let there = |server: &Route53| server.sets().iter().filter(|set| set.of == "A").count();
    assert_eq!([&public, &second, &private].map(there), [0, 1, 0]);
}
