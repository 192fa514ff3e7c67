//! The parts that kwo's ValidatingAdmissionPolicies have in common: their two objects, whom they let pass, and how a
//! rule with its message is written. Which rules there are stands in `guard.rs`, `inside.rs` and `hosts.rs`.

use std::sync::Arc;

use super::body::{labels, map, object, words};
use super::guard::{CONTROL_PLANE, MAY_CHANGE_THE_GUARD};
use crate::kinds::Kind;
use crate::observed::TENANT_LABEL;
use crate::resource::{Reason, Resource, ResourceId};
use crate::tree::{SmolStr, Tree};

/// A tenant's rights end at its namespaces. Whoever may do the same everywhere is a part of the cluster: a controller,
/// cert-manager, a backup.
pub(crate) const EVERYWHERE: &str = "authorizer.group(request.resource.group).resource(request.resource.resource)\
.subresource(has(request.subResource) ? request.subResource : '')\
.check(request.operation.lowerAscii()).allowed()";

/// Kubernetes' own controllers, each under its account or all under one name.
const CONTROLLERS: &str = "request.userInfo.username.matches(\
'^system:(kube-controller-manager|serviceaccount:kube-system:[a-z-]+-controller)$')";

/// The names that an expression excepts at its end, and what stands before them: `… || x in ['a', 'b']`.
pub(crate) fn exceptions(expression: &str) -> Option<(&str, Vec<&str>)> {
    let (head, names) = expression.strip_suffix(']')?.rsplit_once(" in [")?;
    let (_, last) = head.rsplit_once(" || ")?;
    let plain = last.chars().all(|char| char.is_ascii_alphanumeric() || "._".contains(char));
    let names = names.split(',').map(|name| name.trim().trim_matches('\'')).filter(|name| !name.is_empty());
    plain.then(|| (head, names.collect()))
}

/// The policies that kwo makes. Each says what it refuses: a plan shows that where the policy comes to tenants that are
/// there already.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Policy {
    /// The guard of what carries kwo's mark of old.
    Guard,
    /// The guard of what carries kwo's mark.
    GuardOfTheMark,
    /// What nobody may do whose rights end at a tenant's namespaces.
    Inside,
    /// The hosts of tenants.
    Hosts,
    /// What tenants may choose of what the cluster has.
    Allowed,
    /// What tiers refuse.
    Tiers,
}

impl Policy {
    /// All of them.
    pub(crate) const ALL: [Policy; 6] = [
        Policy::Guard,
        Policy::GuardOfTheMark,
        Policy::Inside,
        Policy::Hosts,
        Policy::Allowed,
        Policy::Tiers,
    ];

    /// Its name, which is also that of its binding.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Policy::Guard => "kwo-guard",
            Policy::GuardOfTheMark => "kwo-guard-mark",
            Policy::Inside => "kwo-inside",
            Policy::Hosts => "kwo-hosts",
            Policy::Allowed => "kwo-allowed",
            Policy::Tiers => "kwo-tiers",
        }
    }

    /// What it refuses, as a sentence without a full stop.
    pub(crate) const fn refuses(self) -> &'static str {
        match self {
            Policy::Guard => {
                "only cluster admins change what carries the label by which kwo once marked what it manages"
            }
            Policy::GuardOfTheMark => "only cluster admins change what carries kwo's mark",
            Policy::Inside => {
                "tenants write no Endpoints, no tokens that do not end, no labels of kwo, no pods that name their node, and \
                 no Services without a selector, or with externalIPs, loadBalancerIP or of type ExternalName that \
                 their tier does not allow"
            }
            Policy::Hosts => {
                "tenants write Ingresses and Certificates for their own hosts only, and no other kinds that ask for hosts"
            }
            Policy::Allowed => {
                "images, pull policies and the classes of Ingresses and claims are those that the tier of the tenant allows"
            }
            Policy::Tiers => {
                "tenants write no network policies, no Events and no pods with volumes that the node mounts from the \
                 network where their tier does not allow it"
            }
        }
    }

    /// The one with this name.
    pub(crate) fn named(name: &str) -> Option<Policy> {
        Policy::ALL.into_iter().find(|policy| policy.name() == name)
    }

    /// Its id and that of its binding.
    pub(crate) fn ids(self) -> [ResourceId; 2] {
        [Kind::ValidatingAdmissionPolicy, Kind::ValidatingAdmissionPolicyBinding]
            .map(|kind| ResourceId::kube(kind, "", self.name()))
    }
}

