//! Signs requests with an access key of AWS, by Signature Version 4: the key itself is never sent. The crates for it bring ten
//! others and more; this needs only HMAC and SHA-256.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretSlice};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::providers::api::secret_header;
use crate::providers::encoded;

/// The name of the algorithm.
const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// The end of what a signature is for.
const END: &str = "aws4_request";

const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// The partitions of AWS besides the usual one, by how a host of theirs ends: the partition, and the region that signatures for
/// it are for.
const PARTITIONS: [(&str, &str, &str); 8] = [
    (".com.cn", "aws-cn", "cn-northwest-1"),
    (".us-gov.amazonaws.com", "aws-us-gov", "us-gov-west-1"),
    (".us-gov.api.aws", "aws-us-gov", "us-gov-west-1"),
    (".eu", "aws-eusc", "eusc-de-east-1"),
    (".c2s.ic.gov", "aws-iso", "us-iso-east-1"),
    (".sc2s.sgov.gov", "aws-iso-b", "us-isob-east-1"),
    (".cloud.adc-e.uk", "aws-iso-e", "eu-isoe-west-1"),
    (".csp.hci.ic.gov", "aws-iso-f", "us-isof-south-1"),
];

/// The partition that a host is of, and the region that signatures for it are for.
pub(super) fn partition(host: &str) -> (&'static str, &'static str) {
    let of = PARTITIONS.iter().find(|(end, ..)| host.ends_with(end));
    of.map_or(("aws", "us-east-1"), |(_, partition, region)| (partition, region))
}

/// An access key.
pub(super) struct AccessKey {
    pub(super) id: String,
    pub(super) secret: SecretSlice<u8>,
    /// What belongs to a key that ends by itself.
    pub(super) token: Option<SecretSlice<u8>>,
}

/// What is signed.
pub(super) struct Unsigned<'u> {
    pub(super) method: &'u str,
    /// The host, with its port where that is no usual one.
    pub(super) host: &'u str,
    pub(super) path: &'u str,
    /// As it is sent, in the order of its names.
    pub(super) query: &'u str,
    pub(super) body: &'u str,
    pub(super) region: &'u str,
    pub(super) service: &'u str,
}

/// A query in the form in which it is signed.
pub(super) fn query(pairs: &[(&str, &str)]) -> String {
    let mut pairs: Vec<String> =
        pairs.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    pairs.sort();
    pairs.join("&")
}

impl AccessKey {
    /// The header lines that sign this at this time.
    ///
    /// # Errors
    /// When the key has characters that no header has; it is not shown.
    pub(super) fn sign(&self, unsigned: &Unsigned<'_>, now: Timestamp) -> Result<HeaderMap, String> {
        let Unsigned { method, host, path, query, body, region, service } = unsigned;
        let time = now.strftime("%Y%m%dT%H%M%SZ").to_string();
        let day = time.split('T').next().unwrap_or_default();
        let token = self.token.as_ref().map(|token| secret_header(token.expose_secret())).transpose();
        let token = token.map_err(|why| format!("the session token: {why}"))?;
        // In the order of their names.
        let mut lines = Zeroizing::new(format!("host:{host}\nx-amz-date:{time}\n").into_bytes());
        let mut names = "host;x-amz-date".to_owned();
        if let Some(token) = &token {
            lines.extend_from_slice(b"x-amz-security-token:");
            lines.extend_from_slice(token.as_bytes());
            lines.push(b'\n');
            names.push_str(";x-amz-security-token");
        }
        let mut request = Sha256::new();
        request.update(format!("{method}\n{path}\n{query}\n"));
        request.update(&*lines);
        request.update(format!("\n{names}\n{}", hex(&Sha256::digest(body))));
        let scope = format!("{day}/{region}/{service}/{END}");
        let text = format!("{ALGORITHM}\n{time}\n{scope}\n{}", hex(&request.finalize()));
        let mut key = Zeroizing::new([b"AWS4", self.secret.expose_secret()].concat());
        for part in [day, region, service, END, &text] {
            key = Zeroizing::new(mac(&key, part)?);
        }
        let signed = format!(
            "{ALGORITHM} Credential={}/{scope}, SignedHeaders={names}, Signature={}",
            self.id,
            hex(&key)
        );
        let line = |text: &str| HeaderValue::from_str(text).map_err(|_| "its address is none".to_owned());
        let signed =
            secret_header(signed.as_bytes()).map_err(|why| format!("the id of the access key: {why}"))?;
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, line(host)?);
        headers.insert(header::AUTHORIZATION, signed);
        headers.insert(DATE, line(&time)?);
        headers.extend(token.map(|token| (TOKEN, token)));
        Ok(headers)
    }
}

