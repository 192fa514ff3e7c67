//! Who this run is to the API server: what it says in a SelfSubjectReview.

use std::collections::BTreeMap;

use http::StatusCode;
use serde::Deserialize;
use smol_str::SmolStr;

use super::wire::{Call, Wire};
use crate::providers::{Account, Refusal};

const PATH: &str = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
const REQUEST: &[u8] = br#"{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}"#;

/// Where the API server says which credential it was.
const CREDENTIAL: &str = "authentication.kubernetes.io/credential-id";

/// How it calls a client certificate.
const CERTIFICATE: &str = "X509SHA256=";

/// The answer, as far as it matters here.
#[derive(Deserialize)]
struct Review {
    status: Status,
}

#[derive(Deserialize)]
struct Status {
    #[serde(rename = "userInfo")]
    user: User,
}

#[derive(Deserialize)]
struct User {
    username: SmolStr,
    #[serde(default)]
    groups: Vec<SmolStr>,
    #[serde(default)]
    extra: BTreeMap<SmolStr, Vec<SmolStr>>,
}

/// Asks for it. One who may not ask, or asks a server that cannot be asked, stays unknown.
pub(super) async fn account(wire: &Wire) -> Result<Option<Account>, Refusal> {
    // It makes nothing, so asking again does no harm.
    let asked = wire.ask(&Call::post(PATH, REQUEST.to_vec())).await;
    let answer = asked.outcome.map_err(|trouble| trouble.refusal(asked.tries))?;
    if matches!(answer.status, StatusCode::FORBIDDEN | StatusCode::NOT_FOUND) {
        return Ok(None);
    }
    if !answer.is_success() {
        return Err(answer.refusal(asked.tries));
    }
    let review: Review = serde_json::from_slice(&answer.body).map_err(|error| Refusal::Refused {
        why: format!("{} does not answer like a Kubernetes API server: {error}", wire.way.server),
    })?;
    let User { username, mut groups, extra } = review.status.user;
    groups.sort();
    let certificate =
        extra.get(CREDENTIAL).is_some_and(|ids| ids.iter().any(|id| id.starts_with(CERTIFICATE)));
    let own = certificate || username.starts_with("system:");
    Ok(Some(Account { name: username, groups, own }))
}
