//! What a token says of itself: whose it is and when it ends. Nobody checks its signature here; who changed the file
//! could only make kwo write a new one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use kwo_planner::node::GOOD;
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::Serialize;
use smol_str::{SmolStr, format_smolstr};
use zeroize::Zeroizing;

/// A token, as far as it tells of itself.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, JsonSchema)]
pub struct KeptToken {
    /// When it was made.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub made: Option<Timestamp>,
    /// When it ends; nothing where it never does.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub ends: Option<Timestamp>,
    /// How it is now.
    pub state: TokenState,
}

/// How a token is now.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TokenState {
    /// More than a third of its time is left.
    Good,
    /// The next run renews it.
    Aging,
    /// Nobody can log in with it.
    Ended,
    /// It is good for as long as its Secret is there.
    NeverEnds,
}

/// Of its time a good token has more than one part in so many left.
const PARTS: i64 = 3;

/// What kwo reads of it.
#[derive(Debug, Deserialize)]
pub(super) struct Claims {
    sub: SmolStr,
    #[serde(default)]
    iat: Option<i64>,
    /// The second from which on it is no longer good; one without never ends.
    #[serde(default)]
    exp: Option<i64>,
    #[serde(default, rename = "kubernetes.io")]
    kubernetes: Bound,
}

#[derive(Debug, Default, Deserialize)]
struct Bound {
    #[serde(default)]
    serviceaccount: Account,
}

#[derive(Debug, Default, Deserialize)]
struct Account {
    #[serde(default)]
    uid: SmolStr,
}

impl Claims {
    /// Reads a token; nothing where it is none.
    pub(super) fn read(token: &SecretString) -> Option<Claims> {
        let payload = token.expose_secret().split('.').nth(1)?;
        let payload = Zeroizing::new(URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?);
        serde_json::from_slice(&payload).ok()
    }

    /// When it ends.
    pub(super) fn until(&self) -> Option<Timestamp> {
        Timestamp::from_second(self.exp?).ok()
    }

    /// What there is to tell of it.
    pub(super) fn told(&self, now: Timestamp) -> KeptToken {
        let state = match self.until() {
            None => TokenState::NeverEnds,
            Some(until) if until <= now => TokenState::Ended,
            Some(_) if self.is_aging(now) => TokenState::Aging,
            Some(_) => TokenState::Good,
        };
        let made = self.iat.and_then(|iat| Timestamp::from_second(iat).ok());
        KeptToken { made, ends: self.until(), state }
    }

    /// For how many seconds it was made.
    pub(super) fn span(&self) -> Option<i64> {
        Some(self.exp? - self.iat?)
    }

    /// Is it time for another one? The moment does not change what is said, so that a plan stays what it is for as
    /// long as the file does.
    pub(super) fn is_aging(&self, now: Timestamp) -> bool {
        let left = self.exp.map(|exp| exp.saturating_sub(now.as_second()));
        left.is_some_and(|left| left.saturating_mul(PARTS) <= self.span().unwrap_or(0).max(0))
    }

    /// In words: good for this account, or what is wrong with it.
    pub(super) fn verdict(
        &self,
        namespace: &str,
        account: &str,
        uid: Option<&SmolStr>,
        now: Timestamp,
    ) -> SmolStr {
        if self.sub != format!("system:serviceaccount:{namespace}:{account}") {
            return match plain(&self.sub) {
                true => format_smolstr!("is of {}", self.sub),
                false => SmolStr::new_static("is of somebody else"),
            };
        }
        let Some(until) = self.until() else { return SmolStr::new_static("never ends") };
        if uid != Some(&self.kubernetes.serviceaccount.uid) {
            return SmolStr::new_static("is of an earlier account with that name, and no longer valid");
        }
        if self.is_aging(now) { format_smolstr!("ends {until}") } else { SmolStr::new_static(GOOD) }
    }
}

/// Can a text that anybody may have written be shown?
pub(super) fn plain(text: &str) -> bool {
    (1..=253).contains(&text.len()) && text.chars().all(|char| char.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(claims: &str) -> SecretString {
        format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(claims)).into()
    }

    #[test]
    fn a_token_is_good_until_a_third_of_its_time_is_left() {
        let claims = r#"{"sub":"system:serviceaccount:a:deployer","iat":1000,"exp":4000,"kubernetes.io":{"serviceaccount":{"uid":"u"}}}"#;
        let claims = Claims::read(&token(claims)).unwrap();
        let said = |namespace, uid: &str, now| {
            let now = Timestamp::from_second(now).unwrap();
            claims.verdict(namespace, "deployer", Some(&uid.into()), now).to_string()
        };
        assert_eq!(said("a", "u", 2999), "good");
        assert_eq!(said("a", "u", 3000), "ends 1970-01-01T01:06:40Z");
        assert_eq!(said("a", "u", 9999), "ends 1970-01-01T01:06:40Z");
        assert_eq!(said("b", "u", 2000), "is of system:serviceaccount:a:deployer");
        assert!(said("a", "v", 2000).contains("earlier account"));
        assert!(claims.verdict("a", "deployer", None, Timestamp::UNIX_EPOCH).contains("earlier account"));
    }

    #[test]
    fn one_without_an_end_and_what_is_no_token_are_known() {
        let claims = Claims::read(&token(r#"{"sub":"system:serviceaccount:a:deployer"}"#)).unwrap();
        assert_eq!(claims.verdict("a", "deployer", None, Timestamp::UNIX_EPOCH), "never ends");
        let claims = Claims::read(&token(r#"{"sub":"x\u001b[2Jy"}"#)).unwrap();
        assert_eq!(claims.verdict("a", "deployer", None, Timestamp::UNIX_EPOCH), "is of somebody else");
        for text in ["", "a.b", "a.!.c", "secret"] {
            assert!(Claims::read(&text.to_owned().into()).is_none(), "{text}");
        }
    }
}
