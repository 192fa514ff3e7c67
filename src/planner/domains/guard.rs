//! The guard: ValidatingAdmissionPolicies that let nobody but cluster admins and kwo touch what carries kwo's
//! mark. An owner has Kubernetes' `admin` role and could otherwise delete the NetworkPolicy that isolates it.
//! It runs inside the API server, so there is no webhook that could be down.

use std::collections::BTreeMap;

use super::admission::{EVERYWHERE, Policy, policy};
use super::body::{map, words};
use crate::kinds::Kind;
use crate::observed::{MANAGED_BY, MARK, TENANT_LABEL};
use crate::resource::{Reason, Resource, ResourceId};
use crate::tree::{SmolStr, Tree};

/// The control plane works on what it must: its controllers delete what is in a deleted namespace, say.
pub(crate) const CONTROL_PLANE: &str = "(request.userInfo.username.startsWith('system:kube-') \
|| request.userInfo.username == 'system:apiserver' \
|| request.userInfo.groups.exists(g, g in ['system:masters', 'system:nodes', 'system:serviceaccounts:kube-system']))";

/// Who may change the guard itself may pass it: cluster admins, and kwo under whatever account it runs.
pub(crate) const MAY_CHANGE_THE_GUARD: &str = "authorizer.group('admissionregistration.k8s.io')\
.resource('validatingadmissionpolicies').name('kwo-guard').check('patch').allowed()";

/// The garbage collector may change everything there is, and does what the owners of an object say; so it is no admin,
/// whichever account it has.
const WORKS_FOR_OTHERS: &str = "request.userInfo.username.startsWith('system:kube-') \
|| request.userInfo.username == 'system:serviceaccount:kube-system:generic-garbage-collector'";

/// The ids of the guard, which whatever gives rights needs first.
pub(crate) fn ids() -> [ResourceId; 4] {
    let ([policy, binding], [policy_of_the_mark, binding_of_the_mark]) =
        (Policy::Guard.ids(), Policy::GuardOfTheMark.ids());
    [policy, binding, policy_of_the_mark, binding_of_the_mark]
}

/// The policies and their bindings. The one for the label that was kwo's mark once stays, since what has only that label
/// is kwo's, too; so nothing is without a guard at any moment of the way from that mark to this one. A selector knows no
/// "or", and without one the API server would weigh every write there is.
pub(crate) fn compile(resources: &mut Vec<Resource>) {
    let once = map([("matchLabels", map([(MANAGED_BY.0, Tree::from(MANAGED_BY.1))]))]);
    // Whatever its value: nobody else has a use for the label.
    let marked = map([("key", Tree::from(MARK.0)), ("operator", Tree::from("Exists"))]);
    let marked = map([("matchExpressions", Tree::list([marked]))]);
    for (of, selector) in [(Policy::Guard, once), (Policy::GuardOfTheMark, marked)] {
        policy(of, spec(selector), &Reason::Always, resources);
    }
}

/// What a policy says of the objects that are selected.
fn spec(selector: Tree) -> Tree {
    let named = |(name, expression): (&'static str, String)| {
        map([("expression", Tree::from(expression)), ("name", Tree::from(name))])
    };
    map([
        ("failurePolicy", Tree::from("Fail")),
        (
            "matchConstraints",
            map([
                ("matchPolicy", Tree::from("Equivalent")),
                ("namespaceSelector", map([])),
                ("objectSelector", selector),
                ("resourceRules", Tree::list(rules())),
            ]),
        ),
        (
            "validations",
            Tree::list([map([
                (
                    "expression",
                    Tree::from(
                        "variables.admin || (variables.controlPlane ? variables.works : variables.component)",
                    ),
                ),
                (
                    "message",
                    Tree::from(
                        "managed by kwo: only cluster admins change it; ask for a change of the roster",
                    ),
                ),
                ("reason", Tree::from("Forbidden")),
            ])]),
        ),
        ("variables", Tree::list(variables().map(named))),
    ])
}

/// The kinds that kwo writes, and no others: what a controller copied the mark to, a pod say, is not kwo's.
fn rules() -> impl Iterator<Item = Tree> {
    let mut groups: BTreeMap<&'static str, Vec<SmolStr>> = BTreeMap::new();
    for kind in Kind::ALL {
        let group = kind.api_version().split_once('/').map_or("", |(group, _)| group);
        let plural = kind.plural();
        let names = [SmolStr::new_static(plural), smol_str::format_smolstr!("{plural}/*")];
        groups.entry(group).or_default().extend(names);
    }
    groups.into_iter().map(|(group, resources)| {
        map([
            ("apiGroups", words(&[group])),
            ("apiVersions", words(&["*"])),
            ("operations", words(&["CREATE", "UPDATE", "DELETE"])),
            ("resources", Tree::texts(resources)),
            ("scope", Tree::from("*")),
        ])
    })
}

fn variables() -> [(&'static str, String); 7] {
    let in_tenants = Kind::ALL.into_iter().filter(|kind| kind.is_in_tenants());
    let in_tenants = in_tenants.map(|kind| format!("'{}'", kind.plural())).collect::<Vec<_>>().join(", ");
    [
        ("admin", format!("!({WORKS_FOR_OTHERS}) && {MAY_CHANGE_THE_GUARD}")),
        ("controlPlane", CONTROL_PLANE.to_owned()),
        (
            "ofTenant",
            format!(
                "namespaceObject != null && has(namespaceObject.metadata.labels) \
                 && '{TENANT_LABEL}' in namespaceObject.metadata.labels"
            ),
        ),
        // Of these kinds kwo writes none into a tenant's namespace, so this one is the tenant's, with a copied mark.
        (
            "copied",
            format!(
                "variables.ofTenant && request.operation != 'CREATE' && !(request.resource.resource in [{in_tenants}])"
            ),
        ),
        ("everywhere", EVERYWHERE.to_owned()),
        // It deletes for others, unless the whole namespace goes, and makes copies of what others wrote.
        (
            "works",
            "variables.copied || request.operation == 'UPDATE' \
             || (request.operation == 'DELETE' && namespaceObject != null \
             && has(namespaceObject.metadata.deletionTimestamp)) \
             || (request.operation == 'CREATE' && !variables.ofTenant)"
                .to_owned(),
        ),
        // cert-manager copies the labels of an Ingress, and writes the status of a Certificate.
        (
            "component",
            "variables.copied || (namespaceObject != null && (!variables.ofTenant \
             || (has(request.subResource) && request.subResource != '')) && variables.everywhere)"
                .to_owned(),
        ),
    ]
}
