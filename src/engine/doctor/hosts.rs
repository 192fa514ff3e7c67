//! Names and certificates: whether the names of the API server lead somewhere, what its certificate is for and how long it
//! is valid, and the Certificates of cert-manager.

use kwo_planner::plain::counted;
use std::net::IpAddr;

use futures_util::future::join_all;
use kwo_planner::domains::Roster;
use kwo_planner::domains::cert_manager;
use kwo_planner::domains::cluster::{Acme, Issuer};
use kwo_planner::endings::word;
use kwo_planner::kinds::Kind;
use kwo_planner::plain::one_line;
use kwo_planner::tree::Tree;

use super::PATIENCE;
use super::check::{API_CERTIFICATE, API_DNS, CERTIFICATES, Check, TLS_SAN, few};
use crate::issued::{self, Issued, State};
use crate::probe::{Certificate, Fault, look};
use crate::providers::{Kube, Refusal};

/// cert-manager renews a certificate a month before its end; with less than this, that has failed for weeks.
const DAYS_LEFT: i64 = 14;

/// No more names are asked for.
const MOST: usize = 50;

/// The names under `api.hosts`, without addresses.
fn names(roster: &Roster) -> Vec<String> {
    let hosts = roster.cluster().api.iter().flat_map(|api| &api.hosts);
    hosts
        .map(|host| host.value.to_string())
        .filter(|host| host.parse::<IpAddr>().is_err())
        .take(MOST)
        .collect()
}

/// Do they lead somewhere?
pub(super) async fn dns(roster: Option<&Roster>) -> Check {
    let Some(roster) = roster else { return API_DNS.not_asked("there is no roster") };
    let names = names(roster);
    if names.is_empty() {
        return API_DNS.not_asked("the roster has no names under `api.hosts`");
    }
    API_DNS
        .within(async {
            let found = join_all(names.iter().map(async |name| {
                let found = tokio::net::lookup_host((name.as_str(), 443)).await;
                (name, found.map(|mut addresses| addresses.next()))
            }))
            .await;
            led(found
                .into_iter()
                .map(|(name, found)| (name.as_str(), found.map_err(|error| error.to_string()))))
        })
        .await
}

fn led<'n>(found: impl Iterator<Item = (&'n str, Result<Option<std::net::SocketAddr>, String>)>) -> Check {
    let (mut there, mut gone, mut first) = (Vec::new(), Vec::new(), None);
    for (name, found) in found {
        match found {
            Ok(Some(address)) => there.push(format!("{name} leads to {}", address.ip())),
            Ok(None) => gone.push(name.to_owned()),
            Err(why) => gone.push(format!("{name} ({why})")),
        }
        if first.is_none() && !gone.is_empty() {
            first = Some(name.to_owned());
        }
    }
    match first {
        None => API_DNS.ok(few(&there)),
        Some(name) => API_DNS.failed(format!("nothing is known of: {}", few(&gone))).todo(
            "make a record for the name at your DNS provider, with the address of the node",
            format!("getent hosts {}", word(&name)),
        ),
    }
}

/// What the certificate of the API server is for, and how long it is valid.
pub(super) async fn api_certificate(kube: &Kube, roster: Option<&Roster>) -> Vec<Check> {
    let Some((host, port)) = place(kube.address()) else {
        let why = format!("{} is not an address with TLS", kube.address());
        return vec![TLS_SAN.not_asked(why.clone()), API_CERTIFICATE.not_asked(why)];
    };
    let wanted: Vec<String> = roster
        .iter()
        .flat_map(|roster| &roster.cluster().api)
        .flat_map(|api| &api.hosts)
        .map(|host| host.value.to_string())
        .collect();
    match look(&host, port, None, PATIENCE / 2).await {
        Err(why) => [TLS_SAN, API_CERTIFICATE].map(|topic| topic.cannot_tell(why.clone())).into(),
        Ok((_, certificate)) => {
            vec![named(&certificate, roster.map(|_| wanted.as_slice())), valid(&certificate)]
        }
    }
}

/// The names that the certificate of the API server is for, by a look at what it serves.
///
/// # Errors
/// Why it cannot be looked at.
pub async fn served_names(kube: &Kube) -> Result<Vec<String>, String> {
    let place = place(kube.address());
    let (host, port) = place.ok_or_else(|| format!("{} is not an address with TLS", kube.address()))?;
    look(&host, port, None, PATIENCE / 2).await.map(|(_, certificate)| certificate.names)
}

/// Host and port of an address with TLS.
fn place(address: &str) -> Option<(String, u16)> {
    let uri: http::Uri = address.parse().ok()?;
    let host = uri.host()?.trim_start_matches('[').trim_end_matches(']');
    (uri.scheme_str() == Some("https")).then(|| (host.to_owned(), uri.port_u16().unwrap_or(443)))
}

