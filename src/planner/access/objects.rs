//! From the objects of the API to what the other files know: the same reader for what a cluster has and for what a roster
//! wants. Only what access takes is read of an object.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::cluster::{Binding, Namespace, Parts, Role, RoleRef};
use super::rules::Rule;
use super::who::Who;
use crate::kinds::Kind;
use crate::observed::{MANAGED_BY, MARK, TENANT_LABEL};
use crate::resource::Desired;
use crate::tree::SmolStr;

/// The label that says which pods a namespace refuses.
const POD_SECURITY: &str = "pod-security.kubernetes.io/enforce";

/// As much of an object as access takes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Object {
    metadata: Metadata,
    #[serde(default)]
    rules: Option<Vec<Rule>>,
    #[serde(default)]
    aggregation_rule: Option<IgnoredAny>,
    #[serde(default)]
    role_ref: Option<RoleRef>,
    #[serde(default)]
    subjects: Option<Vec<Subject>>,
}

#[derive(Debug, Deserialize)]
struct Metadata {
    name: SmolStr,
    #[serde(default)]
    namespace: Option<SmolStr>,
    #[serde(default)]
    labels: Option<BTreeMap<SmolStr, SmolStr>>,
}

#[derive(Debug, Deserialize)]
struct Subject {
    kind: SmolStr,
    name: SmolStr,
    #[serde(default)]
    namespace: Option<SmolStr>,
}

/// Puts an object of a kind where it belongs; what is of no such kind is left out.
pub fn take(parts: &mut Parts, kind: Kind, object: Object) {
    let Object { metadata, rules, aggregation_rule, role_ref, subjects } = object;
    let Metadata { name, namespace, labels } = metadata;
    let namespace = namespace.unwrap_or_default();
    match kind {
        Kind::Role | Kind::ClusterRole => {
            let role = Role { rules: rules.unwrap_or_default(), gathered: aggregation_rule.is_some() };
            parts.roles.insert((namespace, name), role);
        }
        Kind::RoleBinding | Kind::ClusterRoleBinding => {
            let Some(role) = role_ref else { return };
            let subjects = subjects.unwrap_or_default();
            let whom = subjects.into_iter().filter_map(|subject| subject.who(&namespace)).collect();
            parts.bindings.push(Binding { namespace, name, role, whom, given: BTreeMap::new() });
        }
        Kind::Namespace => {
            let mut labels = labels.unwrap_or_default();
            let has = |(key, mark): (&str, &str)| labels.get(key).is_some_and(|value| value == mark);
            let of_tenant = [MARK, MANAGED_BY].into_iter().any(has) && labels.contains_key(TENANT_LABEL);
            let enforces = labels.remove(POD_SECURITY).unwrap_or_default();
            parts.namespaces.insert(name, Namespace { enforces, of_tenant });
        }
        Kind::ServiceAccount => {
            parts.accounts.insert((namespace, name));
        }
        _ => {}
    }
}

impl Subject {
    /// Whom the authorizer takes it for. A service account without a namespace is that of the binding; in the whole
    /// cluster it is nobody.
    fn who(self, within: &str) -> Option<Who> {
        let Subject { kind, name, namespace } = self;
        match kind.as_str() {
            "User" => Some(Who::User(name)),
            "Group" => Some(Who::Group(name)),
            "ServiceAccount" => {
                let namespace = namespace.filter(|namespace| !namespace.is_empty());
                let namespace = namespace.as_deref().unwrap_or(within);
                (!namespace.is_empty()).then(|| Who::account(namespace, &name))
            }
            _ => None,
        }
    }
}

impl Parts {
    /// What a roster wants, as if it stood in a cluster that has nothing else.
    #[must_use]
    pub fn of(desired: &Desired) -> Parts {
        let mut parts = Parts { alone: true, ..Parts::default() };
        for resource in desired.resources() {
            let Some(kind) = resource.id.known_kind() else { continue };
            let takes = matches!(
                kind,
                Kind::Role
                    | Kind::ClusterRole
                    | Kind::RoleBinding
                    | Kind::ClusterRoleBinding
                    | Kind::Namespace
                    | Kind::ServiceAccount
            );
            if !takes {
                continue;
            }
            // Both come from the same text in a cluster, so they are read from the same text here.
            let Ok(text) = serde_json::to_string(&resource.body) else { continue };
            if let Ok(object) = serde_json::from_str(&text) {
                take(&mut parts, kind, object);
            }
        }
        parts
    }
}
