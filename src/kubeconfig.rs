//! Kubeconfigs for others: the pipelines of a namespace, with a token that ends, and people, who log in at an issuer.
//! Each holds what it takes to know the API server, and nothing of the kubeconfig in use besides.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kwo_planner::domains::cluster::{Cluster, Oidc};
use serde_json::{Map, Value, json};

use crate::providers::Endpoint;

/// The name of a cluster that the roster does not name.
const UNNAMED: &str = "kubernetes";

/// For the pipelines of a namespace: they are its service account.
#[must_use]
pub fn pipelines(
    cluster: &Cluster,
    endpoint: &Endpoint,
    namespace: &str,
    account: &str,
    token: &str,
) -> Value {
    let user = json!({"token": token});
    kubeconfig(cluster, endpoint, Some(namespace), &format!("{namespace}-{account}"), &user)
}

/// For people: kubectl opens a browser and keeps what the issuer gives.
#[must_use]
pub fn people(cluster: &Cluster, endpoint: &Endpoint, oidc: &Oidc, namespace: Option<&str>) -> Value {
    let Oidc { issuer, client, scopes, username: _, groups: _, ca } = oidc;
    let mut args = vec![
        "oidc-login".to_owned(),
        "get-token".to_owned(),
        format!("--oidc-issuer-url={}", issuer.value),
        format!("--oidc-client-id={}", client.value),
    ];
    // It asks for `openid` by itself.
    let more = scopes.iter().filter(|scope| scope.value.as_str() != "openid");
    args.extend(more.map(|scope| format!("--oidc-extra-scope={}", scope.value)));
    args.extend(
        ca.as_ref().map(|ca| format!("--certificate-authority-data={}", STANDARD.encode(ca.value.as_str()))),
    );
    let user = json!({"exec": {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "kubectl",
        "args": args,
        "installHint": "kubectl needs its plugin oidc-login: https://github.com/int128/kubelogin",
        "interactiveMode": "IfAvailable",
        "provideClusterInfo": false,
    }});
    kubeconfig(cluster, endpoint, namespace, &format!("oidc@{}", name(cluster)), &user)
}

fn name(cluster: &Cluster) -> &str {
    cluster.name.as_ref().map_or(UNNAMED, |name| name.value.as_str())
}

fn kubeconfig(
    cluster: &Cluster,
    endpoint: &Endpoint,
    namespace: Option<&str>,
    user: &str,
    credentials: &Value,
) -> Value {
    let Endpoint { server, tls_server_name, authorities } = endpoint;
    let mut leads = Map::new();
    match cluster.api.as_ref().and_then(kwo_planner::domains::cluster::Api::server) {
        Some(outside) => {
            leads.insert("server".to_owned(), outside.into());
        }
        None => {
            leads.insert("server".to_owned(), server.as_str().into());
            if let Some(name) = tls_server_name {
                leads.insert("tls-server-name".to_owned(), name.as_str().into());
            }
        }
    }
    if let Some(authorities) = authorities {
        leads.insert("certificate-authority-data".to_owned(), STANDARD.encode(authorities).into());
    }
    let cluster = name(cluster);
    let mut context = json!({"cluster": cluster, "user": user});
    let mut called = cluster.to_owned();
    if let Some(namespace) = namespace {
        context["namespace"] = namespace.into();
        called = format!("{namespace}@{cluster}");
    }
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": cluster, "cluster": leads}],
        "contexts": [{"name": called, "context": context}],
        "users": [{"name": user, "user": credentials}],
        "current-context": called,
    })
}
