//! The guard: ValidatingAdmissionPolicies that let nobody but cluster admins and kwo touch what carries kwo's
//! mark. An owner has Kubernetes' `admin` role and could otherwise delete the NetworkPolicy that isolates it.
//! It runs inside the API server, so there is no webhook that could be down.

use std::sync::Arc;

use super::body::{labels, map, object, words};
use crate::kinds::Kind;
use crate::observed::{MANAGED_BY, MARK};
use crate::resource::{Reason, Resource, ResourceId};
use crate::tree::Tree;

/// The name of the policy for the label that was kwo's mark once, and of its binding. It stays, since what has only
/// that label is kwo's, too; so nothing is without a guard at any moment of the way from that mark to this one.
pub(crate) const NAME: &str = "kwo-guard";

/// The name of the policy for kwo's mark, and of its binding. A selector knows no "or", and without one the API server
/// would weigh every write there is.
const OF_THE_MARK: &str = "kwo-guard-mark";

/// The control plane works on what it must: its controllers delete what is in a deleted namespace, say.
pub(crate) const NOT_THE_CONTROL_PLANE: &str = "!(request.userInfo.username.startsWith('system:kube-') \
|| request.userInfo.username == 'system:apiserver' \
|| request.userInfo.groups.exists(g, g in ['system:masters', 'system:nodes', 'system:serviceaccounts:kube-system']))";

/// Who may change the guard itself may pass it: cluster admins, and kwo under whatever account it runs.
pub(crate) const MAY_CHANGE_THE_GUARD: &str = "authorizer.group('admissionregistration.k8s.io')\
.resource('validatingadmissionpolicies').name('kwo-guard').check('update').allowed()";

/// The ids of the guard, which whatever gives rights needs first.
pub(crate) fn ids() -> [ResourceId; 4] {
    let policy = |name| ResourceId::kube(Kind::ValidatingAdmissionPolicy, "", name);
    let binding = |name| ResourceId::kube(Kind::ValidatingAdmissionPolicyBinding, "", name);
    [policy(NAME), binding(NAME), policy(OF_THE_MARK), binding(OF_THE_MARK)]
}

/// The policies and their bindings.
pub(crate) fn compile(resources: &mut Vec<Resource>) {
    let [policy, binding, policy_of_the_mark, binding_of_the_mark] = ids();
    let once = map([("matchLabels", map([(MANAGED_BY.0, Tree::from(MANAGED_BY.1))]))]);
    // Whatever its value: nobody else has a use for the label.
    let marked = map([("key", Tree::from(MARK.0)), ("operator", Tree::from("Exists"))]);
    let marked = map([("matchExpressions", Tree::list([marked]))]);
    for (policy, binding, name, selector) in
        [(policy, binding, NAME, once), (policy_of_the_mark, binding_of_the_mark, OF_THE_MARK, marked)]
    {
        let body =
            object(&policy, Kind::ValidatingAdmissionPolicy, &labels(None), [("spec", spec(selector))]);
        let bound = map([("policyName", Tree::from(name)), ("validationActions", words(&["Deny"]))]);
        let bound =
            object(&binding, Kind::ValidatingAdmissionPolicyBinding, &labels(None), [("spec", bound)]);
        resources.push(Resource::new(policy.clone(), body, Arc::new([]), Reason::Always));
        resources.push(Resource::new(binding, bound, Arc::new([policy]), Reason::Always));
    }
}

/// What a policy says of the objects that are selected.
fn spec(selector: Tree) -> Tree {
    let everything = map([
        ("apiGroups", words(&["*"])),
        ("apiVersions", words(&["*"])),
        ("operations", words(&["CREATE", "UPDATE", "DELETE"])),
        ("resources", words(&["*"])),
        ("scope", Tree::from("*")),
    ]);
    map([
        ("failurePolicy", Tree::from("Fail")),
        (
            "matchConditions",
            Tree::list([map([
                ("expression", Tree::from(NOT_THE_CONTROL_PLANE)),
                ("name", Tree::from("not-the-control-plane")),
            ])]),
        ),
        (
            "matchConstraints",
            map([
                ("matchPolicy", Tree::from("Equivalent")),
                ("namespaceSelector", map([])),
                ("objectSelector", selector),
                ("resourceRules", Tree::list([everything])),
            ]),
        ),
        (
            "validations",
            Tree::list([map([
                ("expression", Tree::from(MAY_CHANGE_THE_GUARD)),
                (
                    "message",
                    Tree::from(
                        "managed by kwo: only cluster admins change it; ask for a change of the roster",
                    ),
                ),
                ("reason", Tree::from("Forbidden")),
            ])]),
        ),
    ])
}
