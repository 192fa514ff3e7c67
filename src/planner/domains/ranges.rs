//! What limits may say: known names, amounts that make sense, and an order from the least to the most, in which a pod that
//! says nothing of resources still starts. What the API server refuses of a LimitRange is said here first.

use std::collections::BTreeMap;

use crate::domains::bounding;
use crate::domains::counts::EPHEMERAL;
use crate::domains::quota::{check_sign, check_whole, is_device};
use crate::domains::tiers::{BuiltInTier, ClaimLimits, Limits, PodLimits, Rest, Tier};
use crate::roster::spelling::did_you_mean;
use crate::roster::{At, Finding, Findings, Map, Name, Quantity, ResourceName, Span};

/// What a container can be limited in, by a name without a domain.
const LIMIT_NAMES: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];

/// The pairs of which the first may not be above the second. The API server knows those of one type; the others let no
/// pod start that says nothing of resources.
const ORDERED: [(&str, &str); 11] = [
    ("default", "max"),
    ("defaultRequest", "max"),
    ("defaultRequest", "default"),
    ("min", "max"),
    ("min", "default"),
    ("min", "defaultRequest"),
    ("pod.min", "pod.max"),
    ("pod.min", "defaultRequest"),
    ("min", "pod.max"),
    ("default", "pod.max"),
    ("defaultRequest", "pod.max"),
];

/// An effective limit: what the roster says, or what is built into the tier.
#[derive(Clone)]
struct Limit {
    amount: Quantity,
    at: Option<Span>,
}

/// By resource.
type Effective<'r> = BTreeMap<&'r str, Limit>;

/// By the field of the limits.
type Fields<'r> = BTreeMap<&'static str, Effective<'r>>;

/// Checks the limits of a tier.
pub(crate) fn check(name: &Name, tier: &Tier, findings: &mut Findings) {
    let Some(limits) = &tier.limits else { return };
    let Limits { default, default_request, max, min, max_limit_request_ratio: ratio, pod, claim } = limits;
    let PodLimits { max: pod_max, min: pod_min, max_limit_request_ratio: pod_ratio } = pod;
    for map in [default, default_request, max, min, pod_max, pod_min] {
        for (name, entry) in map {
            check_limit_name(name, entry.key, findings);
            check_sign(&entry.value, findings);
            bounding::check_amount(name, &entry.value, findings);
            if is_device(name) {
                check_whole(name, &entry.value, findings);
            }
        }
    }
    for (name, entry) in ratio.iter().chain(pod_ratio) {
        check_limit_name(name, entry.key, findings);
        if entry.value.value < Quantity::zero().and(1) {
            let message =
                format!("a limit is never below its request, so `{}` times is not a ratio", entry.value);
            findings.push(Finding::new("limit-ratio", entry.value.at, message, "expected 1 or more"));
        }
    }
    let built_in = BuiltInTier::named(name);
    let rows = |rows: fn(&'static BuiltInTier) -> &'static [(&'static str, &'static str)]| {
        built_in.map_or(&[][..], rows)
    };
    let fields: Fields<'_> = [
        ("default", effective(default, rows(|tier| tier.default))),
        ("defaultRequest", effective(default_request, rows(|tier| tier.default_request))),
        ("max", effective(max, rows(|tier| tier.max))),
        ("min", effective(min, &[])),
        ("maxLimitRequestRatio", effective(ratio, &[])),
        ("pod.max", effective(pod_max, &[])),
        ("pod.min", effective(pod_min, &[])),
        ("pod.maxLimitRequestRatio", effective(pod_ratio, &[])),
    ]
    .into();
    for (low, high) in ORDERED {
        for (resource, small) in &fields[low] {
            if let Some(large) = fields[high].get(resource) {
                check_order(name, resource, (low, small), (high, large), findings);
            }
        }
    }
    let fields = completed(fields);
    check_ratios(name, &fields, findings);
    let disk = !matches!(tier.rest, Some(At { value: Rest::Unbounded, at: _ }));
    check_given(name, disk, &fields, findings);
    check_overcommit(&fields, findings);
    check_claim(name, claim, findings);
}

fn effective<'r>(
    roster: &'r Map<ResourceName, At<Quantity>>,
    built_in: &[(&'static str, &'static str)],
) -> Effective<'r> {
    let mut limits = Effective::new();
    for (name, amount) in built_in {
        if let Ok(amount) = amount.parse() {
            limits.insert(name, Limit { amount, at: None });
        }
    }
    for (name, entry) in roster {
        limits.insert(name, Limit { amount: entry.value.value.clone(), at: Some(entry.value.at) });
    }
    limits
}

