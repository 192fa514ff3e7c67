//! The last gate of a support bundle: what is known to be secret, and what looks like it, is taken out of a text. The bundle
//! is made of what holds no secrets; this is for what somebody wrote where nobody expects a secret.

use std::ffi::OsString;
use std::path::Path;

use serde_json::Value;
use zeroize::Zeroizing;

use crate::regular;

/// What stands in its place.
const REDACTED: &str = "[redacted]";

/// Shorter ones are words: to take them out would say more than it hides.
const SHORTEST: usize = 6;

/// What begins a secret, up to the next space or quote.
const BEGINNINGS: [&str; 12] = [
    "AGE-SECRET-KEY-",
    "AKIA",
    "Basic ",
    "Bearer ",
    "dckr_pat_",
    "eyJ",
    "ghp_",
    "github_pat_",
    "glpat-",
    "gto_",
    "sk-",
    "xoxb-",
];

/// Fields of a kubeconfig that hold secrets.
const FIELDS: [&str; 8] = [
    "access-token",
    "client-key-data",
    "id-token",
    "password",
    "refresh-token",
    "client-secret",
    "token",
    "value",
];

/// Parts of the name of a variable that holds one.
const VARIABLES: [&str; 8] =
    ["AUTH", "CREDENTIAL", "KEY", "KUBECONFIG_DATA", "PASS", "PRIVATE", "SECRET", "TOKEN"];

/// What is known to be secret.
#[derive(Default)]
pub struct Scrub {
    known: Vec<Zeroizing<String>>,
}

impl Scrub {
    /// What the kubeconfigs in use hold, and what the environment holds under a name that tells it.
    #[must_use]
    pub fn of(
        kubeconfigs: &[std::path::PathBuf],
        environment: impl Iterator<Item = (OsString, OsString)>,
    ) -> Scrub {
        let mut scrub = Scrub::default();
        for path in kubeconfigs {
            scrub.kubeconfig(path);
        }
        for (name, value) in environment {
            let (name, value) = (name.to_string_lossy().to_uppercase(), value.to_string_lossy());
            if VARIABLES.iter().any(|part| name.contains(part)) {
                scrub.hide(&value);
            }
        }
        scrub
    }

    /// Takes out this text from now on, and each of its lines.
    pub fn hide(&mut self, secret: &str) {
        for part in std::iter::once(secret).chain(secret.lines()) {
            let part = part.trim();
            if part.len() >= SHORTEST {
                self.known.push(Zeroizing::new(part.to_owned()));
            }
        }
    }

    /// Takes out what the fields for secrets of a kubeconfig hold.
    fn kubeconfig(&mut self, path: &Path) {
        fn walk(scrub: &mut Scrub, value: &Value) {
            match value {
                Value::Object(entries) => {
                    for (name, value) in entries {
                        match value {
                            Value::String(text) if FIELDS.contains(&name.as_str()) => scrub.hide(text),
                            other => walk(scrub, other),
                        }
                    }
                }
                Value::Array(items) => items.iter().for_each(|item| walk(scrub, item)),
                _ => {}
            }
        }
        let text = regular::text(path).ok().map(Zeroizing::new);
        let read = text.and_then(|text| serde_yaml::from_str::<Value>(&text).ok());
        if let Some(value) = read {
            walk(self, &value);
        }
    }

    /// The text without secrets.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        let mut out = text.to_owned();
        // The longest first, for one may hold another.
        let mut known: Vec<&str> = self.known.iter().map(|known| known.as_str()).collect();
        known.sort_by_key(|known| std::cmp::Reverse(known.len()));
        for secret in known {
            out = out.replace(secret, REDACTED);
            // As JSON writes it.
            let quoted = serde_json::to_string(secret).unwrap_or_default();
            let quoted = quoted.trim_matches('"');
            if quoted != secret && !quoted.is_empty() {
                out = out.replace(quoted, REDACTED);
            }
        }
        let out = pem(&out);
        let out = BEGINNINGS.iter().fold(out, |text, beginning| cut(&text, beginning));
        logins(&out)
    }
}

