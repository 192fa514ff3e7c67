//! The hosts of tenants: a ValidatingAdmissionPolicy that lets the Ingresses of a tenant claim its own hosts only. It
//! is there as soon as one tenant of the roster has `domains`, and then it holds for all tenants.

use std::sync::Arc;

use super::body::{labels, map, object, words};
use super::compile::DOMAINS_ANNOTATION;
use super::guard::{MAY_CHANGE_THE_GUARD, NOT_THE_CONTROL_PLANE};
use crate::kinds::Kind;
use crate::observed::TENANT_LABEL;
use crate::resource::{Reason, Resource, ResourceId};
use crate::roster::{Entry, Roster};
use crate::tree::Tree;

const NAME: &str = "kwo-hosts";

/// The policy and its binding.
pub(crate) fn compile(roster: &Roster, resources: &mut Vec<Resource>) {
    let mut domains = roster.tenants().values().flat_map(|Entry { key: _, value }| value.domains.first());
    let Some(first) = domains.next() else { return };
    let because = Reason::Roster(first.at);
    let policy = ResourceId::kube(Kind::ValidatingAdmissionPolicy, "", NAME);
    let binding = ResourceId::kube(Kind::ValidatingAdmissionPolicyBinding, "", NAME);
    let body = object(&policy, Kind::ValidatingAdmissionPolicy, &labels(None), [("spec", spec())]);
    let bound = map([("policyName", Tree::from(NAME)), ("validationActions", words(&["Deny"]))]);
    let bound = object(&binding, Kind::ValidatingAdmissionPolicyBinding, &labels(None), [("spec", bound)]);
    resources.push(Resource::new(policy.clone(), body, Arc::new([]), because.clone()));
    resources.push(Resource::new(binding, bound, Arc::new([policy]), because));
}

fn spec() -> Tree {
    let condition = |name: &'static str, expression: String| {
        map([("expression", Tree::from(expression)), ("name", Tree::from(name))])
    };
    let ingresses = map([
        ("apiGroups", words(&["networking.k8s.io"])),
        ("apiVersions", words(&["*"])),
        ("operations", words(&["CREATE", "UPDATE"])),
        ("resources", words(&["ingresses"])),
        ("scope", Tree::from("Namespaced")),
    ]);
    let tenants = map([("key", Tree::from(TENANT_LABEL)), ("operator", Tree::from("Exists"))]);
    map([
        ("failurePolicy", Tree::from("Fail")),
        (
            "matchConditions",
            Tree::list([
                condition("not-the-control-plane", NOT_THE_CONTROL_PLANE.to_owned()),
                condition("not-an-admin", format!("!({MAY_CHANGE_THE_GUARD})")),
            ]),
        ),
        (
            "matchConstraints",
            map([
                ("matchPolicy", Tree::from("Equivalent")),
                ("namespaceSelector", map([("matchExpressions", Tree::list([tenants]))])),
                ("objectSelector", map([])),
                ("resourceRules", Tree::list([ingresses])),
            ]),
        ),
        (
            "validations",
            Tree::list([
                validation(
                    &format!(
                        "(!has(object.spec.rules) || object.spec.rules.all(r, has(r.host) && {}))",
                        own("r.host")
                    ),
                    "every rule needs a host of the tenant; its hosts are: ",
                ),
                validation(
                    &format!(
                        "(!has(object.spec.tls) || object.spec.tls.all(t, !has(t.hosts) || t.hosts.all(h, {})))",
                        own("h")
                    ),
                    "under tls there may only be hosts of the tenant; its hosts are: ",
                ),
                validation(
                    "!has(object.spec.defaultBackend)",
                    "a defaultBackend would take every host there is; name a host of the tenant: ",
                ),
            ]),
        ),
        (
            "variables",
            Tree::list([map([
                (
                    "expression",
                    Tree::from(format!(
                        "has(namespaceObject.metadata.annotations) && \
                         '{DOMAINS_ANNOTATION}' in namespaceObject.metadata.annotations ? \
                         namespaceObject.metadata.annotations['{DOMAINS_ANNOTATION}'].split(',') : []"
                    )),
                ),
                ("name", Tree::from("own")),
            ])]),
        ),
    ])
}

/// Is this host one of the tenant's, or just below one of its wildcards?
fn own(host: &str) -> String {
    format!(
        "variables.own.exists(d, d == {host} || (d.startsWith('*.') && {host}.endsWith(d.substring(1)) \
         && !{host}.substring(0, {host}.size() - d.size() + 1).contains('.') && !{host}.startsWith('*')))"
    )
}

fn validation(expression: &str, message: &str) -> Tree {
    map([
        ("expression", Tree::from(expression.to_owned())),
        ("messageExpression", Tree::from(format!("'{message}' + variables.own.join(', ')"))),
        ("reason", Tree::from("Forbidden")),
    ])
}
