//! `kwo tls`: the certificate that a host serves, and what the roster says of the host.

use std::time::Duration;

use kwo_planner::domains::dns::claimant;
use kwo_planner::roster::{HostName, Port};

use super::load::load;
use super::print::report;
use crate::cli::{Tls, TlsCheck};
use crate::report::tls::Asked;
use kwo_engine::failure::{Exit, Failure};
use kwo_engine::probe::look;

/// How long a host may take, from its name to its certificate.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) async fn tls(args: &Tls) -> Result<Exit, Failure> {
    let Tls::Check(args) = args;
    check(args).await
}

async fn check(args: &TlsCheck) -> Result<Exit, Failure> {
    let (host, port) = host_and_port(&args.host)?;
    let loaded = load(&args.roster.roster)?;
    let claim = claimant(&loaded.roster, &host);
    let found = look(&host, port, args.address, PATIENCE).await;
    report(&Asked { host: &host, claim: &claim, found: &found }, args.output)?;
    Ok(if found.is_ok_and(|(_, certificate)| certificate.faults.is_empty()) {
        Exit::Done
    } else {
        Exit::Failed
    })
}

/// `www.example.com` or `www.example.com:8443`.
fn host_and_port(text: &str) -> Result<(String, u16), Failure> {
    let wrong = |why: &dyn std::error::Error| {
        Failure::usage(format!("`{text}` is not a valid host"))
            .because(why)
            .hint("expected HOST or HOST:PORT")
    };
    let (host, port) = text.rsplit_once(':').unwrap_or((text, "443"));
    let host: HostName = host.parse().map_err(|refusal| wrong(&refusal))?;
    let port: Port = port.parse().map_err(|refusal| wrong(&refusal))?;
    Ok((host.to_string(), port.number()))
}
