//! Asks a host whether a container registry answers there. Nobody has to log in for that: a registry says who it is by
//! asking for a password.

use std::time::Duration;

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
