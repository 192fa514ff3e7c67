//! What `kwo doctor` says of an issuer: a real OpenID provider, asked as the API server asks it.

use serde_json::{Value, json};
use testkit::peers::free_port;
use testkit::peers::oidc::Issuer;
use testkit::run::Bench;

/// The check of the issuer at this address, with this authority in the roster.
fn oidc(bench: &Bench, issuer: &str, ca: Option<&str>) -> Value {
    let ca = ca
        .map(|ca| format!("\n    ca: |\n      {}", ca.trim().replace('\n', "\n      ")))
        .unwrap_or_default();
    bench.write(&format!("cluster:\n  oidc:\n    issuer: {issuer}\n    client: kubernetes{ca}\n"));
    let ran = bench.kwo(&["doctor", "-o", "json", "--settings", "none.yaml"]);
    let all: Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{}{}", ran.out, ran.err));
    let mut checks = all["checks"].as_array().unwrap().iter();
    checks.find(|check| check["name"] == "oidc").unwrap().clone()
}

#[test]
fn an_issuer_is_well_or_it_is_said_what_is_wrong_with_it() {
    let Some(bench) = Bench::new("") else { return };
    let Some(issuer) = Issuer::start(&["kubernetes"], &json!({})) else { return };
    let Some(expired) = Issuer::expired() else { return };
    let (url, ca) = (issuer.url.as_str(), Some(issuer.ca.as_str()));
    let well = oidc(&bench, url, ca);
    assert_eq!((&well["outcome"], &well["todo"]), (&json!("ok"), &Value::Null), "{well:#}");
    let elsewhere = format!("https://localhost:{}", free_port());
    for (issuer, ca, said) in [
        // There is none below that path, or it calls itself otherwise.
        (format!("{url}/realms/one"), ca, "answers 404 where it should say who it is"),
        (format!("{url}/"), ca, "it calls itself https://localhost"),
        // Nobody trusts the certificate, or not the one of the roster.
        (
            url.to_owned(),
            None,
            "no certificate authority that the roster names for it, or that this machine trusts",
        ),
        (url.to_owned(), Some(expired.ca.as_str()), "cannot trust the certificate of https://localhost"),
        (expired.url.clone(), Some(expired.ca.as_str()), "it expired on 2021-01-01"),
        (elsewhere, ca, "connection refused"),
    ] {
        let check = oidc(&bench, &issuer, ca);
        assert_eq!(check["outcome"], "failed", "{issuer}: {check:#}");
        assert!(check["found"].as_str().unwrap().contains(said), "{issuer}: {check:#}");
        assert!(check["todo"]["command"].as_str().unwrap().starts_with("curl "), "{check:#}");
    }
}
