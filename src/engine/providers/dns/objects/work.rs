//! What a write sends next: in phases that only go forward, each by what is there. A set that is new is marked as being made
//! before its first record, and as made after its last one. One that is kwo's is marked as changing meanwhile. What was somebody
//! else's is marked only when it is what kwo wrote. What ends is ended before its mark.

use std::collections::BTreeSet;

use kwo_planner::tree::SmolStr;

use super::sets::marks_of;
use super::state::{State, digest, parsed};
use super::{New, Object, Request};
use crate::providers::dns::mark::{Mark, Whose, whose};
use crate::providers::dns::records::{RecordSet, told};
use crate::providers::dns::server::Patch;
use crate::providers::dns::texts::{LONGEST_STRING, MARK_TTL, MARK_TYPE, mark_name, marked};

/// A part of a write.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    Making,
    Changing,
    Records,
    /// Is nothing of others there beside what was made?
    Alone,
    Publish,
    Done,
    NoRecords,
    NoMark,
}

const MAKE: &[Phase] =
    &[Phase::Making, Phase::Records, Phase::Alone, Phase::Publish, Phase::Done, Phase::Publish];
const CHANGE: &[Phase] = &[Phase::Changing, Phase::Records, Phase::Publish, Phase::Done, Phase::Publish];
const TAKE: &[Phase] = &[Phase::Records, Phase::Publish, Phase::Done, Phase::Publish];
const MARK: &[Phase] = &[Phase::Publish, Phase::Done, Phase::Publish];
const END: &[Phase] = &[Phase::NoRecords, Phase::Publish, Phase::NoMark, Phase::Publish];

/// What is next.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Next {
    Send(Request),
    /// The set is looked at once more, and what is there decides whether the write goes on.
    Look,
    Done,
}

/// One write.
pub(super) struct Work<'p> {
    after: &'p RecordSet,
    mark: Option<Mark>,
    phases: &'static [Phase],
    at: usize,
    /// The records that decided the write, and those that it made.
    known: BTreeSet<SmolStr>,
    made: BTreeSet<SmolStr>,
    publishes: bool,
    /// Was something written since the last time that all was published?
    dirty: bool,
    looked: bool,
}

