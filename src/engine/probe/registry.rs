//! Asks a host whether a container registry answers there, and whether it lets somebody in. For the first nobody has to log
//! in: a registry says who it is by asking for a password.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Method, header};
use secrecy::{ExposeSecret as _, SecretSlice};
use zeroize::Zeroizing;

use crate::web::{LONGEST, Question, ask, get};

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

/// Does the registry at this address let in whoever has this name and password? One instance may answer who reads, and another
/// one who writes, so both are asked: a POST there writes nothing. Name and password are in the request and in nothing that
/// is said.
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
    for method in [Method::GET, Method::POST] {
        let headers = vec![(header::AUTHORIZATION.as_str(), value.clone())];
        let question = Question { method, path: "/v2/", headers, json: None, longest: LONGEST };
        let (status, _) = ask(api, question, patience).await?;
        match status.as_u16() {
            200 => return Ok(true),
            401 => {}
            status => return Err(format!("{api} answers, and not as a registry that is ready ({status})")),
        }
    }
    Ok(false)
}
