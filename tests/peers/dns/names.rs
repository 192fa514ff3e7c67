//! `kwo dns check` in an internet of its own: what the servers of zones answer, and what a resolver that checks DNSSEC makes of
//! it. The servers listen at port 53, where the world asks, so this takes the right to do so.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use testkit::peers::internet::{Internet, Signed, Zone};
use testkit::places;
use testkit::run::Ran;

/// Longer than what goes by UDP.
const LONG: &str =
    "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789";

const GOOD: &str = "\
@ CAA 0 issue \"letsencrypt.org\"
www A 192.0.2.10
*.apps A 192.0.2.10
apps CAA 0 issuewild \"ca.example.net\"
old A 203.0.113.9
six A 192.0.2.10
six AAAA 2001:db8::9
way A 192.0.2.10
way CAA 0 issue \"letsencrypt.org; validationmethods=dns-01\"
nobody A 192.0.2.10
nobody CAA 0 issue \";\"
lb A 192.0.2.10
elsewhere A 192.0.2.10
";

/// What the roster says of each zone, and the hosts in it.
const ROSTER: &[(&str, &str, &str)] = &[
    ("good.test", "addresses: [192.0.2.10]", "www, '*.apps', old, six, way, nobody, absent"),
    ("long.test", "addresses: [192.0.2.10]", "www"),
    ("alias.test", "cname: lb.good.test", "right, wrong"),
    ("dangling.test", "cname: absent.good.test", "www"),
    ("lag.test", "addresses: [192.0.2.10]", "www, same"),
    ("lame.test", "addresses: [192.0.2.10]", "www"),
    ("dead.test", "addresses: [192.0.2.10]", "www"),
    ("broken.test", "addresses: [192.0.2.10]", "www"),
    ("nowhere.test", "addresses: [192.0.2.10]", "www"),
];

fn internet() -> Option<Internet> {
    let zone = |name, first, second, delegated, signed| Zone { name, first, second, delegated, signed };
    let long = (0..20).fold(
        "www A 192.0.2.10\n@ CAA 0 issue \"letsencrypt.org\"\n".to_owned(),
        |mut text, number| {
            writeln!(text, "@ CAA 0 iodef \"https://example.net/{number}/{LONG}\"").unwrap();
            text
        },
    );
    let www = Some("www A 192.0.2.10\n");
    Internet::start(&[
        zone("good.test", Some(GOOD), None, &[1], Signed::Yes),
        zone("long.test", Some(long.leak()), None, &[1], Signed::No),
        zone(
            "alias.test",
            Some("right CNAME LB.good.test.\nwrong CNAME elsewhere.good.test.\n"),
            None,
            &[1],
            Signed::No,
        ),
        zone("dangling.test", Some("www CNAME absent.good.test.\n"), None, &[1], Signed::No),
        zone(
            "lag.test",
            Some("www A 192.0.2.10\nsame A 192.0.2.10\n"),
            Some("same A 192.0.2.10\n"),
            &[1, 2],
            Signed::No,
        ),
        zone("lame.test", www, None, &[1, 2], Signed::No),
        zone("dead.test", None, None, &[2], Signed::No),
        zone("broken.test", www, None, &[1], Signed::Broken),
    ])
}

/// A roster of all zones; the one that lags is written to at its primary.
fn roster(internet: &Internet) -> String {
    let (mut zones, mut domains) = (String::new(), Vec::new());
    for (zone, target, hosts) in ROSTER {
        let way = if *zone == "lag.test" {
            format!("provider: rfc2136, nameserver: '{}', tsig: {{name: kwo}}", internet.primary)
        } else {
            "provider: powerdns, url: 'http://127.0.0.1:9'".to_owned()
        };
        writeln!(zones, "    {zone}: {{{way}, key: {{env: NOBODY_HAS_IT}}, target: {{{target}}}}}").unwrap();
        domains.extend(hosts.split(", ").map(|host| match host.strip_prefix('\'') {
            Some(rest) => format!("'{}.{zone}'", rest.trim_end_matches('\'')),
            None => format!("{host}.{zone}"),
        }));
    }
    format!(
        "apiVersion: kwo/v1\nkind: Roster\ncluster: {{acme: {{email: ops@example.com}}}}\ndns:\n  resolvers:\n    \
         letsencrypt-desec: {{provider: desec, credentials: {{DESEC_TOKEN: {{env: NOBODY_HAS_IT}}}}}}\n  zones:\n{zones}\
         tenants:\n  alice: {{resolver: letsencrypt, domains: [{}]}}\n",
        domains.iter().filter(|domain| !domain.contains('*')).cloned().collect::<Vec<_>>().join(", ")
    ) + &format!(
        "  bob: {{domains: [{}]}}\n",
        domains.iter().filter(|domain| domain.contains('*')).cloned().collect::<Vec<_>>().join(", ")
    )
}

/// Runs the program.
fn kwo(folder: &Path, args: &[&str]) -> Ran {
    Ran::of(&Command::new(places::kwo()).args(args).current_dir(folder).env_clear().output().unwrap())
}

/// What is said of a host or a zone: its state, and the sentences.
fn said<'f>(found: &'f [Value], key: &str, name: &str) -> (&'f str, String) {
    let one = found.iter().find(|one| one[key] == name).unwrap_or_else(|| panic!("{name}: {found:#?}"));
    let says = one["says"].as_array().unwrap().iter();
    let says: Vec<String> = says
        .map(|says| format!("{}: {}", says["weight"].as_str().unwrap(), says["text"].as_str().unwrap()))
        .collect();
    (one["state"].as_str().unwrap(), says.join("\n"))
}

