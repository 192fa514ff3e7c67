//! What becomes of steps that go together: how many transactions it takes, and that none holds another.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use kwo_planner::change::Step;
use kwo_planner::tree::SmolStr;

use super::records::{Comment, RecordSet};
use super::server::{Patch, Server, Wrote};
use super::tests::step;
use super::zone::Zone;
use crate::providers::patience::Patience;
use crate::providers::{Promise, Refusal, Together};

/// A server in memory that takes some sets in one transaction, and compares nothing.
#[derive(Default)]
struct Memory {
    at_once: usize,
    /// What it refuses.
    refused: BTreeSet<&'static str>,
    /// What the key may not write; all of it where there is an empty name.
    forbidden: BTreeSet<&'static str>,
    /// It takes no key at all.
    closed: bool,
    /// How many sets it has room for, where there is an end.
    room: Option<usize>,
    /// What it does not do although it was sent; then it does not answer either.
    lost: BTreeSet<&'static str>,
    /// What it knows nothing of before all of the zone is read; of all else it knows what is there, and compares that.
    stale: Option<BTreeSet<&'static str>>,
    state: Arc<Mutex<State>>,
    patience: Patience,
}

#[derive(Default)]
struct State {
    sets: Vec<RecordSet>,
    /// The names of each write.
    writes: Vec<Vec<SmolStr>>,
    /// What was asked for.
    reads: Vec<Option<SmolStr>>,
}

impl Server for Memory {
    fn identity(&self) -> SmolStr {
        "memory".into()
    }

    fn read<'a>(&'a self, at: Option<&'a str>) -> Promise<'a, Result<Vec<RecordSet>, String>> {
        let mut state = self.state.lock().unwrap();
        state.reads.push(at.map(SmolStr::from));
        let sets = state.sets.iter().filter(|set| at.is_none_or(|at| set.name == at)).cloned().collect();
        Box::pin(async move { Ok(sets) })
    }

    fn recall(&self, _: &str, at: &str) -> Option<Vec<RecordSet>> {
        let state = self.state.lock().unwrap();
        let stale = self.stale.as_ref()?;
        let is_fresh = state.reads.contains(&None) || !stale.contains(at);
        is_fresh.then(|| state.sets.iter().filter(|set| set.name == at).cloned().collect())
    }

    fn remembers(&self) -> bool {
        self.stale.is_some()
    }

    fn at_once(&self) -> usize {
        self.at_once
    }

    fn goes_apart(&self, patch: &Patch) -> bool {
        patch.before.is_none()
    }

