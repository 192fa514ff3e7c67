//! From the text of one object of a LIST to a sighting, in one pass and without the trees of what is not kept: an object
//! that nobody wants and that does not carry kwo's mark is skipped, unless it can let somebody in; every other one is cut
//! down to its mask.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use kwo_planner::foreign::bounded;
use kwo_planner::kinds::Kind;
use kwo_planner::observed::{Present, Sighting, Version, is_mark};
use kwo_planner::resource::{Desired, Resource, ResourceId};
use kwo_planner::tree::{SmolStr, Tree};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use smol_str::format_smolstr;

use super::owners::FieldSets;
use super::page::{Gather, Take, Wrong};
use super::redact::redacted;
use crate::providers::mask::{Also, Cut, Key, shared};
use crate::secrets::Vault;

/// Reads the objects of one kind's LIST.
pub(super) struct Objects {
    kind: Kind,
    desired: Desired,
    also: Also,
    sets: FieldSets,
    vault: Arc<Vault>,
    /// Where in what is wanted the next object is looked for first.
    at: usize,
    /// What was kept so far.
    found: Vec<Seen>,
    /// How much of it is from the pages before this one.
    before: usize,
}

/// What was seen of one object.
pub(super) type Seen = (ResourceId, Sighting);

/// The metadata of an object: what has to be known before the rest can be cut down, and all of it as text.
#[derive(Default)]
struct Head<'a> {
    name: Cow<'a, str>,
    namespace: Cow<'a, str>,
    uid: Cow<'a, str>,
    resource_version: Cow<'a, str>,
    deletion_timestamp: Option<Cow<'a, str>>,
    finalizers: Vec<String>,
    marked: bool,
    /// The records of who wrote what, which are most of it.
    managed: Option<&'a RawValue>,
    rest: Vec<(Cow<'a, str>, &'a RawValue)>,
}

/// The labels, as far as they say whether the object carries the mark.
struct Labels {
    marked: bool,
}

impl Objects {
    /// Those of this kind.
    pub(super) fn new(kind: Kind, desired: &Desired, vault: &Arc<Vault>) -> Objects {
        Objects {
            kind,
            desired: desired.clone(),
            also: Also::of(kind),
            sets: FieldSets::default(),
            vault: Arc::clone(vault),
            at: 0,
            found: Vec::new(),
            before: 0,
        }
    }

    /// All that was kept of the list.
    pub(super) fn end(&mut self) -> Vec<Seen> {
        self.before = 0;
        std::mem::take(&mut self.found)
    }
}

impl Gather for Objects {
    fn begin(&mut self) {
        self.found.clear();
        self.before = 0;
    }

    fn turn(&mut self) {
        self.before = self.found.len();
    }
}

impl Take for Objects {
    fn take(&mut self, object: &RawValue) -> Result<(), Wrong> {
        let mut deserializer = serde_json::Deserializer::from_str(object.get());
        if let Some(seen) = deserializer.deserialize_map(Item(self))? {
            self.found.push(seen);
        }
        Ok(())
    }

    fn forget(&mut self) {
        self.found.truncate(self.before);
    }
}

/// What is wanted with this id. A LIST comes mostly in the order of what is wanted.
fn wanted_next<'d>(desired: &'d Desired, at: &mut usize, id: &ResourceId) -> Option<&'d Resource> {
    let next = desired.resources().get(*at).filter(|next| next.id == *id);
    let here = if next.is_some() { *at } else { desired.position(id)? };
    *at = here + 1;
    desired.resources().get(here)
}

struct Item<'p>(&'p mut Objects);