#[test]
fn hosts_are_held_against_what_their_servers_answer_and_the_world_sees() {
    let Some(internet) = internet() else { return };
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("roster.yaml"), roster(&internet)).unwrap();
    let resolver = internet.resolver.to_string();
    let ran = kwo(folder.path(), &["dns", "check", "--dns-server", &resolver, "-o", "json"]).expect(1);
    let found: Value = serde_json::from_str(&ran.out).unwrap();
    testkit::schemas::fits("dns-check", &found);
    assert_eq!((&found["well"], &found["names"]["resolver"]), (&json!(false), &json!(resolver)));
    assert_eq!(found["resolvers"][0]["state"], "failed");
    let hosts = found["names"]["hosts"].as_array().unwrap();
    let zones = found["names"]["zones"].as_array().unwrap();
    let host = |name: &str| said(hosts, "host", name);
    let zone = |name: &str| said(zones, "zone", name);

    // What is right is called right, with what is known of it.
    assert_eq!(host("www.good.test"), ("works", String::new()));
    let www = hosts.iter().find(|host| host["host"] == "www.good.test").unwrap();
    assert_eq!(
        (&www["leads"], &www["ttl"], &www["certificate"], &www["tenant"]),
        (&json!(["192.0.2.10"]), &json!(300), &json!(true), &json!("alice"))
    );
    assert_eq!(zone("good.test"), ("works", String::new()));
    let good = zones.iter().find(|zone| zone["zone"] == "good.test").unwrap();
    assert_eq!(good["signed"], true);
    assert_eq!(good["servers"][0]["name"], "ns1.test");
    // An answer that is too long for UDP comes by TCP.
    assert_eq!(host("www.long.test"), ("works", String::new()));
    assert_eq!(host("right.alias.test"), ("works", String::new()));

    for (name, expected) in [
        ("old.good.test", "problem: it leads to 203.0.113.9, and the roster wants 192.0.2.10"),
        ("six.good.test", "problem: it leads to 192.0.2.10, 2001:db8::9, and the roster wants 192.0.2.10"),
        (
            "absent.good.test",
            "problem: it is not there, and the roster wants 192.0.2.10; resolvers may remember for up to 60 seconds that it is \
             not there",
        ),
        (
            "*.apps.good.test",
            "problem: only ca.example.net may issue its certificate (CAA of apps.good.test), and not letsencrypt.org",
        ),
        (
            "way.good.test",
            "problem: letsencrypt.org may not prove it by http-01, only by dns-01 (validationmethods in the CAA of way.good.test)",
        ),
        (
            "nobody.good.test",
            "problem: nobody may issue its certificate (CAA of nobody.good.test); the roster wants one of letsencrypt.org",
        ),
        (
            "wrong.alias.test",
            "problem: it is an alias of elsewhere.good.test, and the roster wants an alias of lb.good.test",
        ),
        (
            "www.dangling.test",
            &format!("problem: absent.good.test has no address, says the resolver {resolver}"),
        ),
    ] {
        assert_eq!(host(name), ("failed", expected.to_owned()), "{name}");
    }

    // A server that is behind is told by its name, and only where its answer is another one.
    let (state, says) = host("www.lag.test");
    assert_eq!(state, "failed");
    assert!(
        says.starts_with(
            "problem: ns2.test says: it is not there, and the roster wants 192.0.2.10; its serial is 1, and "
        ),
        "{says}"
    );
    assert_eq!(host("same.lag.test"), ("works", String::new()));
    let (state, says) = zone("lag.test");
    assert_eq!(state, "works");
    assert!(
        says.starts_with("note: ns2.test has the serial 1, and ") && says.ends_with(" has 2: it lags behind"),
        "{says}"
    );
    let lag = zones.iter().find(|zone| zone["zone"] == "lag.test").unwrap();
    let listed: Vec<_> = lag["servers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|server| (&server["listed"], &server["serial"]))
        .collect();
    assert_eq!(listed, [(&json!(true), &json!(2)), (&json!(true), &json!(1)), (&json!(false), &json!(2))]);

    let second = internet.servers[1];
    let (state, says) = zone("lame.test");
    assert_eq!(state, "failed");
    assert!(
        says.contains(&format!("problem: its name server ns2.test ({second}:53) answers REFUSED")),
        "{says}"
    );
    let (state, says) = zone("dead.test");
    assert_eq!(state, "failed");
    assert!(
        says.contains("ns2.test")
            && says.contains("problem: none of the name servers of dead.test answers for it"),
        "{says}"
    );
    assert_eq!(host("www.dead.test").0, "failed");
    let (state, says) = zone("nowhere.test");
    assert_eq!(state, "failed");
    assert!(
        says.contains(&format!("problem: there is no zone nowhere.test, says the resolver {resolver}")),
        "{says}"
    );
    assert_eq!(host("www.nowhere.test").0, "failed");

    // The servers answer well, and nobody who checks believes them.
    let (state, says) = zone("broken.test");
    assert_eq!(state, "failed");
    assert!(says.contains("problem: DNSSEC is broken: "), "{says}");
    let (state, says) = host("www.broken.test");
    assert_eq!(state, "failed");
    assert!(says.contains("problem: resolvers that check DNSSEC do not find it"), "{says}");
    let broken = hosts.iter().find(|host| host["host"] == "www.broken.test").unwrap();
    assert_eq!((&broken["leads"], &broken["certificate"]), (&json!(["192.0.2.10"]), &Value::Null));

    // One host alone, without any credential.
    let ran =
        kwo(folder.path(), &["dns", "check", "--dns-server", &resolver, "--host", "www.good.test"]).expect(0);
    let [first, _] = internet.servers;
    assert_eq!(
        ran.out,
        format!(
            "zone good.test: works: ns1.test ({first}:53) answers for it\n\
             www.good.test: works: 192.0.2.10, which resolvers may remember for 300 seconds\n"
        )
    );
}
