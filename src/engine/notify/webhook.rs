//! The report as JSON, signed so that who gets it knows that it comes from kwo and is whole.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderValue;
use kwo_planner::settings::Webhook;
use secrecy::ExposeSecret as _;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::delivery::{Channel, Delivery, Untold};
use super::text::{Message, host};
use crate::history::Entry;
use crate::references::Places;
use kwo_planner::plain;

/// What is sent.
#[derive(Serialize)]
struct Body<'a> {
    /// One line.
    title: &'a str,
    /// A few lines.
    text: &'a str,
    /// The last word was that something failed, and now nothing does.
    recovered: bool,
    /// All of it.
    entry: &'a Entry,
}

pub(super) async fn delivery(
    to: &Webhook,
    index: usize,
    places: &Places,
    entry: &Entry,
    message: &Message,
) -> Result<Delivery, Untold> {
    let channel = Channel(format!("notify.webhooks[{index}] at {}", host(&to.url)));
    let body = Body { title: &message.title, text: &message.text, recovered: message.recovered, entry };
    let body = serde_json::to_string(&body).map_err(|error| channel.untold(error.to_string(), ""))?;
    // Who gets it may print it as it comes.
    let body = plain::json(&body).into_owned().into_bytes();
    let signature = match &to.secret {
        Some(reference) => {
            let key = channel.secret("secret", reference, places).await?;
            let mut mac = Hmac::<Sha256>::new_from_slice(key.expose_secret())
                .map_err(|error| channel.untold(error.to_string(), ""))?;
            mac.update(&body);
            Some(format!("sha256={}", hex(&mac.finalize().into_bytes())))
        }
        None => None,
    };
    // The same again where it is sent twice, so that who gets it can tell.
    let delivery = hex(&Sha256::digest(&body)[..16]);
    let plain =
        |text: &str| HeaderValue::from_str(text).map_err(|error| channel.untold(error.to_string(), ""));
    let (delivery, signature) = (plain(&delivery)?, signature.as_deref().map(plain).transpose()?);
    let delivery = channel.delivery(&to.url, "application/json", body)?.with("x-kwo-delivery", delivery);
    Ok(match signature {
        Some(signature) => delivery.with("x-kwo-signature-256", signature),
        None => delivery,
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
