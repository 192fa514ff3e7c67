//! The record sets of records that are objects, each with kwo's marks of `texts`. One that a write of kwo left half done says so
//! in its records: then it is not as the roster wants it, and the next run finishes it.

use std::collections::{BTreeMap, BTreeSet};

use kwo_planner::tree::SmolStr;
use smol_str::format_smolstr;

use super::Object;
use super::state::{State, parsed, state, whole};
use crate::providers::dns::mark::{Mark, sum};
use crate::providers::dns::records::{HALF_WRITTEN, RecordSet, of_ttl};
use crate::providers::dns::texts::{self, MARK_TYPE, mark_name, name_of_mark, told};

/// The record sets of these objects.
pub(in crate::providers::dns) fn sets(objects: &[Object]) -> Vec<RecordSet> {
    let mut names: BTreeMap<SmolStr, BTreeMap<&SmolStr, Vec<&Object>>> = BTreeMap::new();
    let mut marks: BTreeMap<SmolStr, Vec<&str>> = BTreeMap::new();
    for object in objects {
        // A place of marks is no place of records.
        match name_of_mark(&object.name).filter(|_| object.of == MARK_TYPE) {
            Some(name) => marks.entry(name).or_default().push(&object.content),
            None => {
                names.entry(object.name.clone()).or_default().entry(&object.of).or_default().push(object);
            }
        }
    }
    let all: BTreeSet<SmolStr> = names.keys().chain(marks.keys()).cloned().collect();
    all.iter().flat_map(|name| at(name, names.remove(name), marks.remove(name))).collect()
}

fn at(
    name: &SmolStr,
    here: Option<BTreeMap<&SmolStr, Vec<&Object>>>,
    marks: Option<Vec<&str>>,
) -> Vec<RecordSet> {
    let (here, marks) = (here.unwrap_or_default(), marks.unwrap_or_default());
    let mut sets = BTreeMap::new();
    for (of, objects) in &here {
        let half = marks.iter().any(|text| {
            let (content, of_mark) = told(text);
            of_mark == Some(of.as_str()) && is_half(&state(&content), objects)
        });
        sets.insert((*of).clone(), set(name, of, objects, half));
    }
    let texts: Vec<SmolStr> = marks
        .iter()
        .filter_map(|text| {
            let (content, of) = told(text);
            let Some((of, (set, objects))) =
                of.and_then(|of| Some((of, (sets.get(of)?, here.get(&SmolStr::from(of))?))))
            else {
                return Some((*text).into());
            };
            let state = state(&content);
            // What was to be made is not what stands there, so this is no mark on that.
            let is_for = state == State::Done || is_half(&state, objects);
            is_for.then(|| texts::marked(&whole(&content, &sum(set)), of).into())
        })
        .collect();
    texts::noted(name, &mut sets, &texts);
    sets.into_values().collect()
}

/// Is this what a write of kwo left there that was cut short?
fn is_half(state: &State, objects: &[&Object]) -> bool {
    match state {
        State::Making(_) => objects.iter().all(|object| state.makes(&object.content, object.ttl)),
        State::Changing => true,
        State::Done => false,
    }
}

fn set(name: &SmolStr, of: &SmolStr, objects: &[&Object], half: bool) -> RecordSet {
    let ttl = objects.iter().map(|object| object.ttl).min().unwrap_or_default();
    let text = |object: &&Object| {
        // To DNS a set has one TTL.
        let one = &object.content;
        let one = if object.ttl == ttl { one.clone() } else { of_ttl(one, object.ttl) };
        format_smolstr!("{one}{}", if half { HALF_WRITTEN } else { "" })
    };
    // Two records that say the same are one answer.
    let records: BTreeSet<SmolStr> = objects.iter().map(text).collect();
    let records = records.into_iter().collect();
    RecordSet { name: name.clone(), of: of.clone(), ttl, records, comments: Vec::new() }
}

/// The objects that are marks of this cluster on this set, each with what it says.
pub(in crate::providers::dns) fn marks_of<'o>(
    objects: &'o [Object],
    (of, name): (&str, &str),
    cluster: &str,
) -> Vec<(&'o Object, SmolStr)> {
    let place = mark_name(name);
    let marks = objects.iter().filter(|object| object.of == MARK_TYPE && object.name == place);
    let own = marks.filter_map(|object| {
        let (content, of_mark) = told(&object.content);
        let Mark { cluster: whose, .. } = parsed(&content)?;
        (of_mark == Some(of) && whose == cluster).then_some((object, content))
    });
    own.collect()
}
