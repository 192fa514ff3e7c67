//! The JSON tree that bodies are made of: immutable, sorted, cheap to clone and to share.
//!
//! `serde_json::Value` costs a B-tree node of some 600 bytes for every small map; a cluster of 90 000
//! objects would not fit the memory that is promised. Here a map is one sorted slice behind an `Arc`, so what
//! is the same for every tenant (the rules of a Role, say) exists once, and equal pointers are equal trees.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::iter::Peekable;
use std::slice;
use std::sync::Arc;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
pub use serde_json::Number;
pub use smol_str::SmolStr;

/// A map with at most so many keys is small.
const SMALL: usize = 8;

/// One JSON value. Maps are sorted by key and hold each key once.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Tree {
    /// JSON `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, kept as it was written.
    Number(Number),
    /// A string.
    Text(SmolStr),
    /// An array.
    List(Arc<[Tree]>),
    /// An object, sorted by key.
    Map(Arc<[(SmolStr, Tree)]>),
}

impl Tree {
    /// A map of these entries; of two entries with one key the last one stays.
    pub fn map<K: Into<SmolStr>>(entries: impl IntoIterator<Item = (K, Tree)>) -> Tree {
        let mut entries: Vec<(SmolStr, Tree)> =
            entries.into_iter().map(|(key, value)| (key.into(), value)).collect();
        if !entries.is_sorted_by(|a, b| a.0 < b.0) {
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            entries.reverse();
            entries.dedup_by(|a, b| a.0 == b.0);
            entries.reverse();
        }
        Tree::Map(entries.into())
    }

    /// A list of these items.
    pub fn list(items: impl IntoIterator<Item = Tree>) -> Tree {
        Tree::List(items.into_iter().collect())
    }

    /// A list of strings.
    pub fn texts<T: Into<Tree>>(items: impl IntoIterator<Item = T>) -> Tree {
        Tree::List(items.into_iter().map(Into::into).collect())
    }

