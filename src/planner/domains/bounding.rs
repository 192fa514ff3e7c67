//! Does a quota bound what it seems to? Kubernetes stores names that it never counts, amounts in thousandths of a byte,
//! and quotas under which no pod starts that says nothing of resources. Which names need no look stands in `quota.rs`.

use crate::domains::tenants::{DEFAULT_TIER, Tenant};
use crate::domains::tiers::{BuiltInTier, Limits, Quota, Tier};
use crate::roster::spelling::did_you_mean;
use crate::roster::{At, Finding, Findings, Map, Name, Quantity, ResourceName, Span};

/// What can be counted in a namespace, by API group.
const COUNTED: [(&str, &[&str]); 12] = [
    (
        "",
        &[
            "configmaps",
            "endpoints",
            "events",
            "limitranges",
            "persistentvolumeclaims",
            "pods",
            "podtemplates",
            "replicationcontrollers",
            "resourcequotas",
            "secrets",
            "serviceaccounts",
            "services",
        ],
    ),
    ("apps", &["controllerrevisions", "daemonsets", "deployments", "replicasets", "statefulsets"]),
    ("autoscaling", &["horizontalpodautoscalers"]),
    ("batch", &["cronjobs", "jobs"]),
    ("coordination.k8s.io", &["leasecandidates", "leases"]),
    ("discovery.k8s.io", &["endpointslices"]),
    ("events.k8s.io", &["events"]),
    ("networking.k8s.io", &["ingresses", "networkpolicies"]),
    ("policy", &["poddisruptionbudgets"]),
    ("rbac.authorization.k8s.io", &["rolebindings", "roles"]),
    ("resource.k8s.io", &["resourceclaims", "resourceclaimtemplates"]),
    ("storage.k8s.io", &["csistoragecapacities"]),
];

/// Groups that once had kinds which other groups have now.
const GONE: [&str; 2] = ["extensions", "core"];

/// The right spelling of a name with `/` under `hard:` that Kubernetes would store and never count; or nothing where
/// it counts, or may count, since no list has what others define.
pub(crate) fn respelled(name: &str) -> Option<Option<String>> {
    let (domain, rest) = name.split_once('/')?;
    if domain == "count" {
        return count_respelled(rest);
    }
    let of_kubernetes = domain.ends_with("kubernetes.io") || domain.ends_with("k8s.io");
    if of_kubernetes {
        let class = domain.strip_suffix(".storageclass.storage.k8s.io");
        if class.is_some_and(|class| !class.is_empty()) {
            return match rest {
                "requests.storage" | "persistentvolumeclaims" => None,
                _ => Some(Some(format!("{domain}/requests.storage"))),
            };
        }
        let devices = domain.ends_with(".deviceclass.resource.k8s.io") && rest == "devices";
        return if devices { None } else { Some(None) };
    }
    // Of what nodes offer besides, only requests are counted, and only by that name.
    if domain.strip_prefix("requests.").is_some_and(|domain| domain.contains('.')) {
        return None;
    }
    let bare = ["limits.", "limit.", "request."].into_iter().find_map(|prefix| domain.strip_prefix(prefix));
    Some(Some(format!("requests.{}/{rest}", bare.unwrap_or(domain))))
}

fn count_respelled(resource: &str) -> Option<Option<String>> {
    let (plural, group) = resource.split_once('.').unwrap_or((resource, ""));
    let known = COUNTED.iter().find(|(have, _)| *have == group);
    match known {
        Some((_, plurals)) if plurals.contains(&plural) => return None,
        None if !GONE.contains(&group) => return None,
        _ => {}
    }
    let full = |group: &str, plural: &str| match group {
        "" => format!("count/{plural}"),
        _ => format!("count/{plural}.{group}"),
    };
    let lower = plural.to_lowercase();
    let of = |wanted: &str| {
        COUNTED.iter().find(|(_, plurals)| plurals.contains(&wanted)).map(|(group, _)| full(group, wanted))
    };
    let plurals = [lower.clone(), format!("{lower}s"), format!("{lower}es")];
    let other = lower.strip_suffix('y').map(|stem| format!("{stem}ies"));
    Some(plurals.iter().chain(&other).find_map(|plural| of(plural)))
}

