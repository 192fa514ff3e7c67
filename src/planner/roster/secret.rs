//! References to secrets: where the bytes are, never the bytes. What is refused here is never shown either, neither
//! in the message nor as an excerpt of the line, because it may be the secret itself.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smol_str::SmolStr;

use super::ast::{Key, Node, Value};
use super::editors::ERROR;
use super::spelling::did_you_mean;
use super::{Decode, Finding, Findings, Span};

/// Where the bytes of a secret are.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum SecretRef {
    /// In an environment variable of the run.
    Env(SmolStr),
    /// In a file of the machine that kwo runs on.
    File(SmolStr),
    /// In systemd's credentials directory.
    Credential(SmolStr),
    /// In a file encrypted with age, relative to the roster's folder.
    Age(SmolStr),
    /// In a Secret of the cluster.
    Kube {
        /// Its namespace.
        namespace: SmolStr,
        /// Its name.
        name: SmolStr,
        /// The key of its data.
        key: SmolStr,
    },
    /// In a store of the Vault that the roster names.
    Vault {
        /// The path of the secret, as `bao kv get` takes it.
        path: SmolStr,
        /// The key in it.
        key: SmolStr,
    },
    /// Made by kwo when it is first needed, with so many characters, and never changed again.
    Generate(u16),
}

/// The fewest and the most characters of a generated secret.
const GENERATED: std::ops::RangeInclusive<u16> = 16..=128;

pub(super) const FORMS: [&str; 7] = ["env", "file", "credential", "age", "kube", "vault", "generate"];

const EXPECTED: &str = "expected a reference: {env: NAME}, {file: PATH}, {credential: NAME}, {age: PATH}, \
{kube: namespace/name/key}, {vault: path#key} or {generate: 32}";

impl fmt::Display for SecretRef {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretRef::Env(name) => write!(out, "env {name}"),
            SecretRef::File(path) => write!(out, "file {path}"),
            SecretRef::Credential(name) => write!(out, "credential {name}"),
            SecretRef::Age(path) => write!(out, "age {path}"),
            SecretRef::Kube { namespace, name, key } => write!(out, "kube {namespace}/{name}/{key}"),
            SecretRef::Vault { path, key } => write!(out, "vault {path}#{key}"),
            SecretRef::Generate(length) => write!(out, "generate {length}"),
        }
    }
}

impl FromStr for SecretRef {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<SecretRef, &'static str> {
        match text.split_once(' ') {
            Some((form, value)) if FORMS.contains(&form) => SecretRef::of(form, value),
            _ => Err("expected a reference such as `env NAME`"),
        }
    }
}

impl Serialize for SecretRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SecretRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<SecretRef, D::Error> {
        SmolStr::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl SecretRef {
    /// The reference that one entry of a map gives, or why it gives none. The reason never holds the value.
    fn of(form: &str, text: &str) -> Result<SecretRef, &'static str> {
        let word =
            |text: &str| !text.is_empty() && !text.chars().any(|c| c.is_whitespace() || c.is_control());
        let name = |text: &str| {
            word(text) && text.len() <= 255 && !text.contains('/') && text != "." && text != ".."
        };
        match form {
            "env" if variable(text) => Ok(SecretRef::Env(text.into())),
            "env" => Err("expected the name of an environment variable: letters, digits and `_`"),
            "file" if text.starts_with('/') && !text.contains('\0') => Ok(SecretRef::File(text.into())),
            "file" => Err("expected an absolute path"),
            "credential" if name(text) => Ok(SecretRef::Credential(text.into())),
            "credential" => Err("expected the name of a systemd credential"),
            "age" if word(text) && !text.split('/').any(|part| part == "..") => {
                Ok(SecretRef::Age(text.into()))
            }
            "age" => Err("expected the path of a file encrypted with age, without `..`"),
            "kube" => match text.split('/').collect::<Vec<_>>().as_slice() {
                [namespace, secret, key] if [namespace, secret, key].iter().all(|part| name(part)) => {
                    Ok(SecretRef::Kube {
                        namespace: (*namespace).into(),
                        name: (*secret).into(),
                        key: (*key).into(),
                    })
                }
                _ => Err("expected namespace/name/key"),
            },
            "vault" => match text.split_once('#') {
                Some((path, key))
                    if path.contains('/')
                        && path.split('/').all(segment)
                        && key.chars().all(in_vault)
                        && !key.is_empty() =>
                {
                    Ok(SecretRef::Vault { path: path.into(), key: key.into() })
                }
                _ => Err("expected path#key, such as secret/ci#token, as `bao kv get` takes the path"),
            },
            _ => match text.parse() {
                Ok(length) if GENERATED.contains(&length) => Ok(SecretRef::Generate(length)),
                _ => Err("expected a number of characters from 16 to 128"),
            },
        }
    }
}

/// May it stand in the path or the key of a secret in Vault? Nothing else has to be escaped anywhere.
fn in_vault(char: char) -> bool {
    char.is_ascii_alphanumeric() || matches!(char, '_' | '.' | '@' | ':' | '-')
}

/// A part of a path in Vault; it is neither `.` nor `..`.
fn segment(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_')
        && text.chars().all(in_vault)
}

fn variable(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|first: char| first.is_ascii_digit())
        && text.chars().all(|char| char.is_ascii_alphanumeric() || char == '_')
}

/// A finding that shows nothing of what stands in the node.
fn hidden(node: &Node, code: &'static str, at: Span, message: &str, expected: &str) -> Finding {
    Finding { conceals: Some(node.at), ..Finding::new(code, at, message, expected) }
}

