//! The `tenants` section: who gets which namespaces, with what rights and bounds. The checks over it are in
//! `uniqueness.rs` and `quota.rs`.

use crate::domains::grants::Grant;
use crate::domains::image_storage::TenantImages;
use crate::domains::shares::Domain;
use crate::domains::tiers::Quota;
use crate::roster::record::{choice, record};
use crate::roster::{
    AnnotationKey, AnnotationValue, At, Identity, LabelKey, LabelValue, Map, Name, PathSegment, Quantity,
    SecretName, Span,
};

/// The tier of a tenant that names none.
pub const DEFAULT_TIER: &str = "standard";

record! {
    /// One tenant: its namespaces, its people and its bounds. All of it is optional.
    pub struct Tenant: "a tenant" {
        /// The tier: one of the roster's own, or `small`, `standard`, `large` or `restricted`. Default: standard.
        pub tier: Option<At<Name>>,
        /// The tenant's namespaces. Default: one with the tenant's name.
        pub namespaces: Vec<At<Name>>,
        /// Who owns the tenant. Owners may do everything in its namespaces, but they cannot change its bounds.
        pub owners: Vec<At<Identity>>,
        /// Who else has access, and how much.
        pub members: Vec<Member>,
        /// What each of its namespaces may use; overrides the tier field by field.
        pub quota: Quota,
        /// How the namespaces share amounts for the whole tenant (`per: tenant`): a weight for each namespace.
        /// Default: 1.
        pub shares: Map<Name, At<Quantity>>,
        /// What its images may take in the cluster's registry; overrides the tier.
        pub images: TenantImages,
        /// The host names that the tenant may serve.
        pub domains: Vec<Domain>,
        /// The resolver for the certificates of these hosts. Default: `letsencrypt`, or the first one of the `dns`
        /// section if a host is a wildcard.
        pub resolver: Option<At<Name>>,
        /// Does each of its namespaces get a wildcard certificate below the zone of `cluster.acme.wildcard`? Default: yes,
        /// if there is one.
        pub wildcard: Option<At<bool>>,
        /// Labels for the tenant's namespaces.
        pub labels: Map<LabelKey, At<LabelValue>>,
        /// Annotations for the tenant's namespaces, beside those of its tier.
        pub annotations: Map<AnnotationKey, At<AnnotationValue>>,
        /// The Secrets with which the tenant's pods pull images, in addition to those of its tier. kwo does not make
        /// them; it names them in the accounts `default` and `deployer` of each namespace.
        pub image_pull_secrets: Vec<At<SecretName>> = "imagePullSecrets",
        /// Does each of its namespaces have a Secret `deployer-token` with a token that never ends? Default: no.
        pub long_lived_token: Option<At<bool>> = "longLivedToken",
        /// Does each of its namespaces have a key of its own in Vault's transit engine? Default: no.
        pub transit: Option<At<bool>>,
        /// Is the tenant parked? Then it can run no pods, and everything else stays.
        pub parked: Option<At<bool>>,
    }
}

impl Tenant {
    /// The names of its namespaces, where this is its own name.
    pub fn spaces<'t>(&'t self, name: &'t Name) -> impl Iterator<Item = &'t Name> {
        let own = Some(name).filter(|_| self.namespaces.is_empty());
        own.into_iter().chain(self.namespaces.iter().map(|namespace| &namespace.value))
    }

    /// The same, each with where the roster names it. The tenant itself is named at this place.
    pub fn placed<'t>(
        &'t self,
        name: &'t Name,
        at: Span,
    ) -> impl Iterator<Item = (&'t Name, Span)> + use<'t> {
        let own = Some((name, at)).filter(|_| self.namespaces.is_empty());
        own.into_iter().chain(self.namespaces.iter().map(|namespace| (&namespace.value, namespace.at)))
    }
}

record! {
    /// Somebody with access to a tenant's namespaces.
    pub struct Member: "a member" {
        /// The user or group.
        pub identity: At<Identity>,
        /// How much they may do: a level, or a role of your own as `{clusterRole: NAME}` or `{role: NAME}`.
        pub access: At<Grant>,
        /// The tenant's namespaces in which they have access. Default: in all of them.
        pub namespaces: Option<At<Vec<At<Name>>>>,
        /// The start of their bindings' names, before `-admin`, `-deployer` or `-view`. Default: the part of the
        /// identity before the `@`, or the group's name.
        pub name: Option<At<PathSegment>>,
    }
}

choice! {
    /// How much a member may do in a tenant's namespaces.
    pub enum Access: "level of access" {
        /// Everything that Kubernetes' role `admin` allows.
        Owner = "owner",
        /// Deploy: what the tenant's own pipeline may do.
        Deployer = "deployer",
        /// Look, but not at Secrets.
        Viewer = "viewer",
    }
}

impl Access {
    /// The end of the name of a RoleBinding that gives this access: `alice-admin`.
    #[must_use]
    pub const fn binding_suffix(self) -> &'static str {
        match self {
            Access::Owner => "admin",
            Access::Deployer => "deployer",
            Access::Viewer => "view",
        }
    }
}
