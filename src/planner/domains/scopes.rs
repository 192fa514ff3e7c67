//! Quotas with scopes: what a quota of its own bounds of some pods or claims only, and which scopes and amounts
//! Kubernetes takes together.

use crate::domains::bounding;
use crate::domains::quota::{check_sign, check_whole};
use crate::domains::tiers::Quota;
use crate::roster::record::{choice, record};
use crate::roster::{At, ClassName, Entry, Finding, Findings, Map, Quantity, ResourceName, Span};
use crate::tree::{SmolStr, Tree};

/// How many of them a quota may have: each is an object in every namespace.
const MOST: usize = 20;

record! {
    /// A quota of some pods or claims only.
    pub struct ScopedQuota: "a quota with scopes" {
        /// What is bounded, by its Kubernetes name: `pods`, `requests.cpu`, `limits.memory`.
        pub hard: Map<ResourceName, At<Quantity>>,
        /// What it counts: pods or claims that match all of these.
        pub scopes: Vec<At<Scope>>,
        /// The same with classes, as Kubernetes writes it.
        pub scope_selector: ScopeSelector = "scopeSelector",
    }
}

record! {
    /// What a quota counts.
    pub struct ScopeSelector: "a selector of scopes" {
        /// Pods or claims that match all of these.
        pub match_expressions: Vec<Expression> = "matchExpressions",
    }
}

record! {
    /// One condition.
    pub struct Expression: "a condition" {
        /// The name of the scope.
        pub scope_name: At<Scope> = "scopeName",
        /// How the scope relates to the values.
        pub operator: At<ScopeOperator>,
        /// The classes, with `In` and `NotIn`.
        pub values: Vec<At<ClassName>>,
    }
}

choice! {
    /// What a quota can tell apart.
    pub enum Scope: "scope" {
        /// Pods with an end: `activeDeadlineSeconds` is set.
        Terminating = "Terminating",
        /// Pods without one.
        NotTerminating = "NotTerminating",
        /// Pods that ask for nothing.
        BestEffort = "BestEffort",
        /// Pods that ask for something.
        NotBestEffort = "NotBestEffort",
        /// Pods with a priority class.
        PriorityClass = "PriorityClass",
        /// Pods that want to be near to, or far from, pods of other namespaces.
        CrossNamespacePodAffinity = "CrossNamespacePodAffinity",
        /// Claims with a class of volume attributes.
        VolumeAttributesClass = "VolumeAttributesClass",
    }
}

choice! {
    /// What has to hold of a scope.
    pub enum ScopeOperator: "operator" {
        /// The class is one of these.
        In = "In",
        /// The class is none of these.
        NotIn = "NotIn",
        /// It is so.
        Exists = "Exists",
        /// There is no class.
        DoesNotExist = "DoesNotExist",
    }
}

impl Scope {
    /// Is it about a class with a name?
    const fn has_classes(self) -> bool {
        matches!(self, Scope::PriorityClass | Scope::VolumeAttributesClass)
    }

    /// What cannot hold at the same time.
    const fn opposite(self) -> Option<Scope> {
        match self {
            Scope::Terminating => Some(Scope::NotTerminating),
            Scope::NotTerminating => Some(Scope::Terminating),
            Scope::BestEffort => Some(Scope::NotBestEffort),
            Scope::NotBestEffort => Some(Scope::BestEffort),
            Scope::PriorityClass | Scope::CrossNamespacePodAffinity | Scope::VolumeAttributesClass => None,
        }
    }

    /// Does the API server count this within the scope?
    fn counts(self, resource: &str) -> bool {
        const COMPUTE: [&str; 6] =
            ["cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"];
        let pods = matches!(resource, "pods" | "count/pods");
        let name = resource.strip_prefix("requests.").unwrap_or(resource);
        let offered = name.starts_with("hugepages-") || (name != resource && name.contains('/'));
        match self {
            Scope::BestEffort => pods,
            Scope::VolumeAttributesClass => {
                matches!(
                    resource,
                    "persistentvolumeclaims" | "count/persistentvolumeclaims" | "requests.storage"
                ) || resource.contains(".storageclass.storage.k8s.io/")
            }
            Scope::Terminating
            | Scope::NotTerminating
            | Scope::NotBestEffort
            | Scope::PriorityClass
            | Scope::CrossNamespacePodAffinity => pods || COMPUTE.contains(&resource) || offered,
        }
    }
}

impl ScopedQuota {
    /// Does it say what it counts?
    pub(crate) fn has_scopes(&self) -> bool {
        !self.scopes.is_empty() || !self.scope_selector.match_expressions.is_empty()
    }

    /// Where it first says so.
    pub(crate) fn at(&self) -> Option<Span> {
        let first = self.scope_selector.match_expressions.first().map(|first| first.scope_name.at);
        self.scopes.first().map(|scope| scope.at).or(first)
    }

    /// The scopes as a ResourceQuota has them. A scope by itself is written as the condition that it is: unlike `scopes`
    /// it can be changed in a quota that is there.
    pub(crate) fn conditions(&self) -> Tree {
        let text = |word: &'static str| Tree::from(word);
        let condition = |scope: Scope, operator: ScopeOperator, values: Option<Tree>| {
            let parts = [("operator", text(operator.as_str())), ("scopeName", text(scope.as_str()))];
            let parts = parts.into_iter().chain(values.map(|values| ("values", values)));
            Tree::map(parts.map(|(key, value)| (SmolStr::new_static(key), value)))
        };
        let plain = self.scopes.iter().map(|scope| condition(scope.value, ScopeOperator::Exists, None));
        let selected = self.scope_selector.match_expressions.iter().map(|one| {
            let values = one.values.iter().map(|class| class.value.text().clone());
            let values = (!one.values.is_empty()).then(|| Tree::texts(values));
            condition(one.scope_name.value, one.operator.value, values)
        });
        Tree::list(plain.chain(selected).collect::<Vec<_>>())
    }

