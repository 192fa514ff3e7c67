//! Why kwo does not trust the server's certificate, or why the server does not accept ours, in words for the owner of
//! the kubeconfig.

use jiff::Timestamp;
use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError};

/// Why a certificate is not to be trusted, as the rest of a sentence that begins with it. A kubeconfig says whom to trust, or
/// else the roster and the machine do.
pub(super) fn certificate(why: &CertificateError, by_kubeconfig: bool) -> String {
    match why {
        CertificateError::UnknownIssuer if !by_kubeconfig => {
            "no certificate authority that the roster names for it, or that this machine trusts, signed it".to_owned()
        }
        CertificateError::BadSignature if !by_kubeconfig => {
            "its signature is wrong: the certificate authority that kwo trusts for it has the right name and another key"
                .to_owned()
        }
        CertificateError::NotValidForNameContext { expected, presented } if !by_kubeconfig => {
            format!("it is not for {}, only for {}", expected.to_str(), names(presented))
        }
        CertificateError::ExpiredContext { time: _, not_after } => {
            format!("it expired on {}; renew it, or check the clock of this machine", day(*not_after))
        }
        CertificateError::Expired => {
            "it has expired; renew it, or check the clock of this machine".to_owned()
        }
        CertificateError::NotValidYetContext { time: _, not_before } => {
            format!("it is not valid before {}; check the clock of this machine", day(*not_before))
        }
        CertificateError::NotValidYet => "it is not valid yet; check the clock of this machine".to_owned(),
        CertificateError::Revoked => "it was revoked".to_owned(),
        CertificateError::UnknownIssuer => "the certificate authority in the kubeconfig did not sign it; \
            the kubeconfig may be that of another cluster, or of one that was set up again"
            .to_owned(),
        CertificateError::BadSignature => {
            "its signature is wrong: the certificate authority in the kubeconfig has \
            the right name and another key"
                .to_owned()
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            let names = names(presented);
            format!(
                "it is not for {}, only for {names}; use one of these names in the kubeconfig (`tls-server-name` \
                 keeps the address), or have the server's certificate name this one (`tls-san` with k3s)",
                expected.to_str()
            )
        }
        CertificateError::NotValidForName => "it is not for this name or address".to_owned(),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "it is not one for servers".to_owned()
        }
        other => other.to_string(),
    }
}

/// Why the server did not want to go on.
pub(super) fn alert(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::CertificateRequired => "it asks for a client certificate".to_owned(),
        AlertDescription::CertificateExpired => {
            "the client certificate of the kubeconfig has expired".to_owned()
        }
        AlertDescription::CertificateRevoked => {
            "the client certificate of the kubeconfig was revoked".to_owned()
        }
        AlertDescription::BadCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::UnknownCA => {
            "it does not take the client certificate of the kubeconfig".to_owned()
        }
        AlertDescription::UnrecognisedName => "it serves no such name".to_owned(),
        AlertDescription::ProtocolVersion => {
            "it speaks no version of TLS that kwo does, 1.2 and 1.3".to_owned()
        }
        other => words(&format!("{other:?}")),
    }
}

/// `HandshakeFailure` as words.
fn words(name: &str) -> String {
    let mut words = String::new();
    for char in name.chars() {
        if char.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(char.to_ascii_lowercase());
    }
    words
}

fn names(presented: &[String]) -> String {
    let names: Vec<&str> = presented.iter().map(|name| bare(name)).collect();
    if names.is_empty() { "no name at all".to_owned() } else { names.join(", ") }
}

/// A name as the certificate has it, without the word for its kind.
fn bare(name: &str) -> &str {
    let inner = name.split_once('(').map_or(name, |(_, rest)| rest.trim_end_matches(')'));
    inner.trim_matches('"')
}

fn day(time: UnixTime) -> String {
    let at = i64::try_from(time.as_secs()).ok().and_then(|at| Timestamp::from_second(at).ok());
    at.map_or_else(|| "an unknown day".to_owned(), |at| at.to_string())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustls::pki_types::ServerName;

    use super::*;

    #[test]
    fn what_is_wrong_with_a_certificate_is_said_without_the_librarys_words() {
        let at = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let ended =
            CertificateError::ExpiredContext { time: at(2_000_000_000), not_after: at(1_800_000_000) };
        assert_eq!(
            certificate(&ended, true),
            "it expired on 2027-01-15T08:00:00Z; renew it, or check the clock of this machine"
        );
        let name = CertificateError::NotValidForNameContext {
            expected: ServerName::try_from("api.example.com").unwrap(),
            presented: vec!["DnsName(\"localhost\")".to_owned(), "IpAddress(127.0.0.1)".to_owned()],
        };
        let said = certificate(&name, true);
        assert!(said.starts_with("it is not for api.example.com, only for localhost, 127.0.0.1; "), "{said}");
        for said in [
            certificate(&CertificateError::UnknownIssuer, true),
            certificate(&CertificateError::BadEncoding, true),
            said,
        ] {
            assert!(
                !["Context", "DnsName", "{", "UnixTime"].iter().any(|word| said.contains(word)),
                "{said}"
            );
        }
        assert_eq!(alert(AlertDescription::HandshakeFailure), "handshake failure");
    }
}
