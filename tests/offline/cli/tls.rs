//! `kwo tls check` at a TLS server on loopback, whose certificates are made for each test. `SSL_CERT_FILE` makes their
//! authority one that the system trusts.

use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::cli::{transcript, transcript_with};

const ROSTER: &str = "apiVersion: kwo/v1\nkind: Roster\ncluster: {acme: {email: ops@example.com}}\n\
registry: {hosts: [registry.example.com]}\ntenants:\n  shop: {domains: [www.example.com]}\n";

/// A certificate from one day to another, both counted from today.
fn certificate(names: &[&str], days: (i64, i64)) -> CertificateParams {
    let mut params =
        CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
    let day = |days: i64| {
        let day = jiff::Zoned::now().with_time_zone(jiff::tz::TimeZone::UTC).date();
        let day = day.checked_add(jiff::Span::new().days(days)).unwrap();
        date_time_ymd(day.year().into(), day.month().unsigned_abs(), day.day().unsigned_abs())
    };
    (params.not_before, params.not_after) = (day(days.0), day(days.1));
    params
}

fn common_name(params: &mut CertificateParams, name: &str) {
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
}

/// Serves a certificate, signed by an authority of this name, or else by itself.
fn serve(folder: &Path, authority: Option<&str>, params: &CertificateParams) -> SocketAddr {
    let key = KeyPair::generate().unwrap();
    let certificate: CertificateDer<'static> = match authority {
        None => params.self_signed(&key).unwrap().der().clone(),
        Some(name) => {
            let mut root = CertificateParams::default();
            root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            common_name(&mut root, name);
            let root_key = KeyPair::generate().unwrap();
            std::fs::write(folder.join("roots.pem"), root.self_signed(&root_key).unwrap().pem()).unwrap();
            params.signed_by(&key, &Issuer::new(root, root_key)).unwrap().der().clone()
        }
    };
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let _ = StreamOwned::new(connection, stream).read(&mut [0]);
        }
    });
    address
}

/// Asks for a host at this address, and trusts the authority of the folder or none.
fn check(folder: &Path, host: &str, at: SocketAddr, trusting: bool, more: &[&str]) -> String {
    std::fs::write(folder.join("roster.yaml"), ROSTER).unwrap();
    std::fs::write(folder.join("none.pem"), "").unwrap();
    let roots = folder.join(if trusting { "roots.pem" } else { "none.pem" });
    let address = at.to_string();
    let args = [&["tls", "check", host, "--address", &address], more].concat();
    transcript_with(folder, &args, &[("SSL_CERT_FILE", roots.to_str().unwrap())])
}

#[test]
fn a_good_certificate_is_shown_beside_what_the_roster_says() {
    let folder = tempfile::tempdir().unwrap();
    let at = serve(folder.path(), Some("Good Authority"), &certificate(&["www.example.com"], (-1, 61)));
    let text = check(folder.path(), "www.example.com", at, true, &[]);
    for line in [
        "  belongs to  tenant shop\n",
        "  annotation  traefik.ingress.kubernetes.io/router.tls.certresolver: letsencrypt\n",
        "  names       www.example.com\n",
        "  issuer      CN=Good Authority\n",
        "  days left   60\n",
        "  trusted     yes\n",
        "exit 0",
    ] {
        assert!(text.contains(line), "{line}{text}");
    }
    assert!(!text.contains("wrong"), "{text}");
    let json = check(folder.path(), "www.example.com:8443", at, true, &["-o", "json"]);
    let json: serde_json::Value =
        serde_json::from_str(json.split_once('\n').unwrap().1.split("---- stderr").next().unwrap()).unwrap();
    testkit::schemas::fits("tls", &json);
    assert_eq!(json["tenant"], "shop");
    assert_eq!(json["certificate"]["days_left"], 60);
    assert_eq!(json["wrong"], serde_json::json!([]));
}