    /// What it says, each scope once.
    fn said(&self) -> Vec<At<Scope>> {
        let selected = self.scope_selector.match_expressions.iter().map(|one| one.scope_name);
        let mut said: Vec<At<Scope>> = Vec::new();
        for scope in self.scopes.iter().cloned().chain(selected) {
            if said.iter().all(|have| have.value != scope.value) {
                said.push(scope);
            }
        }
        said
    }
}

/// Checks the quotas with scopes of a tier, or of a tenant whose tier may have more to say of one with the same name.
/// Where that cannot be known, `whole` is false.
pub(crate) fn check(quota: &Quota, tier: Option<&Quota>, whole: bool, findings: &mut Findings) {
    if let Some(past) = quota.scoped.values().nth(MOST) {
        let message = format!("there are {} quotas with scopes, and {MOST} are allowed", quota.scoped.len());
        findings.push(Finding::new("too-many-quotas", past.key, message, "expected fewer"));
        return;
    }
    for (name, Entry { key, value: scoped }) in &quota.scoped {
        for one in &scoped.scope_selector.match_expressions {
            check_condition(one, findings);
        }
        let below = tier.and_then(|tier| tier.scoped.get(name)).map(|entry| &entry.value);
        let said = if scoped.has_scopes() {
            scoped.said()
        } else {
            below.map(ScopedQuota::said).unwrap_or_default()
        };
        check_together(&scoped.said(), findings);
        if said.is_empty() && whole {
            let finding = Finding::new(
                "no-scope",
                *key,
                format!("the quota `{name}` does not say which pods it counts"),
                "expected `scopes` or `scopeSelector`",
            );
            findings.push(
                finding.hint("write what counts for all pods in the quota itself, or under its `hard:`"),
            );
        }
        if scoped.hard.is_empty() && below.is_none_or(|below| below.hard.is_empty()) && whole {
            let message = format!("the quota `{name}` bounds nothing");
            let finding = Finding::new("bounds-nothing", *key, message, "expected amounts under `hard:`");
            findings.push(finding.hint("add `hard: {pods: …}`"));
        }
        for (resource, entry) in &scoped.hard {
            check_amount(resource, entry, &said, findings);
        }
    }
}

fn check_amount(
    resource: &ResourceName,
    Entry { key, value: amount }: &Entry<At<Quantity>>,
    scopes: &[At<Scope>],
    findings: &mut Findings,
) {
    check_sign(amount, findings);
    bounding::check_amount(resource, amount, findings);
    if resource.starts_with("count/") || matches!(resource.as_str(), "pods" | "persistentvolumeclaims") {
        check_whole(resource, amount, findings);
    }
    let Some(scope) = scopes.iter().find(|scope| !scope.value.counts(resource)) else { return };
    let counted = match scope.value {
        Scope::BestEffort => {
            "expected `pods`: that is all that Kubernetes counts of pods that ask for nothing"
        }
        Scope::VolumeAttributesClass => "expected `requests.storage` or `persistentvolumeclaims`",
        _ => "expected `pods`, or requests and limits of cpu and memory, such as `requests.cpu`",
    };
    let message = format!("no quota with the scope {scope} counts `{resource}`");
    let finding = Finding::new("scope-counts-not", *key, message, counted);
    findings.push(finding.also(scope.at, "the scope is here"));
}

fn check_condition(one: &Expression, findings: &mut Findings) {
    let Expression { scope_name, operator, values } = one;
    if !scope_name.value.has_classes() && operator.value != ScopeOperator::Exists {
        findings.push(Finding::new(
            "bad-scope",
            operator.at,
            format!("{scope_name} has no classes, so `{operator}` says nothing of it"),
            "expected `Exists`",
        ));
        return;
    }
    let wants = matches!(operator.value, ScopeOperator::In | ScopeOperator::NotIn);
    if wants && values.is_empty() {
        let message = format!("`{operator}` names no class");
        findings.push(
            Finding::new("bad-scope", operator.at, message, "expected names under `values:`")
                .hint("`Exists` is any class, `DoesNotExist` is none"),
        );
    }
    if let Some(value) = values.first().filter(|_| !wants) {
        let message = format!("`{operator}` cannot have names of classes");
        findings.push(Finding::new(
            "bad-scope",
            value.at,
            message,
            "expected no `values:`, or `In` or `NotIn`",
        ));
    }
}

fn check_together(scopes: &[At<Scope>], findings: &mut Findings) {
    for (at, scope) in scopes.iter().enumerate() {
        let clash = scopes[..at].iter().find(|other| scope.value.opposite() == Some(other.value));
        if let Some(other) = clash {
            let message = format!("nothing is {scope} and {other}");
            findings.push(
                Finding::new("bad-scope", scope.at, message, "expected one of the two")
                    .also(other.at, "the other one is here")
                    .hint("to bound both, write two quotas"),
            );
        }
    }
}
