//! Records from the roster to the answers of DNS: made, put right, left over, ended, and never more than the ceiling.

use std::process::{Command, Output};

use serde_json::json;
use testkit::peers::zones::{Ask, Resolved, SECRET};
use testkit::run::steps;

use crate::dns::world::{World, each, records, why};

fn resolved(records: &[&str]) -> Resolved {
    Resolved { code: 0, records: records.iter().map(|record| (*record).to_owned()).collect() }
}

#[test]
fn hosts_resolve_to_the_target_and_all_else_stays() {
    each(|world| {
        world.server.put(("A", "shop.example.com"), &["203.0.113.7"], Some("the shop"));
        world.server.put(("MX", "example.com"), &["10 mail.example.net."], None);
        world.server.put(("TXT", "www.example.com"), &["\"note of others\""], Some("keep"));
        let before = world.server.sets();
        let hosts =
            "[www.example.com, example.com, '*.w.example.com', '**.deep.example.com', other.example.org]";
        world.roster_to("{addresses: [192.0.2.10, '2001:DB8::10']}", hosts, ", ttl: 120");
        let plan = world.plan(&[]);
        // One of the hosts is the zone itself.
        let names = ["*.deep.example.com", "*.w.example.com", "example.com", "www.example.com"];
        let wanted: Vec<String> =
            ["A", "AAAA"].iter().flat_map(|of| names.iter().map(|name| World::id(of, name))).collect();
        assert_eq!(records(&plan["steps"]), wanted);
        // One look at the zone, and nothing else.
        assert_eq!(world.asked(), [Ask::Look]);
        world.apply(&[]).expect(0);
        // All of it at the beginning and at the end; between them one write for each set, or for one set of each name where the
        // server takes many. Where it compares nothing, there is a look at each name before and after a write.
        let asked = world.asked();
        let writes = if world.server.writes_together() { wanted.len() / names.len() } else { wanted.len() };
        let looks = if world.server.compares() { 0 } else { 2 * wanted.len() };
        // What cannot be asked for by its name is looked for in all of the zone, also once between the record and its mark.
        let listed = names.iter().filter(|name| !world.server.finds(name)).count() * 2;
        assert_eq!(asked.iter().filter(|ask| **ask == Ask::Look).count(), 2 + 3 * listed, "{asked:?}");
        assert_eq!(asked.len(), 2 + writes + looks + listed, "{asked:?}");
        let resolve = |of: &str, name: &str| world.server.resolve(of, name);
        assert_eq!(resolve("A", "www.example.com"), resolved(&["192.0.2.10"]));
        assert_eq!(resolve("A", "example.com"), resolved(&["192.0.2.10"]));
        assert_eq!(resolve("AAAA", "x.w.example.com"), resolved(&["2001:db8::10"]));
        assert_eq!(resolve("A", "a.b.deep.example.com"), resolved(&["192.0.2.10"]));
        assert_eq!(resolve("A", "nobody.example.com").code, 3);
        // What was there is there, leaf by leaf.
        let after = world.server.sets();
        for set in &before {
            assert!(after.contains(set), "{set:?}");
        }
        let set = world.set("A", "www.example.com").unwrap();
        assert_eq!((set.ttl, set.records), (120, vec!["192.0.2.10".to_owned()]));
        assert!(set.notes[0].contains(&format!("tenant={}", world.tenant)), "{:?}", set.notes);
        // A second plan is empty, for one request.
        let plan = world.plan(&[]);
        assert_eq!((steps(&plan), records(&plan["leftovers"])), (vec![], vec![]));
        assert_eq!(world.asked(), [Ask::Look]);
        let told = world.kwo(&["explain", &World::id("A", "www.example.com")]).expect(0);
        assert!(told.out.contains("roster.yaml"), "{}", told.out);
    });
}

#[test]
fn a_target_may_be_a_name_and_a_change_of_it_is_shown() {
    each(|world| {
        world.roster_to("{cname: LB.example.net}".to_lowercase().as_str(), "[www.example.com]", "");
        world.apply(&[]).expect(0);
        let cname = || world.server.resolve("CNAME", "www.example.com");
        assert_eq!(cname(), resolved(&["lb.example.net"]));
        // The roster says another one.
        world.roster_to("{cname: lb2.example.net}", "[www.example.com]", "");
        let plan = world.plan(&[]);
        let change = &plan["steps"][0]["changes"][0];
        assert_eq!(
            (&change["pointer"], &change["cause"]["cause"]),
            (&json!("/records/0"), &json!("rosterChanged"))
        );
        world.apply(&[]).expect(0);
        assert_eq!(cname(), resolved(&["lb2.example.net"]));
        // Somebody else does.
        world.server.put(("CNAME", "www.example.com"), &["elsewhere.example.org."], None);
        let shown = world.kwo(&["plan", "--full"]).expect(0);
        assert!(shown.out.contains("elsewhere.example.org."), "{}", shown.out);
        assert!(shown.out.contains("drift: written by `somebody else`"), "{}", shown.out);
        world.apply(&[]).expect(0);
        assert_eq!(cname(), resolved(&["lb2.example.net"]));
        // A name and an address do not stand beside each other: the old one is ended by hand first.
        world.roster("[www.example.com]", "");
        let plan = world.plan(&[]);
        let told = why(&plan, &World::id("A", "www.example.com"));
        assert!(told.contains("kwo's own record CNAME www.example.com lb2.example.net."), "{told}");
        assert_eq!(records(&plan["leftovers"]), [World::id("CNAME", "www.example.com")]);
    });
}

