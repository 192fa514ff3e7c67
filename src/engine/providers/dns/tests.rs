//! What a zone makes of a server that writes nothing, and of one whose zone is another one than it was planned for. What servers themselves do is tested at real ones, in `tests/peers/dns`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kwo_planner::change::{Change, Step};
use kwo_planner::origin::Origin;
use kwo_planner::tree::SmolStr;

use super::records::{Comment, RecordSet};
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
        Box::pin(async { Err(self.patience.give_up("silent".to_owned())) })
    }

    fn recall(&self, _: &str, _: &str) -> Option<Vec<RecordSet>> {
        Some(self.sets.clone())
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

fn step(name: &str) -> Step {
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