fn named(certificate: &Certificate, wanted: Option<&[String]>) -> Check {
    let Some(wanted) = wanted else { return TLS_SAN.not_asked("there is no roster") };
    if wanted.is_empty() {
        return TLS_SAN.not_asked("the roster has no names under `api.hosts`");
    }
    let covers = |name: &str, host: &str| {
        let (name, host) = (name.to_ascii_lowercase(), host.to_ascii_lowercase());
        let below = name.strip_prefix("*.").zip(host.split_once('.'));
        let same = name.parse::<IpAddr>().is_ok_and(|address| host.parse() == Ok(address));
        name == host || same || below.is_some_and(|(parent, (_, rest))| parent == rest)
    };
    let missing: Vec<&String> =
        wanted.iter().filter(|host| !certificate.names.iter().any(|name| covers(name, host))).collect();
    match missing.as_slice() {
        [] => TLS_SAN.ok(format!("it is for {}", few(wanted))),
        missing => TLS_SAN
            .failed(format!("it is not for {}", few(missing)))
            .todo(
                "write the names into k3s' configuration on the node, and let it restart: then it makes a new certificate",
                "sudo kwo apply --node --allow-restart",
            ),
    }
}

fn valid(certificate: &Certificate) -> Check {
    let days = certificate.days_left;
    let found = format!("it is valid for {}", counted(days, "more day", "more days"));
    let (todo, command) = (
        "k3s makes new certificates when it starts and less than 120 days are left",
        "sudo systemctl restart k3s",
    );
    match &certificate.faults {
        faults if faults.contains(&Fault::Expired) => API_CERTIFICATE
            .failed(format!("it ended {} ago", counted(-days, "day", "days")))
            .todo(todo, command),
        faults if faults.contains(&Fault::NotYet) => API_CERTIFICATE
            .failed("it is not valid yet: is the clock of this machine right?")
            .todo("see whether this machine takes its time from the network", "timedatectl"),
        faults if faults.contains(&Fault::EndsSoon) => API_CERTIFICATE.warning(found).todo(todo, command),
        _ => API_CERTIFICATE.ok(found),
    }
}

/// The Certificates of cert-manager, where the roster asks for them: its own with their issuers, and those of others.
pub(super) async fn certificates(kube: &Kube, roster: Option<&Roster>) -> Check {
    let Some(roster) = roster else { return CERTIFICATES.not_asked("there is no roster") };
    match roster.cluster().acme.as_ref().map(Acme::issuer) {
        None => return CERTIFICATES.not_asked("the roster asks for no certificates"),
        Some(Issuer::Traefik) => {
            return CERTIFICATES.not_asked("Traefik keeps them; `kwo tls check` looks at what a host serves");
        }
        Some(Issuer::CertManager) => {}
    }
    CERTIFICATES
        .within(async {
            let path = "/apis/cert-manager.io/v1/certificates?limit=1";
            match kube.get::<Tree>(path).await {
                Ok(Some(_)) => match issued::look_at_all(kube, &cert_manager::asked(roster)).await {
                    Ok(all) => told(&all),
                    Err(why) => CERTIFICATES.cannot_tell(why),
                },
                Ok(None) => CERTIFICATES
                    .failed("the cluster does not know Certificates: cert-manager is not installed")
                    .todo(
                        "install cert-manager, or let Traefik fetch the certificates: `acme.issuer`",
                        "kubectl api-resources --api-group=cert-manager.io",
                    ),
                Err(Refusal::Changed { why } | Refusal::Refused { why } | Refusal::Unreachable { why }) => {
                    CERTIFICATES.cannot_tell(why)
                }
            }
        })
        .await
}

