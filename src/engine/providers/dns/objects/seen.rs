//! What was last seen of a zone of objects, and of single names since; and what an answer to a request says of it. Each record has
//! an id, so what was seen is kept by ids.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use kwo_planner::tree::SmolStr;
use smol_str::format_smolstr;

use super::{Keeper, New, Object, Request, Sent, marks_of, sets, write};
use crate::providers::api::Answer;
use crate::providers::dns::mark::Mark;
use crate::providers::dns::records::{RecordSet, name};
use crate::providers::dns::server::{Patch, Wrote};
use crate::providers::dns::texts::mark_name;

/// What was last seen.
#[derive(Default)]
pub(in crate::providers::dns) struct Seen(Mutex<Vec<Object>>);

impl Seen {
    pub(in crate::providers::dns) fn known(&self) -> MutexGuard<'_, Vec<Object>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This is there now, or there is nothing with this id.
    pub(in crate::providers::dns) fn keep(&self, id: &SmolStr, object: Option<Object>) {
        let mut known = self.known();
        known.retain(|have| have.id != *id);
        known.extend(object);
    }

    /// All record sets, or those at one name.
    pub(in crate::providers::dns) fn sets(&self, at: Option<&str>) -> Vec<RecordSet> {
        let names = at.map(|at| [at.to_owned(), mark_name(at).to_string()]);
        let here = |object: &&Object| {
            names.as_ref().is_none_or(|names| names.iter().any(|name| object.name == *name))
        };
        let here: Vec<Object> = self.known().iter().filter(here).cloned().collect();
        let mut sets = sets(&here);
        sets.retain(|set| at.is_none_or(|at| set.name == at));
        sets
    }

    /// The records of a set and kwo's marks on it.
    pub(in crate::providers::dns) fn parts(&self, set: &RecordSet) -> Option<(Vec<Object>, Vec<Object>)> {
        let seen = self.known();
        let here = seen.iter().filter(|object| object.of == set.of && object.name == set.name);
        let mark: Mark = set.comments.iter().find_map(Mark::parse)?;
        let marks = marks_of(&seen, (&set.of, &set.name), &mark.cluster).into_iter();
        Some((here.cloned().collect(), marks.map(|(object, _)| object.clone()).collect()))
    }
}

/// Writes one set after the other, to the first that is not done.
pub(in crate::providers::dns) async fn write_all(
    keeper: &dyn Keeper,
    patches: &[Patch],
    may_not_write: &OnceLock<String>,
) -> Wrote {
    if let Some(why) = may_not_write.get() {
        return Wrote::Refused(why.clone());
    }
    for patch in patches {
        let wrote = write(keeper, patch).await;
        if wrote != Wrote::Done {
            return wrote;
        }
    }
    Wrote::Done
}

/// The name of a record that is listed without its zone.
///
/// # Errors
/// When no record of this zone has such a name or type.
pub(in crate::providers::dns) fn placed(at: &str, of: &str, zone: &str) -> Result<SmolStr, String> {
    let at = match at {
        "" | "@" => zone.into(),
        relative => format_smolstr!("{}.{zone}", name(relative)),
    };
    let is_type = !of.is_empty() && of.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    if at.starts_with('.') || at.contains("..") || !is_type {
        return Err("a record in its list has a name or type that none of this zone has".to_owned());
    }
    Ok(at)
}

/// An answer that is none to the question.
#[derive(Debug, Eq, PartialEq)]
pub(in crate::providers::dns) enum No {
    /// What lets kwo in is none, or lacks a right.
    Key(String),
    /// What was asked about is not there.
    Gone(String),
    /// Anything else.
    Other(String),
}

impl No {
    pub(in crate::providers::dns) fn why(self) -> String {
        let (No::Key(why) | No::Gone(why) | No::Other(why)) = self;
        why
    }
}

impl Sent {
    /// This was made, where it is what was asked for.
    pub(in crate::providers::dns) fn made(object: Object, new: &New) -> Option<Sent> {
        let New { name, of, content, ttl } = new;
        let is_it = (&object.name, &object.of, &object.content, object.ttl) == (name, of, content, *ttl);
        is_it.then_some(Sent::Made(object))
    }

    /// What became of a request that was answered so. Who may not write once is asked no more.
    pub(in crate::providers::dns) fn answered(
        request: &Request,
        answer: &Answer,
        done: Result<Sent, No>,
        may_not_write: &OnceLock<String>,
    ) -> Sent {
        match (done, request) {
            (Ok(sent), _) => sent,
            (Err(no), _) if answer.is_busy() => Sent::Busy(no.why(), answer.after),
            (Err(No::Gone(_)), Request::End(_)) => Sent::Done,
            (Err(No::Gone(why)), _) => Sent::Changed(why),
            (Err(No::Key(why)), _) => Sent::Refused(may_not_write.get_or_init(|| why).clone()),
            // Nobody says whether it was done.
            (Err(No::Other(why)), _) if answer.status.is_server_error() || answer.status.is_success() => {
                Sent::Unsure(why)
            }
            (Err(No::Other(why)), _) => Sent::Refused(why),
        }
    }
}
