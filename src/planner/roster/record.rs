//! `record!` and `choice!`: a type, how it is read from a roster and its JSON schema, from one declaration, so
//! that a field's name stands in one place only.

use schemars::{Schema, SchemaGenerator};
use serde_json::{Map as JsonMap, Value as Json, json};

use super::ast::{Node, Value};
use super::scalar::quote;
use super::spelling::did_you_mean;
use super::{Finding, Findings};

/// The entries of a record's node, after saying which of its keys are unknown. `None` if it is no map.
pub(crate) fn fields<'n>(
    node: &'n Node,
    what: &str,
    known: &[&str],
    findings: &mut Findings,
) -> Option<&'n [(super::ast::Key, Node)]> {
    if node.value == Value::Refused {
        return None;
    }
    let Value::Map(entries) = &node.value else {
        let list = known.join(", ");
        findings.push(
            node.wrong_type(&format!("a map of fields for {what}")).hint(format!("its fields are: {list}")),
        );
        return None;
    };
    let mut unknown = entries.iter().filter(|(key, _)| !known.contains(&key.text.as_str()));
    while let Some((key, _)) = unknown.next() {
        if findings.is_full() {
            findings.count(1 + unknown.count());
            break;
        }
        let mut finding = Finding::new(
            "unknown-field",
            key.at,
            format!("unknown field {} in {what}", quote(&key.text)),
            format!("expected one of: {}", known.join(", ")),
        );
        // `cpu:2` in brackets, or `tier small`, is one name to YAML.
        let glued = key.text.split_once([':', ' ']).filter(|(name, _)| known.contains(name));
        finding.hint = match glued {
            Some((name, rest)) => {
                Some(format!("a `:` with a space behind it is missing: `{name}: {}`", rest.trim_start()))
            }
            None => did_you_mean(&key.text, known.iter().copied()),
        };
        findings.push(finding);
    }
    Some(entries)
}

/// The finding for a field that has to be there.
pub(crate) fn missing_field(node: &Node, what: &str, field: &str, wanted: Option<String>) -> Finding {
    let wanted = wanted.map_or_else(String::new, |wanted| format!(": {wanted}"));
    Finding::new(
        "missing-field",
        node.at,
        format!("{what} has no `{field}`"),
        format!("expected the field `{field}`{wanted}"),
    )
    .hint(format!("add `{field}: …`"))
}

/// The schema of one field: what its type takes, with the field's own description.
pub(crate) fn field_schema(mut schema: Schema, doc: &str) -> Json {
    if !doc.is_empty() {
        schema.insert("description".to_owned(), doc.into());
        // Editors show what the alternative says of itself, unless the field says it there too.
        for alternative in schema.get_mut("anyOf").and_then(Json::as_array_mut).into_iter().flatten() {
            if alternative.get("$ref").is_some() {
                alternative["description"] = doc.into();
            }
        }
    }
    schema.to_value()
}

/// The schema of a record.
pub(crate) fn record_schema(doc: &str, properties: JsonMap<String, Json>, required: &[&str]) -> Schema {
    let mut schema = JsonMap::new();
    schema.insert("description".to_owned(), doc.into());
    schema.insert(
        "type".to_owned(),
        if required.is_empty() { json!(["object", "null"]) } else { json!("object") },
    );
    if !required.is_empty() {
        schema.insert("required".to_owned(), json!(required));
    }
    schema.insert("properties".to_owned(), Json::Object(properties));
    schema.insert("additionalProperties".to_owned(), Json::Bool(false));
    Schema::from(schema)
}

/// The words of a doc comment, on one line.
pub(crate) fn doc(lines: &[&str]) -> String {
    lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ").trim().to_owned()
}

/// A schema generator's type, for the macros.
pub(crate) type Generator = SchemaGenerator;