    fn write<'a>(&'a self, patches: &'a [Patch]) -> Promise<'a, Wrote> {
        let mut state = self.state.lock().unwrap();
        let names: Vec<SmolStr> = patches.iter().map(|patch| patch.after.name.clone()).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "a name is in it twice");
        let has = |of: &BTreeSet<&str>| names.iter().any(|name| of.contains(name.as_str()));
        let (refuses, loses) = (has(&self.refused), has(&self.lost));
        let forbids = self.forbidden.contains("") || has(&self.forbidden);
        let new = patches.iter().filter(|patch| patch.before.is_none()).count();
        let full = self.room.is_some_and(|room| new > 0 && state.sets.len() + new > room);
        state.writes.push(names);
        if !refuses && !forbids && !full && !self.closed {
            for patch in patches.iter().filter(|patch| !self.lost.contains(patch.after.name.as_str())) {
                state.sets.retain(|set| (&set.name, &set.of) != (&patch.after.name, &patch.after.of));
                state.sets.push(patch.after.clone());
            }
        }
        Box::pin(async move {
            match (refuses, loses) {
                _ if self.closed => Wrote::Closed("it takes no such key".to_owned()),
                _ if full => Wrote::Full("it is full".to_owned()),
                _ if forbids => Wrote::Denied("the key may not".to_owned()),
                (true, _) => Wrote::Refused("it does not like one of them".to_owned()),
                (false, true) => Wrote::Unsure("it did not answer".to_owned()),
                (false, false) => Wrote::Done,
            }
        })
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

/// What became of steps for these names, and what the server saw of them.
async fn written(server: Memory, names: &[&str]) -> (Vec<Result<(), Refusal>>, Arc<Mutex<State>>) {
    let state = Arc::clone(&server.state);
    let zone = Zone::new("example.com".into(), Box::new(server), 1000);
    let steps: Vec<Arc<Step>> = names.iter().map(|name| Arc::new(step(name))).collect();
    let (mut left, mut parts): (Vec<usize>, Vec<Vec<usize>>) = ((0..steps.len()).collect(), Vec::new());
    let mut became = vec![None; steps.len()];
    let of = |ats: &[usize]| ats.iter().map(|at| Arc::clone(&steps[*at])).collect::<Vec<_>>();
    while !left.is_empty() || !parts.is_empty() {
        let part = parts.pop().unwrap_or_else(|| {
            let chosen = zone.transaction(&of(&left));
            let (part, rest) =
                left.iter().enumerate().partition::<Vec<_>, _>(|(place, _)| chosen.contains(place));
            let part = part.into_iter().map(|(_, at)| *at).collect();
            left = rest.into_iter().map(|(_, at)| *at).collect();
            part
        });
        if let [at] = part.as_slice() {
            became[*at] = Some(zone.write(&steps[*at], "uid").await);
            continue;
        }
        match zone.write_together(&of(&part), "uid").await {
            Together::Each(results) => {
                assert_eq!(results.len(), part.len());
                part.into_iter().zip(results).for_each(|(at, result)| became[at] = Some(result));
            }
            Together::Divided(sides) => {
                assert!(sides.len() == part.len() && sides.contains(&true) && sides.contains(&false));
                let (first, second): (Vec<_>, Vec<_>) =
                    part.into_iter().zip(sides).partition(|(_, side)| *side);
                let ats = |side: Vec<(usize, bool)>| side.into_iter().map(|(at, _)| at).collect();
                parts.extend([ats(second), ats(first)]);
            }
        }
    }
    (became.into_iter().map(Option::unwrap).collect(), state)
}

/// A record of others.
fn other(at: usize) -> RecordSet {
    RecordSet {
        name: format!("other-{at}.example.com").into(),
        of: "A".into(),
        ttl: 60,
        records: vec!["192.0.2.9".into()],
        comments: Vec::new(),
    }
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|at| format!("h{at:02}")).collect()
}

#[tokio::test]
async fn steps_that_go_together_are_one_transaction_and_two_looks() {
    let all = names(20);
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let (became, state) = written(Memory { at_once: 100, ..Memory::default() }, &all).await;
    assert!(became.iter().all(Result::is_ok), "{became:?}");
    let state = state.lock().unwrap();
    assert_eq!((state.writes.len(), state.sets.len()), (1, 20));
    // Many names are looked at as a whole.
    assert_eq!(state.reads, [None, None]);
}

#[tokio::test]
async fn a_transaction_has_no_more_than_the_server_takes_and_a_name_once() {
    // A record and its mark are two.
    let (became, state) =
        written(Memory { at_once: 6, ..Memory::default() }, &["a", "a", "b", "c", "d"]).await;
    let changed = |one: &&Result<(), Refusal>| matches!(one, Err(Refusal::Changed { .. }));
    assert_eq!((became.iter().filter(changed).count(), became.len()), (1, 5));
    let writes: Vec<usize> = state.lock().unwrap().writes.iter().map(Vec::len).collect();
    // The second one of a name was decided by what the first one made.
    assert_eq!(writes, [3, 1]);
    let (_, state) = written(Memory { at_once: 1, ..Memory::default() }, &["a", "b", "c"]).await;
    let state = state.lock().unwrap();
    assert_eq!(state.writes.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1, 1]);
    // Each is looked at by its name, before and after.
    assert_eq!(state.reads.iter().flatten().count(), 6);
}

#[tokio::test]
async fn one_that_the_server_refuses_holds_no_other() {
    let all = names(20);
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let refused = BTreeSet::from(["h07.example.com", "h13.example.com"]);
    let (became, state) = written(Memory { at_once: 100, refused, ..Memory::default() }, &all).await;
    for (name, became) in all.iter().zip(&became) {
        let is_refused =
            matches!(became, Err(Refusal::Refused { why }) if why == "it does not like one of them");
        assert_eq!(is_refused, ["h07", "h13"].contains(name), "{name} {became:?}");
        assert!(is_refused || became.is_ok(), "{name} {became:?}");
    }
    let state = state.lock().unwrap();
    assert_eq!(state.sets.len(), 18);
    assert!(state.writes.len() < 20, "{:?}", state.writes);
}