#[test]
fn what_is_wrong_with_a_certificate_is_said_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = |host: &str, authority, params: &CertificateParams, trusting: bool| {
        let at = serve(folder.path(), authority, params);
        let text = check(folder.path(), host, at, trusting, &[]);
        assert!(text.contains("exit 1"), "{text}");
        let found = text.lines().filter_map(|line| line.strip_prefix("  wrong       ")).map(str::to_owned);
        found.collect::<Vec<String>>().join("; ")
    };
    let www = |days| certificate(&["www.example.com"], days);
    let known = Some("Good Authority");
    assert_eq!(wrong("www.example.com", known, &www((-90, -1)), true), "it has expired");
    assert_eq!(wrong("www.example.com", known, &www((2, 90)), true), "it is not valid yet");
    assert_eq!(wrong("registry.example.com", known, &www((-1, 60)), true), "it is for other names");
    let soon = "it ends soon: expected more than 14 days, as it is renewed long before";
    assert_eq!(wrong("www.example.com", known, &www((-80, 15)), true), soon);
    assert_eq!(
        wrong("www.example.com", known, &www((-1, 60)), false),
        "its issuer is unknown to this system"
    );
    let staging = Some("(STAGING) Pretend Pear");
    let said = "it comes from Let's Encrypt's staging environment, which nobody trusts";
    assert_eq!(wrong("www.example.com", staging, &www((-1, 60)), false), said);
    assert_eq!(wrong("www.example.com", None, &www((-1, 60)), false), "it is self-signed");
    let mut traefik = certificate(&["0123.4567.traefik.default"], (-1, 364));
    common_name(&mut traefik, "TRAEFIK DEFAULT CERT");
    let said = "it is the self-signed default certificate of Traefik, which has none for this host";
    assert_eq!(wrong("www.example.com", None, &traefik, false), said);
}

#[test]
fn where_nothing_listens_or_nobody_speaks_tls_it_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    // It listens and never answers.
    let text = check(folder.path(), "www.example.com", at, false, &[]);
    assert!(text.contains("wrong       no answer within 5 seconds") && text.contains("exit 1"), "{text}");
    drop(listener);
    let text = check(folder.path(), "elsewhere.example.com", at, false, &[]);
    assert!(text.contains("belongs to  nobody in the roster"), "{text}");
    assert!(
        text.contains("wrong       cannot connect: Connection refused") && text.contains("exit 1"),
        "{text}"
    );
    let text = transcript(folder.path(), &["tls", "check", "www.example.com:https"]);
    assert!(text.contains("expected HOST or HOST:PORT") && text.contains("exit 64"), "{text}");
}

#[test]
fn a_host_below_the_wildcard_of_a_namespace_is_its_tenants() {
    let folder = tempfile::tempdir().unwrap();
    let roster = "apiVersion: kwo/v1\nkind: Roster\ncluster:\n  acme: {email: ops@example.com, issuer: cert-manager, wildcard: {zone: apps.example.com}}\n\
dns: {resolvers: {letsencrypt-cloudflare: {provider: cloudflare, credentials: {CF_DNS_API_TOKEN: {env: T}}}}}\ntenants:\n  shop: {namespaces: [shop-dev]}\n";
    std::fs::write(folder.path().join("roster.yaml"), roster).unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let check = |host: &str, more: &[&str]| {
        transcript(folder.path(), &[&["tls", "check", host, "--address", &closed], more].concat())
    };
    let text = check("www.shop-dev.apps.example.com", &[]);
    let told =
        "  belongs to  tenant shop, by the wildcard of namespace shop-dev\n  secret      kwo-wildcard-tls\n";
    assert!(text.contains(told), "{text}");
    for host in ["shop-dev.apps.example.com", "a.b.shop-dev.apps.example.com", "www.shop.apps.example.com"] {
        assert!(check(host, &[]).contains("belongs to  nobody in the roster"), "{host}");
    }
    let json = check("www.shop-dev.apps.example.com", &["-o", "json"]);
    assert!(json.contains(r#""secret": "kwo-wildcard-tls""#), "{json}");
}
