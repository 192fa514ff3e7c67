//! Writes that are cut short after each request, and somebody else who writes between any two of them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use kwo_planner::tree::SmolStr;
use smol_str::format_smolstr;

use super::*;
use crate::providers::Promise;
use crate::providers::dns::mark::{Mark, Whose, whose};
use crate::providers::dns::records::RecordSet;
use crate::providers::dns::server::{Patch, Wrote};
use crate::providers::dns::texts::{MARK_TYPE, mark_name};
use crate::providers::patience::Patience;

const CLUSTER: &str = "01234567-89ab-cdef-0123-456789abcdef";
const NAME: &str = "www.example.com";

/// What happens at a request.
#[derive(Clone, Copy, Eq, PartialEq)]
enum At {
    /// It and all later ones are refused.
    Cut,
    /// It alone is refused.
    Refused,
    /// Right before it somebody else makes a record beside it.
    Race,
    /// It is done, and nobody says so.
    Lost,
    /// It is not done, and nobody says so.
    Away,
}

#[derive(Default)]
struct Inner {
    there: Vec<Object>,
    seen: Vec<Object>,
    sent: Vec<Request>,
}

struct Fake {
    inner: Mutex<Inner>,
    at: Option<(usize, At)>,
    publishes: bool,
    patience: Patience,
}

fn object(id: &str, of: &str, name: &str, content: &str, ttl: u32) -> Object {
    Object { id: id.into(), name: name.into(), of: of.into(), content: content.into(), ttl }
}

fn stranger() -> Object {
    object("strangers", "A", NAME, "203.0.113.66", 300)
}

impl Fake {
    fn new(there: &[Object], at: Option<(usize, At)>) -> Fake {
        let inner = Inner { there: there.to_vec(), seen: there.to_vec(), ..Inner::default() };
        Fake { inner: Mutex::new(inner), at, publishes: true, patience: Patience::default() }
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn apply(inner: &mut Inner, request: &Request) -> Sent {
        let (id, new) = match request {
            Request::Publish => return Sent::Done,
            Request::End(id) => {
                inner.there.retain(|object| object.id != *id);
                return Sent::Done;
            }
            Request::Make(new) => {
                static MADE: AtomicUsize = AtomicUsize::new(0);
                (format_smolstr!("made{}", MADE.fetch_add(1, Ordering::Relaxed)), new)
            }
            Request::Change(id, new) => (id.clone(), new),
        };
        let New { name, of, content, ttl } = new.clone();
        inner.there.retain(|object| object.id != id);
        let object = Object { id, name, of, content, ttl };
        inner.there.push(object.clone());
        Sent::Made(object)
    }
}

impl Keeper for Fake {
    fn publishes(&self) -> bool {
        self.publishes
    }

    fn objects(&self) -> Vec<Object> {
        self.inner().seen.clone()
    }

    fn keep(&self, id: &SmolStr, object: Option<Object>) {
        let mut inner = self.inner();
        inner.seen.retain(|have| have.id != *id);
        inner.seen.extend(object);
    }

    fn renew<'a>(&'a self, _: (&'a str, &'a str)) -> Promise<'a, Result<(), String>> {
        Box::pin(async {
            let mut inner = self.inner();
            inner.seen = inner.there.clone();
            Ok(())
        })
    }

    fn send<'a>(&'a self, request: &'a Request) -> Promise<'a, Sent> {
        Box::pin(async move {
            let mut inner = self.inner();
            let number = inner.sent.len();
            inner.sent.push(request.clone());
            match self.at {
                Some((at, At::Cut)) if number >= at => return Sent::Refused("cut".to_owned()),
                Some((at, At::Refused)) if number == at => return Sent::Refused("no".to_owned()),
                Some((at, At::Race)) if number == at => inner.there.push(stranger()),
                Some((at, At::Away)) if number == at => return Sent::Unsure("away".to_owned()),
                Some((at, At::Lost)) if number == at => {
                    Fake::apply(&mut inner, request);
                    return Sent::Unsure("lost".to_owned());
                }
                _ => {}
            }
            Fake::apply(&mut inner, request)
        })
    }

    fn patience(&self) -> &Patience {
        &self.patience
    }
}

/// The set as kwo sees it.
fn set(there: &[Object]) -> Option<RecordSet> {
    sets(there).into_iter().find(|set| set.name == NAME && set.of == "A")
}

