//! The JSON of a manifest. Go's programs take `"Layers"` for `"layers"`, and of two keys the last one; others do not. Whoever
//! pushes such a manifest could show kwo one image and the registry another, so both are noticed.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

/// A manifest, or an index.
#[derive(Default)]
pub(super) struct Read {
    pub(super) manifests: Option<Vec<Part>>,
    pub(super) config: Option<Part>,
    pub(super) layers: Option<Vec<Part>>,
    pub(super) blobs: Option<Vec<Part>>,
    /// Has it a key that programs read differently?
    pub(super) odd: bool,
}

/// What a manifest says of one of its parts.
#[derive(Default)]
pub(super) struct Part {
    pub(super) digest: String,
    /// Whoever pushed it wrote it: it may be anything.
    pub(super) size: Value,
    pub(super) urls: Value,
    /// Has it a key that programs read differently?
    pub(super) odd: bool,
}

/// As Go compares the names of fields: without case, and with the two characters besides that fold to an ASCII letter.
fn folded(key: &str) -> String {
    let fold = |char: char| match char {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        char => char.to_ascii_lowercase(),
    };
    key.chars().map(fold).collect()
}

/// Which keys an object has had.
struct Keys<const N: usize> {
    known: [&'static str; N],
    had: [bool; N],
    odd: bool,
}

impl<const N: usize> Keys<N> {
    fn of(known: [&'static str; N]) -> Keys<N> {
        Keys { known, had: [false; N], odd: false }
    }

    /// The known key that this one is; nothing where its value is to be passed over.
    fn take(&mut self, key: &str) -> Option<&'static str> {
        let folded = folded(key);
        let (name, had) = self.known.iter().zip(&mut self.had).find(|(name, _)| folded == **name)?;
        if folded != key || *had {
            self.odd = true;
            return None;
        }
        *had = true;
        Some(name)
    }
}

impl<'de> Deserialize<'de> for Read {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Read, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Read;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a manifest")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Read, A::Error> {
                let mut read = Read::default();
                let mut keys = Keys::of(["manifests", "config", "layers", "blobs"]);
                while let Some(key) = map.next_key::<String>()? {
                    match keys.take(&key) {
                        Some("manifests") => read.manifests = map.next_value()?,
                        Some("config") => read.config = map.next_value()?,
                        Some("layers") => read.layers = map.next_value()?,
                        Some(_) => read.blobs = map.next_value()?,
                        None => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                read.odd = keys.odd;
                Ok(read)
            }
        }
        from.deserialize_map(Object)
    }
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Part, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Part;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a part of a manifest")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Part, A::Error> {
                let mut part = Part::default();
                let mut keys = Keys::of(["digest", "size", "urls"]);
                while let Some(key) = map.next_key::<String>()? {
                    match keys.take(&key) {
                        Some("digest") => part.digest = map.next_value()?,
                        Some("size") => part.size = map.next_value()?,
                        Some(_) => part.urls = map.next_value()?,
                        None => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                part.odd = keys.odd;
                Ok(part)
            }
        }
        from.deserialize_map(Object)
    }
}
