//! From the bytes of a LIST to sightings, in one pass and without the trees of what is not kept: an object that
//! nobody wants and that does not carry kwo's mark is skipped, unless it can let somebody in; every other one is cut down
//! to its mask.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use kwo_planner::foreign::bounded;
use kwo_planner::kinds::Kind;
use kwo_planner::observed::{Present, Sighting, Version, is_mark};
use kwo_planner::resource::{Desired, ResourceId};
use kwo_planner::tree::{SmolStr, Tree};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use smol_str::format_smolstr;

use super::owners::FieldSets;
use super::veil::veiled;
use crate::providers::mask::{Also, Cut, Key, shared};
use crate::secrets::Vault;

/// Reads the pages of one kind's LIST.
pub(super) struct Pages<'a> {
    kind: Kind,
    desired: &'a Desired,
    also: Also,
    sets: FieldSets,
    vault: &'a Vault,
}

/// What was seen of one object.
pub(super) type Seen = (ResourceId, Sighting);

/// What one page says.
#[derive(Default)]
pub(super) struct Page {
    /// The objects kept.
    pub(super) found: Vec<Seen>,
    /// How to ask for the next page.
    pub(super) next: Option<String>,
}

/// What has to be known of an object before the rest can be cut down.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    namespace: Cow<'a, str>,
    #[serde(borrow, default)]
    uid: Cow<'a, str>,
    #[serde(borrow, default)]
    resource_version: Cow<'a, str>,
    #[serde(borrow, default)]
    deletion_timestamp: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    finalizers: Option<Vec<Cow<'a, str>>>,
    #[serde(default)]
    labels: Option<Labels>,
    #[serde(borrow, default)]
    managed_fields: Option<&'a RawValue>,
}

/// The labels, as far as they say whether the object carries the mark.
struct Labels {
    marked: bool,
}

#[derive(Deserialize)]
struct ListMeta {
    #[serde(default, rename = "continue")]
    next: Option<String>,
}

impl<'a> Pages<'a> {
    /// For the objects of this kind.
    pub(super) fn new(kind: Kind, desired: &'a Desired, vault: &'a Vault) -> Pages<'a> {
        Pages { kind, desired, also: Also::of(kind), sets: FieldSets::default(), vault }
    }

    /// Reads one page.
    pub(super) fn read(&mut self, json: &str) -> Result<Page, serde_json::Error> {
        let mut deserializer = serde_json::Deserializer::from_str(json);
        let page = PageSeed(self).deserialize(&mut deserializer)?;
        deserializer.end()?;
        Ok(page)
    }
}

