//! Asks a host whether a container registry answers there, and whether it lets somebody in. For the first nobody has to log
//! in: a registry says who it is by asking for a password.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, header};
use secrecy::{ExposeSecret as _, SecretSlice};
use zeroize::Zeroizing;

use crate::web::get;

/// Asks the registry at this address, such as `https://registry.example.com`; gives the status of its answer.
///
/// # Errors
/// When nothing answers, or what answers is no registry; says which.
pub async fn answers(api: &str, patience: Duration) -> Result<u16, String> {
    let (status, _) = get(api, "/v2/", None, patience).await?;
    match status.as_u16() {
        status @ (200 | 401) => Ok(status),
        404 => Err(format!("{api} answers, and not as a registry (404): does an Ingress lead to it?")),
        status => Err(format!("{api} answers, and not as a registry that is ready ({status})")),
    }
}

/// Does the registry at this address let in whoever has this name and password? They are in the request and in nothing that is
/// said.
///
/// # Errors
/// When nothing answers, or what answers is no registry; says which.
pub async fn lets_in(
    api: &str,
    name: &str,
    password: &SecretSlice<u8>,
    patience: Duration,
) -> Result<bool, String> {
    let mut pair = Zeroizing::new(format!("{name}:").into_bytes());
    pair.extend_from_slice(password.expose_secret());
    let basic = Zeroizing::new(format!("Basic {}", STANDARD.encode(&*pair)));
    let mut value = HeaderValue::from_str(&basic).map_err(|_| "it cannot be sent".to_owned())?;
    value.set_sensitive(true);
    let (status, _) = get(api, "/v2/", Some((header::AUTHORIZATION.as_str(), value)), patience).await?;
    match status.as_u16() {
        200 => Ok(true),
        401 => Ok(false),
        status => Err(format!("{api} answers, and not as a registry that is ready ({status})")),
    }
}
