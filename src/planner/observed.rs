//! What was seen of the world: a sighting an id, and who wrote which field of it.
//! "We could not look" is a value of its own here and never turns into "it is not there".

use std::collections::{BTreeMap, BTreeSet};
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

/// The label that names the cluster whose kwo keeps an object, where that is another cluster than this one. It stands on
/// nothing: the adapter of a system that several clusters share says it of what it sees.
pub const CLUSTER_LABEL: &str = "kwo.dev/cluster";

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
    /// Which ones the systems beside the home are, by [`part`](crate::systems::Rules::part): what no other has.
    pub identities: BTreeMap<SmolStr, SmolStr>,
    /// What is in the way of objects: why one cannot be made or kept as things are, as a sentence without a full stop.
    pub blocked: BTreeMap<ResourceId, SmolStr>,
    /// What is there as it is wanted and does not work, and why, as a sentence without a full stop. Whoever knows the clock
    /// says it.
    pub failing: BTreeMap<ResourceId, SmolStr>,
    /// What people have to know besides, in a sentence each without a full stop.
    pub notes: Vec<SmolStr>,
}

/// What was seen when a part was looked at again.
#[derive(Clone, Debug, Default)]
pub struct Renewed {
    /// What was seen.
    pub seen: Observed,
    /// The kinds and namespaces of which all was seen that there is to be seen.
    pub places: BTreeSet<(Kind, SmolStr)>,
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
    /// What a command begins with that speaks to a part of a system beside the home, by
    /// [`part`](crate::systems::Rules::part).
    pub parts: BTreeMap<SmolStr, SmolStr>,
    /// The command that ends an object, where only its adapter knows it.
    pub commands: BTreeMap<ResourceId, SmolStr>,
    /// What of an object is somebody else's, so that its command leaves it there.
    pub stays: BTreeMap<ResourceId, SmolStr>,
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

    /// Takes over what was seen anew. Where all there is was seen, what was there before and is not any more is forgotten.
    pub fn renew(&mut self, renewed: Renewed) {
        let Renewed { seen, places } = renewed;
        for (kind, scope) in places {
            let first = ResourceId::kube(kind, scope, "");
            let there = self.sightings.range(first.clone()..).map(|(id, _)| id);
            let there = there.take_while(|id| id.kind == first.kind && id.scope == first.scope);
            let gone: Vec<ResourceId> = there.filter(|id| seen.get(id).is_none()).cloned().collect();
            gone.iter().for_each(|id| drop(self.sightings.remove(id)));
        }
        // What stands beside the home is looked at as a whole, and says all of this anew.
        self.blocked.clear();
        self.notes.clear();
        self.merge(seen);
    }

    /// Takes over all that another observer saw.
    pub fn merge(&mut self, other: Observed) {
        let Observed { sightings, unlisted, reach, identities, blocked, failing, notes } = other;
        let Reach { kubectl, root, places, parts, commands, stays } = reach;
        self.sightings.extend(sightings);
        self.unlisted.extend(unlisted);
        self.reach.places.extend(places);
        self.reach.parts.extend(parts);
        self.reach.commands.extend(commands);
        self.reach.stays.extend(stays);
        self.identities.extend(identities);
        self.blocked.extend(blocked);
        self.failing.extend(failing);
        self.notes.extend(notes);
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
        let labels = self.body.get("metadata").and_then(|metadata| metadata.get("labels"));
        let has = |(key, mark): &(&str, &str)| {
            labels.and_then(|labels| labels.get(key)?.as_text()).is_some_and(|value| value == mark)
        };
        [MARK, MANAGED_BY].iter().any(has)
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
        let path: Vec<Step> = self.path(pointer);
        self.owners
            .iter()
            .filter(|owner| owns(&owner.fields, &path))
            .max_by_key(|owner| (owner.when.as_ref(), owner.manager != FIELD_MANAGER))
    }

    /// Who wrote what stands at this pointer and is not what is wanted there. Of a value with many parts that is whoever
    /// wrote one that differs, and somebody else before kwo: a later write of kwo may have been about the rest.
    #[must_use]
    pub fn changed_by(&self, pointer: &str, wanted: &Tree) -> Option<&Owner> {
        let mut writers = Vec::new();
        if let Some(found) = self.body.at(pointer) {
            self.apart(pointer, wanted, found, &mut writers);
        }
        let last = |owner: &&Owner| (owner.manager != FIELD_MANAGER, owner.when.clone());
        writers.into_iter().max_by_key(last).or_else(|| self.writer(pointer))
    }