/// Takes out every block of PEM but certificates.
fn pem(text: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find("-----BEGIN ") {
        let (before, block) = rest.split_at(at);
        out.push_str(before);
        let end = block.find("-----END ").and_then(|end| {
            let tail = block.get(end + 9..)?;
            Some(end + 9 + tail.find("-----").map_or(tail.len(), |close| close + 5))
        });
        let (block, after) = block.split_at(end.unwrap_or(block.len()));
        out.push_str(if block.starts_with("-----BEGIN CERTIFICATE-----") && end.is_some() {
            block
        } else {
            REDACTED
        });
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Takes out each word that begins like this, where it is long enough for a secret.
fn cut(text: &str, beginning: &str) -> String {
    const LONG: usize = 12;
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find(beginning) {
        let (before, word) = rest.split_at(at);
        let tail = word.get(beginning.len()..).unwrap_or_default();
        let ends = |char: char| char.is_whitespace() || "\"'`,;)<>]}\\".contains(char);
        let length = tail.find(ends).unwrap_or(tail.len());
        let inside = before.chars().next_back().is_some_and(char::is_alphanumeric);
        out.push_str(before);
        let (word, after) = word.split_at(beginning.len() + length);
        out.push_str(if length >= LONG && !inside { REDACTED } else { word });
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Takes out the login of every address.
fn logins(text: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find("://") {
        let (before, tail) = rest.split_at(at + 3);
        out.push_str(before);
        let end =
            tail.find(|char: char| char.is_whitespace() || "/\"'`?#<>".contains(char)).unwrap_or(tail.len());
        let (authority, after) = tail.split_at(end);
        match authority.rsplit_once('@') {
            Some((_, host)) => {
                out.push_str(REDACTED);
                out.push('@');
                out.push_str(host);
            }
            None => out.push_str(authority),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_and_what_looks_like_it_is_taken_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kubeconfig");
        let text = "users: [{name: u, user: {token: in-the-kubeconfig, auth-provider: {config: {id-token: deeper-in-it}}, \
                    exec: {env: [{name: A, value: of-a-plug-in}]}}}]\n";
        std::fs::write(&path, text).unwrap();
        let variables = [("CF_API_TOKEN", "in the environment"), ("PATH", "/usr/bin")];
        let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
        let scrub = Scrub::of(&[path], variables);
        let jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln";
        let key = "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----";
        for secret in [
            "in-the-kubeconfig",
            "deeper-in-it",
            "of-a-plug-in",
            "in the environment",
            jwt,
            key,
            "AGE-SECRET-KEY-1QQQQQQQQQQQQQQQ",
            "ghp_0123456789abcdef",
            "Bearer 0123456789abcdef",
        ] {
            let text = scrub.text(&format!("before {secret}, after"));
            assert!(!text.contains(secret) && text.contains(REDACTED), "{secret}: {text}");
            assert!(text.starts_with("before ") && text.ends_with(", after"), "{text}");
        }
        assert_eq!(scrub.text("https://u:p@h.example/x u@h"), "https://[redacted]@h.example/x u@h");
        for kept in [
            "/usr/bin",
            "https://h.example/a@b",
            "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----",
            "the keyJar of a risk-free task",
            "eyJ",
        ] {
            assert_eq!(scrub.text(kept), kept);
        }
        assert!(!scrub.text("-----BEGIN RSA PRIVATE KEY-----\nMIIE").contains("MIIE"));
    }

    #[test]
    fn a_secret_of_several_lines_is_taken_out_as_json_writes_it() {
        let mut scrub = Scrub::default();
        scrub.hide("first line\n\"second\" line");
        let json = serde_json::to_string("a first line\n\"second\" line b").unwrap();
        let text = scrub.text(&json);
        assert!(!text.contains("first") && !text.contains("second"), "{text}");
    }
}
