//! Kubeconfigs for others: for the pipelines of a namespace, with a token that ends, and for people, who log in at an
//! issuer. Each has what identifies the API server, and nothing else of the kubeconfig in use.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kwo_planner::domains::cluster::Oidc;
use schemars::JsonSchema;
use serde::Serialize;
use zeroize::Zeroizing;

/// An API server as a kubeconfig describes it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Endpoint {
    /// Its address.
    pub server: String,
    /// The name that its certificate is checked against, where that is not the one in the address.
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

// Its fields are in the order of the alphabet, as in files that are there already.
/// A kubeconfig with one way in.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Kubeconfig<'a> {
    /// `v1`.
    api_version: &'static str,
    /// The cluster.
    clusters: [Cluster<'a>; 1],
    /// Who comes to which namespace of it.
    contexts: [Context<'a>; 1],
    /// The name of that.
    #[serde(rename = "current-context")]
    current_context: String,
    /// `Config`.
    kind: &'static str,
    /// Who comes.
    users: [User<'a>; 1],
}

#[derive(Debug, Serialize, JsonSchema)]
struct Cluster<'a> {
    cluster: Leads<'a>,
    name: &'a str,
}

/// Where a kubeconfig leads.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
struct Leads<'a> {
    /// Who signs the certificate of the API server, as PEM in Base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate_authority_data: Option<String>,
    /// The address of the API server.
    server: &'a str,
    /// The name that its certificate is checked against, where that is not the one in the address.
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_server_name: Option<&'a str>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Context<'a> {
    context: Place<'a>,
    name: String,
}

/// Who comes where.
#[derive(Debug, Serialize, JsonSchema)]
struct Place<'a> {
    cluster: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    user: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct User<'a> {
    name: String,
    user: Credentials<'a>,
}

/// How somebody shows who they are.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
enum Credentials<'a> {
    /// A token.
    Token(&'a str),
    /// A program that gets one.
    Exec(Exec),
}

/// A program that gets a token, as kubectl starts it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Exec {
    api_version: &'static str,
    args: Vec<String>,
    command: &'static str,
    install_hint: &'static str,
    interactive_mode: &'static str,
    provide_cluster_info: bool,
}

impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Credentials::Token(_) => out.write_str("Token"),
            Credentials::Exec(exec) => exec.fmt(out),
        }
    }
}

/// For the pipelines of a namespace: they are its service account.
#[must_use]
pub fn pipelines<'a>(way: Way<'a>, namespace: &'a str, account: &str, token: &'a str) -> Kubeconfig<'a> {
    kubeconfig(way, Some(namespace), format!("{namespace}-{account}"), Credentials::Token(token))
}

/// For people: kubectl opens a browser and keeps what the issuer gives.
#[must_use]
pub fn people<'a>(way: Way<'a>, oidc: &Oidc, namespace: Option<&'a str>) -> Kubeconfig<'a> {
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
    let exec = Exec {
        api_version: "client.authentication.k8s.io/v1",
        args,
        command: "kubectl",
        install_hint: "kubectl needs its plugin oidc-login: https://github.com/int128/kubelogin",
        interactive_mode: "IfAvailable",
        provide_cluster_info: false,
    };
    kubeconfig(way, namespace, format!("oidc@{}", way.cluster), Credentials::Exec(exec))
}

/// As YAML, each value on one line.
///
/// # Errors
/// When the library refuses; it says why.
pub fn yaml(kubeconfig: &Kubeconfig<'_>) -> Result<Zeroizing<String>, serde_yaml::ser::Error> {
    // Scripts look for the token in one line.
    let options = serde_yaml::ser_options! { prefer_block_scalars: false };
    serde_yaml::to_string_with_options(kubeconfig, options).map(Zeroizing::new)
}

/// As JSON on one line.
///
/// # Errors
/// When the library refuses; it says why.
pub fn json_line(kubeconfig: &Kubeconfig<'_>) -> Result<Zeroizing<String>, serde_json::Error> {
    serde_json::to_string(kubeconfig).map(|text| Zeroizing::new(text + "\n"))
}

fn kubeconfig<'a>(
    way: Way<'a>,
    namespace: Option<&'a str>,
    user: String,
    credentials: Credentials<'a>,
) -> Kubeconfig<'a> {
    let Way { cluster, server: outside, endpoint: Endpoint { server, tls_server_name, authorities } } = way;
    let leads = Leads {
        certificate_authority_data: authorities.as_ref().map(|authorities| STANDARD.encode(authorities)),
        server: outside.unwrap_or(server),
        tls_server_name: tls_server_name.as_deref().filter(|_| outside.is_none()),
    };
    let called = namespace.map_or_else(|| cluster.to_owned(), |namespace| format!("{namespace}@{cluster}"));
    Kubeconfig {
        api_version: "v1",
        clusters: [Cluster { cluster: leads, name: cluster }],
        contexts: [Context {
            context: Place { cluster, namespace, user: user.clone() },
            name: called.clone(),
        }],
        current_context: called,
        kind: "Config",
        users: [User { name: user, user: credentials }],
    }
}
