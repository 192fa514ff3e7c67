//! Whether a delivery comes from a forge that shares a secret with us. The body is hashed while it comes in, byte by
//! byte as it was sent, and never kept. All comparisons take the same time wherever the difference is.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderMap;
use secrecy::{ExposeSecret as _, SecretSlice};
use sha2::{Digest as _, Sha256};

use super::forge::Forge;

/// How far the clock of the forge may be from ours, in seconds, where the time is signed: as Standard Webhooks has it.
const TOLERANCE: i64 = 300;

/// How GitLab's signing tokens begin; the rest is the key in base64.
const SIGNING_TOKEN: &str = "whsec_";

/// The secrets that are shared with the forges.
#[derive(Debug, Default)]
pub struct Keys(Vec<(Forge, Key)>);

#[derive(Debug)]
enum Key {
    /// The body is signed with it.
    Body(SecretSlice<u8>),
    /// It is sent as it is.
    Token(SecretSlice<u8>),
    /// Id, time and body are signed with it.
    Standard(SecretSlice<u8>),
}

/// Why nothing can be checked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum NoClaim {
    /// No forge's signature is on it.
    Unsigned,
    /// There is no secret for this forge.
    NoSecret(Forge),
    /// The signature cannot be one: too short, too long, of another form, or of another time.
    Malformed(Forge),
}

/// A delivery that claims to come from a forge.
pub(super) struct Claim {
    checks: Vec<Check>,
    body: Sha256,
}

enum Check {
    Mac { forge: Forge, mac: Box<Hmac<Sha256>>, signatures: Vec<Vec<u8>> },
    Token { forge: Forge, fits: bool },
}

/// A delivery that does come from a forge.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Signed {
    /// The forge.
    pub(super) forge: Forge,
    /// SHA-256 of the body.
    pub(super) body: [u8; 32],
}

impl Keys {
    /// Adds the secret of a forge.
    ///
    /// # Errors
    /// When it is a signing token of GitLab that is none.
    pub fn add(&mut self, forge: Forge, secret: SecretSlice<u8>) -> Result<(), String> {
        let token = secret.expose_secret().strip_prefix(SIGNING_TOKEN.as_bytes());
        let key = match (forge, token) {
            (Forge::GitLab, Some(text)) => {
                let key = STANDARD.decode(text).ok().filter(|key| !key.is_empty());
                Key::Standard(key.ok_or("what follows `whsec_` in the signing token is not base64")?.into())
            }
            (Forge::GitLab, None) => Key::Token(secret),
            _ => Key::Body(secret),
        };
        self.0.push((forge, key));
        Ok(())
    }

    /// Is there no secret at all?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Is this whole delivery one that would be taken, now?
    #[must_use]
    pub fn takes(&self, headers: &HeaderMap, now: i64, body: &[u8]) -> bool {
        let Ok(mut claim) = self.claim(headers, now) else { return false };
        claim.update(body);
        claim.verify().is_some_and(|signed| {
            let _ = (signed.forge.event(headers), signed.forge.delivery(headers));
            true
        })
    }

    /// The forges that there is a secret for.
    pub fn forges(&self) -> impl Iterator<Item = Forge> {
        self.0.iter().map(|(forge, _)| *forge)
    }

    /// What a delivery with these headers claims, before its body is read. `now` is in seconds.
    ///
    /// # Errors
    /// When there is nothing to check it by.
    pub(super) fn claim(&self, headers: &HeaderMap, now: i64) -> Result<Claim, NoClaim> {
        let mut checks = Vec::new();
        let mut why = NoClaim::Unsigned;
        for forge in Forge::ALL {
            let signed = |name: &str| headers.get(name).map(http::HeaderValue::as_bytes);
            let standard = signed("webhook-signature").filter(|_| forge == Forge::GitLab);
            let simple = signed(forge.signature());
            if simple.or(standard).is_none() {
                continue;
            }
            let check = match self.0.iter().find(|(of, _)| *of == forge) {
                None => Err(NoClaim::NoSecret(forge)),
                Some((_, key)) => {
                    key.check(forge, simple, standard, headers, now).ok_or(NoClaim::Malformed(forge))
                }
            };
            match check {
                Ok(check) => checks.push(check),
                Err(reason) if why == NoClaim::Unsigned => why = reason,
                Err(_) => {}
            }
        }
        if checks.is_empty() { Err(why) } else { Ok(Claim { checks, body: Sha256::new() }) }
    }
}

