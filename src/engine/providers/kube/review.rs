//! Who this run is to the API server: what it says in a SelfSubjectReview.

use http::StatusCode;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use smol_str::SmolStr;

use super::transport::{Call, Transport};
use crate::providers::{Account, Refusal};

const PATH: &str = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
const REQUEST: &[u8] = br#"{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}"#;

/// Where the API server says which credential it was.
const CREDENTIAL: &str = "authentication.kubernetes.io/credential-id";

/// How it calls a client certificate.
const CERTIFICATE: &str = "X509SHA256=";

/// Asks for it. One who may not ask, or asks a server that cannot be asked, stays unknown.
pub(super) async fn account(transport: &Transport) -> Result<Option<Account>, Refusal> {
    // It makes nothing, so asking again does no harm.
    let asked = transport.ask(&Call::post(PATH, REQUEST.to_vec())).await;
    let response = asked.outcome.map_err(|trouble| trouble.refusal(asked.tries))?;
    if matches!(response.status, StatusCode::FORBIDDEN | StatusCode::NOT_FOUND) {
        return Ok(None);
    }
    if !response.is_success() {
        return Err(response.refusal(asked.tries));
    }
    let unlike = |why: String| Refusal::Refused {
        why: format!("{} does not answer like a Kubernetes API server: {why}", transport.way.server),
    };
    let review: SelfSubjectReview =
        serde_json::from_slice(&response.body).map_err(|error| unlike(error.to_string()))?;
    let user = review.status.and_then(|status| status.user_info).unwrap_or_default();
    let name = user.username.ok_or_else(|| unlike("it names no user".to_owned()))?;
    let mut groups: Vec<SmolStr> = user.groups.into_iter().flatten().map(SmolStr::from).collect();
    groups.sort();
    let ids = user.extra.and_then(|mut extra| extra.remove(CREDENTIAL)).unwrap_or_default();
    let certificate = ids.iter().any(|id| id.starts_with(CERTIFICATE));
    let own = certificate || name.starts_with("system:");
    Ok(Some(Account { name: name.into(), groups, own }))
}
