//! What was seen of the world: a sighting an id, and who wrote which field of it.
//! "We could not look" is a value of its own here and never turns into "it is not there".

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::kinds::Kind;
use crate::resource::ResourceId;
use crate::tree::{SmolStr, Tree, join, tokens};

/// The label that marks what kwo made or took over, as a key and its value.
pub const MARK: (&str, &str) = ("kwo.dev/managed", "true");

/// The standard label, which others set too: Helm, for one. kwo sets it where nothing stands and leaves it alone
/// where something does. It was the mark once, so an object that has it with this value is kwo's.
pub const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "kwo");

/// The label that names the tenant.
pub const TENANT_LABEL: &str = "kwo.dev/tenant";

/// The name under which kwo writes, so that the system's own records tell its values from others'.
pub const FIELD_MANAGER: &str = "kwo";

/// What was seen of the world.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Observed {
    sightings: BTreeMap<ResourceId, Sighting>,
    /// The kinds of which nobody could see what others have, and why.
    pub unlisted: BTreeMap<Kind, SmolStr>,
    /// How a person comes to what was seen.
    pub reach: Reach,
}

/// How a person comes to what was seen, for the commands that a plan shows.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Reach {
    /// What `kubectl` needs to be told so that it speaks to the same cluster, with a space in front; or nothing.
    pub kubectl: SmolStr,
    /// The folder that the files of the node lie below, without a slash at its end.
    pub root: SmolStr,
    /// The files that objects stand in, where they stand in files.
    pub places: BTreeMap<ResourceId, Place>,
}

/// The file that something stands in, by its absolute path.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Place {
    /// Nothing else stands in it.
    Alone(SmolStr),
    /// Something else stands in it, too.
    Among(SmolStr),
}

/// What was seen of one object.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Sighting {
    /// It is not there.
    Absent,
    /// It is there.
    Present(Present),
    /// Nobody could look.
    Unknown {
        /// What was tried and what came of it, as a sentence without a full stop.
        why: SmolStr,
    },
    /// This run was not asked to look.
    LeftOut {
        /// What would have to be asked for.
        why: SmolStr,
    },
}

/// An object that is there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Present {
    /// Its content, cut down to what is wanted of it and to what its kind asks to read besides. The labels
    /// [`MARK`], [`MANAGED_BY`] and [`TENANT_LABEL`] are always there where the object has them.
    pub body: Tree,
    /// What a write has to name so that it fails if the object has changed since.
    pub version: Version,
    /// Who wrote which fields, where the system keeps records.
    pub owners: Arc<[Owner]>,
    /// Since when it is being deleted.
    pub deleting: Option<SmolStr>,
}

/// The state of one object as its system names it; opaque to everybody but its provider.
#[derive(Clone, Debug, Eq, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct Version(pub SmolStr);

/// One writer of an object and the fields that are its own.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Owner {
    /// What the writer called itself.
    pub manager: SmolStr,
    /// When it wrote last, in RFC 3339 (UTC).
    pub when: Option<SmolStr>,
    /// Its fields, in the form of Kubernetes' `fieldsV1`: keys `f:name`, `k:{…}`, `v:…`; `{}` where it ends.
    pub fields: Tree,
}

/// Is this label kwo's mark, as it is or as it once was?
#[must_use]
pub fn is_mark(key: &str, value: &str) -> bool {
    [MARK, MANAGED_BY].contains(&(key, value))
}

impl Observed {
    /// Adds one sighting; of two of the same object the last one counts.
    pub fn insert(&mut self, id: ResourceId, sighting: Sighting) {
        self.sightings.insert(id, sighting);
    }

    /// What was seen of this object, if anybody looked.
    #[must_use]
    pub fn get(&self, id: &ResourceId) -> Option<&Sighting> {
        self.sightings.get(id)
    }

    /// All sightings, ordered by id.
    pub fn iter(&self) -> impl Iterator<Item = (&ResourceId, &Sighting)> {
        self.sightings.iter()
    }

    /// Takes over all that another observer saw.
    pub fn merge(&mut self, other: Observed) {
        let Observed { sightings, unlisted, reach: Reach { kubectl, root, places } } = other;
        self.sightings.extend(sightings);
        self.unlisted.extend(unlisted);
        self.reach.places.extend(places);
        for (own, other) in [(&mut self.reach.kubectl, kubectl), (&mut self.reach.root, root)] {
            if own.is_empty() {
                *own = other;
            }
        }
    }
}

impl FromIterator<(ResourceId, Sighting)> for Observed {
    fn from_iter<I: IntoIterator<Item = (ResourceId, Sighting)>>(iter: I) -> Observed {
        Observed { sightings: iter.into_iter().collect(), ..Observed::default() }
    }
}