#[tokio::test]
async fn without_an_answer_each_set_is_looked_at_and_none_is_sent_again() {
    let lost = BTreeSet::from(["b.example.com"]);
    let (became, state) = written(Memory { at_once: 100, lost, ..Memory::default() }, &["a", "b", "c"]).await;
    assert!(became[0].is_ok() && became[2].is_ok(), "{became:?}");
    assert!(matches!(&became[1], Err(Refusal::Unreachable { why }) if why == "it did not answer"));
    assert_eq!(state.lock().unwrap().writes.len(), 1);
}

#[tokio::test]
async fn what_is_decided_for_one_does_not_hold_the_others() {
    let others = |of: &str, name: &str, comment: &str| RecordSet {
        name: format!("{name}.example.com").into(),
        of: of.into(),
        ttl: 60,
        records: vec!["192.0.2.9".into()],
        comments: vec![Comment { account: "kwo".into(), content: comment.into(), modified_at: None }],
    };
    let server = Memory { at_once: 100, ..Memory::default() };
    server.state.lock().unwrap().sets =
        vec![others("CNAME", "a", "somebody's"), others("A", "b", "kwo1 cluster=other tenant=t sum=s")];
    let (became, state) = written(server, &["a", "b", "c", "d"]).await;
    assert!(matches!(&became[0], Err(Refusal::Refused { .. })), "{became:?}");
    assert!(matches!(&became[1], Err(Refusal::Changed { .. })), "{became:?}");
    assert!(became[2].is_ok() && became[3].is_ok(), "{became:?}");
    let state = state.lock().unwrap();
    assert_eq!(state.writes, [["c.example.com", "d.example.com"]]);
    assert_eq!(state.sets.len(), 4);
}

#[tokio::test]
async fn what_is_new_and_what_is_changed_go_apart_where_the_server_wants_that() {
    let server = Memory { at_once: 100, ..Memory::default() };
    // Of a set whose records are gone something is left.
    server.state.lock().unwrap().sets = vec![RecordSet {
        name: "b.example.com".into(),
        of: "A".into(),
        ttl: 60,
        records: Vec::new(),
        comments: Vec::new(),
    }];
    let (became, state) = written(server, &["a", "b", "c"]).await;
    assert!(became.iter().all(Result::is_ok), "{became:?}");
    let writes = &state.lock().unwrap().writes;
    assert_eq!(writes.len(), 2);
    assert_eq!(writes[0], ["a.example.com", "c.example.com"]);
    assert_eq!(writes[1], ["b.example.com"]);
}

#[tokio::test]
async fn a_key_that_is_none_is_told_for_all_and_sent_once() {
    let all = names(64);
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    for at_once in [1, 20, 1000] {
        let (became, state) = written(Memory { at_once, closed: true, ..Memory::default() }, &all).await;
        let told = |one: &Result<(), Refusal>| matches!(one, Err(Refusal::Refused { why }) if why == "it takes no such key");
        assert!(became.iter().all(told), "{became:?}");
        assert_eq!(state.lock().unwrap().writes.len(), 1);
    }
}

#[tokio::test]
async fn a_key_that_may_write_no_name_is_told_for_all_and_not_tried_for_each() {
    let all = names(99);
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let (became, state) =
        written(Memory { at_once: 1000, forbidden: BTreeSet::from([""]), ..Memory::default() }, &all).await;
    let told =
        |one: &Result<(), Refusal>| matches!(one, Err(Refusal::Refused { why }) if why == "the key may not");
    assert!(became.iter().all(told), "{became:?}");
    // Twenty alone, and what was divided on the way to them.
    let writes = &state.lock().unwrap().writes;
    assert_eq!(writes.iter().filter(|names| names.len() == 1).count(), 20);
    assert!(writes.len() < 50, "{}", writes.len());
}

