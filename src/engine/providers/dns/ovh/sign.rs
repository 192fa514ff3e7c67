//! OVH wants each request signed with SHA-1 of the keys, what is asked, where, and when. The secret of the application is never
//! sent. The clock of this machine may be wrong, and somebody may set it during a run. So the time is that of OVH, and goes on by a
//! clock that nobody sets. What OVH says is believed only within a day, so that nobody is given signatures for another year.

use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretSlice};
use sha1::{Digest as _, Sha1};

use crate::providers::api::secret_header;

const APPLICATION: HeaderName = HeaderName::from_static("x-ovh-application");
const CONSUMER: HeaderName = HeaderName::from_static("x-ovh-consumer");
const TIMESTAMP: HeaderName = HeaderName::from_static("x-ovh-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("x-ovh-signature");

/// What stands before a signature: its version.
const FORM: &str = "$1$";

/// The keys of an application and of who lets it in.
pub(super) struct Keys {
    pub(super) application: SecretSlice<u8>,
    pub(super) secret: SecretSlice<u8>,
    pub(super) consumer: SecretSlice<u8>,
}

impl Keys {
    /// The header lines of a request to this address, which has the query, at this time.
    ///
    /// # Errors
    /// When a key has characters that no header has; it is not shown.
    pub(super) fn sign(&self, method: &Method, url: &str, body: &str, now: i64) -> Result<HeaderMap, String> {
        let Keys { application, secret, consumer } = self;
        let signature = signature((secret, consumer), (method.as_str(), url, body), now);
        let time = HeaderValue::from(now);
        Ok(HeaderMap::from_iter([
            (APPLICATION, secret_header(application.expose_secret())?),
            (CONSUMER, secret_header(consumer.expose_secret())?),
            (TIMESTAMP, time),
            (SIGNATURE, secret_header(signature.as_bytes())?),
        ]))
    }
}

fn signature(
    (secret, consumer): (&SecretSlice<u8>, &SecretSlice<u8>),
    (method, url, body): (&str, &str, &str),
    now: i64,
) -> String {
    let mut sha = Sha1::new();
    sha.update(secret.expose_secret());
    sha.update(b"+");
    sha.update(consumer.expose_secret());
    sha.update(format!("+{method}+{url}+{body}+{now}"));
    let hex: String = sha.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{FORM}{hex}")
}

/// How far the two clocks may be apart, in seconds.
const FARTHEST: u64 = 24 * 60 * 60;

/// The clock of OVH: what it told, and when.
pub(super) struct Clock {
    told: i64,
    at: Instant,
}

impl Clock {
    /// That of OVH, which says this now; nothing where that is not believed.
    pub(super) fn told(told: i64) -> Option<Clock> {
        let apart = told.checked_sub(Timestamp::now().as_second())?;
        (apart.unsigned_abs() <= FARTHEST).then(|| Clock { told, at: Instant::now() })
    }

    /// The time there.
    pub(super) fn now(&self) -> i64 {
        self.told.saturating_add_unsigned(self.at.elapsed().as_secs())
    }
}

/// How long a question for the time may take before its answer is of no use.
pub(super) const FRESH: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> SecretSlice<u8> {
        SecretSlice::from(text.as_bytes().to_vec())
    }

    #[test]
    fn a_request_is_signed_as_ovh_says() {
        // By `sha1sum` of the joined text.
        let url = "https://eu.api.ovh.com/1.0/domain/zone/example.com/record?subDomain=www";
        let keys = (secret("EXEgWIz07P0HYwtQDs7cNIqCiQaWSuHF"), secret("MtSwSrPpNjqfVSmJhLbPyr2i45lSwPU1"));
        for (method, body, signature) in [
            ("GET", "", "$1$11ebe99d274a36683d965ac42c0a0eb6afe55f5a"),
            ("POST", r#"{"fieldType":"A"}"#, "$1$23f07518ced34a5358724deaad059b2edf9b7113"),
        ] {
            assert_eq!(super::signature((&keys.0, &keys.1), (method, url, body), 1_366_560_945), signature);
        }
    }

    #[test]
    fn a_time_of_another_day_is_not_believed() {
        let here = Timestamp::now().as_second();
        let now = |told| Clock::told(told).map(|clock| clock.now());
        assert!(now(here - 4000).is_some_and(|now| (here - 4000..=here - 3990).contains(&now)));
        for told in [i64::MIN, i64::MAX, 0, here + 90_000, here - 90_000] {
            assert_eq!(now(told), None, "{told}");
        }
    }

    #[test]
    fn no_log_shows_a_key() {
        let keys =
            Keys { application: secret("app"), secret: secret("s3cret"), consumer: secret("c0nsumer") };
        let headers = keys.sign(&Method::GET, "https://x/1.0/y", "", 1).unwrap();
        let told = format!("{headers:?}");
        assert!(
            !told.contains("s3cret") && !told.contains("c0nsumer") && told.contains("x-ovh-timestamp"),
            "{told}"
        );
    }
}
