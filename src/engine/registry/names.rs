//! How a registry calls things. A name that is none is never put into a path.

use kwo_planner::tree::SmolStr;

/// The longest name of a repository, with the host; registries take no more.
const LONGEST: usize = 255;

/// May a repository have this name?
pub(super) fn is_repository(name: &str) -> bool {
    name.len() <= LONGEST && name.split('/').all(is_part)
}

/// One part of it: runs of lower-case letters and digits, with `.`, `_`, `__` or dashes between.
fn is_part(part: &str) -> bool {
    let plain = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit();
    let between = part.split(plain).filter(|run| !run.is_empty());
    part.starts_with(plain)
        && part.ends_with(plain)
        && between
            .into_iter()
            .all(|run| matches!(run, "." | "_" | "__") || run.bytes().all(|byte| byte == b'-'))
}

/// May a tag have this name?
pub(super) fn is_tag(name: &str) -> bool {
    let word = |char: char| char.is_ascii_alphanumeric() || char == '_';
    name.len() <= 128
        && name.starts_with(word)
        && name.chars().all(|char| word(char) || matches!(char, '.' | '-'))
}

/// The digest of something, `sha256:…`: names what it is for, so that it can be checked.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) struct Digest(SmolStr);

impl Digest {
    /// A digest that a registry can have: what is of another kind, nobody here could check.
    pub(super) fn new(text: &str) -> Option<Digest> {
        let (kind, hex) = text.split_once(':')?;
        let length = match kind {
            "sha256" => 64,
            "sha512" => 128,
            _ => return None,
        };
        let is_hex = hex.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'));
        (hex.len() == length && is_hex).then(|| Digest(text.into()))
    }

    /// Is it that of these bytes?
    pub(super) fn is_of(&self, bytes: &[u8]) -> bool {
        use sha2::Digest as _;
        let hex = |sum: &[u8]| sum.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let found = match self.0.split_once(':') {
            Some(("sha256", _)) => format!("sha256:{}", hex(&sha2::Sha256::digest(bytes))),
            _ => format!("sha512:{}", hex(&sha2::Sha512::digest(bytes))),
        };
        found == self.0
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_a_registry_has_are_names() {
        for good in ["alice", "alice/web", "a/b/c", "a.b/c_d", "a__b", "a---b/0"] {
            assert!(is_repository(good), "{good}");
        }
        let long = "a".repeat(256);
        for bad in [
            "",
            "/",
            "alice/",
            "/alice",
            "a//b",
            "Alice",
            "..",
            "alice/../bob",
            "a?n=1",
            "a b",
            "a\n",
            "a\u{1b}[2J",
            "a.",
            "a..b",
            "a___b",
            "a%2fb",
            "a#b",
            "ä",
            &long,
        ] {
            assert!(!is_repository(bad), "{bad:?}");
        }
        for (tag, good) in
            [("v1.0-rc_1", true), ("_x", true), ("", false), (".x", false), ("a/b", false), ("a\r", false)]
        {
            assert_eq!(is_tag(tag), good, "{tag:?}");
        }
        assert!(!is_tag(&"x".repeat(129)));
    }

    #[test]
    fn a_digest_is_that_of_its_bytes() {
        // The digests of nothing.
        let short = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let long = "sha512:cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e";
        for text in [short, long] {
            let digest = Digest::new(text).unwrap();
            assert!(digest.is_of(b"") && !digest.is_of(b"x"), "{text}");
        }
        let upper = short.to_uppercase();
        for bad in [
            "",
            "sha256:",
            "md5:d41d8cd98f00b204e9800998ecf8427e",
            &short[..70],
            upper.as_str(),
            "sha256:../x",
        ] {
            assert!(Digest::new(bad).is_none(), "{bad}");
        }
    }
}
