//! Slack's incoming webhooks, and services that accept the same: Mattermost, Rocket.Chat, Discord's `/slack`. All of
//! them know `text`; only Slack has blocks. Slack has its own markup in a text, the others have Markdown.

use kwo_planner::settings::Slack;
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::delivery::{Channel, Delivery, Untold};
use super::text::Message;
use crate::references::Places;

/// A space of no width: what it stands in is read as before, and is no mark.
const GAP: char = '\u{200b}';

pub(super) async fn delivery(
    to: &Slack,
    index: usize,
    places: &Places,
    message: &Message,
) -> Result<Delivery, Untold> {
    let channel = Channel(format!("notify.slack[{index}]"));
    let address = channel.secret("address", &to.url, places).await?;
    let address = String::from_utf8_lossy(address.expose_secret()).into_owned();
    let body = json!({"text": format!("*{}*\n{}", escaped(&message.title), escaped(&message.text))});
    channel.delivery(&address, "application/json", body.to_string().into_bytes())
}

/// Words that call everybody, wherever they stand after an `@`.
const CALLS: [&str; 4] = ["all", "channel", "everyone", "here"];

/// Text that stays text: no link, no mention, no block. An address stays as it is, for it may be part of a command.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut before = ' ';
    for (at, char) in text.char_indices() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '(' if before == ']' => out.extend([GAP, char]),
            '`' if before == '`' => out.extend([GAP, char]),
            '@' if !before.is_alphanumeric() || calls(&text[at + 1..]) => out.extend([char, GAP]),
            _ => out.push(char),
        }
        before = char;
    }
    out
}

fn calls(text: &str) -> bool {
    let begins = |word: &str| text.get(..word.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(word));
    CALLS.into_iter().any(begins)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_a_link_or_a_mention() {
        assert_eq!(escaped("<!channel> & <https://a|b>"), "&lt;!channel&gt; &amp; &lt;https://a|b&gt;");
        assert_eq!(escaped("@ops alice@Here a@b.c"), "@\u{200b}ops alice@\u{200b}Here a@b.c");
        assert_eq!(escaped("[a](b) ```"), "[a]\u{200b}(b) `\u{200b}`\u{200b}`");
    }
}