fn mac(key: &[u8], text: &str) -> Result<Vec<u8>, String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|error| error.to_string())?;
    mac.update(text.as_bytes());
    Ok(mac.finalize().into_bytes().to_vec())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first three are those of the test suite that AWS has published; the others were signed by botocore 1.44.8.
    #[test]
    fn a_signature_is_that_of_aws() {
        const ZONE: &str = "/2013-04-01/hostedzone/Z0123/rrset";
        let rrset = query(&[("name", r"\052.w.example.com."), ("type", "A"), ("maxitems", "300")]);
        let by_name = query(&[("dnsname", "example.com."), ("maxitems", "100")]);
        let post = format!("{ZONE}/");
        let (aws, route53) = ("example.amazonaws.com", "route53.amazonaws.com");
        for (method, host, path, query, body, signature) in [
            ("GET", aws, "/", "", "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
            (
                "GET",
                aws,
                "/",
                &query(&[("Param2", "value2"), ("Param1", "value1")]),
                "",
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
            ("POST", aws, "/", "", "", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
            (
                "GET",
                route53,
                ZONE,
                &rrset,
                "",
                "34bbde0698c41e945317ae7ac6a3cead1c8b70939038e55fd22e036157bcc2c8",
            ),
            (
                "POST",
                route53,
                &post,
                "",
                "<a>ä</a>",
                "50d454a131fee401f0de69df54bd3d40f477ef0980ebe95b1f72ef878fea2e55",
            ),
            (
                "GET",
                "127.0.0.1:5000",
                "/2013-04-01/hostedzonesbyname",
                &by_name,
                "",
                "dfd74bf0bbf14c69ead20a8d8f995cdfcce3dfd01ef99f026862a60b5c63b9ec",
            ),
        ] {
            let token = (!body.is_empty()).then(|| SecretSlice::from(b"TOKEN/with+signs==".to_vec()));
            let secret = SecretSlice::from(b"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_vec());
            let key = AccessKey { id: "AKIDEXAMPLE".to_owned(), secret, token };
            let service = if host == aws { "service" } else { "route53" };
            let region = "us-east-1";
            let unsigned = Unsigned { method, host, path, query, body, region, service };
            let now = "2015-08-30T12:36:00Z".parse().unwrap();
            let headers = key.sign(&unsigned, now).unwrap();
            let signed = headers[header::AUTHORIZATION].to_str().unwrap();
            assert!(signed.ends_with(&format!("Signature={signature}")), "{host}{path}: {signed}");
            assert_eq!(headers[DATE], "20150830T123600Z");
            assert_eq!(headers.contains_key(TOKEN), key.token.is_some());
            assert!(!format!("{headers:?}").contains("TOKEN/with"));
        }
    }

    #[test]
    fn a_signature_is_for_the_region_of_its_partition() {
        for (host, is) in [
            ("route53.amazonaws.com", ("aws", "us-east-1")),
            ("route53.global.api.aws", ("aws", "us-east-1")),
            ("127.0.0.1:5000", ("aws", "us-east-1")),
            ("route53.amazonaws.com.cn", ("aws-cn", "cn-northwest-1")),
            ("route53.us-gov.amazonaws.com", ("aws-us-gov", "us-gov-west-1")),
            ("route53.amazonaws.eu", ("aws-eusc", "eusc-de-east-1")),
        ] {
            assert_eq!(partition(host), is, "{host}");
        }
    }
}
