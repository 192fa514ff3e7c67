//! The last gate of a support bundle: what is known to be secret, and what looks like it, is taken out of a text. The bundle
//! is made of what holds no secrets; this is for what somebody wrote where nobody expects a secret.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::providers::FAILED;
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

    /// Takes out this text from now on, and each of its lines, in each of the ways that others write it.
    pub fn hide(&mut self, secret: &str) {
        for part in std::iter::once(secret).chain(secret.lines()) {
            let part = part.trim();
            if part.len() < SHORTEST {
                continue;
            }
            self.known.push(Zeroizing::new(part.to_owned()));
            // Without the last group, too: it is another one where a line feed was at the end.
            let whole = &part.as_bytes()[..part.len() - part.len() % 3];
            for bytes in [part.as_bytes(), whole] {
                self.known.push(Zeroizing::new(STANDARD_NO_PAD.encode(bytes)));
                self.known.push(Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes)));
            }
            for kept in [&b"-._~"[..], b"-._~/", b"-._~!$&'()*+,;=:@/?"] {
                let coded = percent(part, kept);
                self.known.push(Zeroizing::new(coded.to_lowercase()));
                self.known.push(Zeroizing::new(coded));
            }
        }
    }

    /// Takes out the arguments of a login program: what follows `=`, and all that is no name of an option and no word like
    /// `get-token` before the first option.
    fn arguments(&mut self, args: &[Value]) {
        let mut options = false;
        for arg in args.iter().filter_map(Value::as_str) {
            let word = |text: &str| text.chars().all(|char| char.is_ascii_lowercase() || "-_".contains(char));
            if let Some((_, value)) = arg.split_once('=') {
                self.hide(value);
            }
            match arg.starts_with('-') {
                true if arg.starts_with("--") && word(arg) => {}
                false if !options && word(arg) => {}
                _ => self.hide(arg),
            }
            options |= arg.starts_with('-');
        }
    }

    /// Takes out what stands behind the name of a field for secrets, where no parser reads the file.
    fn lines(&mut self, text: &str) {
        for field in FIELDS {
            let after = text.split(field).skip(1);
            let values = after
                .filter_map(|after| after.trim_start_matches(['"', '\'']).trim_start().strip_prefix(':'));
            for value in values {
                let line = value.lines().next().unwrap_or_default();
                self.hide(line);
                let ends = |char: char| char.is_whitespace() || ",}]".contains(char);
                let first = line.trim_start().split(ends).next().unwrap_or_default();
                self.hide(first.trim_matches(['"', '\'']));
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
                            Value::Array(args) if name == "args" => scrub.arguments(args),
                            other => walk(scrub, other),
                        }
                    }
                }
                Value::Array(items) => items.iter().for_each(|item| walk(scrub, item)),
                _ => {}
            }
        }
        let text = regular::text(path).ok().map(Zeroizing::new);
        let Some(text) = text else { return };
        match serde_yaml::from_str::<Value>(&text) {
            Ok(value) => walk(self, &value),
            Err(_) => self.lines(&text),
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
        let out = said(&pem(&out));
        let out = BEGINNINGS.iter().fold(out, |text, beginning| cut(&text, beginning));
        logins(&out)
    }
}

/// Takes out what login programs say, up to the end of the line. How they ended stays.
fn said(text: &str) -> String {
    let line = |line: &str| {
        let Some(at) = line.find(FAILED).map(|at| at + FAILED.len()) else { return line.to_owned() };
        let (before, tail) = line.split_at(at);
        // `exit status: 3: what it said`
        let Some((end, _)) = tail.match_indices(": ").nth(1) else { return line.to_owned() };
        let close = ["\",", "\"", "\",\n", "\"\n", "\n"].into_iter().filter(|close| tail.ends_with(close));
        let close = close.max_by_key(|close| close.len()).unwrap_or_default();
        format!("{before}{}: {REDACTED}{close}", &tail[..end])
    };
    text.split_inclusive('\n').map(line).collect()
}

