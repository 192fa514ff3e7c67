//! What stands around a tenant's namespace: its ResourceQuotas, its LimitRange, its NetworkPolicy.
//! All of it is there before anybody gets a right in the namespace.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::body::{map, object, object_with, words};
use super::effective::{Amounts, Effective, Scoped};
use super::limited::{ContainerLimits, Range};
use super::role_bindings::Pulls;
use super::surroundings::Surroundings;
use crate::kinds::{Kind, RANGES_WRITTEN};
use crate::resource::{Reason, Reasons, Resource, ResourceId};
use crate::roster::Quantity;
use crate::systems::kube::field_rules::LATEST;
use crate::tree::{SmolStr, Tree, join};

/// Where the amounts of a quota stand.
pub(super) const HARD: &str = "/spec/hard";

/// How the names of quotas of some pods begin, after that of their namespace.
const SCOPED: &str = "scoped-";

/// The classes that push out the pods of the cluster itself.
const OF_THE_SYSTEM: [&str; 2] = ["system-cluster-critical", "system-node-critical"];

/// A quota of no pods over those of some priority classes: over those of the system, or where the tier names classes
/// over all but these.
fn priority(classes: Option<&(Vec<SmolStr>, Reason)>) -> Tree {
    let over = |operator: &'static str, values: Option<Tree>| {
        let parts = [("operator", Tree::from(operator)), ("scopeName", Tree::from("PriorityClass"))];
        let values = values.map(|values| ("values", values));
        Tree::map(parts.into_iter().chain(values).map(|(key, value)| (SmolStr::new_static(key), value)))
    };
    let expressions = match classes {
        None => vec![over("In", Some(words(&OF_THE_SYSTEM)))],
        Some((classes, _)) if classes.is_empty() => vec![over("Exists", None)],
        // A pod without a class is in no list.
        Some((classes, _)) => {
            vec![over("Exists", None), over("NotIn", Some(Tree::texts(classes.iter().cloned())))]
        }
    };
    map([
        ("hard", map([("pods", Tree::from("0"))])),
        ("scopeSelector", map([("matchExpressions", Tree::list(expressions))])),
    ])
}

/// What is in the objects of every namespace under the same effective settings, each with the reasons of its parts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Specs {
    quota: Option<(Tree, Reasons)>,
    priority: Option<(Tree, Reasons)>,
    scoped: Vec<(SmolStr, (Tree, Reasons))>,
    limits: Option<(Tree, Reasons)>,
    /// The annotations of the limits.
    notes: Option<Tree>,
    isolated: Option<Reasons>,
    /// The Secrets with which pods pull images.
    pub pulls: Option<Pulls>,
    /// The labels of the namespace itself that say how its pods are held, and why.
    pub held: (Vec<(SmolStr, Tree)>, Reasons),
}

/// The label that Kubernetes adds to whatever makes a namespace, and that network policies select by.
pub(super) const NAME_LABEL: &str = "kubernetes.io/metadata.name";

impl Specs {
    pub(crate) fn of(effective: &Effective) -> Specs {
        let whole = |reason: &Reason| Reasons::common(vec![("/spec".into(), reason.clone())]);
        let quota = (!effective.quota.is_empty()).then(|| {
            let mut fields = Vec::with_capacity(effective.quota.len());
            let hard = amounts(&effective.quota, HARD, &mut fields);
            (map([("hard", hard)]), Reasons::common(fields))
        });
        let (level, of_level) = &effective.pod_security;
        let modes = ["enforce", "audit", "warn"];
        // An older version of a level lets through what was added to it since.
        let versions =
            modes.map(|mode| smol_str::format_smolstr!("pod-security.kubernetes.io/{mode}-version"));
        let modes = modes.map(|mode| smol_str::format_smolstr!("pod-security.kubernetes.io/{mode}"));
        let place = |label: &str| SmolStr::from(join("/metadata/labels", label));
        let fields = modes.iter().chain(&versions).map(|label| (place(label), of_level.clone()));
        let fields = fields.chain([(place(NAME_LABEL), Reason::Kubernetes)]).collect();
        let held = modes.map(|mode| (mode, Tree::from(level.as_str())));
        let held = held.into_iter().chain(versions.map(|version| (version, Tree::from(LATEST)))).collect();
        let reason = effective.priority.as_ref().map_or(&Reason::Always, |(_, reason)| reason);
        let limits = effective.limits.as_ref().map(|limits| {
            let mut fields = Vec::new();
            let spec = map([("limits", Tree::list(ranges(limits, &mut fields)))]);
            (spec, Reasons::common(fields))
        });
        let scoped = effective.scoped.iter().map(|(name, scoped)| {
            let Scoped { conditions: (conditions, reason), hard, totals: _ } = scoped;
            let mut fields = vec![("/spec/scopeSelector".into(), reason.clone())];
            let hard = amounts(hard, HARD, &mut fields);
            let selector = map([("matchExpressions", conditions.clone())]);
            let spec = map([("hard", hard), ("scopeSelector", selector)]);
            (smol_str::format_smolstr!("{SCOPED}{name}"), (spec, Reasons::common(fields)))
        });
        Specs {
            quota,
            priority: Some((priority(effective.priority.as_ref()), whole(reason))),
            scoped: scoped.collect(),
            limits,
            notes: effective.limits.as_ref().and_then(notes),
            isolated: effective.isolated.as_ref().map(whole),
            pulls: Pulls::of(&effective.pull_secrets),
            held: (held, Reasons::common(fields)),
        }
    }