impl<'p> Work<'p> {
    /// The write of this patch, by what was last seen.
    ///
    /// # Errors
    /// When there is no mark to write, or no room for it.
    pub(super) fn new(patch: &'p Patch, objects: &[Object], publishes: bool) -> Result<Work<'p>, String> {
        let Patch { before, after, writes_records } = patch;
        let mark = after.comments.iter().rev().find_map(|comment| parsed(&comment.content));
        let had = before.as_ref().filter(|before| !before.records.is_empty());
        let own = |mark: &Mark| had.is_some_and(|had| matches!(whose(had, &mark.cluster), Whose::Ours(_)));
        let (mark, phases) = match (mark, had) {
            (None, _) if after.records.is_empty() => {
                let before = before.iter().flat_map(|before| &before.comments);
                (before.filter_map(|comment| parsed(&comment.content)).next(), END)
            }
            (None, _) => return Err("kwo writes no record without its mark".to_owned()),
            (mark, _) if !writes_records => (mark, MARK),
            (mark, None) => (mark, MAKE),
            (Some(mark), Some(_)) => {
                let phases = if own(&mark) { CHANGE } else { TAKE };
                (Some(mark), phases)
            }
        };
        let here = objects.iter().filter(|object| {
            // Of a set that is new nothing is there.
            object.name == after.name && object.of == after.of && phases != MAKE
        });
        let known = here.map(|object| object.id.clone()).collect();
        let (made, dirty) = (BTreeSet::new(), publishes);
        Ok(Work { after, mark, phases, at: 0, known, made, publishes, dirty, looked: false })
    }

    /// The place of the set.
    pub(super) fn place(&self) -> (&str, &str) {
        (&self.after.of, &self.after.name)
    }

    /// This was made, or changed.
    pub(super) fn note(&mut self, request: &Request, id: Option<&SmolStr>) {
        self.dirty = *request != Request::Publish;
        self.made.extend(id.cloned());
    }

    /// The set was looked at once more.
    pub(super) fn looked(&mut self) {
        self.looked = true;
    }

    /// The mark that is there where nothing else of the write is: then it is for nothing.
    pub(super) fn abandoned(&self, objects: &[Object]) -> Option<SmolStr> {
        let mark = self.mark.as_ref().filter(|_| self.phases == MAKE && self.at <= 1)?;
        let nothing = !objects.iter().any(|object| {
            object.of == self.after.of && object.name == self.after.name && self.made.contains(&object.id)
        });
        let marks = marks_of(objects, self.place(), &mark.cluster);
        let own = marks.into_iter().find(|(object, _)| self.made.contains(&object.id));
        own.filter(|_| nothing).map(|(object, _)| object.id.clone())
    }

    /// What is next, where these are there.
    ///
    /// # Errors
    /// When somebody else wrote there meanwhile; says what.
    pub(super) fn next(&mut self, objects: &[Object]) -> Result<Next, String> {
        while let Some(phase) = self.phases.get(self.at) {
            let request = match phase {
                Phase::Making => self.marking(objects, &self.making())?,
                Phase::Changing => self.marking(objects, &State::Changing)?,
                Phase::Done => self.marking(objects, &State::Done)?,
                Phase::Records => self.record(objects)?,
                Phase::NoRecords => self.ending(objects)?,
                Phase::NoMark => self.unmarking(objects),
                Phase::Publish => (self.publishes && self.dirty).then_some(Request::Publish),
                Phase::Alone if self.looked => {
                    self.strangers(objects)?;
                    None
                }
                Phase::Alone => return Ok(Next::Look),
            };
            if let Some(request) = request {
                return Ok(Next::Send(request));
            }
            self.at += 1;
        }
        Ok(Next::Done)
    }

    fn here<'o>(&self, objects: &'o [Object]) -> Vec<&'o Object> {
        let (of, name) = self.place();
        objects.iter().filter(|object| object.of == of && object.name == name).collect()
    }

    fn wants(&self, object: &Object) -> bool {
        object.ttl == self.after.ttl && self.after.records.contains(&object.content)
    }

    fn making(&self) -> State {
        let digests = self.after.records.iter().map(|record| digest(record, self.after.ttl));
        State::Making(digests.collect())
    }

    /// Nothing where what is there was there, or was made by this write, or is as it is to be.
    fn strangers(&self, objects: &[Object]) -> Result<(), String> {
        let here = self.here(objects);
        let known = |object: &Object| self.known.contains(&object.id) || self.made.contains(&object.id);
        let stranger = here.iter().find(|object| !known(object) && !self.wants(object));
        stranger.map_or(Ok(()), |object| {
            let Object { of, name, content, .. } = object;
            Err(format!("somebody else made {of} {name} {} meanwhile", told(std::slice::from_ref(content))))
        })
    }

    /// What makes the mark say this.
    fn marking(&self, objects: &[Object], state: &State) -> Result<Option<Request>, String> {
        let Some(mark) = &self.mark else { return Ok(None) };
        let content = marked(&state.told(mark), &self.after.of);
        if content.len() > LONGEST_STRING {
            return Err(format!("kwo's mark would have {} characters, and has room for 255", content.len()));
        }
        let marks = marks_of(objects, self.place(), &mark.cluster);
        let name = mark_name(&self.after.name);
        let new = New { name, of: MARK_TYPE.into(), content: content.into(), ttl: MARK_TTL };
        Ok(match marks.as_slice() {
            [] => Some(Request::Make(new)),
            [(first, _), ..] if first.content != new.content => {
                Some(Request::Change(first.id.clone(), New { ttl: first.ttl, ..new }))
            }
            [_, (second, _), ..] => Some(Request::End(second.id.clone())),
            [_] => None,
        })
    }

    /// What brings the records nearer to those that are wanted.
    fn record(&self, objects: &[Object]) -> Result<Option<Request>, String> {
        self.strangers(objects)?;
        let RecordSet { name, of, ttl, records, comments: _ } = self.after;
        let mut rest = self.here(objects);
        let mut missing = Vec::new();
        for record in records {
            match rest.iter().position(|object| object.content == *record && object.ttl == *ttl) {
                Some(at) => drop(rest.remove(at)),
                None => missing.push(record),
            }
        }
        // What says the right thing with another TTL is changed before what says another thing.
        let same = |(object, record): &(&&Object, &&SmolStr)| object.content == ***record;
        let pairs = || rest.iter().flat_map(|object| missing.iter().map(move |record| (object, record)));
        let change = pairs().find(same).or_else(|| pairs().next());
        let new = |content: &SmolStr| New {
            name: name.clone(),
            of: of.clone(),
            content: content.clone(),
            ttl: *ttl,
        };
        Ok(match (change, missing.first(), rest.first()) {
            (Some((object, record)), _, _) => Some(Request::Change(object.id.clone(), new(record))),
            (None, Some(record), _) => Some(Request::Make(new(record))),
            (None, None, Some(object)) => Some(Request::End(object.id.clone())),
            (None, None, None) => None,
        })
    }

    fn ending(&self, objects: &[Object]) -> Result<Option<Request>, String> {
        self.strangers(objects)?;
        Ok(self.here(objects).first().map(|object| Request::End(object.id.clone())))
    }

    fn unmarking(&self, objects: &[Object]) -> Option<Request> {
        let marks = marks_of(objects, self.place(), &self.mark.as_ref()?.cluster);
        marks.first().map(|(object, _)| Request::End(object.id.clone()))
    }
}
