//! One host: what the authoritative servers answer, checked against where the roster wants it to lead; what the resolvers of the
//! world see of it; and whether its certificate may be issued.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use domain::base::ToName as _;
use domain::base::iana::{Rcode, Rtype};
use futures_util::future::join_all;
use kwo_planner::domains::zone_hosts::{Certificate, Leads, ZoneHost};
use kwo_planner::plain::counted;

use super::ask::{Asker, Data, DnsName, Question, Reply, dns_name, text};
use super::caa::{Verdict, Wish, judge, relevant};
use super::found::{HostFound, Says, State};
use super::resolver::{Resolver, Seen};
use super::zone::{Server, Zone, behind, newest};

/// Where a name leads, as somebody says.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Lead {
    Addresses(BTreeSet<IpAddr>),
    Alias(String),
    Absent,
    /// Other servers know, those of a zone below.
    Delegated(String),
    /// The server answers nothing that counts; says what.
    Fails(String),
    /// It does not answer; says why.
    Silent(String),
}

/// A host of which nothing is known yet.
pub(super) fn unknown(host: &ZoneHost<'_>, says: Vec<Says>) -> HostFound {
    let mut says = says;
    let wanted = match &host.leads {
        Leads::Addresses(addresses) => addresses.iter().map(ToString::to_string).collect(),
        Leads::Name(name) => vec![name.to_string()],
        Leads::Proxy => Vec::new(),
    };
    HostFound {
        host: host.host.to_string(),
        asked: host.name.to_string(),
        tenant: host.tenant.to_string(),
        zone: host.zone.to_string(),
        state: State::of(&mut says),
        wanted,
        leads: Vec::new(),
        ttl: None,
        certificate: None,
        says,
    }
}

/// Looks at a host of a zone.
pub(super) async fn look(resolver: &Resolver<'_>, zone: &Zone, host: &ZoneHost<'_>) -> HostFound {
    let name = match dns_name(&host.name) {
        Ok(name) => name,
        Err(why) => return unknown(host, vec![Says::unknown(why)]),
    };
    let mut found = unknown(host, Vec::new());
    let asked = join_all(zone.servers.iter().map(|server| lead(resolver.asker, server, (zone, &name))));
    let seen = async { tokio::join!(resolver.see(&name, Rtype::A), resolver.see(&name, Rtype::AAAA)) };
    let certified = certified(resolver, &name, host.certificate);
    let (asked, seen, (certificate, about)) = tokio::join!(asked, seen, certified);
    let mut says = about;
    found.certificate = certificate;
    let right = at_servers(zone, host, &asked, &mut found, &mut says);
    match seen {
        (Ok(a), Ok(aaaa)) => at_resolver(resolver, (&name, host), (&a, &aaaa), right, &mut says),
        (Err(why), _) | (_, Err(why)) => says.push(Says::unknown(why)),
    }
    found.state = State::of(&mut says);
    found.says = says;
    found
}

/// Holds what the servers say against the roster. Do all that the world asks say what it wants?
fn at_servers(
    zone: &Zone,
    host: &ZoneHost<'_>,
    asked: &[(Lead, Option<u32>)],
    found: &mut HostFound,
    says: &mut Vec<Says>,
) -> bool {
    let mut by_lead: BTreeMap<&Lead, Vec<&Server>> = BTreeMap::new();
    for ((lead, ttl), server) in asked.iter().zip(&zone.servers) {
        if server.listed {
            by_lead.entry(lead).or_default().push(server);
            found.ttl = found.ttl.max(*ttl);
        } else if !fits(&host.leads, lead) {
            says.push(Says::note(format!("{}, which the roster names, says: {}", server.name, told(lead))));
        }
    }
    says.extend(zone.why.clone());
    let silent = zone.found.servers.iter().filter(|server| server.listed && server.state == State::Unknown);
    for server in silent {
        says.push(Says::unknown(format!("{} could not be asked", server.name)));
    }
    if let Some((lead, _)) = by_lead.iter().max_by_key(|(_, servers)| servers.len()) {
        found.leads = match lead {
            Lead::Addresses(addresses) => addresses.iter().map(ToString::to_string).collect(),
            Lead::Alias(name) => vec![name.clone()],
            _ => Vec::new(),
        };
    }
    let (newest, alone) = (newest(&zone.servers), by_lead.len() == 1);
    let mut right = !by_lead.is_empty();
    for (lead, servers) in by_lead.iter().filter(|(lead, _)| !fits(&host.leads, lead)) {
        right = false;
        let names: Vec<&str> = servers.iter().map(|server| server.name.as_str()).collect();
        let mut said = told(lead);
        if !alone || matches!(lead, Lead::Fails(_) | Lead::Silent(_)) {
            said = format!("{} says: {said}", names.join(", "));
        }
        if let Lead::Silent(_) = lead {
            says.push(Says::unknown(said));
            continue;
        }
        if !matches!(lead, Lead::Fails(_)) {
            said.push_str(&format!(", and the roster wants {}", wanted(&host.leads)));
        }
        if let Some(newest) =
            newest.filter(|newest| servers.iter().all(|server| behind(server.serial, newest.serial)))
        {
            let serial =
                servers.iter().map(|server| server.serial.to_string()).collect::<Vec<_>>().join(", ");
            said.push_str(&format!("; its serial is {serial}, and {} has {}", newest.name, newest.serial));
        }
        let own = asked.iter().filter(|(other, _)| other == *lead).filter_map(|(_, ttl)| *ttl).max();
        if let (Lead::Absent, Some(ttl)) = (lead, own) {
            let ttl = counted(ttl, "second", "seconds");
            said.push_str(&format!("; resolvers may remember for up to {ttl} that it is not there"));
        }
        says.push(Says::problem(said));
    }
    right
}

