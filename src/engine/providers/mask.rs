//! Cuts an object down to what is wanted of it while it is being decoded, so that memory follows the roster and
//! not the cluster. What equals the wanted part becomes the wanted part itself, so that it exists once.
//! Shared by all systems that hold Kubernetes objects; nothing here reads from anywhere.

use std::borrow::Cow;
use std::fmt;

use kwo_planner::kinds::{Kind, Shape, matches_any};
use kwo_planner::observed::{MANAGED_BY, MARK, TENANT_LABEL};
use kwo_planner::tree::{SmolStr, Tree, join, tokens};
use serde::Deserialize;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, Error, IgnoredAny, IntoDeserializer, MapAccess, SeqAccess, Visitor,
};
use serde_json::value::RawValue;

/// What is read of every object of a kind, wanted or not: its shape's `read` pointers, the labels by which
/// kwo knows its own, and who else has a hold on it.
pub(super) struct Also {
    key: SmolStr,
    below: Vec<Also>,
}

/// What to keep of the value at one place of an object.
#[derive(Clone, Copy)]
pub(super) struct Cut<'a> {
    wanted: Option<&'a Tree>,
    also: Option<&'a Also>,
    shape: &'static Shape,
    pointer: &'a str,
}

/// A key of a map, borrowed where the text allows it.
pub(super) struct Key<'de>(pub(super) Cow<'de, str>);

impl Also {
    /// For objects of this kind.
    pub(super) fn of(kind: Kind) -> Also {
        let mut root = Also { key: SmolStr::default(), below: Vec::new() };
        // What stands below an entry comes with its list.
        for pointer in kind.shape().read.iter().filter(|pointer| !pointer.contains('*')) {
            root.add(tokens(pointer).map(Cow::into_owned));
        }
        for label in [MARK.0, MANAGED_BY.0, TENANT_LABEL] {
            root.add(["metadata", "labels", label].into_iter().map(str::to_owned));
        }
        // Whoever else has a hold on it.
        for part in ["finalizers", "ownerReferences"] {
            root.add(["metadata", part].into_iter().map(str::to_owned));
        }
        root
    }

    fn add(&mut self, path: impl Iterator<Item = String>) {
        let mut here = self;
        for token in path {
            let at = here.below.iter().position(|below| below.key == token).unwrap_or_else(|| {
                here.below.push(Also { key: token.into(), below: Vec::new() });
                here.below.len() - 1
            });
            here = &mut here.below[at];
        }
    }

    fn get(&self, key: &str) -> Option<&Also> {
        self.below.iter().find(|below| below.key == key)
    }
}

