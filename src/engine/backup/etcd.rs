//! A snapshot of etcd, as k3s makes it: a database of bbolt, and behind it the SHA-256 of that. It may be long, so nobody holds
//! it in memory: it is looked at while it passes by.

use std::io::{self, ErrorKind, Read};

use sha2::{Digest as _, Sha256};

use crate::archive::hex;

/// How long the sum at the end is.
const SUM: u64 = 32;
/// What the length of a database is a multiple of. By this etcd itself tells whether a sum is at the end.
const UNIT: u64 = 512;
/// What the first page of bbolt begins with before its own words.
const PAGE: usize = 16;
/// The words of bbolt, and its form.
const MAGIC: [u8; 4] = 0xED0C_DAED_u32.to_le_bytes();
const VERSION: [u8; 4] = 2_u32.to_le_bytes();
/// How long what bbolt makes a checksum of is, and the checksum.
const META: usize = 56;
const CHECKSUM: usize = 8;
/// Where k3s keeps the certificates of the cluster in etcd, encrypted by the token: a part of the sum of the token is in the name.
const BOOTSTRAP: &[u8] = b"/bootstrap/";
/// How long that part is.
const KEY: usize = 12;

/// What was seen of a snapshot that is whole.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Seen {
    /// SHA-256 of all of it.
    pub(super) sha256: String,
    /// By which token k3s encrypted what is in it.
    pub(super) token: Token,
}

/// By which token k3s encrypted the certificates of the cluster in a snapshot. It restores a snapshot only with that token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Token {
    /// By this one.
    Own,
    /// By another one.
    Other,
    /// There are none in it.
    Nowhere,
    /// No token was there to compare.
    Unknown,
}

/// Reads a snapshot of this length to its end; or says why it is none, as a sentence without a full stop.
pub(super) fn look(
    from: &mut dyn Read,
    size: u64,
    token: Option<&[u8]>,
) -> io::Result<Result<Seen, &'static str>> {
    let body = size.checked_sub(SUM).filter(|body| *body > 0 && body.is_multiple_of(UNIT));
    let Some(body) = body else { return Ok(Err("no snapshot of etcd is that long, so it was cut off")) };
    let (mut sum, mut head, mut keys) = (Sha256::new(), Vec::new(), Keys::of(token));
    let mut buffer = vec![0; 128 * 1024];
    let mut body = from.take(body);
    loop {
        let read = match body.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => buffer.get(..read).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        sum.update(read);
        keys.hear(read);
        let missing = (PAGE + META + CHECKSUM).saturating_sub(head.len());
        head.extend_from_slice(read.get(..missing.min(read.len())).unwrap_or_default());
    }
    if body.limit() > 0 {
        return Ok(Err("it became shorter while it was read"));
    }
    let mut end = Vec::new();
    body.into_inner().take(SUM + 1).read_to_end(&mut end)?;
    if end.len() as u64 != SUM {
        return Ok(Err("its length changed while it was read"));
    }
    let mut all = sum.clone();
    all.update(&end);
    if sum.finalize()[..] != end[..] {
        return Ok(Err("its content is not what the sum at its end says"));
    }
    if !is_bbolt(&head) {
        return Ok(Err("it is no database of etcd"));
    }
    Ok(Ok(Seen { sha256: hex(&all.finalize()).to_string(), token: keys.token() }))
}

/// Does a database of bbolt begin so?
fn is_bbolt(head: &[u8]) -> bool {
    let Some((meta, checksum)) = head.get(PAGE..).and_then(|rest| rest.split_at_checked(META)) else {
        return false;
    };
    // FNV-1a.
    let sum = meta
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    meta.starts_with(&MAGIC) && meta.get(4..8) == Some(&VERSION) && *checksum == sum.to_le_bytes()
}

/// The names of what k3s encrypted by its token.
struct Keys {
    own: Option<String>,
    /// What may be the beginning of a name.
    window: Vec<u8>,
    found: bool,
    others: bool,
}

impl Keys {
    fn of(token: Option<&[u8]>) -> Keys {
        let own = token.and_then(passphrase).map(|words| hex(&Sha256::digest(words))[..KEY].to_owned());
        Keys { own, window: Vec::new(), found: false, others: false }
    }

    fn hear(&mut self, bytes: &[u8]) {
        let Some(own) = &self.own else { return };
        self.window.extend_from_slice(bytes);
        let mut rest = self.window.as_slice();
        while let Some(at) = rest.iter().position(|byte| *byte == b'/') {
            rest = rest.get(at..).unwrap_or_default();
            let key = rest.strip_prefix(BOOTSTRAP).and_then(|key| key.get(..KEY));
            if let Some(key) = key.filter(|key| key.iter().all(u8::is_ascii_hexdigit)) {
                let is_own = key == own.as_bytes();
                self.found |= is_own;
                self.others |= !is_own;
            }
            if rest.len() < BOOTSTRAP.len() + KEY {
                break;
            }
            rest = rest.get(1..).unwrap_or_default();
        }
        let done = self.window.len().saturating_sub(BOOTSTRAP.len() + KEY - 1);
        self.window.drain(..done);
    }

