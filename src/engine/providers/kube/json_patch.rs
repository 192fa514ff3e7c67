//! The body of a JSON patch. `test` holds a text as the API server wrote it against the text of the patch, byte for byte,
//! so kwo has to write each text as the API server does. Every JSON patch of kwo is written here.

use std::io;

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::{CharEscape, Formatter};

/// The content type of a JSON patch.
pub(super) const JSON_PATCH: &str = "application/json-patch+json";

/// The bytes of a patch.
///
/// # Errors
/// When it cannot be written as JSON.
pub(super) fn body(patch: &impl Serialize) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    let written = patch.serialize(&mut Serializer::with_formatter(&mut body, AsTheServer));
    written.map_err(|error| format!("cannot be written as JSON: {error}"))?;
    Ok(body)
}

/// JSON as the encoder of the API server writes it, which is Go's: safe inside of HTML and of JavaScript.
struct AsTheServer;

impl Formatter for AsTheServer {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(is_escaped) {
            let (before, from) = rest.split_at(at);
            writer.write_all(before.as_bytes())?;
            let mut chars = from.chars();
            for escaped in chars.by_ref().take(1) {
                write!(writer, "\\u{:04x}", u32::from(escaped))?;
            }
            rest = chars.as_str();
        }
        writer.write_all(rest.as_bytes())
    }

    fn write_char_escape<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        match escape {
            CharEscape::Quote => writer.write_all(br#"\""#),
            // Go never writes it with a backslash.
            CharEscape::Solidus => writer.write_all(b"/"),
            CharEscape::ReverseSolidus => writer.write_all(br"\\"),
            CharEscape::Backspace => writer.write_all(br"\b"),
            CharEscape::FormFeed => writer.write_all(br"\f"),
            CharEscape::LineFeed => writer.write_all(br"\n"),
            CharEscape::CarriageReturn => writer.write_all(br"\r"),
            CharEscape::Tab => writer.write_all(br"\t"),
            CharEscape::AsciiControl(byte) => write!(writer, "\\u{byte:04x}"),
        }
    }
}

fn is_escaped(character: char) -> bool {
    matches!(character, '<' | '>' | '&' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_text_is_written_as_go_writes_it() {
        for (text, written) in [
            ("am&p", r#""am\u0026p""#),
            ("a<b>", r#""a\u003cb\u003e""#),
            ("\u{2028}x\u{2029}", r#""\u2028x\u2029""#),
            ("group:R&D", r#""group:R\u0026D""#),
            ("\"\\/\n\r\t\u{1}\u{8}\u{c}\u{7f}", "\"\\\"\\\\/\\n\\r\\t\\u0001\\b\\f\u{7f}\""),
            ("é 雪 🦀", "\"é 雪 🦀\""),
            ("", r#""""#),
        ] {
            assert_eq!(String::from_utf8(body(&text).unwrap()).unwrap(), written);
        }
    }

    #[test]
    fn it_is_the_same_patch_and_the_names_of_fields_are_written_so_too() {
        let patch = json!([{"op": "test", "path": "/a", "value": {"<&>": ["a<b", 1, true, null, {"x": "\u{2028}"}]}}]);
        let body = body(&patch).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), patch);
        assert!(body.is_ascii() && !body.contains(&b'<') && !body.contains(&b'&'));
    }
}
