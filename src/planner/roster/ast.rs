//! The shape of a YAML file: scalars with their text as it was written, lists and maps, each with its place.
//! What the values mean is decided in `decode.rs`; how a file becomes nodes, in `yaml.rs`.

use smol_str::SmolStr;

use super::Span;
use super::scalar::quote;

/// One value of a file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Node {
    /// Where it stands. A list or map reaches to the end of its last item.
    pub at: Span,
    /// What stands there.
    pub value: Value,
}

/// What stands at a node.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Value {
    /// One piece of text, as it was written. YAML's own reading of it (`no`, `012`, `1e3`) is not applied.
    Scalar {
        /// The text, without quotes and with escapes resolved.
        text: SmolStr,
        /// Was it written without quotes?
        plain: bool,
    },
    /// A list.
    List(Vec<Node>),
    /// A map, in the order of the file. No key is there twice.
    Map(Vec<(Key, Node)>),
    /// Something that was refused; there is a finding about it, and one is enough.
    Refused,
}

/// The key of a map entry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Key {
    /// The text, as it was written.
    pub text: SmolStr,
    /// Where it stands.
    pub at: Span,
}

impl Node {
    /// Is it nothing at all: an empty place, `~` or `null` without quotes?
    #[must_use]
    pub fn is_null(&self) -> bool {
        match &self.value {
            Value::Scalar { text, plain } => {
                *plain && matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL")
            }
            Value::List(_) | Value::Map(_) | Value::Refused => false,
        }
    }

    /// What it is, for a message: `a list`.
    #[must_use]
    pub fn what(&self) -> String {
        match &self.value {
            Value::Scalar { .. } if self.is_null() => "nothing".to_owned(),
            Value::Scalar { text, .. } => quote(text),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a map".to_owned(),
            Value::Refused => "something unreadable".to_owned(),
        }
    }

    /// The entry of a map with this key.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&(Key, Node)> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|(key, _)| key.text == name),
            Value::Scalar { .. } | Value::List(_) | Value::Refused => None,
        }
    }
}