/// As addresses have it: each byte but letters, digits and these as `%` and two digits.
fn percent(text: &str, kept: &[u8]) -> String {
    let mut out = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || kept.contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
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

/// Takes out the login of every address, and what stands behind its `?`.
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
        let end = after.find(|char: char| char.is_whitespace() || "\"'`<>\\".contains(char));
        let (path, more) = after.split_at(end.unwrap_or(after.len()));
        match path.split_once('?') {
            Some((path, query)) if !query.is_empty() => {
                // A second address may be in it, which is not looked for then.
                out.push_str(&logins(path));
                out.push('?');
                out.push_str(REDACTED);
                rest = more;
            }
            _ => rest = after,
        }
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

    #[test]
    fn a_known_secret_is_taken_out_however_it_is_written() {
        let mut scrub = Scrub::default();
        scrub.hide("sec%ret/TOK+en==99");
        for written in [
            "sec%25ret%2FTOK%2Ben%3D%3D99",
            "sec%25ret%2ftok%2ben%3d%3d99",
            "sec%25ret/TOK%2Ben%3D%3D99",
            "sec%25ret/TOK+en==99",
            "c2VjJXJldC9UT0srZW49PTk5",
        ] {
            assert_eq!(scrub.text(&format!("a {written} b")), format!("a {REDACTED} b"));
        }
        assert_eq!(
            scrub.text(r#""https://h.example/x/y?sig=abc&u=https://i/\" z"#),
            r#""https://h.example/x/y?[redacted]\" z"#
        );
        assert_eq!(scrub.text("is https://h.example/x? yes"), "is https://h.example/x? yes");
    }

    #[test]
    fn what_a_login_program_gets_and_says_is_taken_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kubeconfig");
        let text = "users: [{name: u, user: {exec: {command: plug, args: [oidc-login, --client-secret=of-an-option, \
                    --issuer, --password, ofaword, -pOfOne, Z9-alone]}}}]\n";
        std::fs::write(&path, text).unwrap();
        let scrub = Scrub::of(&[path], std::iter::empty());
        for secret in ["of-an-option", "ofaword", "-pOfOne", "Z9-alone"] {
            assert!(!scrub.text(&format!("a {secret} b")).contains(secret), "{secret}");
        }
        assert_eq!(scrub.text("oidc-login --issuer"), "oidc-login --issuer");
        let why = "with the program `x`, which failed: exit status: 3: --pw \"unknown: 7\"";
        let all = serde_json::to_string_pretty(&serde_json::json!({"a": why, "b": [why]})).unwrap();
        let all = scrub.text(&format!("failed {why}\n  todo\n{all}"));
        assert!(!all.contains("unknown") && !all.contains("--pw"), "{all}");
        let (text, json) = all.split_once("\n{").unwrap();
        assert!(
            text.ends_with("\n  todo") && text.contains("which failed: exit status: 3: [redacted]"),
            "{text}"
        );
        let json: Value = serde_json::from_str(&format!("{{{json}")).unwrap();
        let why = "with the program `x`, which failed: exit status: 3: [redacted]";
        assert_eq!(json, serde_json::json!({"a": why, "b": [why]}));
        assert_eq!(scrub.text("which failed: exit status: 3"), "which failed: exit status: 3");
    }

    #[test]
    fn a_kubeconfig_that_no_parser_reads_has_secrets_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kubeconfig");
        let text = "users:\n- name: x\n  user: {token: of-broken-yaml, \"password\": 'quoted-one', client-key-data: [\n\
                    - user:\n    token: with, a comma\n";
        std::fs::write(&path, text).unwrap();
        let scrub = Scrub::of(&[path], std::iter::empty());
        for secret in ["of-broken-yaml", "quoted-one", "with, a comma"] {
            assert!(!scrub.text(&format!("a {secret} b")).contains(secret), "{secret}");
        }
    }
}
