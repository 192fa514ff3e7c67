//! Asks the API of a DNS provider whether a credential works. The credential is in the request and in nothing that is
//! said; what the API answers is not repeated either.

use std::time::Duration;

use http::{HeaderValue, StatusCode};
use kwo_planner::domains::dns_providers::Check;
use secrecy::{ExposeSecret as _, SecretSlice};

use crate::web::get;

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
    let (status, body) = get(api, check.path, Some((check.header, value)), patience).await?;
    let number = status.as_u16();
    match status {
        _ if status.is_success() => {}
        StatusCode::TOO_MANY_REQUESTS => {
            return Err(format!("{api} accepts no more requests just now ({number})"));
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