/// What the resolver sees of it: for resolvers that check DNSSEC, at the end of an alias, and from before.
fn at_resolver(
    resolver: &Resolver<'_>,
    (name, host): (&DnsName, &ZoneHost<'_>),
    (a, aaaa): (&Seen, &Seen),
    right: bool,
    says: &mut Vec<Says>,
) {
    let address = resolver.address;
    let mut replies = Vec::new();
    for seen in [a, aaaa] {
        match seen {
            Seen::Answer(reply) => replies.push(reply),
            Seen::Forged(reply) => {
                says.push(Says::problem(
                    "resolvers that check DNSSEC do not find it: what is answered is not signed as the zones above say",
                ));
                replies.push(reply);
            }
            Seen::Fails(rcode) => {
                says.push(Says::unknown(format!(
                    "the resolver {address} answers {rcode}: it cannot find out"
                )));
            }
        }
    }
    let [a, aaaa] = replies[..] else { return };
    let (v4, v6) = match (a.addresses(name), aaaa.addresses(name)) {
        (Ok(v4), Ok(v6)) => (v4, v6),
        (Err(why), _) | (_, Err(why)) => return says.push(Says::problem(why)),
    };
    let all: BTreeSet<IpAddr> = v4.into_iter().chain(v6).collect();
    let alias = a.alias(name).or_else(|| aaaa.alias(name));
    let lead = match alias {
        Some(alias) => Lead::Alias(text(alias)),
        None if all.is_empty() => Lead::Absent,
        None => Lead::Addresses(all.clone()),
    };
    if right && !fits(&host.leads, &lead) {
        // A memory, or a resolver that is told something else than the world.
        let ttls = a.answer.iter().chain(&aaaa.answer).map(|record| record.ttl);
        let ttl = if lead == Lead::Absent { a.negative().max(aaaa.negative()) } else { ttls.max() };
        let ttl = ttl.map(|ttl| format!(", for up to {} more", counted(ttl, "second", "seconds")));
        let ttl = ttl.unwrap_or_default();
        says.push(Says::note(format!("the resolver {address} says otherwise{ttl}: {}", told(&lead))));
    } else if let (true, true, Lead::Alias(alias)) = (right, all.is_empty(), &lead) {
        says.push(Says::problem(format!("{alias} has no address, says the resolver {address}")));
    }
}

/// Where a server says that a name leads, and how long that, or that it leads nowhere, may be remembered.
async fn lead(asker: &Asker, server: &Server, (zone, name): (&Zone, &DnsName)) -> (Lead, Option<u32>) {
    let ask = |of| asker.ask(server.address, Question { name, of, recursive: false, unchecked: true });
    let (a, aaaa) = tokio::join!(ask(Rtype::A), ask(Rtype::AAAA));
    let (a, aaaa) = match (a, aaaa) {
        (Ok(a), Ok(aaaa)) => (a, aaaa),
        (Err(why), _) | (_, Err(why)) => return (Lead::Silent(why), None),
    };
    match (part(&a, Rtype::A, (zone, name)), part(&aaaa, Rtype::AAAA, (zone, name))) {
        ((Lead::Addresses(mut v4), first), (Lead::Addresses(v6), second)) => {
            v4.extend(v6);
            (Lead::Addresses(v4), first.max(second))
        }
        ((Lead::Absent, _), other) | (other, (Lead::Absent, _)) => other,
        // What is no address counts before one.
        (first, second) => {
            if matches!(first.0, Lead::Addresses(_)) {
                second
            } else {
                first
            }
        }
    }
}

/// The same of one type.
fn part(reply: &Reply, of: Rtype, (zone, name): (&Zone, &DnsName)) -> (Lead, Option<u32>) {
    if !matches!(reply.rcode, Rcode::NOERROR | Rcode::NXDOMAIN) {
        return (Lead::Fails(format!("{} to {of}", reply.rcode)), None);
    }
    if !reply.authoritative {
        let below = reply.authority.iter().find(|record| {
            matches!(record.data, Data::Server(_))
                && record.owner != zone.name
                && name.ends_with(&record.owner)
        });
        return match below {
            Some(record) => (Lead::Delegated(text(&record.owner)), Some(record.ttl)),
            None => (Lead::Fails(format!("{of} is not its own to answer")), None),
        };
    }
    let own = || reply.answer.iter().filter(|record| record.owner == *name);
    let ttl = own().map(|record| record.ttl).max();
    if let Some(alias) = reply.alias(name) {
        return (Lead::Alias(text(alias)), ttl);
    }
    let address = |data: &Data| match data {
        Data::Address(address) => Some(*address),
        _ => None,
    };
    let addresses: BTreeSet<IpAddr> = own().filter_map(|record| address(&record.data)).collect();
    if addresses.is_empty() { (Lead::Absent, reply.negative()) } else { (Lead::Addresses(addresses), ttl) }
}

/// Is it where the roster wants the host to lead?
fn fits(wanted: &Leads, lead: &Lead) -> bool {
    match (wanted, lead) {
        (Leads::Addresses(wanted), Lead::Addresses(found)) => wanted == found,
        (Leads::Name(wanted), Lead::Alias(found)) => wanted.eq_ignore_ascii_case(found),
        (Leads::Proxy, Lead::Addresses(_) | Lead::Alias(_)) => true,
        _ => false,
    }
}

fn told(lead: &Lead) -> String {
    match lead {
        Lead::Addresses(addresses) => format!("it leads to {}", listed(addresses)),
        Lead::Alias(name) => format!("it is an alias of {name}"),
        Lead::Absent => "it is not there".to_owned(),
        Lead::Delegated(below) => format!("other servers answer for it, those of the zone {below}"),
        Lead::Fails(how) => how.clone(),
        Lead::Silent(why) => why.clone(),
    }
}

fn wanted(leads: &Leads) -> String {
    match leads {
        Leads::Addresses(addresses) => listed(addresses),
        Leads::Name(name) => format!("an alias of {name}"),
        Leads::Proxy => "any address".to_owned(),
    }
}

fn listed(addresses: &BTreeSet<IpAddr>) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// May its certificate be issued?
async fn certified(
    resolver: &Resolver<'_>,
    name: &DnsName,
    certificate: Option<Certificate>,
) -> (Option<bool>, Vec<Says>) {
    let Some(Certificate { issuer, wildcard, challenge }) = certificate else { return (None, Vec::new()) };
    // A wildcard is asked for by a name below it, and is a certificate of the name above.
    let above = name.parent().filter(|_| wildcard).map(|above| above.to_name());
    let from = above.as_ref().unwrap_or(name);
    let (at, properties) = match relevant(from, async |name: &DnsName| resolver.caa(name).await).await {
        Ok(Some(found)) => found,
        Ok(None) => return (Some(true), Vec::new()),
        Err(why) => {
            let why = format!(
                "who may issue its certificate could not be asked, and an issuer refuses then: {why}"
            );
            return (None, vec![Says::unknown(why)]);
        }
    };
    let forbidden = match judge(&properties, Wish { issuer, wildcard, challenge }) {
        Verdict::Allowed => return (Some(true), Vec::new()),
        Verdict::AccountOnly(account) => {
            let said = format!(
                "only the account {account} of {issuer} may get its certificate (CAA of {at}): is it the cluster's?"
            );
            return (Some(true), vec![Says::note(said)]);
        }
        Verdict::OtherChallenge(methods) => {
            format!(
                "{issuer} may not prove it by {challenge}, only by {methods} (validationmethods in the CAA of {at})"
            )
        }
        Verdict::Others(others) if others.is_empty() => {
            format!("nobody may issue its certificate (CAA of {at}); the roster wants one of {issuer}")
        }
        Verdict::Others(others) => {
            format!("only {} may issue its certificate (CAA of {at}), and not {issuer}", others.join(", "))
        }
        Verdict::Critical(tag) => {
            format!(
                "nobody may issue its certificate who does not know `{tag}` (a critical CAA record of {at})"
            )
        }
    };
    (Some(false), vec![Says::problem(forbidden)])
}
