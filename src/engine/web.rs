//! One request to an API on the web, by the ways that lead to the cluster too: through the same proxies, and with the
//! roots that this system trusts. It is sent once, and no redirection is followed: it could lead credentials astray.

use std::time::Duration;

use ::kube::client::Body;
use http::response::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Limited};
use tokio::time::timeout;

use crate::providers::{chain, web};

/// A probe reads no answer that is longer.
pub(crate) const LONGEST: usize = 64 * 1024;

const AGENT: &str = concat!("kwo/", env!("CARGO_PKG_VERSION"));

/// What to ask.
pub(crate) struct Question<'q> {
    pub method: Method,
    pub path: &'q str,
    /// Header lines besides the usual ones.
    pub headers: Vec<(&'static str, HeaderValue)>,
    /// JSON to send.
    pub json: Option<String>,
    /// No longer answer is read.
    pub longest: usize,
}

/// Status and body of the answer to one GET; why there is none.
pub(crate) async fn get(
    api: &str,
    path: &str,
    more: Option<(&'static str, HeaderValue)>,
    patience: Duration,
) -> Result<(StatusCode, Vec<u8>), String> {
    let headers = more.into_iter().collect();
    ask(api, Question { method: Method::GET, path, headers, json: None, longest: LONGEST }, patience).await
}

/// Status and body of the answer; why there is none.
pub(crate) async fn ask(
    api: &str,
    question: Question<'_>,
    patience: Duration,
) -> Result<(StatusCode, Vec<u8>), String> {
    let Question { method, path, headers, json, longest } = question;
    let mut request = Request::builder().method(method).uri(path);
    if headers.iter().all(|(name, _)| *name != header::ACCEPT) {
        request = request.header(header::ACCEPT, "application/json");
    }
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let body = match json {
        Some(json) => {
            request = request.header(header::CONTENT_TYPE, "application/json");
            Body::from(json.into_bytes())
        }
        None => Body::empty(),
    };
    let request = request.body(body).map_err(|error| format!("{api} cannot be asked: {error}"))?;
    let (head, body) = send(api, api, request, longest, patience).await?;
    Ok((head.status, body))
}

/// What stands at an address: whatever its type, or where else it is.
pub(crate) async fn file(address: &Uri, longest: usize, patience: Duration) -> Result<Found, String> {
    let (Some(scheme), Some(authority)) = (address.scheme_str(), address.authority()) else {
        return Err(format!("{address} names no host"));
    };
    let api = format!("{scheme}://{authority}");
    let path = address.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::get(path).header(header::ACCEPT, "*/*").body(Body::empty());
    let request = request.map_err(|error| format!("{api} cannot be asked: {error}"))?;
    let (head, body) = send(&api, &api, request, longest, patience).await?;
    if head.status.is_redirection() {
        let location = head.headers.get(header::LOCATION).and_then(|location| location.to_str().ok());
        return Ok(Found::Elsewhere(location.unwrap_or_default().to_owned()));
    }
    match head.status {
        StatusCode::OK => Ok(Found::Here(body)),
        // Behind a query there may be a leave to read the file.
        status => Err(format!("{api}{} answers {status}", address.path())),
    }
}

/// What an address led to.
pub(crate) enum Found {
    /// The file.
    Here(Vec<u8>),
    /// Another address.
    Elsewhere(String),
}

/// Posts this, and gives the status of the answer; why there is none. The address may be a secret: nothing that is said
/// holds more of it than `name` does, and `log.rs` leaves out who would log it.
pub(crate) async fn post(
    name: &str,
    address: &Uri,
    headers: HeaderMap,
    body: Vec<u8>,
    patience: Duration,
) -> Result<StatusCode, String> {
    let unusable = || format!("{name} has an address that cannot be used");
    let (Some(scheme), Some(authority)) = (address.scheme_str(), address.authority()) else {
        return Err(unusable());
    };
    let path = address.path_and_query().map_or("/", |path| path.as_str());
    let mut request = Request::post(path).body(Body::from(body)).map_err(|_| unusable())?;
    *request.headers_mut() = headers;
    let api = format!("{scheme}://{authority}");
    send(&api, name, request, LONGEST, patience).await.map(|(head, _)| head.status)
}

/// Sends it to the API at this address, which people know by this name.
async fn send(
    api: &str,
    name: &str,
    mut request: Request<Body>,
    longest: usize,
    patience: Duration,
) -> Result<(Parts, Vec<u8>), String> {
    request.headers_mut().insert(header::USER_AGENT, HeaderValue::from_static(AGENT));
    let client = web(api, patience).map_err(|error| error.to_string())?;
    let asked = timeout(patience, async {
        let answer = client.send(request).await;
        let answer = answer.map_err(|error| format!("no answer from {name}: {}", chain(&error)))?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, longest).collect().await;
        let body = body.map_err(|_| format!("the answer of {name} broke off, or is too long"))?;
        Ok((head, body.to_bytes().to_vec()))
    });
    asked.await.map_err(|_| format!("no answer from {name} within {} seconds", patience.as_secs()))?
}
