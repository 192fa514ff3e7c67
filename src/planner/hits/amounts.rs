//! Quotas and limits: how much of what a quota bounds is there where the quota itself does not know yet, which Services
//! take what it no longer allows, and which containers and claims are larger or smaller than a limit.

use super::{Beside, pods};
use crate::compare::quantity;
use crate::resource::ResourceId;
use crate::roster::Quantity;
use crate::tightens::{Narrower, exceeded, lower, narrower};
use crate::tree::{SmolStr, Tree};

/// One amount of a quota that is new or lower.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) by: ResourceId,
    pub(super) kind: Beside,
    resource: SmolStr,
    most: u64,
    /// The plan says already how much there is: only who takes it is told.
    known: bool,
    /// What has to hold of the priority class of a pod.
    conditions: Vec<Tree>,
}

/// The amounts of a quota that objects have to be looked at for: those of which it does not know itself how much is there,
/// and those of which it is worth a name.
pub(super) fn bounds(by: &ResourceId, before: &Tree, after: &Tree) -> Vec<Bound> {
    let conditions = after.at("/spec/scopeSelector/matchExpressions").map_or(&[][..], Tree::items);
    let of_classes = |condition: &Tree| {
        condition.get("scopeName").and_then(Tree::as_text).is_some_and(|scope| scope == "PriorityClass")
    };
    let others = after.at("/spec/scopes").is_some_and(|scopes| !scopes.items().is_empty());
    if others || !conditions.iter().all(of_classes) {
        return Vec::new();
    }
    let used = after.at("/status/used").unwrap_or(&Tree::Null);
    let bound = |(name, most): (&SmolStr, &Tree)| {
        let plain = name.strip_prefix("count/").unwrap_or(name);
        let kind = match plain {
            "pods" => Beside::Pod,
            "services" | "services.nodeports" | "services.loadbalancers" => Beside::Service,
            "persistentvolumeclaims" => Beside::PersistentVolumeClaim,
            "ingresses.networking.k8s.io" => Beside::Ingress,
            "networkpolicies.networking.k8s.io" => Beside::NetworkPolicy,
            "certificates.cert-manager.io" => Beside::Certificate,
            _ => return None,
        };
        let names = plain.starts_with("services.") || !conditions.is_empty();
        let told = exceeded(used, name, most).is_some();
        let other = if name == plain { format!("count/{plain}") } else { plain.to_owned() };
        let known = told || used.get(name).is_some() || (plain != "pods" && used.get(&other).is_some());
        let most = quantity(most)?.canonical().parse().ok()?;
        let conditions = conditions.to_vec();
        (!known || (names && told)).then(|| Bound {
            by: by.clone(),
            kind,
            resource: name.clone(),
            most,
            known,
            conditions,
        })
    };
    let mut bounds: Vec<Bound> = lower(before, after).into_iter().filter_map(bound).collect();
    // The same under its other name.
    let both: Vec<SmolStr> = bounds.iter().map(|bound| bound.resource.clone()).collect();
    bounds.retain(|bound| {
        let other = bound.resource.strip_prefix("count/").filter(|plain| *plain != "pods");
        other.is_none_or(|plain| !both.iter().any(|name| name == plain))
    });
    bounds
}

impl Bound {
    /// How much of it this object takes.
    pub(super) fn counts(&self, kind: Beside, object: &Tree) -> u64 {
        if kind != self.kind || !self.conditions.iter().all(|condition| holds(condition, object)) {
            return 0;
        }
        let text =
            |pointer: &str| object.at(pointer).and_then(Tree::as_text).map_or("", |text| text.as_str());
        let balances = || text("/spec/type") == "LoadBalancer";
        match self.resource.as_str() {
            "pods" => u64::from(!pods::has_ended(object)),
            "services.loadbalancers" => u64::from(balances()),
            "services.nodeports" if text("/spec/type") == "NodePort" || balances() => {
                let ports = object.at("/spec/ports").map_or(&[][..], Tree::items);
                let taken = |port: &&Tree| port.get("nodePort").is_some();
                let all = object.at("/spec/allocateLoadBalancerNodePorts") != Some(&Tree::from(false))
                    || !balances();
                ports.iter().filter(|port| all || taken(port)).fold(0, |sum, _| sum + 1)
            }
            "services.nodeports" => 0,
            _ => 1,
        }
    }