/// A patch that wants these records, where this is there.
fn patch(there: &[Object], records: &[&str]) -> Patch {
    let mut after = RecordSet {
        name: NAME.into(),
        of: "A".into(),
        ttl: 300,
        records: records.iter().map(|record| SmolStr::from(*record)).collect(),
        comments: Vec::new(),
    };
    if !records.is_empty() {
        after.comments.push(Mark::of(CLUSTER, "alice", &after).comment());
    }
    Patch { before: set(there), after, writes_records: true }
}

/// A run: what is there afterwards, what became of it, and what it sent.
async fn run(
    there: &[Object],
    records: &[&str],
    at: Option<(usize, At)>,
) -> (Vec<Object>, Wrote, Vec<Request>) {
    let fake = Fake::new(there, at);
    let wrote = write(&fake, &patch(there, records)).await;
    let inner = fake.inner();
    (inner.there.clone(), wrote, inner.sent.clone())
}

fn is_ours(there: &[Object]) -> bool {
    set(there).is_some_and(|set| matches!(whose(&set, CLUSTER), Whose::Ours(_)))
}

fn told(there: &[Object]) -> Vec<SmolStr> {
    set(there).map(|set| set.records).unwrap_or_default()
}

const TWO: [&str; 2] = ["192.0.2.10", "192.0.2.11"];

#[tokio::test]
async fn a_mark_comes_first_and_is_whole_only_once_all_records_are_there() {
    let (there, wrote, sent) = run(&[], &TWO, None).await;
    assert_eq!((wrote, told(&there)), (Wrote::Done, TWO.map(SmolStr::from).to_vec()));
    let kinds: Vec<String> = sent
        .iter()
        .map(|request| match request {
            Request::Make(new) => format!("make {} {}", new.of, new.name),
            Request::Change(_, new) => format!("change {} {}", new.of, new.name),
            Request::End(_) => "end".to_owned(),
            Request::Publish => "publish".to_owned(),
        })
        .collect();
    assert_eq!(
        kinds,
        [
            "make TXT _kwo.www.example.com",
            "make A www.example.com",
            "make A www.example.com",
            "publish",
            "change TXT _kwo.www.example.com",
            "publish"
        ]
    );
    // What ends, ends before its mark.
    let (gone, wrote, sent) = run(&there, &[], None).await;
    assert_eq!((wrote, gone), (Wrote::Done, vec![]));
    let ids = |of: &str| -> Vec<SmolStr> {
        there.iter().filter(|object| object.of == of).map(|object| object.id.clone()).collect()
    };
    let ends = |id: SmolStr| Request::End(id);
    let mut wanted: Vec<Request> = ids("A").into_iter().map(ends).collect();
    wanted.push(Request::Publish);
    wanted.extend(ids(MARK_TYPE).into_iter().map(ends));
    wanted.push(Request::Publish);
    assert_eq!(sent, wanted);
}

#[tokio::test]
async fn whatever_cuts_a_write_short_the_next_run_finishes_it() {
    let (two, _, _) = run(&[], &TWO, None).await;
    let theirs = [object("theirs", "A", NAME, "203.0.113.9", 60)];
    for (name, before, wanted) in [
        ("new", &[][..], &TWO[..]),
        ("one of two", &two, &["192.0.2.10"]),
        ("another", &two, &["198.51.100.1", "198.51.100.2", "198.51.100.3"]),
        ("taken over", &theirs, &TWO),
        ("ends", &two, &[]),
    ] {
        let (_, _, all) = run(before, wanted, None).await;
        for at in 0..all.len() {
            let (cut, wrote, _) = run(before, wanted, Some((at, At::Cut))).await;
            assert!(matches!(wrote, Wrote::Refused(_)), "{name} {at}: {wrote:?}");
            let seen = set(&cut);
            // It never looks as if all were well, unless all that counts is done.
            let last = all.len() - 1;
            if let Some(seen) = seen.filter(|_| at < last && !wanted.is_empty()) {
                let mark = Mark::of(CLUSTER, "alice", &patch(before, wanted).after).comment();
                assert!(
                    seen.records.is_empty() || seen.records != wanted || seen.comments != [mark],
                    "{name} {at}: {seen:?}"
                );
            }
            // Nor does kwo's mark stand on what others made, and what kwo made is nobody else's.
            let made = cut.iter().any(|object| object.of == "A" && object.id.starts_with("made"));
            if name == "taken over" {
                assert!(!is_ours(&cut) || told(&cut) == wanted, "{name} {at}: {cut:?}");
            } else {
                assert!(!made || is_ours(&cut), "{name} {at}: {cut:?}");
            }
            let (after, wrote, _) = run(&cut, wanted, None).await;
            assert_eq!(
                (&wrote, told(&after)),
                (&Wrote::Done, told(&run(before, wanted, None).await.0)),
                "{name} {at}"
            );
            let marks = after.iter().filter(|object| object.of == MARK_TYPE).count();
            assert_eq!(marks, usize::from(!wanted.is_empty()), "{name} {at}: {after:?}");
        }
    }
}

