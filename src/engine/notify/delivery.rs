//! One message on its way to one channel: sent, once more where that may help, and what the answer means. What a
//! channel answers is not repeated, because it may repeat what it was sent.

use std::fmt;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use kwo_planner::roster::SecretRef;
use secrecy::{ExposeSecret as _, SecretSlice};
use tokio::time::sleep;

use crate::references::{Places, follow};
use crate::web::post;

/// For one try.
const PATIENCE: Duration = Duration::from_secs(5);

/// Before the second try, which is the last.
const PAUSE: Duration = Duration::from_secs(1);

/// A channel that was not told. No secret is in it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Untold {
    /// Where the channel stands in the settings, and whose it is.
    pub channel: String,
    /// What went wrong, as a sentence without a full stop.
    pub why: String,
    /// What to do about it; or empty.
    pub hint: String,
}

impl fmt::Display for Untold {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Untold { channel, why, hint: _ } = self;
        write!(out, "kwo could not notify {channel}: {why}")
    }
}

/// What is sent.
pub(super) struct Delivery {
    channel: Channel,
    address: Uri,
    headers: HeaderMap,
    body: Vec<u8>,
}

/// Whom it goes to, for people.
#[derive(Clone, Debug)]
pub(super) struct Channel(pub(super) String);

impl Channel {
    /// It was not told, and why.
    pub(super) fn untold(&self, why: impl Into<String>, hint: &str) -> Untold {
        Untold { channel: self.0.clone(), why: why.into(), hint: hint.to_owned() }
    }

    /// The bytes of a secret, called `what`.
    pub(super) async fn secret(
        &self,
        what: &str,
        reference: &SecretRef,
        places: &Places,
    ) -> Result<SecretSlice<u8>, Untold> {
        follow(reference, places, None).await.map_err(|why| {
            self.untold(
                format!("kwo cannot get its {what} ({reference}): {why}"),
                "put the secret where the settings say it is, or change the reference there",
            )
        })
    }

    /// A header with a secret in it, after these words.
    pub(super) fn sealed(
        &self,
        what: &str,
        before: &str,
        secret: &SecretSlice<u8>,
    ) -> Result<HeaderValue, Untold> {
        let mut bytes = zeroize::Zeroizing::new(before.as_bytes().to_vec());
        bytes.extend_from_slice(secret.expose_secret());
        let mut value = HeaderValue::from_bytes(&bytes).map_err(|_| {
            self.untold(
                format!("its {what} has characters that cannot be in it"),
                "expected one line, as the other side shows it",
            )
        })?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// A delivery to this address.
    pub(super) fn delivery(
        self,
        address: &str,
        kind: &'static str,
        body: Vec<u8>,
    ) -> Result<Delivery, Untold> {
        let address: Option<Uri> = address.parse().ok();
        let web = |address: &Uri| {
            matches!(address.scheme_str(), Some("http" | "https"))
                && address.authority().is_some_and(|authority| !authority.as_str().contains('@'))
        };
        let Some(address) = address.filter(web) else {
            return Err(self.untold(
                "its address is not valid",
                "expected the full address, as the other side shows it: https://HOST/PATH, without a login",
            ));
        };
        let headers = HeaderMap::from_iter([(http::header::CONTENT_TYPE, HeaderValue::from_static(kind))]);
        Ok(Delivery { channel: self, address, headers, body })
    }
}

impl Delivery {
    /// With another header.
    pub(super) fn with(mut self, name: &'static str, value: HeaderValue) -> Delivery {
        self.headers.insert(HeaderName::from_static(name), value);
        self
    }

    /// Sends it, and once more after what may pass.
    pub(super) async fn send(self) -> Result<(), Untold> {
        let first = self.once().await;
        let may_pass = match first {
            Ok(status) => status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error(),
            Err(_) => true,
        };
        let last = if may_pass {
            sleep(PAUSE).await;
            self.once().await
        } else {
            first
        };
        let status = last.map_err(|why| {
            self.channel.untold(why, "check that its address is right, and that this machine can reach it")
        })?;
        if status.is_success() {
            return Ok(());
        }
        let (why, hint) = refusal(status);
        Err(self.channel.untold(format!("{why} ({})", status.as_u16()), hint))
    }

    async fn once(&self) -> Result<StatusCode, String> {
        post("it", &self.address, self.headers.clone(), self.body.clone(), PATIENCE).await
    }
}

/// What a status means that is no success, and what to do about it.
fn refusal(status: StatusCode) -> (&'static str, &'static str) {
    match status.as_u16() {
        300..=399 => (
            "it redirects to another address, and kwo does not send the secret there",
            "write the address that it redirects to into the settings",
        ),
        401 | 403 => {
            ("it refuses kwo's secret", "check that the secret is right, is still valid, and may do this")
        }
        404 | 410 => (
            "there is nothing at its address",
            "check that the address is right, and that the secret lets kwo see it",
        ),
        413 => ("the report is too long for it", "let its server accept bodies of 1 MiB"),
        429 => ("it accepts no more messages for now", "kwo tries again with the next message"),
        500..=599 => ("its server has an error", "read its log"),
        _ => (
            "it does not accept the message",
            "check that the address leads to the kind of channel that the settings name",
        ),
    }
}
