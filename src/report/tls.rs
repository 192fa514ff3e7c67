//! The certificate that a host serves, beside what the roster says of the host: as text and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;

use jiff::Timestamp;
use kwo_planner::domains::dns::Claimant;
use kwo_planner::plan::FORMAT_VERSION;
use kwo_planner::units::moment;
use schemars::JsonSchema;
use serde::Serialize;

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

    type Json<'a>
        = Checked<'a>
    where
        Self: 'a;

    fn text(&self) -> String {
        text(self.host, self.claim, self.found)
    }

    fn json(&self) -> Checked<'_> {
        let secret = match self.claim {
            Some((Claimant::Namespace { secret, .. }, _)) => Some(secret.as_str()),
            _ => None,
        };
        let (tenants, registry, annotation) = match self.claim {
            Some((Claimant::Tenants(names), annotation)) => {
                (names.iter().map(|name| name.as_str()).collect(), false, *annotation)
            }
            Some((Claimant::Namespace { tenant, .. }, annotation)) => {
                (vec![tenant.as_str()], false, *annotation)
            }
            Some((Claimant::Registry, annotation)) => (Vec::new(), true, *annotation),
            None => (Vec::new(), false, None),
        };
        let (address, certificate, wrong) = match self.found {
            Ok((address, certificate)) => (
                Some(address.to_string()),
                Some(Served::of(certificate)),
                certificate.faults.iter().map(ToString::to_string).collect(),
            ),
            Err(why) => (None, None, vec![why.clone()]),
        };
        Checked {
            format_version: FORMAT_VERSION,
            host: self.host,
            tenant: tenants.first().copied(),
            tenants,
            registry,
            resolver: annotation.map(|(_, resolver)| resolver),
            ingress_annotation: annotation.map(|annotation| BTreeMap::from([annotation])),
            secret,
            address,
            certificate,
            wrong,
        }
    }
}

/// The certificate that a host serves, beside what the roster says of the host.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Checked<'r> {
    /// The version of this form. Minor versions only add.
    format_version: &'static str,
    /// The host.
    host: &'r str,
    /// The first tenant whose it is.
    tenant: Option<&'r str>,
    /// All tenants whose it is.
    tenants: Vec<&'r str>,
    /// Is it the registry's?
    registry: bool,
    /// The resolver that gets its certificate.
    resolver: Option<&'r str>,
    /// What its Ingress needs for that.
    ingress_annotation: Option<BTreeMap<&'r str, &'r str>>,
    /// The Secret that its Ingress names under `tls`, if the wildcard of its namespace is for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'r str>,
    /// Where it was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    /// The certificate that it serves; nothing where none was to be had.
    certificate: Option<Served<'r>>,
    /// What is wrong, in sentences.
    wrong: Vec<String>,
}

/// A certificate that was served.
#[derive(Debug, Serialize, JsonSchema)]
struct Served<'r> {
    /// The names that it is for.
    names: &'r [String],
    /// Who issued it.
    issuer: &'r str,
    /// When it begins to be valid.
    #[schemars(with = "String", extend("format" = "date-time"))]
    not_before: Timestamp,
    /// When it ends.
    #[schemars(with = "String", extend("format" = "date-time"))]
    not_after: Timestamp,
    /// Whole days until then; less than nothing once it is over.
    days_left: i64,
    /// Does it come from an authority that this system trusts?
    trusted: bool,
}

impl Served<'_> {
    fn of(certificate: &Certificate) -> Served<'_> {
        let Certificate { names, issuer, not_before, not_after, days_left, trusted, faults: _ } = certificate;
        Served {
            names,
            issuer,
            not_before: *not_before,
            not_after: *not_after,
            days_left: *days_left,
            trusted: *trusted,
        }
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
        Some((Claimant::Namespace { tenant, namespace, .. }, annotation)) => {
            (format!("tenant {tenant}, by the wildcard of namespace {namespace}"), *annotation)
        }
        Some((Claimant::Registry, annotation)) => ("the registry".to_owned(), *annotation),
        None => ("nobody in the roster".to_owned(), None),
    };
    line("belongs to", &belongs);
    if let Some((Claimant::Namespace { secret, .. }, _)) = claim {
        line("secret", secret);
    }
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
            line("not before", &moment(not_before));
            line("not after", &moment(not_after));
            line("days left", &days_left.to_string());
            line("trusted", if *trusted { "yes" } else { "no" });
            for fault in faults {
                line("wrong", &fault.to_string());
            }
            if faults.contains(&Fault::TraefikDefault) {
                line("what to do", &missing(claim));
            }
        }
        Err(why) => line("wrong", why),
    }
    out
}

/// What to do where Traefik has no certificate for a host.
fn missing(claim: &Claim<'_>) -> String {
    match claim {
        Some((Claimant::Namespace { namespace, secret, .. }, _)) => {
            format!("see that the host's Ingress names the Secret `{secret}` of `{namespace}` under `tls`")
        }
        Some((_, Some((key, resolver)))) => {
            format!("see that the host's Ingress has `{key}: {resolver}`, and what Traefik logs about `acme`")
        }
        Some((_, None)) | None => {
            "give the host to a tenant under `domains`, and the cluster its `cluster.acme`".to_owned()
        }
    }
}