/// A policy that denies, and its binding.
pub(crate) fn policy(of: Policy, spec: Tree, because: &Reason, resources: &mut Vec<Resource>) {
    let [policy, binding] = of.ids();
    let body = object(&policy, Kind::ValidatingAdmissionPolicy, &labels(None), [("spec", spec)]);
    let bound = map([("policyName", Tree::from(of.name())), ("validationActions", words(&["Deny"]))]);
    let bound = object(&binding, Kind::ValidatingAdmissionPolicyBinding, &labels(None), [("spec", bound)]);
    resources.push(Resource::new(policy.clone(), body, Arc::new([]), because.clone()));
    resources.push(Resource::new(binding, bound, Arc::new([policy]), because.clone()));
}

/// Resources of some groups, in which `*/*` is everything there is: a subresource is a way to write the object too.
pub(crate) type Judged<'a> = (&'a [&'static str], &'a [&'static str]);

/// What a policy says about the requests of tenants in their namespaces: of which groups and resources, with which
/// variables.
pub(crate) fn of_tenants(
    judged: &[Judged<'_>],
    validations: Vec<Tree>,
    variables: Vec<(&'static str, String)>,
) -> Tree {
    let conditions = vec![
        ("not-the-control-plane", format!("!{CONTROL_PLANE}")),
        ("not-an-admin", format!("!({MAY_CHANGE_THE_GUARD})")),
        ("only-here", format!("!{EVERYWHERE}")),
    ];
    judging(conditions, judged, validations, variables)
}

/// As [`of_tenants`], with the controllers that make what tenants ask for by a template: pods, claims.
pub(crate) fn of_tenants_and_their_controllers(
    judged: Judged<'_>,
    validations: Vec<Tree>,
    variables: Vec<(&'static str, String)>,
) -> Tree {
    let conditions = vec![
        ("not-an-admin", format!("{CONTROLLERS} || !({MAY_CHANGE_THE_GUARD})")),
        ("only-here", format!("{CONTROLLERS} || !{EVERYWHERE}")),
    ];
    judging(conditions, &[judged], validations, variables)
}

fn judging(
    conditions: Vec<(&'static str, String)>,
    judged: &[Judged<'_>],
    validations: Vec<Tree>,
    variables: Vec<(&'static str, String)>,
) -> Tree {
    let rule = |(groups, resources): &Judged<'_>| {
        map([
            ("apiGroups", words(groups)),
            ("apiVersions", words(&["*"])),
            ("operations", words(&["CREATE", "UPDATE"])),
            ("resources", words(resources)),
            ("scope", Tree::from("Namespaced")),
        ])
    };
    let tenants = map([("key", Tree::from(TENANT_LABEL)), ("operator", Tree::from("Exists"))]);
    let named = |(name, expression): (&'static str, String)| {
        map([("expression", Tree::from(expression)), ("name", Tree::from(name))])
    };
    map([
        ("failurePolicy", Tree::from("Fail")),
        ("matchConditions", Tree::list(conditions.into_iter().map(named))),
        (
            "matchConstraints",
            map([
                ("matchPolicy", Tree::from("Equivalent")),
                ("namespaceSelector", map([("matchExpressions", Tree::list([tenants]))])),
                ("objectSelector", map([])),
                ("resourceRules", Tree::list(judged.iter().map(rule))),
            ]),
        ),
        ("validations", Tree::list(validations)),
        ("variables", Tree::list(variables.into_iter().map(named))),
    ])
}

/// A rule with what is said where it is broken.
pub(crate) fn rule(expression: impl Into<SmolStr>, message: &'static str) -> Tree {
    map([
        ("expression", Tree::from(expression.into())),
        ("message", Tree::from(message)),
        ("reason", Tree::from("Forbidden")),
    ])
}

/// A rule whose message ends with the hosts of the tenant.
pub(crate) fn rule_of_hosts(expression: impl Into<SmolStr>, message: &str) -> Tree {
    rule_with(expression, format!("'{message}' + variables.own.join(', ')"))
}

/// A rule whose message is made from the request.
pub(crate) fn rule_with(expression: impl Into<SmolStr>, message: String) -> Tree {
    map([
        ("expression", Tree::from(expression.into())),
        ("messageExpression", Tree::from(message)),
        ("reason", Tree::from("Forbidden")),
    ])
}