impl<'a> Cut<'a> {
    /// For a whole object of this kind.
    pub(super) fn new(kind: Kind, wanted: Option<&'a Tree>, also: &'a Also) -> Cut<'a> {
        Cut { wanted, also: Some(also), shape: kind.shape(), pointer: "" }
    }

    /// For the value under a key of it; nothing where it is not to be kept.
    pub(super) fn below(&self, key: &str, pointer: &'a str) -> Option<Cut<'a>> {
        let wanted = self.wanted.and_then(|wanted| wanted.get(key));
        let also = self.also.and_then(|also| also.get(key));
        (wanted.is_some() || also.is_some()).then_some(Cut { wanted, also, shape: self.shape, pointer })
    }

    /// The map that has these parts, each as its text.
    pub(super) fn parts(
        &self,
        parts: &[(Cow<'_, str>, &RawValue)],
    ) -> Result<Option<Tree>, serde_json::Error> {
        let mut kept: Vec<(SmolStr, Tree)> = Vec::new();
        for (key, raw) in parts {
            let pointer = self.pointer_to(key);
            if let Some(cut) = self.below(key, &pointer) {
                let value = cut.deserialize(&mut serde_json::Deserializer::from_str(raw.get()))?;
                kept.extend(value.map(|value| (SmolStr::new(key), value)));
            }
        }
        Ok(self.map(kept))
    }

    /// Where the value under a key is; only patterns ask for it.
    fn pointer_to(&self, key: &str) -> String {
        if self.shape.whole.is_empty() { String::new() } else { join(self.pointer, key) }
    }

    /// The map that is left.
    fn map(&self, kept: Vec<(SmolStr, Tree)>) -> Option<Tree> {
        (self.wanted.is_some() || !kept.is_empty()).then(|| shared(Tree::map(kept), self.wanted))
    }

    /// Is the value kept as it is?
    fn complete(&self) -> bool {
        let read = self.also.is_some_and(|also| also.below.is_empty());
        let single = match self.wanted {
            Some(Tree::Map(_)) => matches_any(self.shape.whole, self.pointer),
            Some(_) => true,
            None => false,
        };
        read || single
    }
}

/// The wanted tree itself, where the tree found is equal to it.
pub(super) fn shared(found: Tree, wanted: Option<&Tree>) -> Tree {
    match wanted {
        Some(wanted) if *wanted == found => wanted.clone(),
        _ => found,
    }
}

/// Cuts an object that is JSON text down.
pub(super) fn cut_text(
    json: &str,
    kind: Kind,
    wanted: Option<&Tree>,
    also: &Also,
) -> Result<Tree, serde_json::Error> {
    let found = Cut::new(kind, wanted, also).deserialize(&mut serde_json::Deserializer::from_str(json))?;
    Ok(found.unwrap_or_else(|| Tree::map::<SmolStr>([])))
}

impl<'de> DeserializeSeed<'de> for Cut<'_> {
    type Value = Option<Tree>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<Tree>, D::Error> {
        if self.complete() {
            let found = Tree::deserialize(deserializer)?;
            return Ok((found != Tree::Null).then(|| shared(found, self.wanted)));
        }
        deserializer.deserialize_any(self)
    }
}

/// Comes here where a map is expected. Any other value is kept where something is wanted, so that the difference
/// is seen; only `null` is as good as nothing, to Kubernetes as well, which writes it for a list that was emptied.
impl<'de> Visitor<'de> for Cut<'_> {
    type Value = Option<Tree>;
    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("any JSON value")
    }
    fn visit_unit<E: Error>(self) -> Result<Option<Tree>, E> {
        Ok(None)
    }
    fn visit_bool<E: Error>(self, value: bool) -> Result<Option<Tree>, E> {
        Ok(self.wanted.map(|_| Tree::Bool(value)))
    }
    fn visit_i64<E: Error>(self, value: i64) -> Result<Option<Tree>, E> {
        Ok(self.wanted.map(|_| Tree::Number(value.into())))
    }
    fn visit_u64<E: Error>(self, value: u64) -> Result<Option<Tree>, E> {
        Ok(self.wanted.map(|_| Tree::Number(value.into())))
    }
    fn visit_f64<E: Error>(self, value: f64) -> Result<Option<Tree>, E> {
        self.wanted.map(|_| Tree::deserialize(value.into_deserializer())).transpose()
    }
    fn visit_str<E: Error>(self, value: &str) -> Result<Option<Tree>, E> {
        Ok(self.wanted.map(|_| Tree::Text(value.into())))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Option<Tree>, A::Error> {
        let found = Tree::deserialize(SeqAccessDeserializer::new(seq))?;
        Ok(self.wanted.map(|_| found))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<Tree>, A::Error> {
        let mut kept: Vec<(SmolStr, Tree)> = Vec::new();
        while let Some(Key(key)) = map.next_key()? {
            let pointer = self.pointer_to(&key);
            match self.below(&key, &pointer) {
                None => drop(map.next_value::<IgnoredAny>()?),
                Some(cut) => {
                    if let Some(value) = map.next_value_seed(cut)? {
                        kept.push((key.into(), value));
                    }
                }
            }
        }
        Ok(self.map(kept))
    }
}

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Key<'de>, D::Error> {
        struct Borrowed;
        impl<'de> Visitor<'de> for Borrowed {
            type Value = Key<'de>;
            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a key")
            }
            fn visit_borrowed_str<E: Error>(self, key: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(key)))
            }
            fn visit_str<E: Error>(self, key: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(key.to_owned())))
            }
        }
        deserializer.deserialize_str(Borrowed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(kind: Kind, wanted: Option<&str>, found: &str) -> String {
        let wanted: Option<Tree> = wanted.map(|json| serde_json::from_str(json).unwrap());
        cut_text(found, kind, wanted.as_ref(), &Also::of(kind)).unwrap().to_string()
    }

    #[test]
    fn only_what_is_wanted_stays() {
        let found = r#"{"metadata":{"name":"a","uid":"1","labels":{"x":"1","team":"t",
            "app.kubernetes.io/managed-by":"kwo"}},"spec":{"hard":{"pods":"1","secrets":"9"},"scopes":["A"]},
            "status":{"hard":{},"used":{"pods":"3"}}}"#;
        let wanted = r#"{"metadata":{"name":"a","labels":{"team":"u"}},"spec":{"hard":{"pods":"2"}}}"#;
        assert_eq!(
            cut(Kind::ResourceQuota, Some(wanted), found),
            r#"{"metadata":{"labels":{"app.kubernetes.io/managed-by":"kwo","team":"t"},"name":"a"},"#
                .to_owned()
                + r#""spec":{"hard":{"pods":"1"},"scopes":["A"]},"status":{"used":{"pods":"3"}}}"#
        );
        assert_eq!(
            cut(Kind::ResourceQuota, None, found),
            r#"{"metadata":{"labels":{"app.kubernetes.io/managed-by":"kwo"}},"spec":{"scopes":["A"]},"status":{"used":{"pods":"3"}}}"#
        );
    }

    #[test]
    fn lists_and_whole_maps_stay_complete() {
        let found =
            r#"{"spec":{"podSelector":{"matchLabels":{"a":"b"}},"policyTypes":["Ingress","Egress"]}}"#;
        let wanted = r#"{"spec":{"podSelector":{},"policyTypes":["Ingress"]}}"#;
        assert_eq!(cut(Kind::NetworkPolicy, Some(wanted), found), found);
        let role = r#"{"metadata":{"labels":{"a":"b"}},"rules":[{"verbs":["get"]}]}"#;
        assert_eq!(cut(Kind::Role, None, role), r#"{"rules":[{"verbs":["get"]}]}"#);
    }

    #[test]
    fn an_existing_map_stays_as_a_map_so_that_nobody_replaces_it() {
        let wanted = r#"{"metadata":{"labels":{"team":"u"},"annotations":{"n":"1"}}}"#;
        assert_eq!(
            cut(Kind::Namespace, Some(wanted), r#"{"metadata":{"labels":{"other":"x"},"annotations":null}}"#),
            r#"{"metadata":{"labels":{}}}"#
        );
    }

    #[test]
    fn null_is_nothing() {
        let wanted = r#"{"rules":[{"verbs":["get"]}]}"#;
        assert_eq!(cut(Kind::Role, Some(wanted), r#"{"rules":null}"#), "{}");
        assert_eq!(cut(Kind::Role, None, r#"{"rules":null}"#), "{}");
        assert_eq!(cut(Kind::Role, Some(wanted), r#"{"rules":[]}"#), r#"{"rules":[]}"#);
    }

    #[test]
    fn what_equals_the_wanted_is_the_wanted() {
        let wanted: Tree = serde_json::from_str(r#"{"rules":[{"verbs":["get"]}]}"#).unwrap();
        let also = Also::of(Kind::Role);
        let found =
            cut_text(r#"{"rules":[{"verbs":["get"]}],"x":1}"#, Kind::Role, Some(&wanted), &also).unwrap();
        let (Tree::Map(a), Tree::Map(b)) = (&wanted, &found) else { panic!("maps") };
        assert!(std::sync::Arc::ptr_eq(a, b));
    }
}