/// The finding for such a name, if it is one.
pub(crate) fn check_counts(name: &ResourceName, at: Span, findings: &mut Findings) {
    let Some(right) = respelled(name) else { return };
    let mut finding = Finding::new(
        "bounds-nothing",
        at,
        format!("Kubernetes stores a quota for `{name}` and bounds nothing with it"),
        match &right {
            Some(right) => format!("expected `{right}`"),
            None => "expected a name that Kubernetes counts, such as `count/deployments.apps`".to_owned(),
        },
    );
    finding.hint = right.map(|right| format!("write `{right}:`"));
    findings.push(finding);
}

/// A hint for a name without `/` that is nearly one of those that have a field of their own.
pub(crate) fn field_hint(name: &str, fields: &[(&str, &str)]) -> Option<String> {
    did_you_mean(name, fields.iter().map(|(known, _)| *known))?;
    let near = |known: &str| did_you_mean(name, [known]).is_some();
    let (_, field) = fields.iter().find(|(known, _)| near(known))?;
    Some(format!("write it as `{field}:`, one level up"))
}

/// An amount of something that has a smallest part or a largest sense.
pub(crate) fn check_amount(name: &str, amount: &At<Quantity>, findings: &mut Findings) {
    let last = name.rsplit(['.', '/']).next().unwrap_or(name);
    let bytes = matches!(last, "memory" | "storage" | "ephemeral-storage") || last.starts_with("hugepages-");
    if bytes && !amount.is_whole() {
        let digits = amount.as_str().trim_end_matches(['n', 'u', 'm']);
        let mut finding = Finding::new(
            "part-of-a-byte",
            amount.at,
            format!("`{amount}` of {last} is less than a whole number of bytes: `m` is a thousandth"),
            "expected whole bytes, such as `512Mi`",
        );
        // After a power of ten there is no unit.
        if digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
            finding = finding.hint(format!("did you mean `{digits}Mi` or `{digits}M`?"));
        }
        findings.push(finding);
    }
    let most = "1M".parse::<Quantity>();
    if last == "cpu" && most.is_ok_and(|most| most <= amount.value) {
        findings.push(
            Finding::new(
                "no-such-amount",
                amount.at,
                format!("`{amount}` of cpu is over a million CPUs, so it bounds nothing"),
                "expected a number of CPUs, such as `4` or `500m`",
            )
            .hint("`Mi` and `Gi` are for bytes"),
        );
    }
}

/// What containers get that do not say.
struct Given<'r> {
    built_in: Option<&'static BuiltInTier>,
    limits: Option<&'r Limits>,
}

impl Given<'_> {
    /// Is it a limit of this resource?
    fn limits(&self, resource: &str) -> bool {
        // Kubernetes makes the default limit from the maximum.
        let built_in = self.built_in.into_iter().flat_map(|tier| tier.default.iter().chain(tier.max));
        let own =
            |limits: &Limits| limits.default.contains_key(resource) || limits.max.contains_key(resource);
        built_in.into_iter().any(|(name, _)| *name == resource) || self.limits.is_some_and(own)
    }

    /// Is it a request?
    fn requests(&self, resource: &str) -> bool {
        // And the default request from the default limit or the minimum.
        let built_in = self.built_in.into_iter().flat_map(|tier| tier.default_request);
        let own = |limits: &Limits| {
            limits.default_request.contains_key(resource) || limits.min.contains_key(resource)
        };
        let said = built_in.into_iter().any(|(name, _)| *name == resource) || self.limits.is_some_and(own);
        said || self.limits(resource)
    }
}