    /// The entries of a map; nothing for any other value.
    #[must_use]
    pub fn entries(&self) -> &[(SmolStr, Tree)] {
        match self {
            Tree::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The items of a list; nothing for any other value.
    #[must_use]
    pub fn items(&self) -> &[Tree] {
        match self {
            Tree::List(items) => items,
            _ => &[],
        }
    }

    /// The string, if it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&SmolStr> {
        match self {
            Tree::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value under this key of a map.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Tree> {
        let Tree::Map(entries) = self else { return None };
        // Most keys of a small map differ in their length already, which costs less than an order.
        let found = match entries.len() {
            0..=SMALL => entries.iter().position(|(have, _)| have == key)?,
            _ => entries.binary_search_by(|(have, _)| have.as_str().cmp(key)).ok()?,
        };
        entries.get(found).map(|(_, value)| value)
    }

    /// The value at this JSON pointer (RFC 6901); the empty pointer is the tree itself.
    #[must_use]
    pub fn at(&self, pointer: &str) -> Option<&Tree> {
        let mut here = self;
        for token in tokens(pointer) {
            here = match here {
                Tree::Map(_) => here.get(&token)?,
                Tree::List(items) => items.get(token.parse::<usize>().ok()?)?,
                Tree::Null | Tree::Bool(_) | Tree::Number(_) | Tree::Text(_) => return None,
            };
        }
        Some(here)
    }

    /// This tree with `value` at the pointer: a key is added or replaced, `-` appends to a list. Missing
    /// parents are made as maps. A pointer that leads through a single value changes nothing.
    #[must_use]
    pub fn with(&self, pointer: &str, value: Tree) -> Tree {
        let path: Vec<Cow<'_, str>> = tokens(pointer).collect();
        self.with_path(&path, value)
    }

    fn with_path(&self, path: &[Cow<'_, str>], value: Tree) -> Tree {
        let Some((first, rest)) = path.split_first() else { return value };
        match self {
            Tree::Map(entries) => {
                let mut entries = entries.to_vec();
                match entries.binary_search_by(|(have, _)| have.as_str().cmp(first)) {
                    Ok(found) => entries[found].1 = entries[found].1.with_path(rest, value),
                    Err(gap) => {
                        let made = Tree::Map(Arc::new([])).with_path(rest, value);
                        entries.insert(gap, (SmolStr::new(first), made));
                    }
                }
                Tree::Map(entries.into())
            }
            Tree::List(items) if first == "-" => {
                let mut items = items.to_vec();
                items.push(value);
                Tree::List(items.into())
            }
            Tree::List(items) => {
                let mut items = items.to_vec();
                if let Some(item) = first.parse().ok().and_then(|at: usize| items.get_mut(at)) {
                    *item = item.with_path(rest, value);
                }
                Tree::List(items.into())
            }
            Tree::Null | Tree::Bool(_) | Tree::Number(_) | Tree::Text(_) => self.clone(),
        }
    }

    /// Is it the very same allocation, or equal? The first answer is free, which is what sharing is for.
    #[must_use]
    pub fn same(&self, other: &Tree) -> bool {
        self.shares(other) || self == other
    }

    /// Is it the very same allocation? Single values have none.
    #[must_use]
    pub fn shares(&self, other: &Tree) -> bool {
        match (self, other) {
            (Tree::List(a), Tree::List(b)) => Arc::ptr_eq(a, b),
            (Tree::Map(a), Tree::Map(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }

    /// Every leaf as pointer and value, in order. Empty lists and maps are leaves.
    #[must_use]
    pub fn leaves(&self) -> Vec<(String, Tree)> {
        fn walk(here: &Tree, pointer: &str, leaves: &mut Vec<(String, Tree)>) {
            match here {
                Tree::Map(entries) if !entries.is_empty() => {
                    for (key, value) in entries.iter() {
                        walk(value, &join(pointer, key), leaves);
                    }
                }
                Tree::List(items) if !items.is_empty() => {
                    for (at, item) in items.iter().enumerate() {
                        walk(item, &format!("{pointer}/{at}"), leaves);
                    }
                }
                leaf => leaves.push((pointer.to_owned(), leaf.clone())),
            }
        }
        let mut leaves = Vec::new();
        walk(self, "", &mut leaves);
        leaves
    }
}

/// `pointer` one step deeper, with the key escaped as RFC 6901 asks.
#[must_use]
pub fn join(pointer: &str, key: &str) -> String {
    let mut joined = String::with_capacity(pointer.len() + key.len() + 1);
    joined.push_str(pointer);
    joined.push('/');
    for char in key.chars() {
        match char {
            '~' => joined.push_str("~0"),
            '/' => joined.push_str("~1"),
            other => joined.push(other),
        }
    }
    joined
}

/// The entries of one map, each with the value of the same key in another.
pub(crate) fn beside<'a, 'b>(
    these: &'a [(SmolStr, Tree)],
    those: &'b [(SmolStr, Tree)],
) -> impl Iterator<Item = (&'a SmolStr, &'a Tree, Option<&'b Tree>)> {
    // Both are in order, so that a wide map costs one pass and not a search for each key.
    let mut those = those.iter().peekable();
    these.iter().map(move |(key, value)| (key, value, following(&mut those, key)))
}

/// The value of this key in a map that is read in order, past all keys before it.
pub(crate) fn following<'t>(
    rest: &mut Peekable<slice::Iter<'t, (SmolStr, Tree)>>,
    key: &str,
) -> Option<&'t Tree> {
    loop {
        let (other, value) = rest.peek()?;
        match other.as_str().cmp(key) {
            Ordering::Greater => return None,
            Ordering::Equal => {
                rest.next();
                return Some(value);
            }
            Ordering::Less => drop(rest.next()),
        }
    }
}

/// Is the pointer this place, or below it?
#[must_use]
pub fn is_below(pointer: &str, place: &str) -> bool {
    pointer.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The keys and indexes of a pointer, unescaped.
pub fn tokens(pointer: &str) -> impl Iterator<Item = Cow<'_, str>> + '_ {
    pointer.split('/').skip(1).map(|token| match token.contains('~') {
        true => Cow::Owned(token.replace("~1", "/").replace("~0", "~")),
        false => Cow::Borrowed(token),
    })
}

impl fmt::Display for Tree {
    /// The canonical form: compact JSON with sorted keys.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

impl From<&'static str> for Tree {
    fn from(text: &'static str) -> Tree {
        Tree::Text(SmolStr::new_static(text))
    }
}

impl From<SmolStr> for Tree {
    fn from(text: SmolStr) -> Tree {
        Tree::Text(text)
    }
}

impl From<&SmolStr> for Tree {
    fn from(text: &SmolStr) -> Tree {
        Tree::Text(text.clone())
    }
}

impl From<String> for Tree {
    fn from(text: String) -> Tree {
        Tree::Text(text.into())
    }
}

impl From<bool> for Tree {
    fn from(value: bool) -> Tree {
        Tree::Bool(value)
    }
}

impl From<u64> for Tree {
    fn from(value: u64) -> Tree {
        Tree::Number(value.into())
    }
}

impl Serialize for Tree {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Tree::Null => serializer.serialize_unit(),
            Tree::Bool(value) => serializer.serialize_bool(*value),
            Tree::Number(number) => number.serialize(serializer),
            Tree::Text(text) => serializer.serialize_str(text),
            Tree::List(items) => {
                let mut seq = serializer.serialize_seq(Some(items.len()))?;
                for item in items.iter() {
                    seq.serialize_element(item)?;
                }
                seq.end()
            }
            Tree::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries.iter() {
                    map.serialize_entry(key.as_str(), value)?;
                }
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Tree, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Tree;
            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("any JSON value")
            }
            fn visit_unit<E: de::Error>(self) -> Result<Tree, E> {
                Ok(Tree::Null)
            }
            fn visit_none<E: de::Error>(self) -> Result<Tree, E> {
                Ok(Tree::Null)
            }
            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Tree, E> {
                Ok(Tree::Bool(value))
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Tree, E> {
                Ok(Tree::Number(value.into()))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Tree, E> {
                Ok(Tree::Number(value.into()))
            }
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Tree, E> {
                Number::from_f64(value)
                    .map(Tree::Number)
                    .ok_or_else(|| E::custom("a number that JSON cannot hold"))
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<Tree, E> {
                Ok(Tree::Text(value.into()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tree, A::Error> {
                let mut items = Vec::with_capacity(seq.size_hint().unwrap_or(0).min(1024));
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Tree::List(items.into()))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
                let mut entries: Vec<(SmolStr, Tree)> = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Tree::map(entries))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

impl schemars::JsonSchema for Tree {
    fn schema_name() -> Cow<'static, str> {
        "Value".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"description": "Any JSON value."})
    }
}

/// Trees are ordered by their canonical form, so that a set of them has one order.
impl Ord for Tree {
    fn cmp(&self, other: &Tree) -> Ordering {
        self.to_string().cmp(&other.to_string())
    }
}

impl PartialOrd for Tree {
    fn partial_cmp(&self, other: &Tree) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(json: &str) -> Tree {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_tree_is_sorted_and_prints_as_canonical_json() {
        let shuffled = tree(r#"{"b":[1,-2,"x"],"a":{"z":null,"y":true}}"#);
        assert_eq!(shuffled.to_string(), r#"{"a":{"y":true,"z":null},"b":[1,-2,"x"]}"#);
        assert_eq!(
            Tree::map([("a", Tree::from("first")), ("a", Tree::from("last"))]),
            tree(r#"{"a":"last"}"#)
        );
    }

    #[test]
    fn pointers_escape_and_lead_through_lists() {
        let body =
            tree(r#"{"metadata":{"labels":{"kwo.dev/tenant":"a","t~x":"b"}},"rules":[{"verbs":["get"]}]}"#);
        let pointer = join("/metadata/labels", "kwo.dev/tenant");
        assert_eq!(pointer, "/metadata/labels/kwo.dev~1tenant");
        assert_eq!(body.at(&pointer), Some(&Tree::from("a")));
        assert_eq!(body.at(&join("/metadata/labels", "t~x")), Some(&Tree::from("b")));
        assert_eq!(body.at("/rules/0/verbs/0"), Some(&Tree::from("get")));
        assert_eq!(body.at("/rules/1"), None);
    }

    #[test]
    fn with_adds_replaces_and_appends() {
        let body = tree(r#"{"a":{"b":1},"l":["x"]}"#);
        assert_eq!(body.with("/a/c", Tree::from("new")), tree(r#"{"a":{"b":1,"c":"new"},"l":["x"]}"#));
        assert_eq!(body.with("/a/b", Tree::from("2")), tree(r#"{"a":{"b":"2"},"l":["x"]}"#));
        assert_eq!(body.with("/l/-", Tree::from("y")), tree(r#"{"a":{"b":1},"l":["x","y"]}"#));
        assert_eq!(body.with("/n/m", Tree::Null), tree(r#"{"a":{"b":1},"l":["x"],"n":{"m":null}}"#));
    }
}
