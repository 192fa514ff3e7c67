//! Cuts an object down to the wanted fields while it decodes it, so that memory follows the roster and not the
//! cluster. A part that equals the wanted one becomes the wanted one itself, so that it exists once. All systems with
//! Kubernetes objects share this; nothing here reads from anywhere.

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
        let mut kept = Kept::beside(self.wanted);
        for (key, raw) in parts {
            let pointer = self.pointer_to(key);
            if let Some(cut) = self.next(key, &pointer, &kept) {
                let value = cut.deserialize(&mut serde_json::Deserializer::from_str(raw.get()))?;
                kept.add(key, value);
            }
        }
        Ok(kept.map())
    }

    /// As `below`, for the key after those that were kept: mostly the next one that is wanted.
    fn next(&self, key: &str, pointer: &'a str, kept: &Kept<'a>) -> Option<Cut<'a>> {
        match kept.next().filter(|(next, _)| next == key) {
            None => self.below(key, pointer),
            Some((_, wanted)) => {
                let also = self.also.and_then(|also| also.get(key));
                Some(Cut { wanted: Some(wanted), also, shape: self.shape, pointer })
            }
        }
    }

    /// Where the value under a key is; only patterns ask for it.
    fn pointer_to(&self, key: &str) -> String {
        if self.shape.whole.is_empty() { String::new() } else { join(self.pointer, key) }
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

/// What is kept of a map. As long as it is what is wanted, in the same order, there is nothing to write down.
struct Kept<'w> {
    wanted: Option<&'w Tree>,
    /// So many of the first entries that are wanted were found as they are wanted.
    same: usize,
    /// All that was kept, once something was found that is not wanted in this place.
    apart: Option<Vec<(SmolStr, Tree)>>,
}

impl<'w> Kept<'w> {
    fn beside(wanted: Option<&'w Tree>) -> Kept<'w> {
        Kept { wanted, same: 0, apart: None }
    }

    fn entries(&self) -> &'w [(SmolStr, Tree)] {
        self.wanted.map(Tree::entries).unwrap_or_default()
    }

    /// The entry that comes next if all is as it is wanted.
    fn next(&self) -> Option<&'w (SmolStr, Tree)> {
        self.entries().get(self.same).filter(|_| self.apart.is_none())
    }

    fn add(&mut self, key: &str, value: Option<Tree>) {
        let Some(value) = value else { return };
        if self.next().is_some_and(|(next, wanted)| next == key && value.same(wanted)) {
            self.same += 1;
            return;
        }
        let first = self.entries().get(..self.same).unwrap_or_default();
        self.apart.get_or_insert_with(|| first.to_vec()).push((SmolStr::new(key), value));
    }

    /// The map; nothing where there is none to tell.
    fn map(self) -> Option<Tree> {
        let first = self.entries().get(..self.same).unwrap_or_default();
        match (self.apart, self.wanted) {
            (None, Some(wanted @ Tree::Map(all))) if all.len() == self.same => Some(wanted.clone()),
            (None, None) => None,
            (apart, wanted) => Some(shared(Tree::map(apart.unwrap_or_else(|| first.to_vec())), wanted)),
        }
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
        let mut kept = Kept::beside(self.wanted);
        while let Some(Key(key)) = map.next_key()? {
            let pointer = self.pointer_to(&key);
            match self.next(&key, &pointer, &kept) {
                None => drop(map.next_value::<IgnoredAny>()?),
                Some(cut) => kept.add(&key, map.next_value_seed(cut)?),
            }
        }
        Ok(kept.map())
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
    fn in_whatever_order_it_comes_the_same_is_kept() {
        let wanted = r#"{"metadata":{"labels":{"a":"1","b":"2","c":"3"},"name":"x"}}"#;
        let tree: Tree = serde_json::from_str(wanted).unwrap();
        let also = Also::of(Kind::Namespace);
        for (labels, kept) in [
            (r#""a":"1","b":"2","c":"3""#, None),
            (r#""a":"1","b":"2","bb":"9","c":"3""#, None),
            (r#""c":"3","b":"2","a":"1""#, None),
            (r#""a":"0","a":"1","b":"2","c":"3""#, None),
            (r#""a":"1","b":"2","c":"3","b":"4""#, Some(r#"{"a":"1","b":"4","c":"3"}"#)),
            (r#""a":"1","b":"4","c":"3""#, Some(r#"{"a":"1","b":"4","c":"3"}"#)),
            (r#""a":"1","c":"3""#, Some(r#"{"a":"1","c":"3"}"#)),
            (r#""a":"1","b":null,"c":"3""#, Some(r#"{"a":"1","c":"3"}"#)),
            (r#""a":"1""#, Some(r#"{"a":"1"}"#)),
            ("", Some("{}")),
        ] {
            let found = format!(r#"{{"metadata":{{"labels":{{{labels}}},"name":"x","uid":"u"}}}}"#);
            let found = cut_text(&found, Kind::Namespace, Some(&tree), &also).unwrap();
            assert_eq!(found.shares(&tree), kept.is_none(), "{labels}");
            let there = found.at("/metadata/labels").unwrap().to_string();
            assert_eq!(there, kept.unwrap_or(r#"{"a":"1","b":"2","c":"3"}"#), "{labels}");
        }
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