    /// The writers of all that is found and not wanted.
    fn apart<'p>(&'p self, pointer: &str, wanted: &Tree, found: &Tree, writers: &mut Vec<&'p Owner>) {
        match (wanted, found) {
            (wanted, found) if wanted == found => {}
            (Tree::Map(_), Tree::Map(entries)) => {
                for (key, there) in entries.iter() {
                    let here = join(pointer, key);
                    match wanted.get(key) {
                        Some(wanted) => self.apart(&here, wanted, there, writers),
                        None => writers.extend(self.writer(&here)),
                    }
                }
            }
            (Tree::List(_), Tree::List(entries)) if self.has_entries(&self.path(pointer)) => {
                let unwanted =
                    entries.iter().enumerate().filter(|(_, entry)| !wanted.items().contains(entry));
                writers.extend(unwanted.filter_map(|(at, _)| self.writer(&format!("{pointer}/{at}"))));
            }
            _ => writers.extend(self.writer(pointer)),
        }
    }

    /// The steps of a pointer, as far as records can follow it.
    fn path(&self, pointer: &str) -> Vec<Step> {
        let mut here = Some(&self.body);
        let mut path = Vec::new();
        for token in tokens(pointer) {
            let entry = match here {
                Some(Tree::List(items)) => token.parse().ok().and_then(|at: usize| items.get(at)),
                _ => None,
            };
            let step = match entry {
                // Of a list that has one owner as a whole the records end above.
                Some(entry) if self.has_entries(&path) => Step::Entry(entry.clone()),
                _ => Step::Field(format!("f:{token}").into()),
            };
            here = entry.or_else(|| here.and_then(|here| here.get(&token)));
            path.push(step);
        }
        path
    }

    /// Do the records know the entries of the list at this path one by one?
    fn has_entries(&self, path: &[Step]) -> bool {
        let by_entry = |(key, _): &(SmolStr, Tree)| key.starts_with("v:") || key.starts_with("k:");
        let fields = self.owners.iter().filter_map(|owner| followed(&owner.fields, path).ok());
        fields.into_iter().any(|fields| fields.entries().iter().any(by_entry))
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

/// A step down a set of fields.
enum Step {
    /// To a field, by its key in the set.
    Field(SmolStr),
    /// To an entry of a list whose entries have owners of their own.
    Entry(Tree),
}

/// Is the field at this path, something above it as a whole, or something below it, in the set?
fn owns(fields: &Tree, path: &[Step]) -> bool {
    match followed(fields, path) {
        Ok(_) => true,
        // A list or map that is owned as a whole ends above the field; one with entries of its own does not own them.
        Err((end, step)) => {
            !std::ptr::eq(end, fields) && end.entries().is_empty() && !matches!(step, Step::Entry(_))
        }
    }
}

/// The set below this path, or where it ends and which step it does not have.
fn followed<'f, 's>(fields: &'f Tree, path: &'s [Step]) -> Result<&'f Tree, (&'f Tree, &'s Step)> {
    let mut here = fields;
    for step in path {
        let below = match step {
            Step::Field(key) => here.get(key),
            Step::Entry(entry) => {
                let own = |(key, _): &&(SmolStr, Tree)| is_entry(key, entry);
                here.entries().iter().find(own).map(|(_, below)| below)
            }
        };
        here = below.ok_or((here, step))?;
    }
    Ok(here)
}