/// With what Kubernetes fills in: the default limit from the maximum, the default request from the default limit or else
/// from the minimum.
fn completed(mut fields: Fields<'_>) -> Fields<'_> {
    for (from, into) in [("max", "default"), ("default", "defaultRequest"), ("min", "defaultRequest")] {
        let from = fields[from].clone();
        let into = fields.entry(into).or_default();
        for (name, limit) in from {
            into.entry(name).or_insert(limit);
        }
    }
    fields
}

/// The API server takes no ratio above that of maximum and minimum, and no container whose limit is further above its
/// request.
fn check_ratios(tier: &Name, fields: &Fields<'_>, findings: &mut Findings) {
    for (field, max, min) in
        [("maxLimitRequestRatio", "max", "min"), ("pod.maxLimitRequestRatio", "pod.max", "pod.min")]
    {
        for (resource, ratio) in &fields[field] {
            // One below 1 is told already.
            let Some(at) = ratio.at.filter(|_| ratio.amount >= Quantity::zero().and(1)) else { continue };
            if let (Some(max), Some(min)) = (fields[max].get(resource), fields[min].get(resource))
                && min.amount > Quantity::zero()
                && ratio.amount.times_is_above(&min.amount, &max.amount)
            {
                findings.push(Finding::new(
                    "limit-ratio",
                    at,
                    format!(
                        "`{field}` of {resource} is {}, and {} is not so many times {}",
                        ratio.amount, max.amount, min.amount
                    ),
                    "expected no more than the maximum divided by the minimum",
                ));
            }
            if let (Some(limit), Some(request)) =
                (fields["default"].get(resource), fields["defaultRequest"].get(resource))
                && limit.amount.is_above_times(&ratio.amount, &request.amount)
            {
                let message = format!(
                    "a container that states nothing cannot start: its limit of {resource} is {}, over {} times its request, {}",
                    limit.amount, ratio.amount, request.amount
                );
                findings.push(
                    Finding::new("limit-ratio", at, message, "expected a ratio that the defaults keep").hint(
                        format!("raise `defaultRequest` of {resource} in the limits of tier `{tier}`, or the ratio"),
                    ),
                );
            }
        }
    }
}

/// Under a bound of pods, or of the ratio, the API server takes no container that does not say what is bounded.
fn check_given(tier: &Name, disk: bool, fields: &Fields<'_>, findings: &mut Findings) {
    for (field, given, what) in [
        ("pod.max", "default", "limit"),
        ("pod.min", "defaultRequest", "request"),
        ("maxLimitRequestRatio", "default", "limit"),
        ("pod.maxLimitRequestRatio", "default", "limit"),
    ] {
        for (resource, limit) in &fields[field] {
            let there = fields[given].contains_key(resource) || (disk && *resource == EPHEMERAL);
            let Some(at) = limit.at.filter(|_| !there) else { continue };
            let example = if *resource == "cpu" { "100m" } else { "128Mi" };
            findings.push(
                Finding::new(
                    "no-default",
                    at,
                    format!(
                        "a pod that does not state its {what} of {resource} cannot start under `{field}`"
                    ),
                    format!("expected a default {what} of {resource} in the limits of tier `{tier}`"),
                )
                .hint(format!("add `{given}: {{{resource}: {example}}}` to the limits")),
            );
        }
    }
}

/// What cannot be promised twice has one amount as request and as limit.
fn check_overcommit(fields: &Fields<'_>, findings: &mut Findings) {
    for (resource, request) in &fields["defaultRequest"] {
        let once = resource.contains('/') || resource.starts_with("hugepages-");
        if let (Some(limit), Some(at)) = (fields["default"].get(resource), request.at)
            && once
            && limit.amount != request.amount
        {
            findings.push(Finding::new(
                "limit-ratio",
                at,
                format!(
                    "a container's request of {resource} is its limit, and the default limit is {}",
                    limit.amount
                ),
                format!("expected {}", limit.amount),
            ));
        }
    }
}

fn check_claim(tier: &Name, claim: &ClaimLimits, findings: &mut Findings) {
    let ClaimLimits { max, min } = claim;
    for amount in [max, min].into_iter().flatten() {
        check_sign(amount, findings);
        bounding::check_amount("storage", amount, findings);
    }
    if let (Some(min), Some(max)) = (min, max) {
        let limit = |amount: &At<Quantity>| Limit { amount: amount.value.clone(), at: Some(amount.at) };
        check_order(tier, "storage", ("claim.min", &limit(min)), ("claim.max", &limit(max)), findings);
    }
}

fn check_limit_name(name: &ResourceName, at: Span, findings: &mut Findings) {
    let known = LIMIT_NAMES.contains(&name.as_str()) || name.starts_with("hugepages-") || name.contains('/');
    if !known {
        let mut finding = Finding::new(
            "unknown-resource",
            at,
            format!("Kubernetes has no limit of containers for `{name}`"),
            "expected one of cpu, memory, ephemeral-storage, `hugepages-…`, or a device such as `nvidia.com/gpu`",
        );
        finding.hint = did_you_mean(name, LIMIT_NAMES)
            .or_else(|| Some("`quota:` bounds how many objects there may be".to_owned()));
        findings.push(finding);
    }
}

/// Says so when the first limit is above the second, at whichever of the two the roster sets.
fn check_order(
    tier: &Name,
    resource: &str,
    (low_name, low): (&str, &Limit),
    (high_name, high): (&str, &Limit),
    findings: &mut Findings,
) {
    if low.amount <= high.amount {
        return;
    }
    let message = format!(
        "`{low_name}` of {resource} is {}, above `{high_name}`, which is {}",
        low.amount, high.amount
    );
    let finding = match (low.at, high.at) {
        (Some(at), Some(other)) => {
            Finding::new("limit-above", at, message, format!("expected at most {}", high.amount))
                .also(other, format!("`{high_name}` is here"))
                .hint(format!("lower `{low_name}` or raise `{high_name}`"))
        }
        (Some(at), None) => {
            Finding::new("limit-above", at, message, format!("expected at most {}", high.amount)).hint(
                format!("tier `{tier}` has this `{high_name}` built in; write a larger one under `limits:`"),
            )
        }
        (None, Some(at)) => {
            Finding::new("limit-above", at, message, format!("expected at least {}", low.amount)).hint(
                format!("tier `{tier}` has this `{low_name}` built in; write a smaller one under `limits:`"),
            )
        }
        (None, None) => return,
    };
    findings.push(finding);
}
