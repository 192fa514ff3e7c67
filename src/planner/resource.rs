//! What the roster asks for, one object at a time: its id, its body, what it needs first and why it is wanted.
//! Nothing here knows a tenant or a cluster; the domains make these, the planner compares them.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::kinds::{Kind, Shape};
use crate::origin::Origin;
use crate::plain::one_line;
use crate::roster::{Finding, Sources, Span};
use crate::secrets::{Missing, Secret};
use crate::systems::{Connection, System};
use crate::tree::{SmolStr, Tree, is_below};

/// The account that every pod has which names none.
pub const EVERY_PODS: &str = "default";

/// Names one object in one system. Prints as `kube:ResourceQuota/alice-prod/alice-prod-quota`, or without the
/// middle part where the object has no scope: `kube:Namespace/alice-prod`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ResourceId {
    /// The system that holds it.
    pub system: System,
    /// What that system calls this kind of object.
    pub kind: SmolStr,
    /// The namespace, or empty.
    pub scope: SmolStr,
    /// Its name.
    pub name: SmolStr,
}

/// Reasons by pointer. What is the same for every tenant of a tier exists once.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Reasons {
    common: Arc<[(SmolStr, Reason)]>,
    /// Each in place of a common one of the same pointer. The namespaces of a tenant have these in common, too.
    own: Arc<[(SmolStr, Reason)]>,
}

/// One object that the roster wants.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Resource {
    /// Its id.
    pub id: ResourceId,
    /// What must be in it, in the system's own canonical form.
    pub body: Tree,
    /// What has to stand before it.
    pub needs: Arc<[ResourceId]>,
    /// What it comes after, and is done anew for when that changes.
    pub follows: Arc<[ResourceId]>,
    /// What every step for it disturbs.
    pub disrupts: Option<Box<Disruption>>,
    /// Why it is wanted at all.
    pub because: Reason,
    /// Why single fields have the value they have: a pointer and its reason, which also holds below it.
    pub fields: Reasons,
    /// What must be in it besides, by reference.
    pub secrets: Vec<Secret>,
    /// A secret that it needs and that was not found.
    pub missing: Option<Box<Missing>>,
    /// The role of others that it gives somebody; where that is not there, it gives nothing.
    pub binds: Option<Box<ResourceId>>,
}

/// What a step disturbs, which is done only by leave.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Disruption {
    /// What is disturbed, as a sentence without a full stop.
    pub what: SmolStr,
    /// The option that gives leave.
    pub option: SmolStr,
    /// This run has leave.
    pub allowed: bool,
}

/// Why something is as it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reason {
    /// The roster says so, here.
    Roster(Span),
    /// A tier that is built into kwo says so; the field is written as in a roster.
    BuiltInTier {
        /// The tier.
        tier: SmolStr,
        /// The field in it.
        field: SmolStr,
    },
    /// kwo does so everywhere.
    Always,
    /// Kubernetes would fill it in like this; written out so that it can be compared.
    Kubernetes,
}

/// Everything that the roster wants, ordered by id. A clone of it is the same, and costs nothing.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Desired {
    resources: Arc<Vec<Resource>>,
    sources: Arc<Sources>,
    /// The roles of others that it gives to somebody.
    bound: Arc<BTreeSet<ResourceId>>,
    /// The ways to the systems that the roster names.
    connections: Arc<[Connection]>,
    /// How many new certificates a registered domain gets in seven days.
    weekly: Option<u32>,
}

/// Two parts of the roster ask for one object.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{id} is asked for twice: at {first} and at {second}")]
pub struct Clash {
    /// The object.
    pub id: Box<ResourceId>,
    /// Where it was asked for first.
    pub first: String,
    /// Where it was asked for again.
    pub second: String,
    /// The lines of the roster that ask for it, where it is the roster that does.
    pub places: Vec<Span>,
}

impl Clash {
    /// One object that is asked for here and there.
    #[must_use]
    pub fn of(id: ResourceId, because: [&Reason; 2], sources: &Sources) -> Clash {
        let [first, second] = because.map(|because| Origin::of(because, sources).to_string());
        let places = because.into_iter().filter_map(|because| match because {
            Reason::Roster(at) => Some(*at),
            Reason::BuiltInTier { .. } | Reason::Always | Reason::Kubernetes => None,
        });
        Clash { id: Box::new(id), first, second, places: places.collect() }
    }

    /// The same as a finding in the roster.
    #[must_use]
    pub fn finding(&self) -> Finding {
        let Clash { id, first: _, second: _, places } = self;
        let place = |at: usize| places.get(at).copied().unwrap_or_default();
        let finding = Finding::new("object-twice", place(1), self.to_string(), "asked for again here");
        let finding =
            finding.hint(format!("give one of the two another name: only one {} can be made", id.kind));
        if places.len() > 1 { finding.also(place(0), "asked for first here") } else { finding }
    }
}

