//! What stands around a tenant's namespace: its ResourceQuotas, its LimitRange, its NetworkPolicy.
//! All of it is there before anybody gets a right in the namespace.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::body::{map, object, words};
use super::surroundings::Surroundings;
use super::terms::{Amounts, Terms};
use crate::kinds::Kind;
use crate::resource::{Reason, Resource, ResourceId};
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

/// The objects of one namespace; gives their ids, which whatever gives rights needs first.
pub(crate) fn compile(
    namespace: &ResourceId,
    labels: &Tree,
    terms: &Terms,
    surroundings: &Surroundings,
    because: &Reason,
    resources: &mut Vec<Resource>,
) -> Vec<ResourceId> {
    let needs: Arc<[ResourceId]> = Arc::new([namespace.clone()]);
    let scope = &namespace.name;
    let first = resources.len();
    let mut add = |id: ResourceId, body: Tree, fields| {
        resources.push(Resource { fields, ..Resource::new(id, body, needs.clone(), because.clone()) });
    };
    if !terms.quota.is_empty() {
        let id =
            ResourceId::kube(Kind::ResourceQuota, scope.clone(), smol_str::format_smolstr!("{scope}-quota"));
        let mut fields = Vec::with_capacity(terms.quota.len());
        let hard = amounts(&terms.quota, "/spec/hard", &mut fields);
        add(id.clone(), object(&id, Kind::ResourceQuota, labels, [("spec", map([("hard", hard)]))]), fields);
    }
    let id =
        ResourceId::kube(Kind::ResourceQuota, scope.clone(), smol_str::format_smolstr!("{scope}-priority"));
    let spec = priority(terms.priority.as_ref());
    let reason = terms.priority.as_ref().map_or(Reason::Always, |(_, reason)| reason.clone());
    add(
        id.clone(),
        object(&id, Kind::ResourceQuota, labels, [("spec", spec)]),
        vec![("/spec".into(), reason)],
    );
    if let Some(limits) = &terms.limits {
        let id =
            ResourceId::kube(Kind::LimitRange, scope.clone(), smol_str::format_smolstr!("{scope}-limits"));
        let mut fields = Vec::new();
        let mut item: BTreeMap<SmolStr, Tree> = BTreeMap::from([("type".into(), Tree::from("Container"))]);
        for (name, part) in
            [("default", &limits.default), ("defaultRequest", &limits.default_request), ("max", &limits.max)]
        {
            if !part.is_empty() {
                let part = amounts(part, &format!("/spec/limits/0/{name}"), &mut fields);
                item.insert(name.into(), part);
            }
        }
        let spec = map([("limits", Tree::list([Tree::map(item)]))]);
        add(id.clone(), object(&id, Kind::LimitRange, labels, [("spec", spec)]), fields);
    }
    if let Some(reason) = &terms.isolated {
        let id = ResourceId::kube(
            Kind::NetworkPolicy,
            scope.clone(),
            smol_str::format_smolstr!("{scope}-isolation"),
        );
        let body = object(&id, Kind::NetworkPolicy, labels, [("spec", surroundings.spec.clone())]);
        add(id, body, vec![("/spec".into(), reason.clone())]);
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
