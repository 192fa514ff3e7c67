//! From nodes to typed values. Decoding never stops at a finding: what is wrong is left out, so that the rest can
//! still be checked, and the findings say so. Records and choices come from the macros in `record.rs`.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::ast::{Key, Node, Value};
use super::editors::ERROR;
use super::scalar::Scalar;
use super::{At, Finding, Findings, Span};

/// Something that can be read from a node.
pub trait Decode: Sized {
    /// Reads the value. Whatever is wrong goes to `findings`; the value is then without it, or `None`.
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self>;

    /// The value where the field is not there at all, or `None` if it has to be there.
    fn missing() -> Option<Self> {
        None
    }

    /// What is expected of the value, where one sentence can say it.
    fn wanted() -> Option<String> {
        None
    }

    /// The JSON schema of what `decode` takes.
    fn schema(generator: &mut SchemaGenerator) -> Schema;
}

/// The value of a map entry, and where its key stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry<V> {
    /// Where the key stands.
    pub key: Span,
    /// The value.
    pub value: V,
}

/// A map of the roster, sorted by key.
pub type Map<K, V> = BTreeMap<K, Entry<V>>;

impl Node {
    /// The finding for a node of the wrong type.
    #[must_use]
    pub fn wrong_type(&self, expected: &str) -> Finding {
        let message = match &self.value {
            Value::Scalar { .. } if self.is_null() => "a value is missing here".to_owned(),
            Value::Scalar { .. } => format!("{} is a single value", self.what()),
            Value::List(_) | Value::Map(_) | Value::Refused => format!("{} is not allowed here", self.what()),
        };
        let finding = Finding::new("wrong-type", self.at, message, format!("expected {expected}"));
        match &self.value {
            Value::Scalar { text, .. } if self.is_null() && !text.is_empty() => {
                finding.hint(format!("YAML reads `{text}` as nothing: write a value, or leave this out"))
            }
            Value::Scalar { .. } if self.is_null() => finding.hint("write a value, or delete the line"),
            Value::Scalar { .. } | Value::List(_) | Value::Map(_) | Value::Refused => finding,
        }
    }
}

/// Reads a value from a scalar's text, wherever the text stands.
fn scalar<T: Scalar>(text: &str, at: Span, findings: &mut Findings) -> Option<T> {
    match text.parse() {
        Ok(value) => Some(value),
        Err(refusal) => {
            let mut finding =
                Finding::new(refusal.code, at, refusal.message, format!("expected {}", T::expected()));
            finding.hint = refusal.hint;
            finding.conceals = refusal.secret.then_some(finding.at);
            findings.push(finding);
            None
        }
    }
}

/// Reads the key of an entry.
fn key<K: Scalar>(key: &Key, findings: &mut Findings) -> Option<K> {
    scalar(&key.text, key.at, findings)
}

impl<T: Scalar + JsonSchema> Decode for T {
    fn decode(node: &Node, findings: &mut Findings) -> Option<T> {
        let finding = node.wrong_type(&T::expected());
        let finding = match &node.value {
            Value::Refused => return None,
            Value::Scalar { text, .. } if !node.is_null() => return scalar(text, node.at, findings),
            Value::Scalar { .. } => finding,
            Value::List(_) => finding.hint("one value is wanted here: leave out the `[ ]` or the `- `"),
            Value::Map(entries) => finding.hint(match entries.as_slice() {
                // `group: alice-team`, which was meant as one text.
                [(Key { text: name, .. }, Node { value: Value::Scalar { text, .. }, .. })]
                    if format!("{name}:{text}").parse::<T>().is_ok() =>
                {
                    format!("YAML reads `: ` as a map: leave the space out, as in `{name}:{text}`")
                }
                _ => "one value is wanted here: leave out the `{ }` and the `name: `".to_owned(),
            }),
        };
        findings.push(finding);
        None
    }

    fn wanted() -> Option<String> {
        Some(T::expected())
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<T>()
    }
}

