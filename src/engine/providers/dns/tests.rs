//! What a zone makes of a server that writes nothing, and of one whose zone is another one than it was planned for. What servers themselves do is tested at real ones, in `tests/peers/dns`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kwo_planner::change::{Change, Step};
use kwo_planner::origin::Origin;
use kwo_planner::tree::SmolStr;

use super::mark::Mark;
use super::records::{Comment, RecordSet, of_ttl};
use super::server::{Patch, Server, Wrote};
use super::zone::Zone;
use crate::providers::patience::{BUDGET, Patience};
use crate::providers::{Promise, Refusal};

/// A server that compares, and that says the same of every write.
struct Mute {
    sets: Vec<RecordSet>,
    says: fn() -> Wrote,
    writes: Arc<AtomicUsize>,
    patience: Patience,
}

impl Server for Mute {
    fn identity(&self) -> SmolStr {
        "mute".into()
    }

    fn read<'a>(&'a self, _: Option<&'a str>) -> Promise<'a, Result<Vec<RecordSet>, String>> {
        let silent = || Err(self.patience.give_up("silent".to_owned()));
        Box::pin(async move { if self.sets.is_empty() { silent() } else { Ok(self.sets.clone()) } })
    }

    fn recall(&self, _: &str, _: &str) -> Option<Vec<RecordSet>> {
        Some(self.sets.clone())
    }

    fn remembers(&self) -> bool {
        true
    }

    fn write<'a>(&'a self, _: &'a [Patch]) -> Promise<'a, Wrote> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        Box::pin(async { (self.says)() })
    }

    fn patience(&self) -> &Patience {
        &self.patience
    }

    fn place_of_mark(&self, _: &str, _: &str) -> String {
        "at the place".to_owned()
    }

    fn ending(&self, _: &RecordSet) -> Option<SmolStr> {
        None
    }
}

