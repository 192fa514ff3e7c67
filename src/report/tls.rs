//! The certificate that a host serves, beside what the roster says of the host: as text and as JSON.

use std::fmt::Write as _;
use std::net::SocketAddr;

use kwo_planner::domains::dns::Claimant;
use serde::Serialize;
use serde_json::json;

use super::printed::Report;

use kwo_engine::probe::{Certificate, Fault};

/// Whose host it is, and the annotation that is right for it.
pub type Claim<'r> = Option<(Claimant<'r>, Option<(&'static str, &'r str)>)>;

/// What was asked for, and what was found.
pub struct Asked<'r> {
    /// The host.
    pub host: &'r str,
    /// Whose it is.
    pub claim: &'r Claim<'r>,
    /// What it serves.
    pub found: &'r Result<(SocketAddr, Certificate), String>,
}

impl Report for Asked<'_> {
    const KIND: Option<&'static str> = Some("CertificateCheck");

    fn text(&self) -> String {
        text(self.host, self.claim, self.found)
    }

    fn json(&self) -> impl Serialize {
        json(self.host, self.claim, self.found)
    }
}

/// One line a fact, and one a fault.
fn text(host: &str, claim: &Claim<'_>, found: &Result<(SocketAddr, Certificate), String>) -> String {
    let mut out = format!("{host}\n");
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(out, "  {name:<11} {value}");
    };
    let (belongs, annotation) = match claim {
        Some((Claimant::Tenants(names), annotation)) => {
            let names: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
            let what = if names.len() > 1 { "tenants" } else { "tenant" };
            (format!("{what} {}", names.join(", ")), *annotation)
        }
        Some((Claimant::Registry, annotation)) => ("the registry".to_owned(), *annotation),
        None => ("nobody in the roster".to_owned(), None),
    };
    line("belongs to", &belongs);
    if let Some((key, resolver)) = annotation {
        line("resolver", resolver);
        line("annotation", &format!("{key}: {resolver}"));
    }
    match found {
        Ok((address, certificate)) => {
            let Certificate { names, issuer, not_before, not_after, days_left, trusted, faults } =
                certificate;
            line("asked at", &address.to_string());
            line("names", &names.join(", "));
            line("issuer", issuer);
            line("not before", &not_before.to_string());
            line("not after", &not_after.to_string());
            line("days left", &days_left.to_string());
            line("trusted", if *trusted { "yes" } else { "no" });
            for fault in faults {
                line("wrong", &fault.to_string());
            }
            if faults.contains(&Fault::TraefikDefault) {
                line("what to do", &missing(annotation));
            }
        }
        Err(why) => line("wrong", why),
    }
    out
}

/// What to do where Traefik has no certificate for a host.
fn missing(annotation: Option<(&str, &str)>) -> String {
    match annotation {
        Some((key, resolver)) => {
            format!("see that the host's Ingress has `{key}: {resolver}`, and what Traefik logs about `acme`")
        }
        None => "give the host to a tenant under `domains`, and the cluster its `cluster.acme`".to_owned(),
    }
}

/// The same for programs.
fn json(
    host: &str,
    claim: &Claim<'_>,
    found: &Result<(SocketAddr, Certificate), String>,
) -> serde_json::Value {
    let tenants: Vec<&str> = match claim {
        Some((Claimant::Tenants(names), _)) => names.iter().map(|name| name.as_str()).collect(),
        _ => Vec::new(),
    };
    let registry = matches!(claim, Some((Claimant::Registry, _)));
    let annotation = claim.as_ref().and_then(|(_, annotation)| *annotation);
    let mut value = json!({
        "format_version": kwo_planner::plan::FORMAT_VERSION,
        "host": host,
        "tenant": tenants.first(),
        "tenants": tenants,
        "registry": registry,
        "resolver": annotation.map(|(_, resolver)| resolver),
        "ingress_annotation": annotation.map(|(key, resolver)| json!({key: resolver})),
    });
    match found {
        Ok((address, certificate)) => {
            let Certificate { names, issuer, not_before, not_after, days_left, trusted, faults } =
                certificate;
            value["address"] = json!(address);
            value["certificate"] = json!({
                "names": names,
                "issuer": issuer,
                "not_before": not_before.to_string(),
                "not_after": not_after.to_string(),
                "days_left": days_left,
                "trusted": trusted,
            });
            value["wrong"] = faults.iter().map(ToString::to_string).collect();
        }
        Err(why) => {
            value["certificate"] = serde_json::Value::Null;
            value["wrong"] = json!([why]);
        }
    }
    value
}