impl Key {
    /// How to check a delivery; nothing where its signature cannot be one.
    fn check(
        &self,
        forge: Forge,
        simple: Option<&[u8]>,
        standard: Option<&[u8]>,
        headers: &HeaderMap,
        now: i64,
    ) -> Option<Check> {
        match self {
            Key::Body(key) => {
                let hex = simple?;
                let hex = if forge == Forge::GitHub { hex.strip_prefix(b"sha256=")? } else { hex };
                let signatures = vec![bytes(hex)?];
                Some(Check::Mac { forge, mac: Box::new(mac(key.expose_secret())?), signatures })
            }
            Key::Token(key) => {
                // Hashed first, so that not even the length shows.
                let digest = |text: &[u8]| Some(mac(b"token")?.chain_update(text));
                let given = digest(simple?)?.finalize().into_bytes();
                let fits = digest(key.expose_secret())?.verify_slice(&given).is_ok();
                Some(Check::Token { forge, fits })
            }
            Key::Standard(key) => {
                let (id, time) = (headers.get("webhook-id")?, headers.get("webhook-timestamp")?);
                let when: i64 = time.to_str().ok()?.parse().ok()?;
                if now.checked_sub(when)?.checked_abs()? > TOLERANCE {
                    return None;
                }
                let one = |text: &[u8]| STANDARD.decode(text.strip_prefix(b"v1,")?).ok();
                // A key that is being exchanged gives two of them.
                let signatures: Vec<Vec<u8>> =
                    standard?.split(|byte| *byte == b' ').filter_map(one).take(4).collect();
                let mac = mac(key.expose_secret())?;
                let mac = mac.chain_update(id).chain_update(b".").chain_update(time).chain_update(b".");
                Some(Check::Mac { forge, mac: Box::new(mac), signatures })
            }
        }
    }
}

impl Claim {
    /// The next part of the body.
    pub(super) fn update(&mut self, part: &[u8]) {
        self.body.update(part);
        for check in &mut self.checks {
            if let Check::Mac { mac, .. } = check {
                mac.update(part);
            }
        }
    }

    /// Whether it is true, now that the body is complete.
    #[must_use]
    pub(super) fn verify(self) -> Option<Signed> {
        let body = self.body.finalize().into();
        self.checks.into_iter().find_map(|check| {
            let (forge, fits) = match check {
                Check::Token { forge, fits } => (forge, fits),
                Check::Mac { forge, mac, signatures } => {
                    (forge, signatures.iter().any(|signature| mac.clone().verify_slice(signature).is_ok()))
                }
            };
            fits.then_some(Signed { forge, body })
        })
    }
}

fn mac(key: &[u8]) -> Option<Hmac<Sha256>> {
    // HMAC takes keys of any length.
    Hmac::new_from_slice(key).ok()
}

