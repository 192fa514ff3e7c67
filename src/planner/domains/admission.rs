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

/// The ids of a policy and of its binding.
pub(crate) fn ids(name: &'static str) -> [ResourceId; 2] {
    [
        ResourceId::kube(Kind::ValidatingAdmissionPolicy, "", name),
        ResourceId::kube(Kind::ValidatingAdmissionPolicyBinding, "", name),
    ]
}

/// A policy that denies, and its binding.
pub(crate) fn policy(name: &'static str, spec: Tree, because: &Reason, resources: &mut Vec<Resource>) {
    let [policy, binding] = ids(name);
    let body = object(&policy, Kind::ValidatingAdmissionPolicy, &labels(None), [("spec", spec)]);
    let bound = map([("policyName", Tree::from(name)), ("validationActions", words(&["Deny"]))]);
    let bound = object(&binding, Kind::ValidatingAdmissionPolicyBinding, &labels(None), [("spec", bound)]);
    resources.push(Resource::new(policy.clone(), body, Arc::new([]), because.clone()));
    resources.push(Resource::new(binding, bound, Arc::new([policy]), because.clone()));
}

/// What a policy says about the requests of tenants in their namespaces: of which groups and resources, with which
/// variables.
pub(crate) fn of_tenants(
    groups: &[&'static str],
    resources: &[&'static str],
    validations: Vec<Tree>,
    variables: Vec<(&'static str, String)>,
) -> Tree {
    let conditions = vec![
        ("not-the-control-plane", format!("!{CONTROL_PLANE}")),
        ("not-an-admin", format!("!({MAY_CHANGE_THE_GUARD})")),
        ("only-here", format!("!{EVERYWHERE}")),
    ];
    judging(conditions, (groups, resources), validations, variables)
}

/// As [`of_tenants`], with the controllers that make what tenants ask for by a template: pods, claims.
pub(crate) fn of_tenants_and_their_controllers(
    groups: &[&'static str],
    resources: &[&'static str],
    validations: Vec<Tree>,
    variables: Vec<(&'static str, String)>,
) -> Tree {
    let conditions = vec![
        ("not-an-admin", format!("{CONTROLLERS} || !({MAY_CHANGE_THE_GUARD})")),
        ("only-here", format!("{CONTROLLERS} || !{EVERYWHERE}")),
    ];
    judging(conditions, (groups, resources), validations, variables)
}

fn judging(
    conditions: Vec<(&'static str, String)>,
    (groups, resources): (&[&'static str], &[&'static str]),
    validations: Vec<Tree>,
    variables: Vec<(&'static str, String)>,
) -> Tree {
    let rule = map([
        ("apiGroups", words(groups)),
        ("apiVersions", words(&["*"])),
        ("operations", words(&["CREATE", "UPDATE"])),
        ("resources", words(resources)),
        ("scope", Tree::from("Namespaced")),
    ]);
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
                ("resourceRules", Tree::list([rule])),
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