#[tokio::test]
async fn names_that_the_key_may_not_write_hold_no_other() {
    let all = names(64);
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    // Those that come first are the worst.
    let forbidden: Vec<String> = (0..19).map(|at| format!("h{at:02}.example.com")).collect();
    let forbidden: BTreeSet<&'static str> =
        forbidden.into_iter().map(|name| &*Box::leak(name.into_boxed_str())).collect();
    let (became, _) = written(Memory { at_once: 1000, forbidden, ..Memory::default() }, &all).await;
    let refused: Vec<usize> = (0..64).filter(|at| became[*at].is_err()).collect();
    assert_eq!(refused, (0..19).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_zone_that_is_full_takes_what_it_has_room_for_and_is_not_asked_for_each() {
    let all = names(64);
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let (became, state) = written(Memory { at_once: 1000, room: Some(21), ..Memory::default() }, &all).await;
    let state = state.lock().unwrap();
    assert_eq!((became.iter().filter(|one| one.is_ok()).count(), state.sets.len()), (21, 21));
    assert!(state.writes.len() < 20, "{:?}", state.writes.len());
}

#[tokio::test]
async fn nothing_is_decided_by_a_part_of_what_is_there() {
    let theirs = RecordSet {
        name: "b.example.com".into(),
        of: "A".into(),
        ttl: 60,
        records: vec!["192.0.2.9".into()],
        comments: Vec::new(),
    };
    let stale = Some(BTreeSet::from(["a.example.com"]));
    let server = Memory { at_once: 100, stale, ..Memory::default() };
    server.state.lock().unwrap().sets = vec![theirs.clone()];
    let (became, state) = written(server, &["a", "b", "c"]).await;
    assert!(matches!(&became[1], Err(Refusal::Changed { .. })), "{became:?}");
    let state = state.lock().unwrap();
    assert!(became[0].is_ok() && became[2].is_ok() && state.sets.contains(&theirs), "{became:?}");
}

#[tokio::test]
async fn a_zone_that_is_much_larger_is_read_by_name() {
    let all = names(20);
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    for (size, wholes, by_name, together) in [(2000, 2, 0, 20), (2001, 0, 14, 7)] {
        let server = Memory { at_once: 100, ..Memory::default() };
        let state = Arc::clone(&server.state);
        state.lock().unwrap().sets = (0..size).map(other).collect();
        let zone = Zone::new("example.com".into(), Box::new(server), 1000);
        zone.observe(&[], "uid").await.unwrap();
        state.lock().unwrap().reads.clear();
        let steps: Vec<Arc<Step>> = all.iter().map(|name| Arc::new(step(name))).collect();
        let taken = zone.transaction(&steps);
        assert_eq!(taken, (0..together).collect());
        let wrote = zone.write_together(&steps[..together], "uid").await;
        assert_eq!(wrote, Together::Each(vec![Ok(()); together]));
        let reads = &state.lock().unwrap().reads;
        let whole = reads.iter().filter(|at| at.is_none()).count();
        assert_eq!((whole, reads.len() - whole), (wholes, by_name), "{size}");
    }
}

#[tokio::test]
async fn a_half_of_many_names_is_not_read_name_by_name() {
    let all = names(20);
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let server = Memory { at_once: 100, refused: BTreeSet::from(["h19.example.com"]), ..Memory::default() };
    let state = Arc::clone(&server.state);
    // So many that half of the names alone would not be worth it.
    state.lock().unwrap().sets = (0..1900).map(other).collect();
    let zone = Zone::new("example.com".into(), Box::new(server), 1000);
    zone.observe(&[], "uid").await.unwrap();
    let steps: Vec<Arc<Step>> = all.iter().map(|name| Arc::new(step(name))).collect();
    assert_eq!(zone.transaction(&steps).len(), 20);
    assert!(matches!(zone.write_together(&steps, "uid").await, Together::Divided(_)));
    state.lock().unwrap().reads.clear();
    assert_eq!(zone.write_together(&steps[..10], "uid").await, Together::Each(vec![Ok(()); 10]));
    assert_eq!(state.lock().unwrap().reads, [None, None]);
}