impl Present {
    /// Does it carry kwo's mark?
    #[must_use]
    pub fn is_marked(&self) -> bool {
        [MARK, MANAGED_BY].iter().any(|(key, mark)| self.label(key).is_some_and(|value| value == mark))
    }

    /// Does it carry only the label that was kwo's mark once?
    #[must_use]
    pub fn is_marked_of_old(&self) -> bool {
        self.is_marked() && self.label(MARK.0).is_none_or(|value| value != MARK.1)
    }

    /// The value of a label.
    #[must_use]
    pub fn label(&self, key: &str) -> Option<&SmolStr> {
        self.body.get("metadata")?.get("labels")?.get(key)?.as_text()
    }

    /// The last to write the field at this pointer or below it. Of two at the same moment the one that is not
    /// kwo: what it holds may differ, and nobody may be accused of kwo's own value.
    #[must_use]
    pub fn writer(&self, pointer: &str) -> Option<&Owner> {
        self.owners
            .iter()
            .filter(|owner| owns(&owner.fields, pointer))
            .max_by_key(|owner| (owner.when.as_ref(), owner.manager != FIELD_MANAGER))
    }

    /// Did kwo add this entry to the set at this pointer, as far as the records know entries?
    #[must_use]
    pub fn kwo_added(&self, set: &str, entry: &Tree) -> bool {
        let place = tokens(set).fold(String::new(), |path, token| join(&path, &format!("f:{token}")));
        let key = format!("v:{entry}");
        let own = self.owners.iter().filter(|owner| owner.manager == FIELD_MANAGER);
        own.filter_map(|owner| owner.fields.at(&place)).any(|entries| entries.get(&key).is_some())
    }

    /// The pointers of all fields that kwo wrote and nobody has written since, in order; lists and maps
    /// that have one owner as a whole are one field.
    #[must_use]
    pub fn written_by_kwo(&self) -> Vec<String> {
        fn walk(fields: &Tree, pointer: &str, found: &mut Vec<String>) {
            for (key, below) in fields.entries() {
                let Some(name) = key.strip_prefix("f:") else { continue };
                let here = join(pointer, name);
                if below.entries().is_empty() {
                    found.push(here);
                } else {
                    walk(below, &here, found);
                }
            }
        }
        let mut found = Vec::new();
        for owner in self.owners.iter().filter(|owner| owner.manager == FIELD_MANAGER) {
            walk(&owner.fields, "", &mut found);
        }
        found.sort();
        found.dedup();
        found
    }
}

/// Is the field at this pointer, something above it as a whole, or something below it, in the set?
fn owns(fields: &Tree, pointer: &str) -> bool {
    let mut here = fields;
    for token in pointer.split('/').skip(1) {
        let key = SmolStr::from(format!("f:{}", token.replace("~1", "/").replace("~0", "~")));
        match here.get(&key) {
            Some(below) => here = below,
            // A list or map that is owned as a whole ends above the pointer.
            None => return !std::ptr::eq(here, fields) && here.entries().is_empty(),
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn present(owners: &[(&str, &str, &str)]) -> Present {
        Present {
            body: Tree::Null,
            version: Version("1".into()),
            owners: owners
                .iter()
                .map(|(manager, when, fields)| Owner {
                    manager: (*manager).into(),
                    when: Some((*when).into()),
                    fields: serde_json::from_str(fields).unwrap(),
                })
                .collect(),
            deleting: None,
        }
    }

    #[test]
    fn the_last_writer_of_a_field_is_named() {
        let seen = present(&[
            ("kwo", "2026-01-01T00:00:00Z", r#"{"f:spec":{"f:hard":{"f:pods":{}},"f:limits":{}}}"#),
            ("kubectl-edit", "2026-01-02T00:00:00Z", r#"{"f:spec":{"f:hard":{"f:memory":{}}}}"#),
        ]);
        let writer = |pointer: &str| seen.writer(pointer).map(|owner| owner.manager.to_string());
        assert_eq!(writer("/spec/hard/pods").as_deref(), Some("kwo"));
        assert_eq!(writer("/spec/hard/memory").as_deref(), Some("kubectl-edit"));
        assert_eq!(writer("/spec/limits/0/max").as_deref(), Some("kwo"));
        assert_eq!(writer("/spec").as_deref(), Some("kubectl-edit"));
        assert_eq!(writer("/data"), None);
    }

    #[test]
    fn what_kwo_wrote_is_listed_by_pointer() {
        let seen = present(&[(
            "kwo",
            "2026-01-01T00:00:00Z",
            r#"{"f:metadata":{"f:labels":{".":{},"f:kwo.dev/tenant":{}}},"f:subjects":{}}"#,
        )]);
        assert_eq!(seen.written_by_kwo(), ["/metadata/labels/kwo.dev~1tenant", "/subjects"]);
    }
}
