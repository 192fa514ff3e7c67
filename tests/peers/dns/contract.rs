//! What every system promises beside the cluster: one request for one look, nothing for who is not named, a saved plan for
//! one server only, and no secret anywhere.

use kwo_planner::saved::SavedPlan;
use serde_json::Value;
use testkit::peers::zones::{Ask, SECRET};

use crate::dns::world::{World, each, records};

#[test]
fn a_saved_plan_is_for_the_server_that_it_was_made_for() {
    each(|world| {
        let file = world.bench.path("plan.json");
        let out = format!("--out={}", file.display());
        world.kwo(&["plan", &out]).expect(0);
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(!text.contains(SECRET));
        let plan: Value = serde_json::from_str(&text).unwrap();
        let zone = &plan["provenance"]["systems"]["dns:example.com"];
        assert!(zone.as_str().unwrap().ends_with(&world.server.identity()), "{plan:#}");
        // The same plan, made for another server.
        let mut saved: SavedPlan = serde_json::from_str(&text).unwrap();
        saved.plan.provenance.systems.insert("dns:example.com".into(), "https://elsewhere".into());
        saved.plan = saved.plan.sealed();
        let other = world.bench.path("other.json");
        std::fs::write(&other, serde_json::to_string(&saved).unwrap()).unwrap();
        let apply = |roster: &[&str], file: &std::path::Path| {
            let file = format!("--plan={}", file.display());
            world.kwo(&[&["apply", "--yes", "--lock-timeout=2m", &file], roster].concat())
        };
        let stale = apply(&["roster.yaml"], &other).expect(3);
        let told = format!("{}{}", stale.out, stale.err);
        let here = zone.as_str().unwrap();
        assert!(told.contains(&format!("was planned for https://elsewhere, and this is {here}")), "{told}");
        assert!(world.set("A", "www.example.com").is_none());
        // Without the roster beside it, since what other tests leave behind counts there.
        apply(&[], &file).expect(0);
        assert_eq!(world.server.resolve("A", "www.example.com").records, ["192.0.2.10"]);
    });
}

#[test]
fn the_key_is_in_no_output() {
    each(|world| {
        for args in [
            &["plan", "-v"][..],
            &["plan", "-o", "json"],
            &["plan", "-o", "markdown"],
            &["apply", "--yes", "-v", "-v", "--lock-timeout=2m"],
            &["explain", "dns:Record/example.com/A:www.example.com"],
            &["render"],
            &["dns", "list"],
            &["status"],
        ] {
            // What it ends with is another test's; the key is searched for in all of it.
            world.kwo(args);
        }
        assert_eq!(records(&world.plan(&[])["steps"]), Vec::<String>::new());
    });
}

#[test]
fn who_may_not_look_at_the_uid_of_the_cluster_marks_nothing() {
    each(|world| {
        let folder = tempfile::tempdir().unwrap();
        let rules = "[{apiGroups: ['*'], resources: ['*'], resourceNames: [nothing], verbs: [get]}]";
        let kubeconfig = testkit::run::narrow("without-uid", rules, folder.path());
        let World { bench, server, .. } = world;
        let plan = {
            let mut plan = bench.command(&["plan", "-o", "json"]);
            let ran = plan.env("KWO_KUBECONFIG", &kubeconfig).output().unwrap();
            String::from_utf8_lossy(&ran.stdout).into_owned()
        };
        assert!(plan.contains("this account may not get the namespace kube-system"), "{plan}");
        assert!(server.set("A", "www.example.com").is_none());
        assert_eq!(world.asked_at_all(), Vec::<Ask>::new());
    });
}

#[test]
fn a_roster_without_zones_asks_no_server() {
    each(|world| {
        world.bench.write(&format!("tenants:\n  {}: {{domains: [www.example.com]}}\n", world.tenant));
        world.apply(&[]).expect(0);
        assert_eq!(world.asked_at_all(), Vec::<Ask>::new());
    });
}