#[test]
fn what_nobody_wants_any_more_is_ended_by_its_command() {
    each(|world| {
        world.roster("[www.example.com, '*.old.example.com']", "");
        world.apply(&[]).expect(0);
        world.roster("[www.example.com]", "");
        let plan = world.plan(&[]);
        let id = World::id("A", "*.old.example.com");
        assert_eq!(records(&plan["leftovers"]), std::slice::from_ref(&id));
        let left = plan["leftovers"].as_array().unwrap().iter().find(|left| left["id"] == id).unwrap();
        assert_eq!(left["in_force"], "*.old.example.com still leads to 192.0.2.10");
        assert_eq!(left["tenant"], world.tenant.as_str());
        let command = left["command"].as_str().unwrap();
        assert!(!command.contains(SECRET), "{command}");
        // kwo itself ends nothing.
        world.apply(&[]).expect(0);
        assert_eq!(world.server.resolve("A", "a.old.example.com"), resolved(&["192.0.2.10"]));
        for _ in 0..2 {
            let ran = bash(world, command);
            assert!(ran.status.success(), "{command}: {ran:?}");
        }
        assert_eq!(world.server.resolve("A", "a.old.example.com").code, 3);
        assert_eq!(world.server.resolve("A", "www.example.com"), resolved(&["192.0.2.10"]));
        assert_eq!(records(&world.plan(&[])["leftovers"]), Vec::<String>::new());
        // Of the two sets of a name one is ended, with its mark, and the other one is still kwo's.
        world.roster_to("{addresses: [192.0.2.10, '2001:db8::10']}", "[www.example.com]", "");
        world.apply(&[]).expect(0);
        world.roster("[www.example.com]", "");
        let plan = world.plan(&[]);
        let left = plan["leftovers"].as_array().unwrap();
        let left = left.iter().find(|left| left["id"] == World::id("AAAA", "www.example.com")).unwrap();
        bash(world, left["command"].as_str().unwrap());
        assert_eq!(world.server.resolve("AAAA", "www.example.com"), resolved(&[]));
        let plan = world.plan(&[]);
        assert_eq!((steps(&plan), records(&plan["leftovers"])), (vec![], vec![]));
        assert_eq!(world.set("A", "www.example.com").unwrap().notes.len(), 1);
        // Of two that nobody wants neither command leaves kwo's mark: what somebody makes there later is not kwo's.
        world.roster_to(
            "{addresses: [192.0.2.10, '2001:db8::10']}",
            "[www.example.com, two.example.com]",
            "",
        );
        world.apply(&[]).expect(0);
        world.roster("[www.example.com]", "");
        let plan = world.plan(&[]);
        let ids = ["A", "AAAA"].map(|of| World::id(of, "two.example.com"));
        let left = plan["leftovers"].as_array().unwrap().iter();
        let left: Vec<_> = left.filter(|left| ids.iter().any(|id| left["id"] == **id)).collect();
        assert_eq!(left.len(), 2);
        for left in left {
            let command = left["command"].as_str().unwrap();
            let ran = bash(world, command);
            // A server that compares refuses what was decided by the earlier marks.
            assert!(ran.status.success() || world.server.compares(), "{command}: {ran:?}");
        }
        if world.set("A", "two.example.com").is_none() && world.set("AAAA", "two.example.com").is_none() {
            world.server.put(("A", "two.example.com"), &["203.0.113.9"], None);
            let later = world.plan(&[]);
            assert!(!later["leftovers"].to_string().contains("two.example.com"), "{later:#}");
        }
    });
}

/// Runs a command as somebody would who pastes it.
pub(crate) fn bash(world: &World, command: &str) -> Output {
    let mut bash = Command::new("bash");
    if let Some(programs) = world.server.programs() {
        let path = std::env::var("PATH").unwrap();
        bash.env("PATH", format!("{}:{path}", programs.display())).env("LD_LIBRARY_PATH", programs);
    }
    bash.args(["-c", command]).output().unwrap()
}

#[test]
fn a_zone_gets_no_more_than_its_ceiling() {
    each(|world| {
        let hosts = |count: usize| {
            let names: Vec<String> = (1..=count).map(|at| format!("h{at}.a.example.com")).collect();
            format!("[{}]", names.join(", "))
        };
        world.roster(&hosts(4), ", ceiling: 5");
        let four = world.kwo(&["plan"]).expect(0);
        assert!(!four.out.contains("ceiling"), "{}", four.out);
        world.roster(&hosts(5), ", ceiling: 5");
        let five = world.kwo(&["plan"]).expect(0);
        let note = format!(
            "example.com has 5 of the 5 record sets of its `ceiling`: `*.a.example.com` in place of 5 names of tenant `{}`",
            world.tenant
        );
        assert!(five.out.contains(&note), "{}", five.out);
        world.roster(&hosts(6), ", ceiling: 5");
        world.apply(&[]).expect(5);
        let plan = world.plan(&[]);
        let beyond = records(&plan["held"]);
        assert_eq!((records(&plan["steps"]), &beyond), (vec![], &vec![World::id("A", "h6.a.example.com")]));
        assert!(why(&plan, &beyond[0]).contains("kwo keeps at most 5 record sets in example.com"));
        world.roster(&hosts(6), ", ceiling: 6");
        world.apply(&[]).expect(0);
    });
}

#[test]
fn a_directory_has_no_mark_for_records_and_asks_nobody() {
    each(|world| {
        let target = format!("--target=dir:{}", world.bench.path("out").display());
        let ran = world.kwo(&["apply", "--yes", &target]).expect(0);
        assert!(
            ran.out.contains("the mark on what kwo makes there names the cluster"),
            "{}{}",
            ran.out,
            ran.err
        );
        assert_eq!(world.asked_at_all(), Vec::<Ask>::new());
    });
}
