//! Who besides Kubernetes' own accounts may log in to the API server: the file of its AuthenticationConfiguration,
//! from `cluster.oidc`. That k3s is started with it stands in `node.rs`.

use super::body::map;
use super::cluster::{Cluster, Oidc};
use super::node::yaml_file;
use crate::node::K3S_AUTHENTICATION;
use crate::resource::{Reason, Resource};
use crate::roster::{At, OidcWord};
use crate::tree::Tree;

/// Served from Kubernetes 1.30 on; `v1`, which is the same, only from 1.34 on, and an API server does not start with
/// one that it does not know.
const API_VERSION: &str = "apiserver.config.k8s.io/v1beta1";

/// Besides Kubernetes' names those that k3s gives rights to without a prefix.
const USERS: &str = "!user.username.startsWith('system:') && \
!(user.username in ['kube-apiserver', 'k3s-cloud-controller-manager'])";
const GROUPS: &str = "user.groups.all(group, !group.startsWith('system:'))";

/// The claims that are names, where the roster does not say so.
const USERNAME: &str = "email";
const GROUP_NAMES: &str = "groups";

/// The file, where the roster says where people log in. The API server takes every user and group by the name that
/// the roster gives rights to, so none has a prefix.
pub(crate) fn compile(cluster: &Cluster, resources: &mut Vec<Resource>) {
    let Some(Oidc { issuer, client, scopes: _, username, groups, ca }) = &cluster.oidc else { return };
    let claim = |claim: Option<&At<OidcWord>>, other: &'static str| {
        let claim = claim.map_or_else(|| Tree::from(other), |claim| Tree::from(claim.value.text()));
        map([("claim", claim), ("prefix", Tree::from(""))])
    };
    let rule = |expression: &'static str, message: &'static str| {
        map([("expression", Tree::from(expression)), ("message", Tree::from(message))])
    };
    let mut from =
        vec![("audiences", Tree::texts([client.value.text()])), ("url", Tree::from(issuer.value.text()))];
    from.extend(ca.as_ref().map(|ca| ("certificateAuthority", Tree::from(ca.value.text()))));
    let names =
        [("groups", claim(groups.as_ref(), GROUP_NAMES)), ("username", claim(username.as_ref(), USERNAME))];
    let rules = [
        rule(USERS, "a user of the issuer has a name that Kubernetes keeps for itself"),
        rule(GROUPS, "a group of the issuer has a name that Kubernetes keeps for itself"),
    ];
    let jwt = map([
        ("claimMappings", map(names)),
        ("issuer", Tree::map(from)),
        ("userValidationRules", Tree::list(rules)),
    ]);
    let content = map([
        ("apiVersion", Tree::from(API_VERSION)),
        ("jwt", Tree::list([jwt])),
        ("kind", Tree::from("AuthenticationConfiguration")),
    ]);
    resources.push(yaml_file(K3S_AUTHENTICATION, Some("0600"), content, Reason::Roster(issuer.at)));
}
