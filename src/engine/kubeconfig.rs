//! Kubeconfigs for others: the pipelines of a namespace, with a token that ends, and people, who log in at an issuer.
//! Each holds what it takes to know the API server, and nothing of the kubeconfig in use besides.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kwo_planner::domains::cluster::Oidc;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

/// An API server as a kubeconfig describes it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Endpoint {
    /// Its address.
    pub server: String,
    /// The name that its certificate is held against, where that is not the one in the address.
    pub tls_server_name: Option<String>,
    /// Who signs its certificate, as PEM; nothing where it is an authority that everybody trusts.
    pub authorities: Option<String>,
}

/// Where a kubeconfig leads.
#[derive(Clone, Copy, Debug)]
pub struct Way<'a> {
    /// What the cluster is called.
    pub cluster: &'a str,
    /// The address of its API server from outside, where the roster says it.
    pub server: Option<&'a str>,
    /// The server of the kubeconfig in use.
    pub endpoint: &'a Endpoint,
}

/// For the pipelines of a namespace: they are its service account.
#[must_use]
pub fn pipelines(way: Way<'_>, namespace: &str, account: &str, token: &str) -> Value {
    let user = json!({"token": token});
    kubeconfig(way, Some(namespace), &format!("{namespace}-{account}"), &user)
}

/// For people: kubectl opens a browser and keeps what the issuer gives.
#[must_use]
pub fn people(way: Way<'_>, oidc: &Oidc, namespace: Option<&str>) -> Value {
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
    kubeconfig(way, namespace, &format!("oidc@{}", way.cluster), &user)
}

/// As YAML, each value on one line.
///
/// # Errors
/// When the library refuses; it says why.
pub fn yaml(kubeconfig: &Value) -> Result<Zeroizing<String>, serde_yaml::ser::Error> {
    // Scripts look for the token in one line.
    let options = serde_yaml::ser_options! { prefer_block_scalars: false };
    serde_yaml::to_string_with_options(kubeconfig, options).map(Zeroizing::new)
}

/// As JSON on one line.
#[must_use]
pub fn json_line(kubeconfig: &Value) -> Zeroizing<String> {
    Zeroizing::new(format!("{kubeconfig}\n"))
}

fn kubeconfig(way: Way<'_>, namespace: Option<&str>, user: &str, credentials: &Value) -> Value {
    let Way { cluster, server: outside, endpoint: Endpoint { server, tls_server_name, authorities } } = way;
    let mut leads = Map::new();
    leads.insert("server".to_owned(), outside.unwrap_or(server).into());
    if let (None, Some(name)) = (outside, tls_server_name) {
        leads.insert("tls-server-name".to_owned(), name.as_str().into());
    }
    if let Some(authorities) = authorities {
        leads.insert("certificate-authority-data".to_owned(), STANDARD.encode(authorities).into());
    }
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