    /// The same with other amounts in the quota, or in that of some pods which has this name.
    pub(super) fn with_amounts<'a>(
        &self,
        scoped: Option<&SmolStr>,
        amounts: impl Iterator<Item = (&'a SmolStr, &'a Quantity)>,
    ) -> Specs {
        let mut specs = self.clone();
        let spec = match scoped {
            None => specs.quota.as_mut(),
            Some(name) => {
                let mut all = specs.scoped.iter_mut();
                let own = |what: &str| what.strip_prefix(SCOPED) == Some(name.as_str());
                all.find(|(what, _)| own(what)).map(|(_, spec)| spec)
            }
        };
        if let Some((spec, _)) = spec {
            let mut hard = spec.get("hard").map(Tree::entries).unwrap_or_default().to_vec();
            for (name, amount) in amounts {
                if let Ok(at) = hard.binary_search_by(|(have, _)| have.cmp(name)) {
                    hard[at].1 = Tree::from(SmolStr::from(amount.as_str()));
                }
            }
            *spec = spec.with("/hard", Tree::Map(hard.into()));
        }
        specs
    }
}

/// The objects of one namespace, with the tenant's own reasons for parts of its quota; gives their ids, which whatever
/// gives rights needs first.
pub(crate) fn compile(
    namespace: &ResourceId,
    labels: &Tree,
    (specs, own): (&Specs, &Arc<[(SmolStr, Reason)]>),
    surroundings: &Surroundings,
    because: &Reason,
    resources: &mut Vec<Resource>,
) -> Vec<ResourceId> {
    let needs: Arc<[ResourceId]> = Arc::new([namespace.clone()]);
    let scope = &namespace.name;
    let first = resources.len();
    let Specs { quota, priority, scoped, limits, notes, isolated, pulls: _, held: _ } = specs;
    let mut add = |kind: Kind, what: &str, spec: &Tree, fields: Reasons| {
        let id = ResourceId::kube(kind, scope.clone(), smol_str::format_smolstr!("{scope}-{what}"));
        let body = match notes.as_ref().filter(|_| kind == Kind::LimitRange) {
            None => object(&id, kind, labels, [("spec", spec.clone())]),
            Some(notes) => {
                let metadata = [("labels", labels.clone()), ("annotations", notes.clone())];
                object_with(&id, kind, metadata, [("spec", spec.clone())])
            }
        };
        let resource = Resource::new(id, body, needs.clone(), because.clone());
        resources.push(Resource { fields, ..resource });
    };
    if let Some((spec, fields)) = quota {
        add(Kind::ResourceQuota, "quota", spec, fields.with(own));
    }
    for (kind, what, spec) in
        [(Kind::ResourceQuota, "priority", priority), (Kind::LimitRange, "limits", limits)]
    {
        if let Some((spec, fields)) = spec {
            add(kind, what, spec, fields.clone());
        }
    }
    for (what, (spec, fields)) in scoped {
        add(Kind::ResourceQuota, what, spec, fields.clone());
    }
    if let Some(fields) = isolated {
        add(Kind::NetworkPolicy, "isolation", &surroundings.spec, fields.clone());
    }
    resources[first..].iter().map(|resource| resource.id.clone()).collect()
}

/// The entries of a LimitRange, one a type.
fn ranges(limits: &ContainerLimits, fields: &mut Vec<(SmolStr, Reason)>) -> Vec<Tree> {
    let ContainerLimits { default, default_request, container, pod, claim } = limits;
    let none = Amounts::new();
    let mut entries = Vec::new();
    for (kind, [default, default_request], Range { max, min, ratio }) in [
        ("Container", [default, default_request], container),
        ("Pod", [&none, &none], pod),
        ("PersistentVolumeClaim", [&none, &none], claim),
    ] {
        let mut entry: BTreeMap<SmolStr, Tree> = BTreeMap::new();
        for (name, part) in [
            ("default", default),
            ("defaultRequest", default_request),
            ("max", max),
            ("min", min),
            ("maxLimitRequestRatio", ratio),
        ] {
            if !part.is_empty() {
                let part = amounts(part, &format!("/spec/limits/{}/{name}", entries.len()), fields);
                entry.insert(name.into(), part);
            }
        }
        // A tier that bounds nothing of claims and pods has an entry for containers, whatever it holds.
        let only = kind == "Container" && pod.is_empty() && claim.is_empty();
        if only || !entry.is_empty() {
            entry.insert("type".into(), Tree::from(kind));
            entries.push(Tree::map(entry));
        }
    }
    entries
}

/// A LimitRange is one value to the API's records, and others have bounds of their own in it. So it says itself, in
/// annotations, which of those that kwo rarely writes are kwo's.
fn notes(limits: &ContainerLimits) -> Option<Tree> {
    let ContainerLimits { default: _, default_request: _, container, pod, claim } = limits;
    let [min, ratio, of_pods, of_claims] = RANGES_WRITTEN;
    let all = [container, pod, claim];
    let notes: Vec<(SmolStr, Tree)> = [
        (min, all.iter().any(|range| !range.min.is_empty())),
        (ratio, all.iter().any(|range| !range.ratio.is_empty())),
        (of_pods, !pod.is_empty()),
        (of_claims, !claim.is_empty()),
    ]
    .into_iter()
    .filter(|(_, there)| *there)
    .map(|(note, _)| (SmolStr::new_static(note), Tree::from("true")))
    .collect();
    (!notes.is_empty()).then(|| Tree::map(notes))
}

/// Amounts as a map of quantities, with the reason of each.
fn amounts(amounts: &Amounts, pointer: &str, fields: &mut Vec<(SmolStr, Reason)>) -> Tree {
    Tree::map(amounts.iter().map(|(name, (quantity, reason))| {
        fields.push((join(pointer, name).into(), reason.clone()));
        (name.clone(), Tree::from(SmolStr::from(quantity.as_str())))
    }))
}
