//! The certificate that a host serves. It is looked at whatever it is, and judged afterwards: nothing is sent to the
//! host but the name that is asked for, and no other connection of kwo is made in this way.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;

/// A certificate is renewed a month before its end; with less than this, that has failed for weeks.
const DAYS_LEFT: i64 = 14;

const DAY: i64 = 24 * 60 * 60;

/// What Traefik serves where it has no certificate for a host.
const TRAEFIK_DEFAULT: &str = "TRAEFIK DEFAULT CERT";

/// A certificate that was served.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Certificate {
    /// The names that it is for.
    pub names: Vec<String>,
    /// Who issued it.
    pub issuer: String,
    /// When it begins to be valid.
    pub not_before: Timestamp,
    /// When it ends.
    pub not_after: Timestamp,
    /// Whole days until then; less than nothing once it is over.
    pub days_left: i64,
    /// Does it come from an authority that this system trusts?
    pub trusted: bool,
    /// What is wrong with it.
    pub faults: Vec<Fault>,
}

/// What is wrong with a certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fault {
    /// It is what Traefik shows where it has none.
    TraefikDefault,
    /// It is for other names.
    OtherName,
    /// It is over.
    Expired,
    /// It does not begin until later.
    NotYet,
    /// It is nearly over.
    EndsSoon,
    /// It comes from the environment for tries.
    Staging,
    /// It is its own issuer.
    SelfSigned,
    /// Nobody here knows its issuer.
    UnknownIssuer,
    /// The chain to its issuer does not hold.
    Chain(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Fault::TraefikDefault => {
                "it is the self-signed default certificate of Traefik, which has none for this host"
            }
            Fault::OtherName => "it is for other names",
            Fault::Expired => "it has expired",
            Fault::NotYet => "it is not valid yet",
            Fault::EndsSoon => {
                return write!(
                    out,
                    "it ends soon: expected more than {DAYS_LEFT} days, as it is renewed long before"
                );
            }
            Fault::Staging => "it comes from Let's Encrypt's staging environment, which nobody trusts",
            Fault::SelfSigned => "it is self-signed",
            Fault::UnknownIssuer => "its issuer is unknown to this system",
            Fault::Chain(why) => return write!(out, "it is not trusted: {why}"),
        })
    }
}

/// Asks for the certificate of a host: at this address, or where its name leads.
///
/// # Errors
/// When no certificate can be had within the time; says why.
pub async fn look(
    host: &str,
    port: u16,
    address: Option<SocketAddr>,
    patience: Duration,
) -> Result<(SocketAddr, Certificate), String> {
    let name =
        ServerName::try_from(host.to_owned()).map_err(|_| format!("`{host}` is not a valid host name"))?;
    let asked = timeout(patience, fetch(host, port, address, name.clone())).await;
    let late = |_| format!("no answer within {} seconds", patience.as_secs());
    let (peer, chain) = asked.map_err(late)??;
    let (first, rest) = chain.split_first().ok_or("no certificate was served")?;
    Ok((peer, judge(first, rest, &name, Timestamp::now(), &roots())?))
}

/// The roots that this system trusts; `SSL_CERT_FILE` may say which.
fn roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    // One that cannot be read is one that is not trusted.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

async fn fetch(
    host: &str,
    port: u16,
    address: Option<SocketAddr>,
    name: ServerName<'static>,
) -> Result<(SocketAddr, Vec<CertificateDer<'static>>), String> {
    let stream = match address {
        Some(address) => TcpStream::connect(address).await,
        None => TcpStream::connect((host, port)).await,
    }
    .map_err(|error| format!("cannot connect: {error}"))?;
    let peer = stream.peer_addr().map_err(|error| format!("cannot connect: {error}"))?;
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Onlooker(provider)))
        .with_no_client_auth();
    let tls = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    let tls = tls.map_err(|error| format!("{peer} does not speak TLS as expected: {error}"))?;
    let chain = tls.get_ref().1.peer_certificates().unwrap_or_default();
    Ok((peer, chain.iter().map(|certificate| certificate.clone().into_owned()).collect()))
}

/// Takes every certificate, in order to look at it. What is sent over such a connection is not safe.
#[derive(Debug)]
struct Onlooker(Arc<CryptoProvider>);

impl ServerCertVerifier for Onlooker {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

fn judge(
    first: &CertificateDer<'_>,
    rest: &[CertificateDer<'_>],
    name: &ServerName<'_>,
    now: Timestamp,
    roots: &RootCertStore,
) -> Result<Certificate, String> {
    let unreadable = |error: &dyn fmt::Display| format!("the certificate cannot be read: {error}");
    let (_, read) = X509Certificate::from_der(first).map_err(|error| unreadable(&error))?;
    let date = |seconds| Timestamp::from_second(seconds).map_err(|error| unreadable(&error));
    let not_before = date(read.validity().not_before.timestamp())?;
    let not_after = date(read.validity().not_after.timestamp())?;
    let days_left = (not_after.as_second() - now.as_second()).div_euclid(DAY);
    let (subject, issuer) = (read.subject().to_string(), read.issuer().to_string());
    let parsed = ParsedCertificate::try_from(first).map_err(|error| unreadable(&error))?;
    // Of a certificate that is over, this asks whether it was trusted while it lasted.
    let moment = now.as_second().clamp(not_before.as_second(), not_after.as_second());
    let moment = UnixTime::since_unix_epoch(Duration::from_secs(moment.unsigned_abs()));
    let algorithms = ring::default_provider().signature_verification_algorithms;
    let trust = verify_server_cert_signed_by_trust_anchor(&parsed, roots, rest, moment, algorithms.all);

    let mut faults = Vec::new();
    if subject.contains(TRAEFIK_DEFAULT) {
        faults.push(Fault::TraefikDefault);
    } else {
        if verify_server_name(&parsed, name).is_err() {
            faults.push(Fault::OtherName);
        }
        match &trust {
            Ok(()) => {}
            Err(_) if issuer.contains("(STAGING)") => faults.push(Fault::Staging),
            Err(_) if subject == issuer => faults.push(Fault::SelfSigned),
            Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
                faults.push(Fault::UnknownIssuer);
            }
            Err(error) => faults.push(Fault::Chain(error.to_string())),
        }
    }
    if now > not_after {
        faults.push(Fault::Expired);
    } else if now < not_before {
        faults.push(Fault::NotYet);
    } else if days_left <= DAYS_LEFT {
        faults.push(Fault::EndsSoon);
    }
    Ok(Certificate {
        names: names(&read),
        issuer,
        not_before,
        not_after,
        days_left,
        trusted: trust.is_ok(),
        faults,
    })
}

/// The names that it is for; of one without any, its subject.
fn names(read: &X509Certificate<'_>) -> Vec<String> {
    let extension = read.subject_alternative_name().ok().flatten();
    let names: Vec<String> = extension
        .iter()
        .flat_map(|extension| &extension.value.general_names)
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            GeneralName::IPAddress(bytes) => match **bytes {
                [a, b, c, d] => Some(std::net::Ipv4Addr::new(a, b, c, d).to_string()),
                _ => {
                    <[u8; 16]>::try_from(*bytes).ok().map(|bytes| std::net::Ipv6Addr::from(bytes).to_string())
                }
            },
            _ => None,
        })
        .collect();
    if names.is_empty() { vec![read.subject().to_string()] } else { names }
}
