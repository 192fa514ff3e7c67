//! A token for a service account, made by the TokenRequest API: it ends by itself, and no Secret holds it.

use std::time::Duration;

use kwo_planner::kinds::Kind;
use kwo_planner::resource::ResourceId;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

use super::connect::Kube;
use super::path::one;
use super::wire::Call;
use crate::providers::Refusal;

/// A token, and how long it is good.
#[derive(Debug)]
pub struct Token {
    /// The token itself.
    pub token: SecretString,
    /// Its end, as the server writes it.
    pub until: String,
    /// How long the server lets it live, which may be shorter than what was asked for.
    pub lifetime: Duration,
}

/// The answer, as far as it matters here.
#[derive(Deserialize)]
struct TokenRequest {
    spec: Spec,
    status: Status,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    expiration_seconds: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    token: SecretString,
    expiration_timestamp: String,
}

impl Kube {
    /// A new token for a service account.
    ///
    /// # Errors
    /// When the account is not there, or this one may not have tokens for it, or the server cannot be reached.
    pub async fn token(&self, namespace: &str, account: &str, lifetime: Duration) -> Result<Token, Refusal> {
        let refused = |why: String| Refusal::Refused { why };
        let id = ResourceId::kube(Kind::ServiceAccount, namespace, account);
        let path = format!("{}/token", one(&id).map_err(refused)?);
        let request = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": lifetime.as_secs()},
        });
        // Asked again after no answer, there may be a token that nobody has; it ends like any other.
        let asked = self.wire.ask(&Call::post(path, request.to_string().into_bytes())).await;
        let answer = asked.outcome.map_err(|trouble| trouble.refusal(asked.tries))?;
        if !answer.is_success() {
            return Err(answer.refusal(asked.tries));
        }
        let body = Zeroizing::new(answer.body);
        // The error of the decoder could quote what it decodes.
        let TokenRequest { spec, status } = serde_json::from_slice(&body).map_err(|_| {
            refused(format!("{} does not answer like a Kubernetes API server", self.wire.server))
        })?;
        Ok(Token {
            token: status.token,
            until: status.expiration_timestamp,
            lifetime: Duration::from_secs(spec.expiration_seconds),
        })
    }
}