impl Decode for SecretRef {
    fn decode(node: &Node, findings: &mut Findings) -> Option<SecretRef> {
        let entries = match &node.value {
            Value::Refused => return None,
            Value::Map(entries) => entries.as_slice(),
            Value::Scalar { .. } if node.is_null() => {
                findings.push(hidden(
                    node,
                    "missing-secret",
                    node.at,
                    "a reference to a secret is missing here",
                    EXPECTED,
                ));
                return None;
            }
            Value::Scalar { .. } | Value::List(_) => {
                let message = "a secret must not be in the file itself";
                let finding = hidden(node, "inline-secret", node.at, message, EXPECTED);
                findings.push(finding.hint(
                    "if this file was ever committed or shared, change the secret; \
                     `kwo secrets encrypt` makes a file that may live beside the roster",
                ));
                return None;
            }
        };
        let [(Key { text: form, at }, value)] = entries else {
            findings.push(hidden(
                node,
                "bad-secret",
                node.at,
                "write one reference here, with one key",
                EXPECTED,
            ));
            return None;
        };
        if !FORMS.contains(&form.as_str()) {
            let mut finding = hidden(
                node,
                "bad-secret",
                *at,
                "kwo does not know this kind of reference to a secret",
                EXPECTED,
            );
            finding.hint = did_you_mean(form, FORMS);
            findings.push(finding);
            return None;
        }
        let found = match &value.value {
            Value::Refused => return None,
            Value::Scalar { text, .. } if !value.is_null() => SecretRef::of(form, text),
            Value::Scalar { .. } | Value::List(_) | Value::Map(_) => Err("expected one value"),
        };
        found
            .map_err(|expected| {
                let message = format!("`{form}:` does not accept this value");
                findings.push(hidden(node, "bad-secret", value.at, &message, expected));
            })
            .ok()
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<SecretRef>()
    }
}

impl JsonSchema for SecretRef {
    fn schema_name() -> Cow<'static, str> {
        "SecretRef".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let form = |name: &str, mut value: serde_json::Value, description: &str| {
            value["description"] = description.into();
            value[ERROR] = SecretRef::of(name, "").err().into();
            serde_json::json!({
                "type": "object",
                "properties": {name: value},
                "required": [name],
                "additionalProperties": false,
                ERROR: EXPECTED,
            })
        };
        let text = |pattern: &str| serde_json::json!({"type": "string", "pattern": pattern});
        // As every text of a roster: `env: true` names a variable.
        let word =
            |pattern: &str| serde_json::json!({"type": ["string", "number", "boolean"], "pattern": pattern});
        let number = serde_json::json!({
            "type": "integer", "minimum": *GENERATED.start(), "maximum": *GENERATED.end(),
        });
        json_schema!({
            "description": "Where a secret is. The secret itself is never in the roster.",
            "oneOf": [
                form("env", word("^[A-Za-z_][A-Za-z0-9_]*$"), "The environment variable that holds it."),
                form("file", text("^/"), "The file that holds it, by its absolute path."),
                form("credential", word("^[^/\\s]+$"), "The systemd credential that holds it."),
                form("age", word("^\\S+$"), "The file encrypted with age that holds it, relative to the roster."),
                form("kube", text("^[^/\\s]+/[^/\\s]+/[^/\\s]+$"), "The Secret that holds it: namespace/name/key."),
                form(
                    "vault",
                    text("^[A-Za-z0-9_][A-Za-z0-9_.@:-]*(/[A-Za-z0-9_][A-Za-z0-9_.@:-]*)+#[A-Za-z0-9_.@:-]+$"),
                    "The key of the secret in Vault that holds it, by the login of `systems.vault`: path#key.",
                ),
                form("generate", number, "kwo makes it once, in the cluster, with this many letters and digits."),
            ],
            ERROR: EXPECTED,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_is_read_and_printed() {
        for (form, text, shown) in [
            ("env", "CF_DNS_API_TOKEN", "env CF_DNS_API_TOKEN"),
            ("file", "/etc/kwo/token", "file /etc/kwo/token"),
            ("credential", "cf-token", "credential cf-token"),
            ("age", "secrets/cf.age", "age secrets/cf.age"),
            ("kube", "kube-system/tokens/cf", "kube kube-system/tokens/cf"),
            ("vault", "secret/ci/dns#token", "vault secret/ci/dns#token"),
            ("generate", "32", "generate 32"),
        ] {
            let reference = SecretRef::of(form, text).unwrap();
            assert_eq!(reference.to_string(), shown);
            assert_eq!(shown.parse(), Ok(reference));
        }
    }

    #[test]
    fn what_leads_elsewhere_is_refused() {
        for (form, text) in [
            ("env", "1A"),
            ("env", "A-B"),
            ("env", ""),
            ("file", "etc/token"),
            ("credential", "../x"),
            ("credential", ".."),
            ("age", "../x.age"),
            ("kube", "a/b"),
            ("kube", "a/../c"),
            ("vault", "kv/login"),
            ("vault", "secret#token"),
            ("vault", "/secret/ci#token"),
            ("vault", "secret/../ci#token"),
            ("vault", "secret/ci?list=true#token"),
            ("vault", "kv/login#"),
            ("vault", "secret/ci#a#b"),
            ("generate", "8"),
            ("generate", "4096"),
            ("generate", "many"),
        ] {
            let refused = SecretRef::of(form, text).unwrap_err();
            assert!(text.len() < 4 || !refused.contains(text), "{refused}");
        }
    }
}