/// A record: a struct whose fields are keys of a map in the roster. `= "name"` gives a field's name in the roster
/// where it is not the field's own.
macro_rules! record {
    (
        $(#[doc = $doc:literal])*
        pub struct $name:ident: $what:literal {
            $( $(#[doc = $field_doc:literal])* pub $field:ident: $type:ty $(= $text:literal)? ),* $(,)?
        }
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug, Eq, PartialEq)]
        pub struct $name {
            $( $(#[doc = $field_doc])* pub $field: $type, )*
        }

        impl $name {
            /// The names of the fields in the roster.
            pub const FIELDS: &'static [&'static str] =
                &[$( $crate::roster::record::record!(@name $field $($text)?) ),*];
        }

        impl $crate::roster::Decode for $name {
            fn decode(
                node: &$crate::roster::ast::Node,
                findings: &mut $crate::roster::Findings,
            ) -> Option<$name> {
                if node.is_null() && let Some(empty) = <$name as $crate::roster::Decode>::missing() {
                    return Some(empty);
                }
                let entries = $crate::roster::record::fields(node, $what, $name::FIELDS, findings)?;
                $(
                    let name = $crate::roster::record::record!(@name $field $($text)?);
                    let $field = match entries.iter().find(|(key, _)| key.text == name) {
                        Some((_, node)) => <$type as $crate::roster::Decode>::decode(node, findings)
                            .or_else(<$type as $crate::roster::Decode>::missing),
                        None => {
                            let missing = <$type as $crate::roster::Decode>::missing();
                            if missing.is_none() {
                                let wanted = <$type as $crate::roster::Decode>::wanted();
                                findings.push($crate::roster::record::missing_field(node, $what, name, wanted));
                            }
                            missing
                        }
                    };
                )*
                Some($name { $( $field: $field? ),* })
            }

            fn missing() -> Option<$name> {
                Some($name { $( $field: <$type as $crate::roster::Decode>::missing()? ),* })
            }

            fn schema(generator: &mut $crate::roster::record::Generator) -> schemars::Schema {
                generator.subschema_for::<$name>()
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn schema_id() -> std::borrow::Cow<'static, str> {
                concat!(module_path!(), "::", stringify!($name)).into()
            }

            fn json_schema(generator: &mut $crate::roster::record::Generator) -> schemars::Schema {
                let mut properties = serde_json::Map::new();
                let mut required = Vec::new();
                $(
                    let name = $crate::roster::record::record!(@name $field $($text)?);
                    let field = <$type as $crate::roster::Decode>::schema(generator);
                    let doc = $crate::roster::record::doc(&[$($field_doc),*]);
                    properties.insert(name.to_owned(), $crate::roster::record::field_schema(field, &doc));
                    if <$type as $crate::roster::Decode>::missing().is_none() {
                        required.push(name);
                    }
                )*
                $crate::roster::record::record_schema(
                    &$crate::roster::record::doc(&[$($doc),*]),
                    properties,
                    &required,
                )
            }
        }
    };
    (@name $field:ident) => { stringify!($field) };
    (@name $field:ident $text:literal) => { $text };
}

/// A choice: an enum whose variants are words in the roster. A second text after its name is the hint for any other
/// word; without one the nearest of its words is proposed.
macro_rules! choice {
    (
        $(#[doc = $doc:literal])*
        pub enum $name:ident: $what:literal $(, $advice:literal)? {
            $( $(#[doc = $variant_doc:literal])* $variant:ident = $text:literal ),* $(,)?
        }
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub enum $name {
            $( $(#[doc = $variant_doc])* $variant, )*
        }

        impl $name {
            /// All of them, in order.
            pub const ALL: &'static [$name] = &[$( $name::$variant ),*];

            /// The word in the roster.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $( $name::$variant => $text, )*
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::roster::scalar::Refusal;
            fn from_str(text: &str) -> Result<$name, Self::Err> {
                $name::ALL.iter().copied().find(|choice| choice.as_str() == text).ok_or_else(|| {
                    let message = format!("{} is not a valid {}", $crate::roster::scalar::quote(text), $what);
                    let mut refusal = $crate::roster::scalar::Refusal::new("unknown-choice", message);
                    refusal.hint = $crate::roster::spelling::did_you_mean(text, [$($text),*]);
                    $( refusal.hint = Some($advice.to_owned()); )?
                    refusal
                })
            }
        }

        impl $crate::roster::scalar::Scalar for $name {
            fn expected() -> String {
                let words: Vec<String> = [$($text),*].iter().map(|word| format!("`{word}`")).collect();
                match words.split_last() {
                    Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
                    _ => words.join(""),
                }
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn schema_id() -> std::borrow::Cow<'static, str> {
                concat!(module_path!(), "::", stringify!($name)).into()
            }

            fn json_schema(_: &mut $crate::roster::record::Generator) -> schemars::Schema {
                $crate::roster::editors::in_words::<$name>(schemars::json_schema!({
                    "description": $crate::roster::record::doc(&[$($doc),*]),
                    "enum": [$($text),*],
                    "enumDescriptions": [$( $crate::roster::record::doc(&[$($variant_doc),*]) ),*],
                }))
            }
        }
    };
}

pub(crate) use {choice, record};
