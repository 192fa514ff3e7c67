//! The answer to one request. kwo uses nothing of a delivery as data: it only hashes the body, and compares the
//! headers with known values.

use std::net::IpAddr;

use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Bytes, Incoming};
use jiff::Timestamp;
use tokio::time::timeout;

use super::forge::{Event, Forge};
use super::listener::Hook;
use super::places::{Phase, Place};
use super::signature::{Claim, NoClaim, Signed};

/// Where deliveries go.
const HOOK: &str = "/hook";

/// What becomes of a request.
enum Outcome {
    /// Health or figures.
    Shown(String, &'static str),
    Started(Forge),
    Pinged(Forge),
    Ignored,
    Replayed(Forge),
    Unclaimed(NoClaim),
    Forged,
    TooLarge,
    Slow,
    Broken,
    WrongMethod(&'static str),
    NotFound,
}

pub(super) async fn answer(
    hook: &Hook,
    place: &Place<'_>,
    from: IpAddr,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let outcome = outcome(hook, place, request).await;
    let (name, status, text) = outcome.told();
    hook.figures.answered(name);
    if let Some(line) = outcome.line() {
        (hook.say)(&format!("{line} (from {from})"));
    }
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let kind = if let Outcome::Shown(_, kind) = outcome { kind } else { "text/plain; charset=utf-8" };
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Outcome::WrongMethod(allowed) = outcome {
        headers.insert(header::ALLOW, HeaderValue::from_static(allowed));
    }
    response
}

async fn outcome(hook: &Hook, place: &Place<'_>, request: Request<Incoming>) -> Outcome {
    let looks = matches!(*request.method(), Method::GET | Method::HEAD);
    match request.uri().path() {
        "/healthz" if looks => Outcome::Shown(hook.figures.health(), "application/json"),
        "/metrics" if looks => {
            Outcome::Shown(hook.figures.metrics(), "text/plain; version=0.0.4; charset=utf-8")
        }
        "/healthz" | "/metrics" => Outcome::WrongMethod("GET, HEAD"),
        HOOK if request.method() == Method::POST => delivery(hook, place, request).await,
        HOOK => Outcome::WrongMethod("POST"),
        _ => Outcome::NotFound,
    }
}

async fn delivery(hook: &Hook, place: &Place<'_>, request: Request<Incoming>) -> Outcome {
    let (head, body) = request.into_parts();
    let claim = match hook.keys.claim(&head.headers, Timestamp::now().as_second()) {
        Ok(claim) => claim,
        Err(why) => return Outcome::Unclaimed(why),
    };
    // It may still be anybody's; but nobody who only connects pushes it out.
    place.is(Phase::Delivery);
    if body.size_hint().lower() > hook.bounds.body {
        return Outcome::TooLarge;
    }
    let Signed { forge, body } =
        match timeout(hook.bounds.patience, read(claim, body, hook.bounds.body)).await {
            Err(_) => return Outcome::Slow,
            Ok(Err(outcome)) => return outcome,
            Ok(Ok(signed)) => signed,
        };
    match forge.event(&head.headers) {
        Event::Ping => return Outcome::Pinged(forge),
        Event::Other => return Outcome::Ignored,
        Event::Push => {}
    }
    if !hook.deliveries().is_new(&Signed { forge, body }, forge.delivery(&head.headers)) {
        return Outcome::Replayed(forge);
    }
    hook.runner.want();
    Outcome::Started(forge)
}

/// Reads the body to its end, and checks what it claims.
async fn read(mut claim: Claim, mut body: Incoming, most: u64) -> Result<Signed, Outcome> {
    let mut read: u64 = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Outcome::Broken)?;
        let Some(part) = frame.data_ref() else { continue };
        read = read.saturating_add(u64::try_from(part.len()).unwrap_or(u64::MAX));
        if read > most {
            return Err(Outcome::TooLarge);
        }
        claim.update(part);
    }
    claim.verify().ok_or(Outcome::Forged)
}

impl Outcome {
    /// Its name in the figures, its status, and the text that the forge shows.
    fn told(&self) -> (&'static str, StatusCode, String) {
        let (name, status, text) = match self {
            Outcome::Shown(text, _) => return ("shown", StatusCode::OK, text.clone()),
            Outcome::Started(_) => ("started", StatusCode::ACCEPTED, "kwo looks at the repository now"),
            Outcome::Pinged(_) => ("ping", StatusCode::OK, "kwo listens"),
            Outcome::Ignored => ("ignored", StatusCode::OK, "nothing to do: only a push starts a run"),
            Outcome::Replayed(_) => {
                ("replayed", StatusCode::OK, "nothing to do: kwo had this delivery before")
            }
            Outcome::Unclaimed(NoClaim::Unsigned) => {
                ("unsigned", StatusCode::UNAUTHORIZED, "no signature: give the webhook a secret")
            }
            Outcome::Unclaimed(NoClaim::NoSecret(_) | NoClaim::Malformed(_)) | Outcome::Forged => (
                "refused",
                StatusCode::UNAUTHORIZED,
                "the signature does not match: is the secret the same on both sides?",
            ),
            Outcome::TooLarge => ("too_large", StatusCode::PAYLOAD_TOO_LARGE, "the delivery is too large"),
            Outcome::Slow => ("slow", StatusCode::REQUEST_TIMEOUT, "the delivery took too long"),
            Outcome::Broken => ("broken", StatusCode::BAD_REQUEST, "the delivery broke off"),
            Outcome::WrongMethod(_) => {
                ("wrong_method", StatusCode::METHOD_NOT_ALLOWED, "deliveries are POSTed to /hook")
            }
            Outcome::NotFound => ("not_found", StatusCode::NOT_FOUND, "deliveries are POSTed to /hook"),
        };
        (name, status, format!("{text}\n"))
    }

    /// What the log says about it.
    fn line(&self) -> Option<String> {
        Some(match self {
            Outcome::Started(forge) => format!("a push, signed by {}: looking now", forge.name()),
            Outcome::Pinged(forge) => format!("a ping, signed by {}", forge.name()),
            Outcome::Replayed(forge) => {
                format!("a push, signed by {}, that kwo had before: nothing to do", forge.name())
            }
            Outcome::Unclaimed(NoClaim::Unsigned) => "refused: a delivery without a signature".to_owned(),
            Outcome::Unclaimed(NoClaim::NoSecret(forge)) => format!(
                "refused: a delivery with a signature of {}, and the settings have no `hook.secrets.{}`",
                forge.name(),
                forge.field()
            ),
            Outcome::Unclaimed(NoClaim::Malformed(forge)) => format!(
                "refused: a delivery whose signature of {} has a wrong form or a wrong time",
                forge.name()
            ),
            Outcome::Forged => "refused: a delivery whose signature does not match".to_owned(),
            Outcome::TooLarge => "refused: a delivery that is too large".to_owned(),
            Outcome::Slow => "refused: a delivery that took too long".to_owned(),
            Outcome::Broken => "refused: a delivery that broke off".to_owned(),
            Outcome::Shown(..) | Outcome::Ignored | Outcome::WrongMethod(_) | Outcome::NotFound => {
                return None;
            }
        })
    }
}
