//! kwo's mark as a text, for servers that keep no comments: a TXT record beside the name that it is for, one for each type. Here
//! they become what marks are elsewhere, comments of a set.

use std::collections::{BTreeMap, BTreeSet};

use kwo_planner::systems::dns::WRITTEN;
use kwo_planner::tree::SmolStr;
use smol_str::format_smolstr;

use super::records::{Comment, RecordSet};

/// The type of a mark.
pub(super) const MARK_TYPE: &str = "TXT";

/// How long a mark may be kept by resolvers, in seconds. All marks of a name are one set, and have one TTL.
pub(super) const MARK_TTL: u32 = 300;

/// The longest text that one string of a TXT record has.
pub(super) const LONGEST_STRING: usize = 255;

/// The label below which the mark of a name stands; the second one is for a wildcard.
const MARK: &str = "_kwo";
const MARK_OF_ANY: &str = "_kwo-any";

/// The account of a comment that is a mark.
const ACCOUNT: &str = "kwo";

/// The word of a mark that says which type it is for.
const TYPE: &str = " type=";

/// The longest name that DNS has, in characters.
const LONGEST_NAME: usize = 253;

/// Where the mark of a name stands.
pub(super) fn mark_name(name: &str) -> SmolStr {
    match name.strip_prefix("*.") {
        Some(rest) => format_smolstr!("{MARK_OF_ANY}.{rest}"),
        None => format_smolstr!("{MARK}.{name}"),
    }
}

/// The same for people.
pub(super) fn place_of_mark(at: &str) -> String {
    format!("at {MARK_TYPE} {}", mark_name(at))
}

/// The name that a mark at this one is for, if it is a place of marks.
pub(super) fn name_of_mark(at: &str) -> Option<SmolStr> {
    let (label, rest) = at.split_once('.')?;
    match label {
        MARK => Some(rest.into()),
        MARK_OF_ANY => Some(format_smolstr!("*.{rest}")),
        _ => None,
    }
}

/// The text of a mark for a set of this type.
pub(super) fn marked(content: &str, of: &str) -> String {
    format!("{content}{TYPE}{of}")
}

/// What a text at a place of marks says, and of which type; of all types where it names none.
pub(super) fn told(text: &str) -> (SmolStr, Option<&str>) {
    match text.rsplit_once(TYPE) {
        Some((content, of)) if !of.is_empty() && of.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            (content.into(), Some(of))
        }
        _ => (text.into(), None),
    }
}

/// Puts the marks that stand beside this name on its sets. A set of which only the mark is left has no records.
pub(super) fn noted<'t>(
    name: &SmolStr,
    sets: &mut BTreeMap<SmolStr, RecordSet>,
    texts: impl IntoIterator<Item = &'t SmolStr>,
) {
    let mut texts: Vec<&SmolStr> = texts.into_iter().collect();
    texts.sort();
    for text in texts {
        let (content, of) = told(text);
        let comment = Comment { account: ACCOUNT.into(), content, modified_at: None };
        // Without a type it is for what kwo could write there as well.
        let types: BTreeSet<SmolStr> = match of {
            Some(of) => BTreeSet::from([of.into()]),
            None => sets.keys().cloned().chain(WRITTEN.map(SmolStr::new_static)).collect(),
        };
        for of in types {
            let empty = || RecordSet {
                name: name.clone(),
                of: of.clone(),
                ttl: 0,
                records: Vec::new(),
                comments: Vec::new(),
            };
            sets.entry(of.clone()).or_insert_with(empty).comments.push(comment.clone());
        }
    }
}

/// Why a mark has no room beside this name, where that is so.
pub(super) fn has_no_room(at: &str) -> Option<String> {
    let mark = mark_name(at);
    (mark.len() > LONGEST_NAME).then(|| {
        format!(
            "kwo's mark at _kwo.{at} would be a name of {} characters, and DNS has {LONGEST_NAME}; give the host a \
             shorter name",
            mark.len()
        )
    })
}