    fn token(&self) -> Token {
        match (&self.own, self.found, self.others) {
            (None, ..) => Token::Unknown,
            (_, true, _) => Token::Own,
            (_, false, true) => Token::Other,
            (_, false, false) => Token::Nowhere,
        }
    }
}

/// What of a token k3s encrypts by: the password in `K10…::server:PASSWORD`, or all of a short one.
fn passphrase(token: &[u8]) -> Option<&str> {
    let token = std::str::from_utf8(token).ok()?.trim();
    let words = match token.strip_prefix("K10") {
        Some(full) => full.split_once("::").map_or(full, |(_, rest)| rest).split_once(':')?.1,
        None => token,
    };
    (!words.is_empty()).then_some(words)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A snapshot with this in it, behind what bbolt begins with.
    pub(in super::super) fn snapshot(content: &[u8]) -> Vec<u8> {
        let mut meta = [&MAGIC[..], &VERSION, &4096_u32.to_le_bytes()].concat();
        meta.resize(META, 7);
        let sum = meta.iter().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
            (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let mut bytes = [&[0; PAGE], &meta[..], &sum.to_le_bytes(), content].concat();
        bytes.resize(bytes.len().next_multiple_of(4096), 0);
        whole(bytes)
    }

    fn whole(mut body: Vec<u8>) -> Vec<u8> {
        let sum = Sha256::digest(&body);
        body.extend_from_slice(&sum);
        body
    }

    fn said(bytes: &[u8]) -> Result<Seen, &'static str> {
        look(&mut &bytes[..], bytes.len() as u64, Some(b"K10ab::server:secret\n")).unwrap()
    }

    #[test]
    fn a_snapshot_that_is_not_whole_is_none() {
        let good = snapshot(&[5; 300_000]);
        let seen = said(&good).unwrap();
        assert_eq!(seen, Seen { sha256: hex(&Sha256::digest(&good)).to_string(), token: Token::Nowhere });
        for at in [0, 17, 200_000, good.len() - 33, good.len() - 1] {
            let mut bytes = good.clone();
            bytes[at] ^= 1;
            assert!(said(&bytes).unwrap_err().contains("sum at its end"), "{at}");
        }
        for most in [0, 31, 32, 100, good.len() - 1, good.len() - 32] {
            assert!(said(&good[..most]).unwrap_err().contains("cut off"), "{most}");
        }
        // Cut where the length fits.
        assert!(said(&good[..4096 + 32]).unwrap_err().contains("sum at its end"));
        // It is longer or shorter than it was said to be.
        for size in [good.len() + 512, good.len() - 512] {
            let why = look(&mut &good[..], size as u64, None).unwrap().unwrap_err();
            assert!(why.contains("while it was read"), "{why}");
        }
        // Something else with a sum at its end.
        assert_eq!(said(&whole(vec![1; 4096])).unwrap_err(), "it is no database of etcd");
        let mut other = good[..good.len() - 32].to_vec();
        other[PAGE + 30] ^= 1;
        assert_eq!(said(&whole(other)).unwrap_err(), "it is no database of etcd");
    }

    /// The name is found wherever it lies, and a snapshot that was made with another token is told from one that says nothing.
    #[test]
    fn the_token_of_a_snapshot_is_known_by_its_sum() {
        let key = hex(&Sha256::digest("secret"))[..KEY].to_owned();
        let token = |content: &[u8]| said(&snapshot(content)).unwrap().token;
        for before in [0, 1, 131_072 - 90, 131_072 - 80, 131_072 - 79, 200_000] {
            let content = |key: &str| [&vec![b'/'; before], BOOTSTRAP, key.as_bytes(), b"\0"].concat();
            assert_eq!(token(&content(&key)), Token::Own, "{before}");
            assert_eq!(token(&content("0123456789ab")), Token::Other, "{before}");
            assert_eq!(token(&[content("0123456789ab"), content(&key)].concat()), Token::Own, "{before}");
            assert_eq!(token(&content("not-a-sum-at")), Token::Nowhere);
        }
        assert_eq!(look(&mut &snapshot(b"")[..], 4096 + 32, None).unwrap().unwrap().token, Token::Unknown);
        for (token, words) in [
            ("K10ab::server:a:b\n", Some("a:b")),
            ("short", Some("short")),
            ("K10ab::server", None),
            ("K10ab::server:", None),
            ("", None),
        ] {
            assert_eq!(passphrase(token.as_bytes()), words, "{token}");
        }
    }
}
