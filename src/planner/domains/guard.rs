//! The guard: a ValidatingAdmissionPolicy that lets nobody but cluster admins and kwo touch what carries kwo's
//! mark. An owner has Kubernetes' `admin` role and could otherwise delete the NetworkPolicy that isolates it.
//! It runs inside the API server, so there is no webhook that could be down.

use std::sync::Arc;

use super::body::{labels, map, object, words};
use crate::kinds::Kind;
use crate::observed::MARK;
use crate::resource::{Reason, Resource, ResourceId};
use crate::tree::Tree;

/// The name of the policy and of its binding.
pub(crate) const NAME: &str = "kwo-guard";

/// The control plane works on what it must: its controllers delete what is in a deleted namespace, say.
pub(crate) const NOT_THE_CONTROL_PLANE: &str = "!(request.userInfo.username.startsWith('system:kube-') \
|| request.userInfo.username == 'system:apiserver' \
|| request.userInfo.groups.exists(g, g in ['system:masters', 'system:nodes', 'system:serviceaccounts:kube-system']))";

/// Who may change the guard itself may pass it: cluster admins, and kwo under whatever account it runs.
pub(crate) const MAY_CHANGE_THE_GUARD: &str = "authorizer.group('admissionregistration.k8s.io')\
.resource('validatingadmissionpolicies').name('kwo-guard').check('update').allowed()";

/// The ids of the guard, which whatever gives rights needs first.
pub(crate) fn ids() -> [ResourceId; 2] {
    [
        ResourceId::kube(Kind::ValidatingAdmissionPolicy, "", NAME),
        ResourceId::kube(Kind::ValidatingAdmissionPolicyBinding, "", NAME),
    ]
}

/// The policy and its binding.
pub(crate) fn compile(resources: &mut Vec<Resource>) {
    let [policy, binding] = ids();
    let marked = map([("matchLabels", map([(MARK.0, Tree::from(MARK.1))]))]);
    let everything = map([
        ("apiGroups", words(&["*"])),
        ("apiVersions", words(&["*"])),
        ("operations", words(&["CREATE", "UPDATE", "DELETE"])),
        ("resources", words(&["*"])),
        ("scope", Tree::from("*")),
    ]);
    let spec = map([
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
                ("objectSelector", marked),
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
    ]);
    let body = object(&policy, Kind::ValidatingAdmissionPolicy, &labels(None), [("spec", spec)]);
    let bound = map([("policyName", Tree::from(NAME)), ("validationActions", words(&["Deny"]))]);
    let bound = object(&binding, Kind::ValidatingAdmissionPolicyBinding, &labels(None), [("spec", bound)]);
    let resource = |id, body, needs| Resource::new(id, body, needs, Reason::Always);
    resources.push(resource(policy.clone(), body, Arc::new([])));
    resources.push(resource(binding, bound, Arc::new([policy])));
}
