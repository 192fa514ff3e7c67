//! How to compare the fields of a kind of object: which lists are sets, which have entries with a key, which values
//! are quantities, which parts count as one value, which texts hold a document. The room of each system has the rules
//! of its kinds, as data.

use crate::overlay::Overlay;
use crate::tree::{SmolStr, Tree};
use crate::unions::Union;

/// How the fields of a kind are compared and what may be done to them. Patterns are JSON pointers in which
/// `*` stands for one key.
#[derive(Debug)]
pub struct Shape {
    /// Lists that are sets, `list-type: set` to Kubernetes: entries are added, never replaced. Every other list is one
    /// value, which is `atomic`.
    pub sets: &'static [&'static str],
    /// Sets in which an entry that is there can make one that is wanted do harm.
    pub rivals: &'static [(&'static str, IsRival)],
    /// Maps that may have only one of some fields.
    pub unions: &'static [Union],
    /// A place that kwo writes to, and one that may not say something else then; `*` stands for the same key in both.
    pub apart: &'static [(&'static str, &'static str)],
    /// Lists whose entries have a key, `list-type: map` to Kubernetes: entries are added, and each is compared by itself.
    /// Some are atomic by the API's records and have keys all the same.
    pub keyed: &'static [(&'static str, EntryKey)],
    /// Values that are quantities: `1000m` is `1`.
    pub quantities: &'static [&'static str],
    /// Maps that are one value: a key too many is a difference, as in a selector.
    pub whole: &'static [&'static str],
    /// What the API refuses to change once the object exists.
    pub immutable: &'static [&'static str],
    /// Labels and the like that others set too: set where nothing stands, and never a difference where something does.
    pub yielding: &'static [&'static str],
    /// What makes an object unfit to be what is wanted, and why; the API does not let it be changed.
    pub unfit: &'static [(&'static str, &'static str)],
    /// What has to be read besides what is wanted, because the plan speaks of it.
    pub read: &'static [&'static str],
    /// Texts that hold a document of their own; here they are that document.
    pub documents: &'static [(&'static str, Format)],
    /// Parts that are filled in beside the roster: by the API, which then counts them among those of whoever wrote the
    /// object, or by a command of kwo.
    pub filled: &'static [&'static str],
    /// Lists with one owner as a whole by the API's records; their entries are kwo's where kwo wrote the list last.
    pub atomic: &'static [&'static str],
    /// Lists whose entries, and maps whose keys, nobody owns by the API's records, and which of them are like those that
    /// kwo writes.
    pub ours: &'static [(&'static str, IsOurs)],
    /// As `ours`, but kwo's only where the object says so: this annotation is there, which kwo writes with it.
    pub noted: &'static [(&'static str, IsOurs, &'static str)],
    /// A list whose entries others have too, and the set in which kwo notes the names of those that it wrote.
    pub signed: Option<(&'static str, &'static str)>,
    /// Maps in which others have keys beside kwo's: each key of kwo's that is left over is told by itself.
    pub shared: &'static [&'static str],
    /// Changes below these are no reason to do anew what follows the object.
    pub quiet: &'static [&'static str],
    /// Values that cease to be right by themselves: a token ends.
    pub passing: &'static [&'static str],
    /// The field that changes whenever the object is done anew; by itself it never differs.
    pub anew: Option<&'static str>,
    /// Places where what others add changes what the object does: it is told. `*` stands for an entry that is wanted.
    pub alters: &'static [&'static str],
    /// What the system takes a missing value for: where nothing stands, that stands there.
    pub assumed: &'static [(&'static str, &'static str)],
    /// It gives somebody rights.
    pub grants: bool,
    /// What beats a document of it.
    pub overlay: Option<Overlay>,
}

/// Is an entry like those that kwo writes?
pub type IsOurs = fn(&Tree) -> bool;

/// Can the entry that is wanted, the first one, not stand beside the other?
pub type IsRival = fn(&Tree, &Tree) -> bool;

/// What tells the entries of a list apart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EntryKey {
    /// The field with this name.
    Field(&'static str),
    /// These fields together; a `protocol` that is not there is TCP.
    Fields(&'static [&'static str]),
    /// A field that an entry may lack; those that lack it are one.
    Optional(&'static str),
    /// The flag that it is, in which capitals do not count: the entries are the arguments of a program.
    Flag,
}