fn told(all: &[Issued]) -> Check {
    let (mut failed, mut soon, mut next) = (Vec::new(), Vec::new(), None);
    for one in all {
        let called = one_line(&one.called()).into_owned();
        match (one.state, one.why.as_deref(), one.days_left) {
            (State::Failing, why, _) => failed.push(format!("{called}: {}", why.unwrap_or_default())),
            (State::Waiting, why, _) => soon.push(format!("{called}: {}", why.unwrap_or_default())),
            (State::NotThere, ..) => soon.push(format!("{called} is not there")),
            (State::Ready, _, Some(days)) if days <= DAYS_LEFT => {
                soon.push(format!("{called} ends in {}", counted(days, "day", "days")));
            }
            (State::Ready, _, Some(days)) => {
                next = next.into_iter().chain([(days, called)]).min();
            }
            (State::Ready, _, None) => {}
        }
    }
    let (todo, command) = ("see what cert-manager waits for", "kubectl describe certificates -A");
    match (failed.as_slice(), soon.as_slice()) {
        ([], []) => {
            let first = next.map_or_else(String::new, |(days, called)| {
                format!("; the first one to end is {called}, in {}", counted(days, "day", "days"))
            });
            let ready = all.iter().filter(|one| one.kind == Kind::Certificate.name()).count();
            CERTIFICATES.ok(format!("Certificates that are ready: {ready}{first}"))
        }
        ([], soon) => CERTIFICATES.warning(few(soon)).todo(todo, command),
        (failed, _) => CERTIFICATES.failed(few(failed)).todo(todo, command),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::super::Outcome;
    use super::*;

    fn certificate(names: &[&str], days_left: i64, faults: Vec<Fault>) -> Certificate {
        let now = Timestamp::now();
        Certificate {
            names: names.iter().map(ToString::to_string).collect(),
            issuer: String::new(),
            not_before: now,
            not_after: now,
            days_left,
            trusted: false,
            faults,
        }
    }

    #[test]
    fn the_certificate_is_for_every_name_of_the_roster() {
        let outcome = |names: &[&str], wanted: &[&str]| {
            let wanted: Vec<String> = wanted.iter().map(ToString::to_string).collect();
            named(&certificate(names, 90, Vec::new()), Some(&wanted)).outcome
        };
        assert_eq!(outcome(&["API.example.com", "10.0.0.1"], &["api.example.com", "10.0.0.1"]), Outcome::Ok);
        assert_eq!(outcome(&["*.example.com"], &["api.example.com"]), Outcome::Ok);
        assert_eq!(outcome(&["*.example.com"], &["a.b.example.com"]), Outcome::Failed);
        assert_eq!(outcome(&["fd00::1"], &["fd00:0::1"]), Outcome::Ok);
        assert_eq!(outcome(&["kubernetes"], &["api.example.com"]), Outcome::Failed);
        assert_eq!(outcome(&["kubernetes"], &[]), Outcome::NotAsked);
        assert_eq!(named(&certificate(&[], 1, Vec::new()), None).outcome, Outcome::NotAsked);
    }

    #[test]
    fn a_certificate_is_valid_for_days_or_no_more() {
        // That a cluster's authority is its own is no fault of the certificate.
        assert_eq!(valid(&certificate(&[], 90, vec![Fault::UnknownIssuer])).outcome, Outcome::Ok);
        assert_eq!(valid(&certificate(&[], 9, vec![Fault::EndsSoon])).outcome, Outcome::Warning);
        assert_eq!(valid(&certificate(&[], -1, vec![Fault::Expired])).found, "it ended 1 day ago");
        assert_eq!(valid(&certificate(&[], 90, vec![Fault::NotYet])).outcome, Outcome::Failed);
    }

    #[test]
    fn certificates_of_cert_manager_are_ready_and_last() {
        let now: Timestamp = "2026-11-29T00:00:00Z".parse().unwrap();
        let id = "kube:Certificate/b/a".parse().unwrap();
        let read = |object: &str| Issued::of(&id, &serde_json::from_str(object).unwrap(), None, now);
        let one = |ready: &str, end: &str| {
            read(&format!(
                r#"{{"metadata":{{"creationTimestamp":"2026-11-28T00:00:00Z"}},
                "status":{{"notAfter":"{end}","conditions":[{{"type":"Ready","status":"{ready}"}}]}}}}"#
            ))
        };
        let outcome = |ready: &str, end: &str| told(&[one(ready, end)]).outcome;
        assert_eq!(outcome("True", "2027-01-29T00:00:00Z"), Outcome::Ok);
        assert_eq!(outcome("True", "2026-12-05T00:00:00Z"), Outcome::Warning);
        assert_eq!(outcome("True", "2026-11-28T00:00:00Z"), Outcome::Failed);
        assert_eq!(outcome("False", "2027-01-29T00:00:00Z"), Outcome::Failed);
        assert_eq!(told(&[]).outcome, Outcome::Ok);
        let both = [one("True", "2027-03-29T00:00:00Z"), one("True", "2027-01-29T00:00:00Z")];
        let said = "Certificates that are ready: 2; the first one to end is b/a, in 61 days";
        assert_eq!(told(&both).found, said);
        let new = told(&[read(r#"{"metadata":{"creationTimestamp":"2026-11-28T23:59:00Z"}}"#)]);
        assert_eq!(new.outcome, Outcome::Warning);
        assert!(new.found.starts_with("b/a: it is not ready since 2026-11-28 23:59:00 UTC"), "{}", new.found);
    }

    #[tokio::test]
    async fn a_name_leads_somewhere_or_is_named() {
        let address = "127.0.0.1:443".parse().ok();
        assert_eq!(led([("a", Ok(address))].into_iter()).found, "a leads to 127.0.0.1");
        let gone = led([("a", Ok(address)), ("b", Err("not known".to_owned()))].into_iter());
        assert_eq!(
            (gone.outcome, gone.found.as_str()),
            (Outcome::Failed, "nothing is known of: b (not known)")
        );
        assert_eq!(gone.todo.unwrap().command, "getent hosts b");
        assert_eq!(dns(None).await.outcome, Outcome::NotAsked);
        assert_eq!(place("https://[fd00::1]:6443"), Some(("fd00::1".to_owned(), 6443)));
        assert_eq!(place("http://127.0.0.1:1"), None);
    }
}
