//! The kinds of object that kwo writes, what the API calls them and where it has them. Facts of the Kubernetes API, as
//! data; how their fields are to be compared stands in `field_rules.rs`.

pub(crate) use super::field_rules::RANGES_WRITTEN;
pub use crate::shapes::{EntryKey, Format, IsOurs, IsRival, Shape, matches_any};

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
    Secret,
    ConfigMap,
    PersistentVolumeClaim,
    Deployment,
    Service,
    Ingress,
    IngressRoute,
    Middleware,
    HelmChartConfig,
    ClusterIssuer,
    Certificate,
}

/// How the objects of a kind are looked at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Look {
    /// All of them are listed: most of them are wanted.
    All,
    /// Only those with kwo's mark are listed, and what is wanted besides is asked for by its name: most of them are
    /// other people's.
    Marked,
    /// What is wanted is asked for by its name, and the content of no other is ever read: they hold what is not
    /// everybody's business. Of tenants alone nothing is asked.
    Private,
}

impl Kind {
    /// Every kind, in order.
    pub const ALL: [Kind; 22] = [
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
        Kind::Secret,
        Kind::ConfigMap,
        Kind::PersistentVolumeClaim,
        Kind::Deployment,
        Kind::Service,
        Kind::Ingress,
        Kind::IngressRoute,
        Kind::Middleware,
        Kind::HelmChartConfig,
        Kind::ClusterIssuer,
        Kind::Certificate,
    ];

    /// Its name, its `apiVersion` and its name in paths.
    const fn facts(self) -> (&'static str, &'static str, &'static str) {
        const RBAC: &str = "rbac.authorization.k8s.io/v1";
        const ADMISSION: &str = "admissionregistration.k8s.io/v1";
        match self {
            Kind::Namespace => ("Namespace", "v1", "namespaces"),
            Kind::ResourceQuota => ("ResourceQuota", "v1", "resourcequotas"),
            Kind::LimitRange => ("LimitRange", "v1", "limitranges"),
            Kind::NetworkPolicy => ("NetworkPolicy", "networking.k8s.io/v1", "networkpolicies"),
            Kind::ServiceAccount => ("ServiceAccount", "v1", "serviceaccounts"),
            Kind::Role => ("Role", RBAC, "roles"),
            Kind::RoleBinding => ("RoleBinding", RBAC, "rolebindings"),
            Kind::ClusterRole => ("ClusterRole", RBAC, "clusterroles"),
            Kind::ClusterRoleBinding => ("ClusterRoleBinding", RBAC, "clusterrolebindings"),
            Kind::ValidatingAdmissionPolicy => {
                ("ValidatingAdmissionPolicy", ADMISSION, "validatingadmissionpolicies")
            }
            Kind::ValidatingAdmissionPolicyBinding => {
                ("ValidatingAdmissionPolicyBinding", ADMISSION, "validatingadmissionpolicybindings")
            }
            Kind::Secret => ("Secret", "v1", "secrets"),
            Kind::ConfigMap => ("ConfigMap", "v1", "configmaps"),
            Kind::PersistentVolumeClaim => ("PersistentVolumeClaim", "v1", "persistentvolumeclaims"),
            Kind::Deployment => ("Deployment", "apps/v1", "deployments"),
            Kind::Service => ("Service", "v1", "services"),
            Kind::Ingress => ("Ingress", "networking.k8s.io/v1", "ingresses"),
            Kind::IngressRoute => ("IngressRoute", "traefik.io/v1alpha1", "ingressroutes"),
            Kind::Middleware => ("Middleware", "traefik.io/v1alpha1", "middlewares"),
            Kind::HelmChartConfig => ("HelmChartConfig", "helm.cattle.io/v1", "helmchartconfigs"),
            Kind::ClusterIssuer => ("ClusterIssuer", "cert-manager.io/v1", "clusterissuers"),
            Kind::Certificate => ("Certificate", "cert-manager.io/v1", "certificates"),
        }
    }

    /// What Kubernetes calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.facts().0
    }

    /// Its `apiVersion`.
    #[must_use]
    pub const fn api_version(self) -> &'static str {
        self.facts().1
    }

    /// The resource name in the API's paths, which is also what `kubectl` takes.
    #[must_use]
    pub const fn plural(self) -> &'static str {
        self.facts().2
    }

    /// Does it live in a namespace?
    #[must_use]
    pub const fn namespaced(self) -> bool {
        !matches!(
            self,
            Kind::Namespace
                | Kind::ClusterRole
                | Kind::ClusterRoleBinding
                | Kind::ValidatingAdmissionPolicy
                | Kind::ValidatingAdmissionPolicyBinding
                | Kind::ClusterIssuer
        )
    }

    /// Does kwo write it into the namespaces of tenants?
    #[must_use]
    pub const fn is_in_tenants(self) -> bool {
        matches!(
            self,
            Kind::ResourceQuota
                | Kind::LimitRange
                | Kind::NetworkPolicy
                | Kind::ServiceAccount
                | Kind::Role
                | Kind::RoleBinding
                | Kind::Secret
                | Kind::Certificate
        )
    }

    /// Does it bind somebody to a role?
    #[must_use]
    pub const fn binds(self) -> bool {
        matches!(self, Kind::RoleBinding | Kind::ClusterRoleBinding)
    }

    /// Can one of them that is not kwo's let somebody in? Of such, all are looked at, also those of others.
    #[must_use]
    pub const fn lets_in(self) -> bool {
        self.binds() || matches!(self, Kind::NetworkPolicy)
    }

    /// How its objects are looked at.
    #[must_use]
    pub const fn look(self) -> Look {
        match self {
            Kind::Namespace
            | Kind::ResourceQuota
            | Kind::LimitRange
            | Kind::NetworkPolicy
            | Kind::ServiceAccount
            | Kind::Role
            | Kind::RoleBinding
            | Kind::ClusterRole
            | Kind::ClusterRoleBinding
            | Kind::ValidatingAdmissionPolicy
            | Kind::ValidatingAdmissionPolicyBinding => Look::All,
            Kind::Secret | Kind::ConfigMap => Look::Private,
            Kind::PersistentVolumeClaim
            | Kind::Deployment
            | Kind::Service
            | Kind::Ingress
            | Kind::IngressRoute
            | Kind::Middleware
            | Kind::HelmChartConfig
            | Kind::ClusterIssuer
            | Kind::Certificate => Look::Marked,
        }
    }

    /// How many of them are listed whatever the roster wants: so many requests an unchanged plan of tenants costs.
    #[must_use]
    pub fn listed() -> usize {
        Kind::ALL.into_iter().filter(|kind| kind.look() != Look::Private).count()
    }

    /// The kind with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_by_its_name() {
        for kind in Kind::ALL {
            assert_eq!(Kind::named(kind.name()), Some(kind));
        }
        assert_eq!(Kind::named("Pod"), None);
    }
}
