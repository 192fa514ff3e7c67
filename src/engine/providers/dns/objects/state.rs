//! How far a write of kwo has come. It stands in the mark: a set that is being made, one that is being changed, and one that is
//! as kwo wrote it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kwo_planner::tree::SmolStr;
use sha2::{Digest as _, Sha256};
use smol_str::format_smolstr;

use crate::providers::dns::mark::Mark;
use crate::providers::dns::records::Comment;

/// The words of a mark that is not that of a whole set.
const MAKING: &str = " making=";
const CHANGING: &str = " changing=";

/// The word of one that is.
const SUM: &str = " sum=";

/// How many characters stand for one record. Sixteen of them, which is the most that a target has, fit into one string of a
/// TXT record beside the longest names.
const DIGITS: usize = 6;

/// How far a write has come.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum State {
    /// None of the records was there, and these are being made. What is another one is somebody else's.
    Making(String),
    /// The set is kwo's, whatever stands there, and is becoming another one.
    Changing,
    /// Done.
    Done,
}

/// What stands for a record in a mark of a set that is being made.
pub(super) fn digest(content: &str, ttl: u32) -> String {
    let sha = Sha256::digest(format!("{ttl} {content}"));
    URL_SAFE_NO_PAD.encode(sha).chars().take(DIGITS).collect()
}

/// The state that a mark says, without the type of its set.
pub(super) fn state(mark: &str) -> State {
    match (mark.split_once(MAKING), mark.contains(CHANGING)) {
        (Some((_, digests)), _) => State::Making(digests.to_owned()),
        (None, true) => State::Changing,
        (None, false) => State::Done,
    }
}

impl State {
    /// Is this record one of those that are being made?
    pub(super) fn makes(&self, content: &str, ttl: u32) -> bool {
        let State::Making(digests) = self else { return false };
        let digest = digest(content, ttl);
        digests.as_bytes().chunks(DIGITS).any(|one| one == digest.as_bytes())
    }

    /// The mark in this state, without the type of its set.
    pub(super) fn told(&self, mark: &Mark) -> SmolStr {
        let Mark { cluster, tenant, sum } = mark;
        let form = format!("kwo1 cluster={cluster} tenant={tenant}");
        match self {
            State::Making(digests) => format_smolstr!("{form}{MAKING}{digests}"),
            State::Changing => format_smolstr!("{form}{CHANGING}{sum}"),
            State::Done => mark.comment().content,
        }
    }
}

/// A mark of a write that was cut short as that of a set with this sum, so that nobody else is said to have changed it.
pub(super) fn whole(mark: &str, sum: &str) -> SmolStr {
    let words = [MAKING, CHANGING];
    match words.iter().find_map(|word| mark.split_once(word)) {
        Some((form, _)) => format_smolstr!("{form}{SUM}{sum}"),
        None => mark.into(),
    }
}

/// A mark of kwo as one.
pub(super) fn parsed(content: &str) -> Option<Mark> {
    Mark::parse(&Comment { account: "kwo".into(), content: content.into(), modified_at: None })
}