impl ResourceId {
    /// Is it the account that Kubernetes makes in every namespace, for the pods that name none? It is nobody's, so that
    /// nobody has to be asked before something is added to it.
    #[must_use]
    pub fn is_every_namespaces(&self) -> bool {
        self.known_kind() == Some(Kind::ServiceAccount) && self.name == EVERY_PODS
    }

    /// How its fields are compared, where kwo knows its kind.
    #[must_use]
    pub fn shape(&self) -> Option<&'static Shape> {
        self.system.rules().shape(self)
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ResourceId { system, kind, scope, name } = self;
        let system = system.name();
        // Roles and bindings may have any characters in their names.
        let (scope, name) = (one_line(scope), one_line(name));
        if scope.is_empty() {
            write!(out, "{system}:{kind}/{name}")
        } else {
            write!(out, "{system}:{kind}/{scope}/{name}")
        }
    }
}

/// What is wrong with the text of an id.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{0}` is not a valid id of a resource: expected {forms}", forms = forms())]
pub struct NotAnId(pub String);

/// How ids are written, in words.
fn forms() -> String {
    let forms: Vec<String> = System::ALL
        .iter()
        .flat_map(|system| system.rules().forms())
        .map(|form| format!("`{form}`"))
        .collect();
    match forms.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => forms.concat(),
    }
}

impl FromStr for ResourceId {
    type Err = NotAnId;
    fn from_str(text: &str) -> Result<ResourceId, NotAnId> {
        let id = || {
            let (system, rest) = text.split_once(':')?;
            let system = System::named(system)?;
            let [kind, scope, name] = system.rules().parts(rest)?;
            let whole = !kind.is_empty() && !name.is_empty();
            whole.then(|| ResourceId { system, kind: kind.into(), scope: scope.into(), name: name.into() })
        };
        id().ok_or_else(|| NotAnId(text.to_owned()))
    }
}

impl Serialize for ResourceId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // As it is: what reads it again finds the same object.
        let ResourceId { system, kind, scope, name } = self;
        let system = system.name();
        let scope = if scope.is_empty() { String::new() } else { format!("{scope}/") };
        serializer.collect_str(&format_args!("{system}:{kind}/{scope}{name}"))
    }
}

impl<'de> Deserialize<'de> for ResourceId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ResourceId, D::Error> {
        SmolStr::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for ResourceId {
    fn schema_name() -> Cow<'static, str> {
        "ResourceId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": forms(),
            "pattern": format!("^({})$", System::ALL.map(|system| system.rules().pattern()).join("|")),
        })
    }
}

impl Resource {
    /// A resource without reasons for single fields and without secrets.
    #[must_use]
    pub fn new(id: ResourceId, body: Tree, needs: Arc<[ResourceId]>, because: Reason) -> Resource {
        Resource {
            id,
            body,
            needs,
            follows: Arc::new([]),
            disrupts: None,
            because,
            fields: Reasons::default(),
            secrets: Vec::new(),
            missing: None,
            binds: None,
        }
    }

    /// Why the field at this pointer has its value: the closest reason given for it or for what it is part of.
    #[must_use]
    pub fn reason(&self, pointer: &str) -> &Reason {
        self.fields.closest(pointer).unwrap_or(&self.because)
    }
}

impl Reasons {
    /// Reasons that several resources have.
    #[must_use]
    pub fn common(reasons: Vec<(SmolStr, Reason)>) -> Reasons {
        Reasons { common: reasons.into(), own: Arc::default() }
    }

    /// The common ones, with these before them.
    #[must_use]
    pub fn with(&self, own: &Arc<[(SmolStr, Reason)]>) -> Reasons {
        Reasons { common: Arc::clone(&self.common), own: Arc::clone(own) }
    }

    /// The same with these as well.
    #[must_use]
    pub fn and(&self, more: Vec<(SmolStr, Reason)>) -> Reasons {
        let own = self.own.iter().cloned().chain(more).collect();
        Reasons { common: Arc::clone(&self.common), own }
    }

    /// Do the two have the same common ones, and not only equal ones?
    #[must_use]
    pub fn share(&self, other: &Reasons) -> bool {
        Arc::ptr_eq(&self.common, &other.common)
    }

    /// The reason of the closest part that this pointer is in.
    fn closest(&self, pointer: &str) -> Option<&Reason> {
        let all = self.common.iter().chain(self.own.iter()).filter(|(prefix, _)| is_below(pointer, prefix));
        all.max_by_key(|(prefix, _)| prefix.len()).map(|(_, reason)| reason)
    }
}

impl From<Vec<(SmolStr, Reason)>> for Reasons {
    fn from(own: Vec<(SmolStr, Reason)>) -> Reasons {
        Reasons { common: Arc::default(), own: own.into() }
    }
}