/// Is this key of a set of fields the one of this entry?
fn is_entry(key: &str, entry: &Tree) -> bool {
    let value = |text: &str| serde_json::from_str::<Tree>(text).ok();
    match key.split_once(':') {
        Some(("v", text)) => value(text).is_some_and(|value| value == *entry),
        Some(("k", text)) => value(text).is_some_and(|keys| {
            !keys.entries().is_empty()
                && keys.entries().iter().all(|(key, value)| entry.get(key) == Some(value))
        }),
        _ => false,
    }
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

    #[test]
    fn the_writer_of_an_entry_is_told_and_not_that_of_the_list() {
        let with = |body: &str, owners: &[(&str, &str, &str)]| Present {
            body: serde_json::from_str(body).unwrap(),
            ..present(owners)
        };
        let by = |seen: &Present, pointer: &str, wanted: &str| {
            let wanted = serde_json::from_str(wanted).unwrap();
            seen.changed_by(pointer, &wanted).map(|owner| owner.manager.to_string())
        };
        // kwo wrote the set, and later something else of the object; the entry is another's.
        let kwos = r#"{"f:spec":{"f:validationActions":{},"f:policyName":{}}}"#;
        let later = "2026-01-03T00:00:00Z";
        for entry in ["Warn", "Audit"] {
            let theirs = format!(r#"{{"f:spec":{{"f:validationActions":{{"v:\"{entry}\"":{{}}}}}}}}"#);
            let owners = [("kwo", later, kwos), ("kubectl-patch", "2026-01-02T00:00:00Z", theirs.as_str())];
            let seen = with(&format!(r#"{{"spec":{{"validationActions":["{entry}"]}}}}"#), &owners);
            assert_eq!(by(&seen, "/spec/validationActions/0", r#""Deny""#).as_deref(), Some("kubectl-patch"));
            assert_eq!(
                by(&seen, "/spec/validationActions", r#"["Deny","Audit2"]"#).as_deref(),
                Some("kubectl-patch")
            );
            let kwos = r#"{"f:spec":{"f:validationActions":{".":{},"v:\"Deny\"":{}},"f:policyName":{}}}"#;
            let owners = [("kwo", later, kwos), owners[1]];
            let both = with(
                &format!(r#"{{"spec":{{"policyName":"p","validationActions":["Deny","{entry}"]}}}}"#),
                &owners,
            );
            assert_eq!(by(&both, "/spec/validationActions", r#"["Deny"]"#).as_deref(), Some("kubectl-patch"));
            assert_eq!(
                by(&both, "/spec", r#"{"policyName":"p","validationActions":["Deny"]}"#).as_deref(),
                Some("kubectl-patch")
            );
            // Its own entry the roster may have let go of.
            assert_eq!(
                by(&both, "/spec/validationActions", &format!(r#"["{entry}"]"#)).as_deref(),
                Some("kwo")
            );
        }
        let owners = [
            (
                "kwo",
                later,
                r#"{"f:spec":{"f:ports":{".":{},"k:{\"port\":53,\"protocol\":\"UDP\"}":{".":{},"f:port":{},"f:name":{}}}}}"#,
            ),
            (
                "edit",
                "2026-01-02T00:00:00Z",
                r#"{"f:spec":{"f:ports":{"k:{\"port\":53,\"protocol\":\"UDP\"}":{"f:targetPort":{}},"k:{\"port\":80,\"protocol\":\"TCP\"}":{".":{},"f:port":{}}}}}"#,
            ),
        ];
        let body = r#"{"spec":{"ports":[{"port":80,"protocol":"TCP"},{"port":53,"protocol":"UDP","name":"x","targetPort":5}]}}"#;
        let seen = with(body, &owners);
        assert_eq!(by(&seen, "/spec/ports/1/targetPort", "6").as_deref(), Some("edit"));
        assert_eq!(by(&seen, "/spec/ports/1/name", r#""y""#).as_deref(), Some("kwo"));
        assert_eq!(by(&seen, "/spec/ports/0/port", "81").as_deref(), Some("edit"));
        // A list that has one owner as a whole.
        let owners = [("kwo", later, r#"{"f:spec":{"f:limits":{}}}"#)];
        let seen = with(r#"{"spec":{"limits":[{"type":"Pod"}]}}"#, &owners);
        assert_eq!(by(&seen, "/spec/limits/0/type", r#""x""#).as_deref(), Some("kwo"));
    }

    #[test]
    fn what_is_gone_where_all_was_seen_is_forgotten() {
        let id = |text: &str| text.parse::<ResourceId>().unwrap();
        let seen = |ids: &[&str]| ids.iter().map(|text| (id(text), Sighting::Absent)).collect::<Observed>();
        let all = ["kube:Role/a/x", "kube:Role/a/y", "kube:Role/ab/z", "kube:RoleBinding/a/x"];
        let mut observed = seen(&all);
        let places = [(Kind::Role, SmolStr::new("a"))].into();
        observed.renew(Renewed { seen: seen(&["kube:Role/a/x", "kube:Role/a/new"]), places });
        let told: Vec<String> = observed.iter().map(|(id, _)| id.to_string()).collect();
        assert_eq!(told, ["kube:Role/a/new", "kube:Role/a/x", "kube:Role/ab/z", "kube:RoleBinding/a/x"]);
        // Of a part that was not seen as a whole nothing is forgotten.
        observed.renew(Renewed { seen: seen(&["kube:Role/a/x"]), ..Renewed::default() });
        assert_eq!(observed.iter().count(), 4);
    }
}
