//! The limits of a tier as a LimitRange has them: what is built in, what the roster says over it, and what Kubernetes
//! fills in. What limits may say stands in `ranges.rs`.

use super::counts::{CONTAINER_DISK, EPHEMERAL};
use super::effective::Amounts;
use super::tiers::{ClaimLimits, Limits, PodLimits};
use crate::resource::Reason;
use crate::roster::{At, Entry, Quantity};
use crate::tree::SmolStr;

/// The limits of containers, pods and claims, as a LimitRange has them.
#[derive(Clone, Debug, Default)]
pub(crate) struct ContainerLimits {
    pub default: Amounts,
    pub default_request: Amounts,
    pub container: Range,
    pub pod: Range,
    pub claim: Range,
}

/// From the least to the most of one type.
#[derive(Clone, Debug, Default)]
pub(crate) struct Range {
    pub max: Amounts,
    pub min: Amounts,
    pub ratio: Amounts,
}

impl Range {
    /// Does it bound nothing?
    pub(crate) fn is_empty(&self) -> bool {
        self.max.is_empty() && self.min.is_empty() && self.ratio.is_empty()
    }
}

/// Puts what a tier says over what was there.
pub(super) fn overlay_limits(into: &mut ContainerLimits, limits: &Limits) {
    let Limits { default, default_request, max, min, max_limit_request_ratio: ratio, pod, claim } = limits;
    let PodLimits { max: pod_max, min: pod_min, max_limit_request_ratio: pod_ratio } = pod;
    for (from, into) in [
        (default, &mut into.default),
        (default_request, &mut into.default_request),
        (max, &mut into.container.max),
        (min, &mut into.container.min),
        (ratio, &mut into.container.ratio),
        (pod_max, &mut into.pod.max),
        (pod_min, &mut into.pod.min),
        (pod_ratio, &mut into.pod.ratio),
    ] {
        for (name, Entry { key: _, value: amount }) in from {
            into.insert(name.text().clone(), (amount.value.clone(), Reason::Roster(amount.at)));
        }
    }
    let ClaimLimits { max, min } = claim;
    for (from, into) in [(max, &mut into.claim.max), (min, &mut into.claim.min)] {
        if let Some(At { value, at }) = from {
            into.insert(SmolStr::new_static("storage"), (value.clone(), Reason::Roster(*at)));
        }
    }
}

/// A quota over the disk of pods lets none start that says nothing about it, so containers get a default.
pub(super) fn disk_of_containers(limits: &mut ContainerLimits, because: &Reason) {
    let [limit, request] = CONTAINER_DISK.map(str::parse::<Quantity>);
    let (Ok(limit), Ok(request)) = (limit, request) else { return };
    let disk = SmolStr::new_static(EPHEMERAL);
    let least = limits.default_request.get(&disk).map_or(&limit, |(request, _)| request).max(&limit).clone();
    // What is bounded of a pod, a pod of one container that says nothing keeps.
    let least = limits.pod.max.get(&disk).map_or(&least, |(most, _)| most).min(&least).clone();
    let (limit, _) = limits.default.entry(disk.clone()).or_insert((least, because.clone()));
    let request = match limits.container.ratio.contains_key(&disk) || limits.pod.ratio.contains_key(&disk) {
        true => limit.clone(),
        false => {
            limits.pod.min.get(&disk).map_or(&request, |(least, _)| least).max(&request).min(limit).clone()
        }
    };
    limits.default_request.entry(disk).or_insert((request, because.clone()));
}

/// Kubernetes fills in a container's default limit from its maximum, and its default request from its default
/// limit or else from its minimum. Written out, so that the plan shows what will hold and a second plan finds nothing to do.
pub(super) fn as_kubernetes_completes(mut limits: ContainerLimits) -> ContainerLimits {
    for (name, (amount, _)) in &limits.container.max {
        limits.default.entry(name.clone()).or_insert_with(|| (amount.clone(), Reason::Kubernetes));
    }
    for (name, (amount, _)) in limits.default.iter().chain(&limits.container.min) {
        limits.default_request.entry(name.clone()).or_insert_with(|| (amount.clone(), Reason::Kubernetes));
    }
    limits
}
