//! The kinds of object that kwo writes, and how their fields are to be compared: which lists are sets, which
//! values are quantities, which parts count as one value. Facts of the Kubernetes API, as data.

/// A kind of object that kwo writes. The order is the order in which a person would read them.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(missing_docs, reason = "the names are Kubernetes' own")]
pub enum Kind {
    Namespace,
    ResourceQuota,
    LimitRange,
    NetworkPolicy,
    ServiceAccount,
    Role,
    RoleBinding,
    ClusterRole,
    ClusterRoleBinding,
    ValidatingAdmissionPolicy,
    ValidatingAdmissionPolicyBinding,
}

/// How the fields of a kind are compared and what may be done to them. Patterns are JSON pointers in which
/// `*` stands for one key.
#[derive(Debug, Eq, PartialEq)]
pub struct Shape {
    /// Lists that are sets: entries are added, never replaced. Every other list is one value.
    pub sets: &'static [&'static str],
    /// Values that are quantities: `1000m` is `1`.
    pub quantities: &'static [&'static str],
    /// Maps that are one value: a key too many is a difference, as in a selector.
    pub whole: &'static [&'static str],
    /// What the API refuses to change once the object exists.
    pub immutable: &'static [&'static str],
    /// What has to be read besides what is wanted, because the plan speaks of it.
    pub read: &'static [&'static str],
    /// Upper bounds, and where the amount in use stands: lowering one tightens.
    pub bounds: Option<(&'static str, &'static str)>,
    /// It gives somebody rights.
    pub grants: bool,
}

const PLAIN: Shape =
    Shape { sets: &[], quantities: &[], whole: &[], immutable: &[], read: &[], bounds: None, grants: false };

static NAMESPACE: Shape = PLAIN;
static SERVICE_ACCOUNT: Shape = PLAIN;
static RESOURCE_QUOTA: Shape = Shape {
    quantities: &["/spec/hard/*"],
    read: &["/status/used"],
    bounds: Some(("/spec/hard", "/status/used")),
    ..PLAIN
};
static LIMIT_RANGE: Shape = Shape { quantities: &["/spec/limits/*/*/*"], ..PLAIN };
static NETWORK_POLICY: Shape = Shape { whole: &["/spec/podSelector"], ..PLAIN };
static ROLE: Shape = Shape { sets: &["/rules"], read: &["/rules"], grants: true, ..PLAIN };
static BINDING: Shape = Shape {
    sets: &["/subjects"],
    immutable: &["/roleRef"],
    read: &["/subjects", "/roleRef"],
    grants: true,
    ..PLAIN
};
static ADMISSION_POLICY: Shape = Shape { whole: &["/spec"], ..PLAIN };
static ADMISSION_BINDING: Shape = Shape { whole: &["/spec"], ..PLAIN };

impl Kind {
    /// Every kind, in order.
    pub const ALL: [Kind; 11] = [
        Kind::Namespace,
        Kind::ResourceQuota,
        Kind::LimitRange,
        Kind::NetworkPolicy,
        Kind::ServiceAccount,
        Kind::Role,
        Kind::RoleBinding,
        Kind::ClusterRole,
        Kind::ClusterRoleBinding,
        Kind::ValidatingAdmissionPolicy,
        Kind::ValidatingAdmissionPolicyBinding,
    ];

    /// What Kubernetes calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Namespace => "Namespace",
            Kind::ResourceQuota => "ResourceQuota",
            Kind::LimitRange => "LimitRange",
            Kind::NetworkPolicy => "NetworkPolicy",
            Kind::ServiceAccount => "ServiceAccount",
            Kind::Role => "Role",
            Kind::RoleBinding => "RoleBinding",
            Kind::ClusterRole => "ClusterRole",
            Kind::ClusterRoleBinding => "ClusterRoleBinding",
            Kind::ValidatingAdmissionPolicy => "ValidatingAdmissionPolicy",
            Kind::ValidatingAdmissionPolicyBinding => "ValidatingAdmissionPolicyBinding",
        }
    }

    /// Its `apiVersion`.
    #[must_use]
    pub const fn api_version(self) -> &'static str {
        match self {
            Kind::Namespace | Kind::ResourceQuota | Kind::LimitRange | Kind::ServiceAccount => "v1",
            Kind::NetworkPolicy => "networking.k8s.io/v1",
            Kind::Role | Kind::RoleBinding | Kind::ClusterRole | Kind::ClusterRoleBinding => {
                "rbac.authorization.k8s.io/v1"
            }
            Kind::ValidatingAdmissionPolicy | Kind::ValidatingAdmissionPolicyBinding => {
                "admissionregistration.k8s.io/v1"
            }
        }
    }

    /// The resource name in the API's paths, which is also what `kubectl` takes.
    #[must_use]
    pub const fn plural(self) -> &'static str {
        match self {
            Kind::Namespace => "namespaces",
            Kind::ResourceQuota => "resourcequotas",
            Kind::LimitRange => "limitranges",
            Kind::NetworkPolicy => "networkpolicies",
            Kind::ServiceAccount => "serviceaccounts",
            Kind::Role => "roles",
            Kind::RoleBinding => "rolebindings",
            Kind::ClusterRole => "clusterroles",
            Kind::ClusterRoleBinding => "clusterrolebindings",
            Kind::ValidatingAdmissionPolicy => "validatingadmissionpolicies",
            Kind::ValidatingAdmissionPolicyBinding => "validatingadmissionpolicybindings",
        }
    }

    /// Does it live in a namespace?
    #[must_use]
    pub const fn namespaced(self) -> bool {
        matches!(
            self,
            Kind::ResourceQuota
                | Kind::LimitRange
                | Kind::NetworkPolicy
                | Kind::ServiceAccount
                | Kind::Role
                | Kind::RoleBinding
        )
    }

    /// The kind with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// How its fields are compared.
    #[must_use]
    pub const fn shape(self) -> &'static Shape {
        match self {
            Kind::Namespace => &NAMESPACE,
            Kind::ResourceQuota => &RESOURCE_QUOTA,
            Kind::LimitRange => &LIMIT_RANGE,
            Kind::NetworkPolicy => &NETWORK_POLICY,
            Kind::ServiceAccount => &SERVICE_ACCOUNT,
            Kind::Role | Kind::ClusterRole => &ROLE,
            Kind::RoleBinding | Kind::ClusterRoleBinding => &BINDING,
            Kind::ValidatingAdmissionPolicy => &ADMISSION_POLICY,
            Kind::ValidatingAdmissionPolicyBinding => &ADMISSION_BINDING,
        }
    }
}

/// Does the pointer match one of the patterns? `*` stands for one key.
#[must_use]
pub fn matches_any(patterns: &[&str], pointer: &str) -> bool {
    patterns.iter().any(|pattern| {
        let (mut wanted, mut found) = (pattern.split('/'), pointer.split('/'));
        loop {
            match (wanted.next(), found.next()) {
                (None, None) => return true,
                (Some(want), Some(have)) if want == "*" || want == have => {}
                _ => return false,
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_by_its_name() {
        for kind in Kind::ALL {
            assert_eq!(Kind::named(kind.name()), Some(kind));
        }
        assert_eq!(Kind::named("Secret"), None);
    }

    #[test]
    fn a_star_is_one_key() {
        assert!(matches_any(&["/spec/hard/*"], "/spec/hard/pods"));
        assert!(!matches_any(&["/spec/hard/*"], "/spec/hard"));
        assert!(!matches_any(&["/spec/hard/*"], "/spec/hard/pods/x"));
        assert!(matches_any(&["/spec/limits/*/*/*"], "/spec/limits/0/max/memory"));
    }
}