/// The format of a document within a text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Format {
    Yaml,
    Json,
    /// A list of words, with this between them.
    Words(char),
}

pub(crate) const PLAIN: Shape = Shape {
    sets: &[],
    rivals: &[],
    unions: &[],
    apart: &[],
    keyed: &[],
    quantities: &[],
    whole: &[],
    immutable: &[],
    yielding: &["/metadata/labels/app.kubernetes.io~1managed-by"],
    unfit: &[],
    read: &[],
    documents: &[],
    filled: &[],
    atomic: &[],
    ours: &[],
    noted: &[],
    signed: None,
    shared: &[],
    quiet: &[],
    passing: &[],
    anew: None,
    alters: &[],
    assumed: &[],
    grants: false,
    overlay: None,
};

impl Shape {
    /// Why what was found can never be what is wanted; nothing where it can. What is wanted may have scopes of its own.
    #[must_use]
    pub fn unfit(&self, wanted: &Tree, found: &Tree) -> Option<String> {
        let there = |pointer: &str| match found.at(pointer) {
            None | Some(Tree::Null) => false,
            Some(Tree::List(items)) => !items.is_empty(),
            Some(_) => true,
        };
        let (pointer, why) =
            self.unfit.iter().find(|(pointer, _)| there(pointer) && wanted.at(pointer).is_none())?;
        Some(format!("it has {pointer}: it {why}"))
    }

    /// Why what is wanted would do harm beside what was found; nothing where it would not.
    #[must_use]
    pub fn rival(&self, wanted: &Tree, found: &Tree) -> Option<String> {
        self.rivals.iter().find_map(|(set, is_rival)| {
            let (wanted, found) = (wanted.at(set)?.items(), found.at(set)?.items());
            let pair = |other| wanted.iter().find(|entry| is_rival(entry, other)).map(|entry| (entry, other));
            let (entry, other) = found.iter().find_map(pair)?;
            // The rest of it is others' business.
            let name = |entry: &Tree| {
                let text = entry.as_text().map(SmolStr::as_str).unwrap_or_default();
                text.split_once('=').map_or(text, |(name, _)| name).to_owned()
            };
            let (set, entry, other) = (set.rsplit('/').next()?, name(entry), name(other));
            Some(format!(
                "`{other}` is in `{set}`, and with `{entry}` of kwo beside it the API server would not start; delete it first"
            ))
        })
    }

    /// May what stands at this pointer have been filled in beside the roster?
    #[must_use]
    pub fn is_filled(&self, pointer: &str) -> bool {
        let below = |part: &&&str| {
            pointer.strip_prefix(**part).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.filled.iter().find(below).is_some()
    }

    /// Does the pointer lead into a text that holds a document?
    #[must_use]
    pub fn is_in_document(&self, pointer: &str) -> bool {
        let inside =
            |document: &str| pointer.strip_prefix(document).is_some_and(|rest| rest.starts_with('/'));
        self.documents.iter().any(|(document, _)| inside(document))
    }

    /// What tells the entries of the list at this pointer apart, if anything does.
    #[must_use]
    pub fn key(&self, pointer: &str) -> Option<EntryKey> {
        self.keyed.iter().find(|(pattern, _)| matches_any(&[pattern], pointer)).map(|(_, key)| *key)
    }
}

/// Does the pointer match one of the patterns? `*` stands for one key.
#[must_use]
pub fn matches_any(patterns: &[&str], pointer: &str) -> bool {
    patterns.iter().any(|pattern| {
        let (mut wanted, mut found) = (pattern.split('/'), pointer.split('/'));
        loop {
            match (wanted.next(), found.next()) {
                (None, None) => return true,
                (Some(want), Some(have)) if want == "*" || want == have => {}
                _ => return false,
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_one_key() {
        assert!(matches_any(&["/spec/hard/*"], "/spec/hard/pods"));
        assert!(!matches_any(&["/spec/hard/*"], "/spec/hard"));
        assert!(!matches_any(&["/spec/hard/*"], "/spec/hard/pods/x"));
        assert!(matches_any(&["/spec/limits/*/*/*"], "/spec/limits/0/max/memory"));
    }
}
