//! A record as the text that stands in the system. A ConfigMap takes no more than 1 MiB, so a long record is compressed. Others
//! may be able to write there, so it is unpacked up to a bound only.

use std::borrow::Cow;
use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// A text of this length stays as it is, for whoever reads it with `kubectl`.
const LONG: usize = 256 << 10;
/// So much of a record is read.
const MOST: u64 = 128 << 20;
const LEVEL: i32 = 9;

/// The text, compressed where it is long.
pub(super) fn packed(text: String, format_version: &str) -> Result<String, String> {
    if text.len() <= LONG {
        return Ok(text);
    }
    let bytes = zstd::encode_all(text.as_bytes(), LEVEL).map_err(|error| error.to_string())?;
    Ok(json!({"format_version": format_version, "zstd": STANDARD.encode(bytes)}).to_string())
}

/// The text as it was.
pub(super) fn unpacked(text: &str) -> Result<Cow<'_, str>, String> {
    let found: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let Some(packed) = found.get("zstd").and_then(Value::as_str) else { return Ok(Cow::Borrowed(text)) };
    let bytes = STANDARD.decode(packed).map_err(|error| error.to_string())?;
    let reader = zstd::Decoder::new(bytes.as_slice()).map_err(|error| error.to_string())?;
    let mut out = String::new();
    reader.take(MOST + 1).read_to_string(&mut out).map_err(|error| error.to_string())?;
    if out.len() as u64 > MOST {
        return Err(format!("it is longer than {MOST} bytes"));
    }
    Ok(Cow::Owned(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_text_stays_and_a_long_one_comes_back() {
        let short = r#"{"a":"b"}"#.to_owned();
        assert_eq!(packed(short.clone(), "1.0").unwrap(), short);
        let long = json!({"a": "b".repeat(LONG)}).to_string();
        let text = packed(long.clone(), "1.0").unwrap();
        assert!(text.len() < 1000 && text.contains(r#""format_version":"1.0""#), "{text}");
        assert_eq!(unpacked(&text).unwrap(), long);
        for odd in [r#"{"zstd":"?"}"#, r#"{"zstd":"AAAA"}"#, "{"] {
            assert!(unpacked(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn what_grows_beyond_the_bound_is_refused() {
        let mut packed = zstd::Encoder::new(Vec::new(), 1).unwrap();
        std::io::copy(&mut std::io::repeat(b' ').take(MOST + 1), &mut packed).unwrap();
        let text = json!({"zstd": STANDARD.encode(packed.finish().unwrap())}).to_string();
        assert!(text.len() < 1 << 20);
        assert!(unpacked(&text).unwrap_err().contains("longer than"));
    }
}