impl<'de> Visitor<'de> for Item<'_> {
    type Value = Option<Seen>;
    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let Objects { kind, desired, also, sets, vault, at, found: _, before: _ } = self.0;
        // The API server writes metadata first; what comes before it has to wait.
        let mut early: Vec<(Cow<'de, str>, &'de RawValue)> = Vec::new();
        let head: Head<'de> = loop {
            match map.next_key()? {
                None => return Err(A::Error::missing_field("metadata")),
                Some(Key(key)) if key == "metadata" => break map.next_value()?,
                Some(Key(key)) => early.push((key, map.next_value()?)),
            }
        };
        let id = ResourceId::kube(*kind, SmolStr::new(&head.namespace), SmolStr::new(&head.name));
        let wanted = wanted_next(desired, at, &id);
        let bound = desired.bound().contains(&id);
        let marked = head.marked;
        if wanted.is_none() && !bound && !marked && !kind.lets_in() {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(None);
        }

        let whole = Cut::new(*kind, wanted.map(|resource| &resource.body), also);
        let mut kept: Vec<(SmolStr, Tree)> = Vec::new();
        for (key, raw) in early {
            let pointer = format!("/{key}");
            if let Some(cut) = whole.below(&key, &pointer) {
                let value = cut.deserialize(&mut serde_json::Deserializer::from_str(raw.get()));
                kept.extend(value.map_err(A::Error::custom)?.map(|value| (key.into(), value)));
            }
        }
        if let Some(cut) = whole.below("metadata", "/metadata") {
            let metadata = cut.parts(&head.rest).map_err(A::Error::custom)?;
            kept.extend(metadata.map(|metadata| (SmolStr::new_static("metadata"), metadata)));
        }
        let mut stuck = Stuck::default();
        stuck.finalizers.extend(head.finalizers);
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
            // How much is in use counts where a bound is to change, and there is none to change here.
            let amounts = *kind == Kind::ResourceQuota;
            let spare = amounts && key == "status" && is_as_wanted(&kept, wanted);
            match whole.below(&key, &pointer).filter(|_| !spare) {
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
        let owners = match head.managed {
            // Of what is others', nobody asks who wrote which field.
            Some(managed) if wanted.is_some() || marked => sets.owners(managed).map_err(A::Error::custom)?,
            _ => Arc::new([]),
        };
        // An id that is wanted exists already; it need not exist twice.
        let id = wanted.map_or(id, |resource| resource.id.clone());
        let wanted = wanted.map(|resource| &resource.body);
        let body = match redacted(vault, *kind, &id, &Tree::map(kept), wanted) {
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

/// Is all that was kept so far what is wanted, and nothing else?
fn is_as_wanted(kept: &[(SmolStr, Tree)], wanted: Option<&Resource>) -> bool {
    let Some(wanted) = wanted.map(|resource| &resource.body) else { return false };
    let named = |key: &str| matches!(key, "apiVersion" | "kind");
    kept.iter().all(|(key, value)| named(key) || wanted.get(key) == Some(value))
        && wanted.entries().iter().all(|(key, _)| named(key) || kept.iter().any(|(have, _)| have == key))
}

impl<'de> Deserialize<'de> for Head<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Head<'de>, D::Error> {
        struct Parts;
        impl<'de> Visitor<'de> for Parts {
            type Value = Head<'de>;
            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("metadata")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Head<'de>, A::Error> {
                let mut head = Head::default();
                let mut named = false;
                while let Some((Key(key), raw)) = map.next_entry::<Key<'de>, &'de RawValue>()? {
                    let text = || serde_json::from_str(raw.get()).map(|Key(text)| text);
                    let read = match &*key {
                        "name" => text().map(|name| (head.name, named) = (name, true)),
                        "namespace" => text().map(|namespace| head.namespace = namespace),
                        "uid" => text().map(|uid| head.uid = uid),
                        "resourceVersion" => text().map(|version| head.resource_version = version),
                        "deletionTimestamp" => serde_json::from_str::<Option<Key<'_>>>(raw.get())
                            .map(|since| head.deletion_timestamp = since.map(|Key(since)| since)),
                        "finalizers" => serde_json::from_str::<Option<Vec<String>>>(raw.get())
                            .map(|all| head.finalizers = all.unwrap_or_default()),
                        "labels" => serde_json::from_str::<Option<Labels>>(raw.get())
                            .map(|labels| head.marked = labels.is_some_and(|labels| labels.marked)),
                        _ => Ok(()),
                    };
                    read.map_err(A::Error::custom)?;
                    if key == "managedFields" {
                        head.managed = Some(raw);
                    } else {
                        head.rest.push((key, raw));
                    }
                }
                if named { Ok(head) } else { Err(A::Error::missing_field("name")) }
            }
        }
        deserializer.deserialize_map(Parts)
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

    /// What is kept of these objects.
    fn kept(kind: Kind, desired: &Desired, objects: &[&str]) -> Vec<Seen> {
        let mut all = Objects::new(kind, desired, &Arc::default());
        for object in objects {
            all.take(serde_json::from_str(object).unwrap()).unwrap();
        }
        all.end()
    }

    #[test]
    fn an_object_is_cut_down_whatever_the_order() {
        let body = r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"alice","labels":{"a":"1"}}}"#;
        let desired = desired("kube:Namespace/alice", body);
        let objects = [
            r#"{"spec":{"finalizers":["kubernetes"]},"metadata":{"uid":"u1","name":"alice","resourceVersion":"5",
                "labels":{"a":"1","b":"2"},"managedFields":[
                  {"manager":"kwo","operation":"Update","time":"2026-01-01T00:00:00Z","fieldsType":"FieldsV1",
                   "fieldsV1":{"f:metadata":{"f:labels":{"f:a":{}}}}}]},"status":{"phase":"Active"}}"#,
            r#"{"metadata":{"name":"other","labels":{"b":"2"}},"spec":{}}"#,
            r#"{"metadata":{"name":"left","labels":{"app.kubernetes.io/managed-by":"kwo","kwo.dev/tenant":"t"},
                "deletionTimestamp":"2026-01-02T00:00:00Z"},"spec":{"finalizers":["kubernetes"]},
                "status":{"conditions":[{"type":"A","status":"False","message":"no"},
                  {"type":"B","status":"True","message":"pods. has 1 resource instances"}]}}"#,
        ];
        let found = kept(Kind::Namespace, &desired, &objects);
        let [(first, Sighting::Present(alice)), (second, Sighting::Present(left))] = found.as_slice() else {
            panic!("{found:?}")
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
    fn how_much_is_in_use_is_kept_where_a_bound_is_not_as_it_is_wanted() {
        let body = r#"{"apiVersion":"v1","kind":"ResourceQuota","metadata":{"name":"q","namespace":"a"},"spec":{"hard":{"pods":"2"}}}"#;
        let desired = desired("kube:ResourceQuota/a/q", body);
        let quota = |spec: &str| {
            let (metadata, used) = (r#""metadata":{"name":"q","namespace":"a"}"#, r#""used":{"pods":"1"}"#);
            format!(r#"{{{metadata},"spec":{spec},"status":{{"hard":{{"pods":"2"}},{used}}}}}"#)
        };
        for (spec, keeps) in [
            (r#"{"hard":{"pods":"2"}}"#, false),
            (r#"{"hard":{"pods":"2","secrets":"1"}}"#, false),
            (r#"{"hard":{"pods":"3"}}"#, true),
            (r#"{"hard":{}}"#, true),
            (r#"{"hard":{"pods":"2"},"scopes":["A"]}"#, true),
        ] {
            let found = kept(Kind::ResourceQuota, &desired, &[&quota(spec)]);
            let [(_, Sighting::Present(present))] = found.as_slice() else { panic!("{found:?}") };
            assert_eq!(present.body.at("/status/used/pods").is_some(), keeps, "{spec}");
            assert_eq!(present.body.shares(&desired.resources()[0].body), !keeps, "{spec}");
        }
        let others = kept(Kind::ResourceQuota, &Desired::default(), &[&quota(r#"{"hard":{"pods":"2"}}"#)]);
        assert!(others.is_empty());
    }

    #[test]
    fn what_is_no_object_is_an_error() {
        let mut all = Objects::new(Kind::Namespace, &Desired::default(), &Arc::default());
        for text in ["{}", "[]", r#"{"metadata":{}}"#, r#"{"metadata":{"name":1}}"#, r#"{"metadata":null}"#] {
            assert!(all.take(serde_json::from_str(text).unwrap()).is_err(), "{text}");
        }
        assert!(all.end().is_empty());
    }
}
