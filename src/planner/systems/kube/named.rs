//! Objects and marks of a cluster that more than one room knows by name: the account of pipelines, its token that never ends,
//! the users of the registry, and what a namespace says of its tenant.

use super::kinds::Kind;
use crate::resource::ResourceId;

/// The role by which people find their namespaces and nodes.
pub const NAVIGATION: &str = "kwo-navigation";

/// The service account of a namespace, under which its pipelines work.
pub const ACCOUNT: &str = "deployer";

/// The annotation of a service account that kwo made such a Secret for. Where all other kinds are only tenants' own,
/// nobody looks for Secrets, and this is what tells that there may be one.
pub const LONG_LIVED_MARK: &str = "kwo.dev/long-lived-token";

/// Where that annotation stands.
pub const LONG_LIVED_MARK_AT: &str = "/metadata/annotations/kwo.dev~1long-lived-token";

/// The Secret with a token that never ends.
pub const LONG_LIVED: &str = "deployer-token";

/// The key of that token.
pub const LONG_LIVED_KEY: &str = "token";

/// Where the users of the registry are.
pub(crate) const REGISTRY_NAMESPACE: &str = "kube-system";

/// The Secret with them.
pub(crate) const REGISTRY_AUTH: &str = "registry-auth";

/// The key of that Secret with the htpasswd file of those who may push. The instance that takes pushes reads no other.
pub const PUSHERS: &str = "htpasswd";

/// The key with the htpasswd file of those who may pull, and so of everybody. The instance that only reads has it.
pub const PULLERS: &str = "htpasswd-pull";

/// The Secret with the users of the registry.
#[must_use]
pub fn auth_id() -> ResourceId {
    ResourceId::kube(Kind::Secret, REGISTRY_NAMESPACE, REGISTRY_AUTH)
}

/// The label that names the tier.
pub const TIER_LABEL: &str = "kwo.dev/tier";
/// The annotation that lists the host names of the tenant.
pub const DOMAINS_ANNOTATION: &str = "kwo.dev/domains";