pub(super) fn step(name: &str) -> Step {
    Step {
        id: format!("dns:Record/example.com/A:{name}.example.com").parse().unwrap(),
        changes: vec![Change::Create].into(),
        seen: None,
        wanted: serde_json::from_str(r#"{"records":["192.0.2.1"],"ttl":60}"#).unwrap(),
        secrets: Vec::new(),
        needs: Arc::default(),
        follows: Arc::default(),
        disrupts: None,
        tightens: None,
        adopts: false,
        tenant: "alice".into(),
        because: Origin { place: "roster.yaml:1:1".into(), line: "".into() },
    }
}

#[tokio::test]
async fn a_server_that_goes_dark_after_the_look_keeps_one_step_waiting() {
    let not_sent: fn() -> Wrote = || Wrote::NotSent("it took no connection".to_owned());
    let busy: fn() -> Wrote = || Wrote::Busy("it is busy".to_owned(), Some(Duration::from_secs(1)));
    let unsure: fn() -> Wrote = || Wrote::Unsure("it did not answer".to_owned());
    for (says, tries, why) in [
        (not_sent, 2, "it took no connection (2 tries)"),
        (busy, 2, "it is busy (2 tries)"),
        (unsure, 1, "it did not answer"),
    ] {
        let writes = Arc::new(AtomicUsize::new(0));
        let patience = Patience::default();
        // What is left is enough for one pause.
        patience.spend(BUDGET.saturating_sub(Duration::from_millis(1500)));
        let server = Mute { sets: Vec::new(), says, writes: Arc::clone(&writes), patience };
        let zone = Zone::new("example.com".into(), Box::new(server), 10);
        for name in ["a", "b", "c"] {
            let Err(Refusal::Unreachable { why: told }) = zone.write(&step(name), "uid").await else {
                panic!("{name}: {why}")
            };
            assert!(name != "a" || told == why, "{told}");
        }
        assert_eq!(writes.load(Ordering::SeqCst), tries, "{why}");
    }
}

#[tokio::test]
async fn a_mark_of_others_that_came_after_the_plan_is_not_written_past() {
    let comment =
        |content: &str| Comment { account: "kwo".into(), content: content.into(), modified_at: None };
    for (mark, says) in [
        ("kwo1 cluster=other tenant=t sum=s", "a mark of the cluster other stands at the place"),
        ("kwo2", "a mark that this kwo cannot read stands at the place"),
        ("kwo1 cluster=uid tenant=t sum=s", ""),
    ] {
        let writes = Arc::new(AtomicUsize::new(0));
        let left = RecordSet {
            name: "a.example.com".into(),
            of: "A".into(),
            ttl: 0,
            records: Vec::new(),
            comments: vec![comment(mark)],
        };
        let (says_of_writes, patience): (fn() -> Wrote, _) = (|| Wrote::Done, Patience::default());
        let server = Mute { sets: vec![left], says: says_of_writes, writes: Arc::clone(&writes), patience };
        let zone = Zone::new("example.com".into(), Box::new(server), 10);
        match zone.write(&step("a"), "uid").await {
            Ok(()) => assert_eq!((says, writes.load(Ordering::SeqCst)), ("", 1)),
            Err(refusal) => {
                assert!(!says.is_empty() && refusal.to_string().contains(says), "{refusal}");
                assert_eq!(writes.load(Ordering::SeqCst), 0);
            }
        }
    }
}

fn set(of: &str, name: &str, records: &[&str]) -> RecordSet {
    let records = records.iter().map(|record| (*record).into()).collect();
    RecordSet { name: name.into(), of: of.into(), ttl: 60, records, comments: Vec::new() }
}

/// The same with the mark that kwo wrote on it.
fn marked(set: RecordSet) -> RecordSet {
    RecordSet { comments: vec![Mark::of("uid", "alice", &set).comment()], ..set }
}

fn zone(sets: Vec<RecordSet>) -> (Zone, Arc<AtomicUsize>) {
    let writes = Arc::new(AtomicUsize::new(0));
    let server =
        Mute { sets, says: || Wrote::Done, writes: Arc::clone(&writes), patience: Patience::default() };
    (Zone::new("example.com".into(), Box::new(server), 10), writes)
}

#[tokio::test]
async fn what_kwo_does_not_write_is_not_kwos_and_a_mark_alone_is_told() {
    let (zone, _) = zone(vec![
        marked(set("SOA", "example.com", &["ns. hostmaster. 1 2 3 4 5"])),
        marked(set("MX", "a.example.com", &["10 mx."])),
        marked(set("A", "a.example.com", &["192.0.2.1"])),
        marked(set("A", "gone.example.com", &[])),
        marked(set("TXT", "other.example.com", &[])),
    ]);
    let observed = zone.observe(&[], "uid").await.unwrap();
    let ids: Vec<String> = observed.iter().map(|(id, _)| id.to_string()).collect();
    assert_eq!(ids, ["dns:Record/example.com/A:a.example.com"]);
    let said = "kwo's mark at the place has no record; delete the mark, or kwo treats the next record there as its own";
    assert_eq!(observed.notes.iter().collect::<Vec<_>>(), [said]);
    // Of another cluster it is that one's to tell.
    assert!(zone.observe(&[], "other").await.unwrap().notes.is_empty());
}

#[tokio::test]
async fn only_what_comes_back_as_it_was_and_is_as_kwo_wrote_it_is_cut() {
    let two = of_ttl("192.0.2.2", 300);
    let changed = RecordSet {
        records: vec!["203.0.113.9".into()],
        ..marked(set("A", "theirs.example.com", &["192.0.2.1"]))
    };
    let (zone, _) = zone(vec![
        marked(set("A", "own.example.com", &["192.0.2.1"])),
        marked(set("A", "ttls.example.com", &["192.0.2.1", &two])),
        changed,
    ]);
    let doubt = async |name| zone.whole(("A", name), "uid").await.unwrap().unwrap().doubt;
    assert_eq!(doubt("own.example.com").await, None);
    assert!(doubt("theirs.example.com").await.unwrap().starts_with("somebody changed it after kwo wrote it"));
    let Err(Refusal::Refused { why }) = zone.whole(("A", "ttls.example.com"), "uid").await else {
        panic!("it is cut")
    };
    assert!(why.contains("its records have more than one TTL"), "{why}");
}

#[tokio::test]
async fn a_name_of_no_place_in_the_zone_is_not_written() {
    let (zone, writes) = zone(vec![set("SOA", "example.com", &["ns. hostmaster. 1 2 3 4 5"])]);
    for name in ["dns:Record/example.com/A:example.org", "dns:Record/example.com/A:badexample.com"] {
        let step = Step { id: name.parse().unwrap(), ..step("a") };
        let Err(Refusal::Refused { why }) = zone.write(&step, "uid").await else { panic!("{name}") };
        assert!(why.ends_with("is no name of the zone example.com"), "{why}");
    }
    assert_eq!(writes.load(Ordering::SeqCst), 0);
}
