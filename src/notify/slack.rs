//! Slack's incoming webhooks, and what takes the same: Mattermost, Rocket.Chat, Discord's `/slack`. All of them know
//! `text`; the blocks are Slack's own.

use kwo_planner::settings::Slack;
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::letter::{Channel, Letter};
use super::tell::Untold;
use super::text::Message;
use crate::secrets::Places;

/// Words that call everybody, where they stand after an `@`.
const CALLS: [&str; 4] = ["all", "channel", "everyone", "here"];

pub(super) async fn letter(
    to: &Slack,
    index: usize,
    places: &Places,
    message: &Message,
) -> Result<Letter, Untold> {
    let channel = Channel(format!("notify.slack[{index}]"));
    let address = channel.secret("address", &to.url, places).await?;
    let address = String::from_utf8_lossy(address.expose_secret()).into_owned();
    let body = json!({"text": format!("*{}*\n{}", escaped(&message.title), escaped(&message.text))});
    channel.letter(&address, "application/json", body.to_string().into_bytes())
}

/// Text that stays text: no link, no mention.
fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    CALLS.iter().fold(text, |text, word| {
        // With a space of no width they are words like others.
        text.replace(&format!("@{word}"), &format!("@\u{200b}{word}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_a_link_or_a_mention() {
        assert_eq!(escaped("<!channel> & <https://a|b>"), "&lt;!channel&gt; &amp; &lt;https://a|b&gt;");
        assert_eq!(escaped("@here alice@example.com"), "@\u{200b}here alice@example.com");
    }
}
