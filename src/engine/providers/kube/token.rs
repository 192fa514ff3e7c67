//! Tokens for service accounts, made by the TokenRequest API: they end by themselves, and no Secret holds them. And
//! which accounts there are to have tokens.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestStatus};
use kwo_planner::kinds::Kind;
use kwo_planner::resource::ResourceId;
use secrecy::SecretString;
use serde::{Deserialize, Deserializer};
use serde_json::json;
use smol_str::SmolStr;
use zeroize::Zeroizing;

use super::connect::Kube;
use super::path::{all, encoded, one, only};
use super::transport::{Call, Transport};
use crate::providers::{Refusal, Token};

/// How many accounts a page has at most.
const PAGE: usize = 5000;

/// One page of heads. There may be very many, of which little is kept.
#[derive(Deserialize)]
struct Heads {
    #[serde(default)]
    metadata: Page,
    #[serde(deserialize_with = "items")]
    items: Vec<Item>,
}

/// The server writes `null` where there are none. What has no items at all is no list.
fn items<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Item>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[derive(Default, Deserialize)]
struct Page {
    #[serde(default, rename = "continue")]
    next: Option<String>,
}

#[derive(Deserialize)]
struct Item {
    metadata: Head,
}

#[derive(Deserialize)]
struct Head {
    namespace: SmolStr,
    uid: SmolStr,
}

/// The uids of the service accounts with this name, by their namespaces. Takes the right to list them and no other.
pub(super) async fn accounts(
    transport: &Transport,
    name: &str,
) -> Result<BTreeMap<SmolStr, SmolStr>, Refusal> {
    let place = format!("{}?limit={PAGE}&{}", all(Kind::ServiceAccount), only(name));
    let (mut found, mut path) = (BTreeMap::new(), place.clone());
    loop {
        let asked = transport.ask(&Call::metadata(path)).await;
        let response = asked.outcome.map_err(|trouble| trouble.refusal(asked.tries))?;
        if !response.is_success() {
            return Err(response.refusal(asked.tries));
        }
        let Heads { metadata, items } = serde_json::from_slice(&response.body).map_err(|error| {
            let why =
                format!("{} does not answer like a Kubernetes API server: {error}", transport.way.server);
            Refusal::Refused { why }
        })?;
        found.extend(items.into_iter().map(|item| (item.metadata.namespace, item.metadata.uid)));
        match metadata.next.filter(|next| !next.is_empty()) {
            Some(next) => path = format!("{place}&continue={}", encoded(&next)),
            None => return Ok(found),
        }
    }
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
        let asked = self.transport.ask(&Call::post(path, request.to_string().into_bytes())).await;
        let response = asked.outcome.map_err(|trouble| trouble.refusal(asked.tries))?;
        if !response.is_success() {
            return Err(response.refusal(asked.tries));
        }
        let body = Zeroizing::new(response.body);
        // The error of the decoder could quote what it decodes.
        let unlike =
            || refused(format!("{} does not answer like a Kubernetes API server", self.transport.way.server));
        let TokenRequest { metadata: _, spec, status } =
            serde_json::from_slice(&body).map_err(|_| unlike())?;
        let TokenRequestStatus { token, expiration_timestamp } = status.unwrap_or_default();
        let token = token.map(SecretString::from).ok_or_else(unlike)?;
        let lifetime = spec.and_then(|spec| u64::try_from(spec.expiration_seconds?).ok());
        Ok(Token {
            token,
            until: expiration_timestamp.ok_or_else(unlike)?.0.to_string(),
            lifetime: Duration::from_secs(lifetime.ok_or_else(unlike)?),
        })
    }
}