    /// What is said where so much of it is there.
    pub(super) fn exceeded(&self, amount: u64) -> Option<SmolStr> {
        let Bound { by: _, kind: _, resource, most, known, conditions } = self;
        let of = if conditions.is_empty() { "" } else { " of its priority class" };
        (amount > *most).then(|| match known {
            true => smol_str::format_smolstr!("it counts as {resource}{of}, and at most {most} is allowed"),
            false => {
                smol_str::format_smolstr!("{resource}{of}: {amount} in use, and at most {most} is allowed")
            }
        })
    }
}

/// Does this hold of the priority class of a pod?
fn holds(condition: &Tree, pod: &Tree) -> bool {
    let class = pod.at("/spec/priorityClassName").and_then(Tree::as_text).filter(|class| !class.is_empty());
    let listed = || {
        let values = condition.get("values").map_or(&[][..], Tree::items);
        class.is_some_and(|class| values.iter().any(|value| value.as_text() == Some(class)))
    };
    match condition.get("operator").and_then(Tree::as_text).map(SmolStr::as_str) {
        Some("In") => listed(),
        Some("NotIn") => !listed(),
        Some("Exists") => class.is_some(),
        Some("DoesNotExist") => class.is_none(),
        _ => false,
    }
}

/// One amount that a container or a claim may have at most, or has to have at least, and that is narrower.
#[derive(Debug)]
pub(super) struct Limit {
    pub(super) by: ResourceId,
    pub(super) kind: Beside,
    narrower: Narrower,
}

/// What of a LimitRange is narrower for single containers and claims.
pub(super) fn limits(by: &ResourceId, before: &Tree, after: &Tree) -> Vec<Limit> {
    let limit = |narrower: Narrower| {
        let kind = match narrower.of.as_str() {
            "Container" => Beside::Pod,
            "PersistentVolumeClaim" => Beside::PersistentVolumeClaim,
            _ => return None,
        };
        Some(Limit { by: by.clone(), kind, narrower })
    };
    narrower(before, after).into_iter().filter_map(limit).collect()
}

impl Limit {
    /// What of the object is beyond it: why, and what.
    pub(super) fn broken(&self, kind: Beside, object: &Tree) -> Option<(SmolStr, SmolStr)> {
        let Limit { by: _, kind: of, narrower } = self;
        let Narrower { of: _, max, resource, was, bound } = narrower;
        if kind != *of {
            return None;
        }
        // A claim has a limit only in name.
        let part = if *max && kind == Beside::Pod { "limits" } else { "requests" };
        let beyond = |resources: &Tree| {
            let amount = resources.get(part)?.get(resource)?;
            let found = quantity(amount)?;
            let past = |bound: &Quantity| if *max { found > *bound } else { found < *bound };
            (past(bound) && !was.as_ref().is_some_and(past))
                .then(|| amount.as_text().cloned().unwrap_or_default())
        };
        let word = if *max { "most" } else { "least" };
        if kind == Beside::PersistentVolumeClaim {
            let amount = beyond(object.at("/spec/resources")?)?;
            let why = smol_str::format_smolstr!("{bound} of {resource} is the {word} that a claim may have");
            return Some((why, amount));
        }
        let containers = ["/spec/containers", "/spec/initContainers"].into_iter();
        let mut containers = containers.flat_map(|list| object.at(list).map_or(&[][..], Tree::items));
        let (name, amount) = containers.find_map(|one| {
            Some((one.get("name").and_then(Tree::as_text)?, beyond(one.get("resources")?)?))
        })?;
        let why = smol_str::format_smolstr!("{bound} of {resource} is the {word} that a container may have");
        Some((why, smol_str::format_smolstr!("{name} has {amount}")))
    }
}