impl Decode for bool {
    fn decode(node: &Node, findings: &mut Findings) -> Option<bool> {
        if let Value::Scalar { text, plain } = &node.value {
            let meant = match text.as_str() {
                "true" if *plain => return Some(true),
                "false" if *plain => return Some(false),
                "true" | "True" | "TRUE" | "yes" | "Yes" | "on" | "y" => Some("true"),
                "false" | "False" | "FALSE" | "no" | "No" | "off" | "n" => Some("false"),
                _ => None,
            };
            if !node.is_null() {
                let quoted = if *plain { "" } else { " in quotes" };
                let finding = Finding::new(
                    "wrong-type",
                    node.at,
                    format!("{}{quoted} is neither `true` nor `false`", node.what()),
                    "expected `true` or `false`",
                );
                findings.push(match meant {
                    Some(meant) => finding.hint(format!("write `{meant}`, without quotes")),
                    None => finding,
                });
                return None;
            }
        }
        if node.value != Value::Refused {
            findings.push(node.wrong_type("`true` or `false`"));
        }
        None
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "boolean", ERROR: "expected `true` or `false`" })
    }
}

impl<T: Decode> Decode for At<T> {
    fn decode(node: &Node, findings: &mut Findings) -> Option<At<T>> {
        T::decode(node, findings).map(|value| At::new(value, node.at))
    }

    fn wanted() -> Option<String> {
        T::wanted()
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        T::schema(generator)
    }
}

impl<T: Decode> Decode for Option<T> {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Option<T>> {
        T::decode(node, findings).map(Some)
    }

    fn missing() -> Option<Option<T>> {
        Some(None)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        T::schema(generator)
    }
}

impl<T: Decode> Decode for Vec<T> {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Vec<T>> {
        match &node.value {
            Value::List(items) => Some(items.iter().filter_map(|item| T::decode(item, findings)).collect()),
            Value::Scalar { .. } if node.is_null() => Some(Vec::new()),
            Value::Refused => None,
            Value::Scalar { text, .. } => {
                let hint = if text.starts_with('-') {
                    "an item of a list starts with `- `: is the space missing?".to_owned()
                } else if text.contains(',') {
                    format!("put it in brackets: `[{text}]`")
                } else {
                    format!("a list of one is written `[{text}]`")
                };
                findings.push(node.wrong_type("a list").hint(hint));
                None
            }
            Value::Map(_) => {
                findings.push(
                    node.wrong_type("a list").hint("start each item with `- `, or put the items in `[ ]`"),
                );
                None
            }
        }
    }

    fn missing() -> Option<Vec<T>> {
        Some(Vec::new())
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let items = T::schema(generator);
        json_schema!({ "type": ["array", "null"], "items": items, ERROR: "expected a list such as `[a, b]`" })
    }
}

impl<K: Scalar + JsonSchema + Ord, V: Decode> Decode for Map<K, V> {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Map<K, V>> {
        match &node.value {
            Value::Map(entries) => {
                let mut map = Map::new();
                for (name, node) in entries {
                    let key = key::<K>(name, findings);
                    let value = V::decode(node, findings).or_else(V::missing);
                    if let (Some(key), Some(value)) = (key, value) {
                        map.insert(key, Entry { key: name.at, value });
                    }
                }
                Some(map)
            }
            Value::Scalar { .. } if node.is_null() => Some(Map::new()),
            Value::Refused => None,
            Value::Scalar { .. } => {
                findings.push(
                    node.wrong_type("a map").hint("write one `name: value` a line, indented by spaces"),
                );
                None
            }
            Value::List(_) => {
                findings.push(
                    node.wrong_type("a map")
                        .hint("leave out the `- ` or the `[ ]`, and write `name:` for each"),
                );
                None
            }
        }
    }

    fn missing() -> Option<Map<K, V>> {
        Some(Map::new())
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let (names, values) = (generator.subschema_for::<K>(), V::schema(generator));
        json_schema!({
            "type": ["object", "null"],
            "propertyNames": names,
            "additionalProperties": values,
            ERROR: "expected a map: one `name: value` a line",
        })
    }
}