/// The bytes that hexadecimal digits stand for.
fn bytes(hex: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = hex.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return None;
    }
    pairs.map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with `openssl dgst -sha256 -hmac`.
    const PUSH: &str = "22666d4b3c1d2000f3f041ab5a578498b0981a4ebf779f45cb63279a9095e4c4";

    fn signed(
        forge: Forge,
        secret: &str,
        headers: &[(&'static str, &str)],
        body: &[&str],
    ) -> Result<Option<Forge>, NoClaim> {
        let mut keys = Keys::default();
        keys.add(forge, secret.as_bytes().to_vec().into()).unwrap();
        let headers: HeaderMap =
            headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let mut claim = keys.claim(&headers, 1_700_000_000)?;
        body.iter().for_each(|part| claim.update(part.as_bytes()));
        Ok(claim.verify().map(|signed| signed.forge))
    }

    #[test]
    fn githubs_own_example_is_signed_and_nothing_near_it() {
        let secret = "It's a Secret to Everybody";
        let hex = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let with = |signature: &str, body: &[&str]| {
            signed(Forge::GitHub, secret, &[("x-hub-signature-256", signature)], body)
        };
        let good = format!("sha256={hex}");
        assert_eq!(with(&good, &["Hello, World!"]), Ok(Some(Forge::GitHub)));
        assert_eq!(with(&good, &["Hello", ", Wor", "ld!"]), Ok(Some(Forge::GitHub)));
        assert_eq!(
            with(&good.to_uppercase().replace("SHA", "sha"), &["Hello, World!"]),
            Ok(Some(Forge::GitHub))
        );
        assert_eq!(with(&good, &["Hello, World"]), Ok(None));
        for truncated in [&good[..good.len() - 2], "sha256=", "sha256=75", "sha256=00"] {
            assert_eq!(with(truncated, &["Hello, World!"]), Ok(None), "{truncated}");
        }
        let malformed = Err(NoClaim::Malformed(Forge::GitHub));
        for other in [hex, &good[..good.len() - 1], "sha1=75", "sha256=zz", ""] {
            assert_eq!(with(other, &["Hello, World!"]), malformed, "{other}");
        }
        assert_eq!(signed(Forge::GitHub, secret, &[], &["Hello, World!"]), Err(NoClaim::Unsigned));
        let elsewhere = signed(Forge::GitLab, secret, &[("x-hub-signature-256", &good)], &["Hello, World!"]);
        assert_eq!(elsewhere, Err(NoClaim::NoSecret(Forge::GitHub)));
        let wrong = signed(Forge::GitHub, "another", &[("x-hub-signature-256", &good)], &["Hello, World!"]);
        assert_eq!(wrong, Ok(None));
    }

    #[test]
    fn a_delivery_of_forgejo_is_taken_by_whichever_secret_there_is() {
        let github = format!("sha256={PUSH}");
        let headers =
            [("x-forgejo-signature", PUSH), ("x-gitea-signature", PUSH), ("x-hub-signature-256", &github)];
        for forge in [Forge::Forgejo, Forge::Gitea, Forge::GitHub] {
            assert_eq!(signed(forge, "between us", &headers, &["{}"]), Ok(Some(forge)));
        }
        assert_eq!(
            signed(Forge::GitLab, "between us", &headers, &["{}"]),
            Err(NoClaim::NoSecret(Forge::Forgejo))
        );
    }

    #[test]
    fn gitlabs_token_is_the_secret_itself() {
        let with = |token: &str| signed(Forge::GitLab, "between us", &[("x-gitlab-token", token)], &["{}"]);
        assert_eq!(with("between us"), Ok(Some(Forge::GitLab)));
        for other in ["between u", "between us ", "Between us", "", "between usbetween us"] {
            assert_eq!(with(other), Ok(None), "{other}");
        }
    }

    #[test]
    fn gitlabs_signing_token_signs_id_time_and_body() {
        let secret = "whsec_a2V5IG9mIHRoaXJ0eS10d28gYnl0ZXMsIG9yIHNvLi4=";
        let with = |id: &str, time: &str, signature: &str, body: &str| {
            let headers = [("webhook-id", id), ("webhook-timestamp", time), ("webhook-signature", signature)];
            signed(Forge::GitLab, secret, &headers, &[body])
        };
        let good = "v1,L1eP14XS7MLZ9RLNEx9sHyAEwJv2gH4YDjGjwuCZRIo=";
        assert_eq!(with("msg_1", "1700000000", good, "{}"), Ok(Some(Forge::GitLab)));
        assert_eq!(
            with("msg_1", "1700000000", &format!("v1,AAAA v2,x {good}"), "{}"),
            Ok(Some(Forge::GitLab))
        );
        assert_eq!(with("msg_2", "1700000000", good, "{}"), Ok(None));
        assert_eq!(with("msg_1", "1700000001", good, "{}"), Ok(None));
        assert_eq!(with("msg_1", "1700000000", good, "{ }"), Ok(None));
        assert_eq!(with("msg_1", "1700000000", "v1,", "{}"), Ok(None));
        let malformed = Err(NoClaim::Malformed(Forge::GitLab));
        for time in ["1699999699", "1700000301", "-9223372036854775808", "soon"] {
            assert_eq!(with("msg_1", time, good, "{}"), malformed, "{time}");
        }
        // The token of old is not taken in its place.
        assert_eq!(signed(Forge::GitLab, secret, &[("x-gitlab-token", secret)], &["{}"]), malformed);
        assert!(Keys::default().add(Forge::GitLab, b"whsec_%".to_vec().into()).is_err());
    }
}