/// Under a quota of CPU or memory the API server takes no pod that does not say how much it wants. So whoever bounds one
/// says what is meant where a pod says nothing.
pub(crate) fn check_defaults(tiers: &Map<Name, Tier>, tenants: &Map<Name, Tenant>, findings: &mut Findings) {
    for (name, entry) in tiers {
        let given = Given { built_in: BuiltInTier::named(name), limits: entry.value.limits.as_ref() };
        check_quota(name, &entry.value.quota, &given, findings);
    }
    for entry in tenants.values() {
        let name = entry.value.tier.as_ref().map_or(DEFAULT_TIER, |tier| tier.value.as_str());
        let tier = tiers.get(name);
        // What is not there is told elsewhere.
        if tier.is_none() && BuiltInTier::named(name).is_none() {
            continue;
        }
        let limits = tier.and_then(|tier| tier.value.limits.as_ref());
        let given = Given { built_in: BuiltInTier::named(name), limits };
        check_quota(name, &entry.value.quota, &given, findings);
    }
}

fn check_quota(tier: &str, quota: &Quota, given: &Given<'_>, findings: &mut Findings) {
    let Quota { per: _, cpu, memory, storage: _, pods: _, volumes: _, hard, scoped } = quota;
    let fields = [("requests.cpu", cpu), ("requests.memory", memory)];
    let fields = fields.into_iter().filter_map(|(name, amount)| Some((name, amount.as_ref()?)));
    let scoped = scoped.values().flat_map(|entry| &entry.value.hard);
    let hard = hard.iter().chain(scoped).map(|(name, entry)| (name.as_str(), &entry.value));
    for (name, amount) in fields.chain(hard) {
        // In a quota with scopes both names of a request can stand.
        let name =
            if matches!(name, "cpu" | "memory") { Some(("requests", name)) } else { name.split_once('.') };
        let (resource, what, field) = match name {
            Some(("requests", resource)) => (resource, "request", "defaultRequest"),
            Some(("limits", resource)) => (resource, "limit", "default"),
            _ => continue,
        };
        let there = if what == "limit" { given.limits(resource) } else { given.requests(resource) };
        if !matches!(resource, "cpu" | "memory") || there {
            continue;
        }
        let example = if resource == "cpu" { "100m" } else { "128Mi" };
        findings.push(
            Finding::new(
                "no-default",
                amount.at,
                format!("a pod that does not state its {what} of {resource} cannot start under this"),
                format!("expected a default {what} of {resource} in the limits of tier `{tier}`"),
            )
            .hint(format!("add `limits: {{{field}: {{{resource}: {example}}}}}` to the tier")),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_bound_nothing_are_spelt_right() {
        for (wrong, right) in [
            ("count/jobs", "count/jobs.batch"),
            ("count/deployments", "count/deployments.apps"),
            ("count/deployment", "count/deployments.apps"),
            ("count/Deployments.apps", "count/deployments.apps"),
            ("count/deployments.extensions", "count/deployments.apps"),
            ("count/ingress.networking.k8s.io", "count/ingresses.networking.k8s.io"),
            ("count/networkpolicy", "count/networkpolicies.networking.k8s.io"),
            ("count/service", "count/services"),
            ("count/secrets.core", "count/secrets"),
            ("nvidia.com/gpu", "requests.nvidia.com/gpu"),
            ("limits.nvidia.com/gpu", "requests.nvidia.com/gpu"),
            ("request.nvidia.com/gpu", "requests.nvidia.com/gpu"),
            ("fast.storageclass.storage.k8s.io/storage", "fast.storageclass.storage.k8s.io/requests.storage"),
        ] {
            assert_eq!(respelled(wrong).flatten().as_deref(), Some(right), "{wrong}");
        }
        for right in [
            "count/jobs.batch",
            "count/serviceaccounts",
            "count/jobs.batch.volcano.sh",
            "count/certificates.cert-manager.io",
            "requests.nvidia.com/gpu",
            "fast.storageclass.storage.k8s.io/persistentvolumeclaims",
            "gpu.deviceclass.resource.k8s.io/devices",
        ] {
            assert_eq!(respelled(right), None, "{right}");
        }
        assert_eq!(respelled("count/nonsense"), Some(None));
        assert_eq!(respelled("kubernetes.io/x"), Some(None));
    }
}
