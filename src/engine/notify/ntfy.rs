//! Topics of ntfy: the text is the body, the rest are headers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use kwo_planner::settings::Ntfy;

use super::delivery::{Channel, Delivery, Untold};
use super::text::{Message, Tone, clipped, host};
use crate::references::Places;

/// In characters: what has over 4096 bytes becomes an attachment.
const LONGEST: usize = 1000;

pub(super) async fn delivery(
    to: &Ntfy,
    index: usize,
    places: &Places,
    message: &Message,
) -> Result<Delivery, Untold> {
    let channel = Channel(format!("notify.ntfy[{index}] at {}", host(&to.url)));
    let token = match &to.token {
        Some(reference) => {
            let token = channel.secret("token", reference, places).await?;
            Some(channel.sealed("token", "Bearer ", &token)?)
        }
        None => None,
    };
    let (priority, tags) = match message.tone {
        Tone::Bad => ("high", "rotating_light"),
        Tone::Waiting => ("default", "warning"),
        Tone::Good => ("default", "white_check_mark"),
    };
    let title = HeaderValue::from_str(&word(&message.title))
        .map_err(|error| channel.untold(error.to_string(), ""))?;
    let body = clipped(&message.text, LONGEST).into_bytes();
    let delivery = channel
        .delivery(&to.url, "text/plain; charset=utf-8", body)?
        .with("title", title)
        .with("priority", HeaderValue::from_static(priority))
        .with("tags", HeaderValue::from_static(tags));
    Ok(match token {
        Some(token) => delivery.with("authorization", token),
        None => delivery,
    })
}

/// A header holds ASCII on one line; ntfy reads what is not as RFC 2047 writes it.
fn word(text: &str) -> String {
    if text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) && !text.contains("=?") {
        return text.to_owned();
    }
    format!("=?UTF-8?B?{}?=", STANDARD.encode(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_ascii_on_one_line() {
        assert_eq!(word("kwo: 2 changes"), "kwo: 2 changes");
        assert_eq!(word("kwo: für Jörg\n"), "=?UTF-8?B?a3dvOiBmw7xyIErDtnJnCg==?=");
    }
}
