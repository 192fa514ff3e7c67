//! Asks the API of a DNS provider whether a credential works. The credential is in the request and in nothing that is
//! said; what the API answers is not repeated either.

use std::time::Duration;

use ::kube::client::Body;
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use kwo_planner::domains::dns_providers::Check;
use secrecy::{ExposeSecret as _, SecretSlice};
use tokio::time::timeout;

use crate::providers::{chain, web};

/// No answer that is read is longer.
const LONGEST: usize = 64 * 1024;

/// Asks the API at this address, which outside of tests is the check's own.
///
/// # Errors
/// When the credential does not work, or the API could not be asked; says which.
pub async fn ask(
    check: &Check,
    api: &str,
    credential: &SecretSlice<u8>,
    patience: Duration,
) -> Result<(), String> {
    let mut bytes = zeroize::Zeroizing::new(check.before.as_bytes().to_vec());
    bytes.extend_from_slice(credential.expose_secret());
    let mut value = HeaderValue::from_bytes(&bytes)
        .map_err(|_| "it has characters that no credential of this kind has")?;
    value.set_sensitive(true);
    let request = Request::get(check.path)
        .header(check.header, value)
        .header(header::ACCEPT, "application/json")
        .header(header::USER_AGENT, concat!("kwo/", env!("CARGO_PKG_VERSION")))
        .body(Body::empty())
        .map_err(|error| format!("{api} cannot be asked: {error}"))?;
    let client = web(api, patience).map_err(|error| error.to_string())?;
    let asked = timeout(patience, async {
        let answer =
            client.send(request).await.map_err(|error| format!("no answer from {api}: {}", chain(&error)))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), LONGEST).collect().await;
        let body = body.map_err(|_| format!("the answer of {api} broke off, or is too long"))?;
        Ok::<_, String>((status, body.to_bytes()))
    });
    let late = |_| format!("no answer from {api} within {} seconds", patience.as_secs());
    let (status, body) = asked.await.map_err(late)??;
    let number = status.as_u16();
    match status {
        _ if status.is_success() => {}
        StatusCode::TOO_MANY_REQUESTS => {
            return Err(format!("{api} answers to no more questions just now ({number})"));
        }
        _ if status.is_client_error() => return Err(format!("{api} refuses it ({number})")),
        _ => return Err(format!("{api} cannot say ({number})")),
    }
    let Some((pointer, wanted)) = check.says else { return Ok(()) };
    let said: Option<serde_json::Value> = serde_json::from_slice(&body).ok();
    match said.as_ref().and_then(|said| said.pointer(pointer)) {
        Some(found) if found == wanted => Ok(()),
        _ => Err(format!("{api} knows it, and does not call it {wanted}")),
    }
}
