//! How single values are read from text: the trait that all of them share, and what a refusal says. The
//! values themselves are in `names.rs`, `hosts.rs`, `identity.rs` and `quantity.rs`.

use std::fmt::Display;
use std::str::FromStr;

use crate::plain::{acts, one_line};

/// Why a text is no value of a type.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// A stable name for this kind of finding: `bad-name`.
    pub code: &'static str,
    /// What is wrong, as one sentence.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The text holds a secret, and must not be shown.
    pub secret: bool,
}

/// A value that is written as one piece of text. The text is taken as it stands in the file: `no`, `012` and
/// `1e3` are what they look like.
pub trait Scalar: FromStr<Err = Refusal> + Display {
    /// What is expected, with its article: `a name of lower-case letters, digits and "-"`.
    fn expected() -> String;
}

impl Refusal {
    /// A refusal without a hint.
    pub fn new(code: &'static str, message: impl Into<String>) -> Refusal {
        Refusal { code, message: told(message), hint: None, secret: false }
    }

    /// Says what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Refusal {
        self.hint = Some(told(hint));
        self
    }

    /// Keeps the text from being shown.
    #[must_use]
    pub fn secret(self) -> Refusal {
        Refusal { secret: true, ..self }
    }
}

impl Display for Refusal {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(out, " ({hint})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Refusal {}

/// What is said of a roster's text, which may repeat some of it: on one line, with nothing in it that acts.
pub(super) fn told(text: impl Into<String>) -> String {
    let text = text.into();
    if text.contains(acts) { one_line(&text).into_owned() } else { text }
}

/// Text from a file, for a message: quoted, without invisible characters, and not too long.
pub(crate) fn quote(text: &str) -> String {
    const LONGEST: usize = 80;
    if text.is_empty() {
        return "`\"\"`".to_owned();
    }
    let cut: String = text.chars().take(LONGEST).collect();
    let shown = one_line(&cut.replace('\\', "\\\\")).into_owned();
    let more = if text.chars().nth(LONGEST).is_some() { "…" } else { "" };
    format!("`{shown}{more}`")
}

/// A new type around checked text: `Display`, `Deref` to `str`, `Scalar` and its JSON schema. The pattern
/// is for the schema; `FromStr`, which is written by hand, is what decides.
macro_rules! text_type {
    (
        $(#[doc = $doc:literal])*
        pub struct $name:ident {
            expected: $expected:literal,
            pattern: $pattern:literal,
            max: $max:literal
        }
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name(smol_str::SmolStr);

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The text, cheap to clone.
            #[must_use]
            pub fn text(&self) -> &smol_str::SmolStr {
                &self.0
            }
        }

        impl std::ops::Deref for $name {
            type Target = str;
            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str(&self.0)
            }
        }

        impl $crate::roster::scalar::Scalar for $name {
            fn expected() -> String {
                $expected.to_owned()
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn schema_id() -> std::borrow::Cow<'static, str> {
                concat!(module_path!(), "::", stringify!($name)).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                $crate::roster::editors::in_words::<$name>(schemars::json_schema!({
                    "description": concat!($($doc),*).trim(),
                    "type": ["string", "number", "boolean"],
                    "pattern": $pattern,
                    "maxLength": $max,
                }))
            }
        }
    };
}

pub(crate) use text_type;