impl Desired {
    /// Orders the resources by id.
    ///
    /// # Errors
    /// When two of them have the same id.
    pub fn new(mut resources: Vec<Resource>, sources: Arc<Sources>) -> Result<Desired, Clash> {
        resources.sort_by(|a, b| a.id.cmp(&b.id));
        let twice = resources.windows(2).find(|pair| pair[0].id == pair[1].id);
        if let Some([first, second]) = twice {
            return Err(Clash::of(first.id.clone(), [&first.because, &second.because], &sources));
        }
        let bound = resources.iter().filter_map(|resource| resource.binds.as_deref());
        let wanted = |role: &&ResourceId| resources.binary_search_by(|have| have.id.cmp(role)).is_ok();
        let bound = bound.filter(|role| !wanted(role)).cloned().collect();
        Ok(Desired { resources: Arc::new(resources), sources, bound: Arc::new(bound), ..Desired::default() })
    }

    /// The same with the ways to the systems that the roster names.
    #[must_use]
    pub fn reached_by(self, connections: Vec<Connection>) -> Desired {
        Desired { connections: connections.into(), ..self }
    }

    /// The same with so many new certificates for a registered domain in seven days.
    #[must_use]
    pub fn with_certificates_a_week(self, weekly: Option<u32>) -> Desired {
        Desired { weekly, ..self }
    }

    /// How many new certificates a registered domain gets in seven days; nothing where nobody counts them.
    #[must_use]
    pub fn certificates_a_week(&self) -> Option<u32> {
        self.weekly
    }

    /// The same with every resource changed; ids stay as they are.
    #[must_use]
    pub(crate) fn map(mut self, change: impl FnMut(Resource) -> Resource) -> Desired {
        let resources = Arc::unwrap_or_clone(self.resources);
        self.resources = Arc::new(resources.into_iter().map(change).collect());
        self
    }

    /// One resource by itself.
    #[must_use]
    pub fn of(resource: Resource) -> Desired {
        Desired { resources: Arc::new(vec![resource]), ..Desired::default() }
    }

    /// The same with leave for all that asks for this option.
    #[must_use]
    pub fn allowing(self, option: &str) -> Desired {
        self.map(|mut resource| {
            if let Some(disruption) = resource.disrupts.as_mut().filter(|asks| asks.option == option) {
                disruption.allowed = true;
            }
            resource
        })
    }

    /// All resources, ordered by id.
    #[must_use]
    pub fn resources(&self) -> &[Resource] {
        &self.resources
    }

    /// The place of an id among the resources.
    #[must_use]
    pub fn position(&self, id: &ResourceId) -> Option<usize> {
        self.resources.binary_search_by(|have| have.id.cmp(id)).ok()
    }

    /// The resource with this id.
    #[must_use]
    pub fn get(&self, id: &ResourceId) -> Option<&Resource> {
        self.position(id).and_then(|at| self.resources.get(at))
    }

    /// The roles that it gives to somebody and does not make: whether they are there is looked at, and nothing else.
    #[must_use]
    pub fn bound(&self) -> &BTreeSet<ResourceId> {
        &self.bound
    }

    /// The ways to the systems that the roster names, and that are looked at beside the home.
    #[must_use]
    pub fn connections(&self) -> &[Connection] {
        &self.connections
    }

    /// The files that the reasons point into.
    #[must_use]
    pub fn sources(&self) -> &Sources {
        &self.sources
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_print_and_parse() {
        for text in [
            "kube:Namespace/alice",
            "kube:ResourceQuota/alice-prod/alice-prod-quota",
            "kube:ClusterRole/a:b",
            "node:File/etc/rancher/k3s/config.yaml",
            "node:Restart/k3s",
        ] {
            assert_eq!(text.parse::<ResourceId>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "kube",
            "kube:",
            "kube:Namespace",
            "kube:Namespace/",
            "kube:A//b",
            "kube:A/b/c/d",
            ":A/b",
            "node:File/",
            "node:File//etc",
            "node:File/etc/../root",
        ] {
            assert_eq!(text.parse::<ResourceId>(), Err(NotAnId(text.to_owned())));
        }
    }

    #[test]
    fn the_closest_reason_wins() {
        let resource = Resource {
            fields: Reasons::from(vec![
                ("/spec/hard".into(), Reason::Kubernetes),
                (
                    "/spec/hard/pods".into(),
                    Reason::BuiltInTier { tier: "t".into(), field: "quota.pods".into() },
                ),
            ]),
            ..Resource::new(
                ResourceId::kube(Kind::Namespace, "", "a"),
                Tree::Null,
                Arc::new([]),
                Reason::Always,
            )
        };
        assert_eq!(resource.reason("/spec/hard/memory"), &Reason::Kubernetes);
        assert_eq!(resource.reason("/spec/hardly"), &Reason::Always);
        assert!(matches!(resource.reason("/spec/hard/pods"), Reason::BuiltInTier { .. }));
    }
}
