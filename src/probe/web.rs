//! One GET to an API on the web, by the ways that lead to the cluster too: through the same proxies, and with the roots
//! that this system trusts. It is sent once.

use std::time::Duration;

use ::kube::client::Body;
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use tokio::time::timeout;

use crate::providers::{chain, web};

/// No answer that is read is longer.
const LONGEST: usize = 64 * 1024;

/// Status and body of the answer; why there is none.
pub(super) async fn get(
    api: &str,
    path: &str,
    more: Option<(&str, HeaderValue)>,
    patience: Duration,
) -> Result<(StatusCode, Vec<u8>), String> {
    let mut request = Request::get(path)
        .header(header::ACCEPT, "application/json")
        .header(header::USER_AGENT, concat!("kwo/", env!("CARGO_PKG_VERSION")));
    if let Some((name, value)) = more {
        request = request.header(name, value);
    }
    let request = request.body(Body::empty()).map_err(|error| format!("{api} cannot be asked: {error}"))?;
    let client = web(api, patience).map_err(|error| error.to_string())?;
    let asked = timeout(patience, async {
        let answer = client.send(request).await;
        let answer = answer.map_err(|error| format!("no answer from {api}: {}", chain(&error)))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), LONGEST).collect().await;
        let body = body.map_err(|_| format!("the answer of {api} broke off, or is too long"))?;
        Ok((status, body.to_bytes().to_vec()))
    });
    asked.await.map_err(|_| format!("no answer from {api} within {} seconds", patience.as_secs()))?
}
