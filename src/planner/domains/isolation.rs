//! What stands around a tenant's namespace: its ResourceQuotas, its LimitRange, its NetworkPolicy.
//! All of it is there before anybody gets a right in the namespace.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::body::{map, object, words};
use super::surroundings::Surroundings;
use super::terms::{Amounts, Terms};
use crate::kinds::Kind;
use crate::resource::{Reason, Reasons, Resource, ResourceId};
use crate::tree::{SmolStr, Tree, join};

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

/// What is in the objects of every namespace under the same terms, each with the reasons of its parts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Specs {
    quota: Option<(Tree, Reasons)>,
    priority: Option<(Tree, Reasons)>,
    limits: Option<(Tree, Reasons)>,
    isolated: Option<Reasons>,
}

impl Specs {
    pub(crate) fn of(terms: &Terms) -> Specs {
        let whole = |reason: &Reason| Reasons::new(vec![("/spec".into(), reason.clone())]);
        let quota = (!terms.quota.is_empty()).then(|| {
            let mut fields = Vec::with_capacity(terms.quota.len());
            let hard = amounts(&terms.quota, "/spec/hard", &mut fields);
            (map([("hard", hard)]), Reasons::new(fields))
        });
        let reason = terms.priority.as_ref().map_or(&Reason::Always, |(_, reason)| reason);
        let limits = terms.limits.as_ref().map(|limits| {
            let mut fields = Vec::new();
            let mut item: BTreeMap<SmolStr, Tree> =
                BTreeMap::from([("type".into(), Tree::from("Container"))]);
            let parts = [
                ("default", &limits.default),
                ("defaultRequest", &limits.default_request),
                ("max", &limits.max),
            ];
            for (name, part) in parts.into_iter().filter(|(_, part)| !part.is_empty()) {
                let part = amounts(part, &format!("/spec/limits/0/{name}"), &mut fields);
                item.insert(name.into(), part);
            }
            (map([("limits", Tree::list([Tree::map(item)]))]), Reasons::new(fields))
        });
        Specs {
            quota,
            priority: Some((priority(terms.priority.as_ref()), whole(reason))),
            limits,
            isolated: terms.isolated.as_ref().map(whole),
        }
    }
}

/// The objects of one namespace; gives their ids, which whatever gives rights needs first.
pub(crate) fn compile(
    namespace: &ResourceId,
    labels: &Tree,
    specs: &Specs,
    surroundings: &Surroundings,
    because: &Reason,
    resources: &mut Vec<Resource>,
) -> Vec<ResourceId> {
    let needs: Arc<[ResourceId]> = Arc::new([namespace.clone()]);
    let scope = &namespace.name;
    let first = resources.len();
    let mut add = |kind: Kind, what: &str, (spec, fields): (&Tree, &Reasons)| {
        let id = ResourceId::kube(kind, scope.clone(), smol_str::format_smolstr!("{scope}-{what}"));
        let body = object(&id, kind, labels, [("spec", spec.clone())]);
        let resource = Resource::new(id, body, needs.clone(), because.clone());
        resources.push(Resource { fields: fields.clone(), ..resource });
    };
    let Specs { quota, priority, limits, isolated } = specs;
    for (kind, what, spec) in [
        (Kind::ResourceQuota, "quota", quota),
        (Kind::ResourceQuota, "priority", priority),
        (Kind::LimitRange, "limits", limits),
    ] {
        if let Some((spec, fields)) = spec {
            add(kind, what, (spec, fields));
        }
    }
    if let Some(fields) = isolated {
        add(Kind::NetworkPolicy, "isolation", (&surroundings.spec, fields));
    }
    resources[first..].iter().map(|resource| resource.id.clone()).collect()
}

/// Amounts as a map of quantities, with the reason of each.
fn amounts(amounts: &Amounts, pointer: &str, fields: &mut Vec<(SmolStr, Reason)>) -> Tree {
    Tree::map(amounts.iter().map(|(name, (quantity, reason))| {
        fields.push((join(pointer, name).into(), reason.clone()));
        (name.clone(), Tree::from(SmolStr::from(quantity.as_str())))
    }))
}