#[tokio::test]
async fn what_somebody_else_makes_meanwhile_gets_no_mark_and_stays() {
    let (_, _, all) = run(&[], &TWO, None).await;
    // From the last look on nothing shows it before the look after the write.
    let looked = all.iter().position(|request| *request == Request::Publish).unwrap();
    for at in 0..looked {
        let (there, wrote, _) = run(&[], &TWO, Some((at, At::Race))).await;
        assert!(matches!(wrote, Wrote::Changed(_)), "{at}: {wrote:?}");
        assert!(there.contains(&stranger()) && !is_ours(&there), "{at}: {there:?}");
        // Nor in the next run.
        let (after, wrote, _) = run(&there, &TWO, Some((0, At::Cut))).await;
        assert!(matches!(wrote, Wrote::Refused(_)) && after.contains(&stranger()));
    }
    // The run is killed before it sees that.
    let mark = run(&[], &TWO, Some((1, At::Refused))).await.0;
    assert!(mark.is_empty(), "a mark for nothing goes: {mark:?}");
    let (cut, _, _) = run(&[], &TWO, Some((2, At::Cut))).await;
    let mut only_mark = cut.clone();
    only_mark.retain(|object| object.of == MARK_TYPE);
    only_mark.push(stranger());
    assert!(!is_ours(&only_mark), "{only_mark:?}");
    let mut both = cut;
    both.push(stranger());
    assert!(!is_ours(&both), "{both:?}");
    // Of a set that ends, and of one that is kwo's, too.
    let (two, _, _) = run(&[], &TWO, None).await;
    let fake = Fake::new(&two, None);
    fake.inner().seen.push(stranger());
    fake.inner().there.push(stranger());
    let wrote = write(&fake, &patch(&two, &[])).await;
    // It was there when the write was decided: a set of kwo's is one value, so it goes with it.
    assert_eq!(wrote, Wrote::Done);
}

#[tokio::test]
async fn what_was_sent_without_an_answer_is_looked_at_and_made_once() {
    let (_, _, all) = run(&[], &TWO, None).await;
    for at in 0..all.len() {
        let (there, wrote, sent) = run(&[], &TWO, Some((at, At::Lost))).await;
        let publishes = all[at] == Request::Publish;
        // Whether all was published nobody can look up, so the next run does it.
        assert_eq!(wrote == Wrote::Done, !publishes, "{at}: {wrote:?}");
        if !publishes {
            assert_eq!(sent.len(), all.len(), "{at}: {sent:?}");
        }
        let records = there.iter().filter(|object| object.of == "A").count();
        assert_eq!(records, TWO.len(), "{at}");
        let (there, wrote, _) = run(&[], &TWO, Some((at, At::Away))).await;
        assert!(matches!(wrote, Wrote::Unsure(_)), "{at}: {wrote:?}");
        let (after, wrote, _) = run(&there, &TWO, None).await;
        assert_eq!((wrote, told(&after)), (Wrote::Done, TWO.map(SmolStr::from).to_vec()), "{at}");
    }
}

#[test]
fn the_longest_mark_fits_into_one_string() {
    let longest = "a".repeat(63);
    let mark = Mark { cluster: CLUSTER.into(), tenant: longest.into(), sum: "0".repeat(32).into() };
    let digests: String = (0..16).map(|at| state::digest(&format!("2001:db8::{at}"), 300)).collect();
    let text = state::State::Making(digests).told(&mark);
    assert!(crate::providers::dns::texts::marked(&text, "AAAA").len() <= 255, "{}", text.len());
    let read = state::state(&text);
    assert!(
        read.makes("2001:db8::7", 300) && !read.makes("2001:db8::7", 60) && !read.makes("2001:db8::99", 300)
    );
    assert_eq!(mark_name(NAME), "_kwo.www.example.com");
}
