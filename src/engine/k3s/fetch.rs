//! One file of a release server: where it leads, how long it may be, how long it may take. Plain http leads only to this
//! machine, and from https nothing leads to http.

use std::io::{self, Write};
use std::net::IpAddr;
use std::time::Duration;

use ::kube::client::Body;
use http::{HeaderMap, Request, StatusCode, Uri, header};
use http_body_util::BodyExt as _;
use jiff::fmt::rfc2822;
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;

use crate::archive::hex;
use crate::providers::{chain, web};
use kwo_planner::plain::{counted, one_line};
use kwo_planner::units::size;

/// How often a server may send on.
const MOST_REDIRECTS: usize = 5;
/// How long a server may be silent.
const SILENCE: Duration = Duration::from_secs(60);
/// How long a file may take in all.
const WHOLE: Duration = Duration::from_secs(1800);

const AGENT: &str = concat!("kwo/", env!("CARGO_PKG_VERSION"));

/// Why a file of somewhere else is not here.
#[derive(Debug)]
pub(super) enum Lost {
    /// It cannot be had there.
    Source(String),
    /// It cannot be written here.
    Here(io::Error),
}

impl From<String> for Lost {
    fn from(why: String) -> Lost {
        Lost::Source(why)
    }
}

impl Lost {
    /// The reason.
    pub(super) fn why(self) -> String {
        match self {
            Lost::Source(why) => why,
            Lost::Here(error) => error.to_string(),
        }
    }
}

/// What a server answered to one request.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    body: Body,
    /// Where it came from in the end.
    from: String,
}

/// Asks once, and follows nothing.
pub(super) async fn ask(url: &str) -> Result<Answer, String> {
    let from = one_line(url).into_owned();
    let uri: Uri = url.parse().map_err(|_| format!("{from} is not an address"))?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(format!("{from} is not an address"));
    };
    let client = web(&format!("{scheme}://{authority}"), SILENCE).map_err(|error| {
        // A machine that somebody has just set up may trust nobody.
        let none = error.to_string().contains("No CA certificates");
        if none { format!("{error}; install the package `ca-certificates`") } else { error.to_string() }
    })?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::get(path).header(header::USER_AGENT, AGENT).header(header::ACCEPT, "*/*");
    let request = request.body(Body::empty()).map_err(|error| format!("{from} cannot be asked: {error}"))?;
    let answer = timeout(SILENCE, client.send(request)).await;
    let answer = answer.map_err(|_| format!("no answer from {from} within {} seconds", SILENCE.as_secs()))?;
    let answer = answer.map_err(|error| format!("no answer from {from}: {}", chain(&error)))?;
    let (head, body) = answer.into_parts();
    Ok(Answer { status: head.status, headers: head.headers, body, from })
}

/// Asks, and goes where it is sent as long as that is safe.
pub(super) async fn open(url: &str) -> Result<Answer, String> {
    let mut url = url.to_owned();
    for _ in 0..=MOST_REDIRECTS {
        let answer = ask(&url).await?;
        if !answer.status.is_redirection() {
            return match answer.status {
                StatusCode::OK => Ok(answer),
                StatusCode::NOT_FOUND => Err(format!("{} is not there (404)", answer.from)),
                status => Err(format!("{} answers {}", answer.from, status.as_u16())),
            };
        }
        url = next(&url, &answer)?;
    }
    Err(format!("{} sends on more than {MOST_REDIRECTS} times", one_line(&url)))
}

impl Answer {
    /// Where it sends on to.
    pub(super) fn location(&self) -> Result<&str, String> {
        let location = self.headers.get(header::LOCATION).and_then(|location| location.to_str().ok());
        location.ok_or_else(|| {
            format!("{} answers {} and does not say where to", self.from, self.status.as_u16())
        })
    }

    /// What time it is there, in seconds.
    pub(super) fn date(&self) -> Option<i64> {
        let date = self.headers.get(header::DATE)?.to_str().ok()?;
        Some(rfc2822::parse(date).ok()?.timestamp().as_second())
    }

    /// Writes the file, of at most so many bytes; gives its SHA-256.
    pub(super) async fn save(self, most: u64, to: &mut impl Write) -> Result<String, Lost> {
        let Answer { headers, mut body, from, status: _ } = self;
        let long = || Lost::Source(format!("{from} is longer than {}", size(most)));
        let said = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        if said.is_some_and(|length: u64| length > most) {
            return Err(long());
        }
        let whole = async {
            let (mut sum, mut length) = (Sha256::new(), 0u64);
            loop {
                let frame = timeout(SILENCE, body.frame()).await;
                let frame =
                    frame.map_err(|_| format!("{from} was silent for {} seconds", SILENCE.as_secs()))?;
                let Some(frame) = frame else { break };
                let frame = frame.map_err(|_| format!("{from} broke off after {}", size(length)))?;
                let Ok(bytes) = frame.into_data() else { continue };
                length += bytes.len() as u64;
                if length > most {
                    return Err(long());
                }
                sum.update(&bytes);
                to.write_all(&bytes).map_err(Lost::Here)?;
            }
            if said.is_some_and(|said| said != length) {
                return Err(format!("{from} broke off after {}", size(length)).into());
            }
            Ok(hex(&sum.finalize()).into())
        };
        let whole = timeout(WHOLE, whole).await;
        whole.map_err(|_| {
            format!("{from} took longer than {}", counted(WHOLE.as_secs() / 60, "minute", "minutes"))
        })?
    }
}

/// Where an answer sends on to, if somebody may follow.
fn next(url: &str, answer: &Answer) -> Result<String, String> {
    let location = answer.location()?;
    let from = &answer.from;
    let to = one_line(location);
    let here: Uri = url.parse().map_err(|_| format!("{from} is not an address"))?;
    let refused = |why: &str| format!("{from} sends on to {to}: {why}");
    // A path alone stays where it is.
    let next = match location.strip_prefix('/') {
        Some(path) if !path.starts_with('/') => {
            let (scheme, authority) = (here.scheme_str().unwrap_or("https"), here.authority());
            format!("{scheme}://{}{location}", authority.map_or("", |authority| authority.as_str()))
        }
        _ => location.to_owned(),
    };
    let there: Uri = next.parse().map_err(|_| refused("that is not an address"))?;
    if there.authority().is_none_or(|authority| authority.as_str().contains('@')) {
        return Err(refused("that is not an address"));
    }
    match there.scheme_str() {
        Some("https") => Ok(next),
        Some("http") if here.scheme_str() == Some("http") && is_here(&there) => Ok(next),
        _ => Err(refused("expected an address that begins with https://")),
    }
}

/// Does it lead to this machine?
fn is_here(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