struct PageSeed<'p, 'a>(&'p mut Pages<'a>);
struct Items<'p, 'a>(&'p mut Pages<'a>, &'p mut Vec<Seen>);
struct Item<'p, 'a>(&'p mut Pages<'a>);

impl<'de> DeserializeSeed<'de> for PageSeed<'_, '_> {
    type Value = Page;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Page, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for PageSeed<'_, '_> {
    type Value = Page;
    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a list of objects")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Page, A::Error> {
        let mut page = Page::default();
        let mut listed = false;
        while let Some(Key(key)) = map.next_key()? {
            match &*key {
                "metadata" => {
                    page.next = map.next_value::<ListMeta>()?.next.filter(|next| !next.is_empty());
                }
                "items" => {
                    listed = true;
                    map.next_value_seed(Items(&mut *self.0, &mut page.found))?;
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        // What is no list must not be taken for an empty one.
        if listed { Ok(page) } else { Err(A::Error::missing_field("items")) }
    }
}

impl<'de> DeserializeSeed<'de> for Items<'_, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Items<'_, '_> {
    type Value = ();
    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("the objects of a list")
    }
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(kept) = seq.next_element_seed(Item(&mut *self.0))? {
            self.1.extend(kept);
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Item<'_, '_> {
    type Value = Option<Seen>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Item<'_, '_> {
    type Value = Option<Seen>;
    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let Pages { kind, desired, also, sets, vault } = self.0;
        // The API server writes metadata first; what comes before it has to wait.
        let mut early: Vec<(Cow<'de, str>, &'de RawValue)> = Vec::new();
        let metadata: &RawValue = loop {
            match map.next_key()? {
                None => return Err(A::Error::missing_field("metadata")),
                Some(Key(key)) if key == "metadata" => break map.next_value()?,
                Some(Key(key)) => early.push((key, map.next_value()?)),
            }
        };
        let head: Head<'_> = serde_json::from_str(metadata.get()).map_err(A::Error::custom)?;
        let id = ResourceId::kube(*kind, SmolStr::new(&head.namespace), SmolStr::new(&head.name));
        let wanted = desired.get(&id);
        let bound = desired.bound().contains(&id);
        let marked = head.labels.is_some_and(|labels| labels.marked);
        if wanted.is_none() && !bound && !marked && !kind.lets_in() {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(None);
        }

        let whole = Cut::new(*kind, wanted.map(|resource| &resource.body), also);
        let mut kept: Vec<(SmolStr, Tree)> = Vec::new();
        early.push((Cow::Borrowed("metadata"), metadata));
        for (key, raw) in early {
            let pointer = format!("/{key}");
            if let Some(cut) = whole.below(&key, &pointer) {
                let value = cut.deserialize(&mut serde_json::Deserializer::from_str(raw.get()));
                kept.extend(value.map_err(A::Error::custom)?.map(|value| (key.into(), value)));
            }
        }
        let mut stuck = Stuck::default();
        stuck.finalizers.extend(head.finalizers.into_iter().flatten().map(Cow::into_owned));
        while let Some(Key(key)) = map.next_key()? {
            let pointer = format!("/{key}");
            if head.deletion_timestamp.is_some() {
                let raw: &RawValue = map.next_value()?;
                stuck.read(&key, raw);
                if let Some(cut) = whole.below(&key, &pointer) {
                    let value = cut.deserialize(&mut serde_json::Deserializer::from_str(raw.get()));
                    kept.extend(value.map_err(A::Error::custom)?.map(|value| (key.into(), value)));
                }
                continue;
            }
            match whole.below(&key, &pointer) {
                None => drop(map.next_value::<IgnoredAny>()?),
                Some(cut) => kept.extend(map.next_value_seed(cut)?.map(|value| (key.into(), value))),
            }
        }
        // The objects of a LIST do not say what they are.
        for (key, value) in [("apiVersion", kind.api_version()), ("kind", kind.name())] {
            if whole.below(key, "").is_some() && kept.iter().all(|(have, _)| have != key) {
                kept.push((SmolStr::new_static(key), Tree::from(value)));
            }
        }
        let owners = match head.managed_fields {
            // Of what is others', nobody asks who wrote which field.
            Some(managed) if wanted.is_some() || marked => sets.owners(managed).map_err(A::Error::custom)?,
            _ => Arc::new([]),
        };
        // An id that is wanted exists already; it need not exist twice.
        let id = wanted.map_or(id, |resource| resource.id.clone());
        let wanted = wanted.map(|resource| &resource.body);
        let body = match veiled(vault, *kind, &id, &Tree::map(kept), wanted) {
            Ok(body) => body,
            Err(why) => return Ok(Some((id, Sighting::Unknown { why: why.into() }))),
        };
        let body = if wanted.is_none() && !marked { bounded(*kind, body) } else { body };
        let present = Present {
            body: shared(body, wanted),
            version: Version(format_smolstr!("{}/{}", head.uid, head.resource_version)),
            owners,
            deleting: head.deletion_timestamp.map(|since| format_smolstr!("{since}{stuck}")),
        };
        Ok(Some((id, Sighting::Present(present))))
    }
}

/// What holds an object that is being deleted.
#[derive(Default)]
struct Stuck {
    finalizers: Vec<String>,
    conditions: Vec<String>,
}

impl Stuck {
    /// What the specification and the status say of it, as those of a namespace do.
    fn read(&mut self, key: &str, raw: &RawValue) {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Part {
            finalizers: Vec<String>,
            conditions: Vec<Condition>,
        }
        #[derive(Deserialize)]
        struct Condition {
            status: String,
            #[serde(default)]
            message: String,
        }
        if !matches!(key, "spec" | "status") {
            return;
        }
        // Of other kinds it may have another form; then there is nothing to say.
        let Part { finalizers, conditions } = serde_json::from_str(raw.get()).unwrap_or_default();
        self.finalizers.extend(finalizers);
        let holds = conditions.into_iter().filter(|condition| condition.status == "True");
        self.conditions
            .extend(holds.map(|condition| condition.message).filter(|message| !message.is_empty()));
    }
}

impl fmt::Display for Stuck {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Stuck { finalizers, conditions } = self;
        match finalizers.as_slice() {
            [] => {}
            [one] => write!(out, "; the finalizer {one} holds it")?,
            several => write!(out, "; the finalizers {} hold it", several.join(", "))?,
        }
        if !conditions.is_empty() {
            write!(out, ": {}", conditions.join("; "))?;
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Labels, D::Error> {
        struct Mark;
        impl<'de> Visitor<'de> for Mark {
            type Value = Labels;
            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("labels")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Labels, A::Error> {
                let mut marked = false;
                while let Some((Key(key), Key(value))) = map.next_entry()? {
                    marked |= is_mark(&key, &value);
                }
                Ok(Labels { marked })
            }
        }
        deserializer.deserialize_map(Mark)
    }
}

#[cfg(test)]
mod tests {
    use kwo_planner::resource::{Reason, Resource};

    use super::*;

    fn desired(id: &str, body: &str) -> Desired {
        let (id, body) = (id.parse().unwrap(), serde_json::from_str(body).unwrap());
        let resource = Resource::new(id, body, Arc::new([]), Reason::Always);
        Desired::new(vec![resource], Arc::default()).unwrap()
    }

    #[test]
    fn a_page_is_cut_down_whatever_the_order() {
        let body = r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"alice","labels":{"a":"1"}}}"#;
        let desired = desired("kube:Namespace/alice", body);
        let page = r#"{"kind":"NamespaceList","apiVersion":"v1","metadata":{"resourceVersion":"9","continue":"more"},
            "items":[
              {"spec":{"finalizers":["kubernetes"]},"metadata":{"uid":"u1","name":"alice","resourceVersion":"5",
                "labels":{"a":"1","b":"2"},"managedFields":[
                  {"manager":"kwo","operation":"Update","time":"2026-01-01T00:00:00Z","fieldsType":"FieldsV1",
                   "fieldsV1":{"f:metadata":{"f:labels":{"f:a":{}}}}}]},"status":{"phase":"Active"}},
              {"metadata":{"name":"other","labels":{"b":"2"}},"spec":{}},
              {"metadata":{"name":"left","labels":{"app.kubernetes.io/managed-by":"kwo","kwo.dev/tenant":"t"},
                "deletionTimestamp":"2026-01-02T00:00:00Z"},"spec":{"finalizers":["kubernetes"]},
                "status":{"conditions":[{"type":"A","status":"False","message":"no"},
                  {"type":"B","status":"True","message":"pods. has 1 resource instances"}]}}]}"#;
        let vault = Vault::default();
        let page = Pages::new(Kind::Namespace, &desired, &vault).read(page).unwrap();
        assert_eq!(page.next.as_deref(), Some("more"));
        let [(first, Sighting::Present(alice)), (second, Sighting::Present(left))] = page.found.as_slice()
        else {
            panic!("{:?}", page.found)
        };
        assert_eq!(first.to_string(), "kube:Namespace/alice");
        assert!(alice.body.same(&desired.resources()[0].body));
        assert_eq!(alice.version.0, "u1/5");
        assert_eq!(alice.writer("/metadata/labels/a").unwrap().manager, "kwo");
        assert_eq!(second.to_string(), "kube:Namespace/left");
        assert!(left.is_marked());
        assert_eq!(left.label("kwo.dev/tenant").unwrap(), "t");
        let told = "2026-01-02T00:00:00Z; the finalizer kubernetes holds it: pods. has 1 resource instances";
        assert_eq!(left.deleting.as_deref(), Some(told));
    }

    #[test]
    fn what_is_no_list_is_an_error_and_not_an_empty_list() {
        let desired = Desired::default();
        let vault = Vault::default();
        let mut pages = Pages::new(Kind::Namespace, &desired, &vault);
        for text in ["{}", "[]", r#"{"kind":"Status"}"#, r#"{"items":[{}]}"#, r#"{"items":[]} x"#, ""] {
            assert!(pages.read(text).is_err(), "{text}");
        }
        assert!(pages.read(r#"{"items":null}"#).unwrap().found.is_empty());
    }
}
