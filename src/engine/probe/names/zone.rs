//! The authoritative servers of a zone: who they are, as the world finds them, whether each of them serves the zone, and
//! whether DNSSEC lets anybody believe them.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use domain::base::ToName as _;
use domain::base::iana::{Rcode, Rtype};
use futures_util::future::join_all;
use tokio::net::lookup_host;
use tokio::time::timeout;

use super::ask::{Asker, Data, DnsName, Question, dns_name, text};
use super::found::{Says, ServerFound, State, ZoneFound};
use super::resolver::{Resolver, Seen};

/// As many servers of a zone are asked, and at as many addresses each.
const SERVERS: usize = 13;
const ADDRESSES: usize = 3;

/// Where DNS servers listen.
const PORT: u16 = 53;

/// How long the system may look for the address of a server that the roster names.
const PATIENCE: Duration = Duration::from_secs(5);

/// A zone, and the servers that can be asked for its names.
pub(super) struct Zone {
    pub(super) name: DnsName,
    pub(super) found: ZoneFound,
    pub(super) servers: Vec<Server>,
    /// Why its names cannot be asked for, where no server that the world knows can be asked.
    pub(super) why: Option<Says>,
}

/// A server that serves the zone.
pub(super) struct Server {
    pub(super) name: String,
    pub(super) address: SocketAddr,
    pub(super) listed: bool,
    pub(super) serial: u32,
}

/// Whom the world asks for a zone.
enum Delegation {
    Servers(Vec<DnsName>),
    /// Nobody; says why.
    Nobody(String),
    Unknown(String),
}

/// A server before and after it is asked.
struct Candidate {
    name: String,
    listed: bool,
    addresses: Result<Vec<SocketAddr>, Says>,
}

/// Looks at a zone. The roster may name its primary server.
pub(super) async fn look(resolver: &Resolver<'_>, zone: &str, primary: Option<(&str, u16)>) -> Zone {
    let mut found = ZoneFound {
        zone: zone.to_owned(),
        state: State::Unknown,
        servers: Vec::new(),
        signed: None,
        says: Vec::new(),
    };
    let name = match dns_name(zone) {
        Ok(name) => name,
        Err(why) => {
            let why = Some(Says::unknown(why));
            return Zone { name: DnsName::root_vec(), found, servers: Vec::new(), why };
        }
    };
    let (delegation, (signed, mut says)) = tokio::join!(delegation(resolver, &name), signed(resolver, &name));
    found.signed = signed;
    let mut why = None;
    let names = match delegation {
        Delegation::Servers(names) => names,
        Delegation::Nobody(because) => {
            why = Some(Says::problem(because));
            Vec::new()
        }
        Delegation::Unknown(because) => {
            why = Some(Says::unknown(because));
            Vec::new()
        }
    };
    if names.len() > SERVERS {
        says.push(Says::note(format!("it has {} name servers, of which {SERVERS} were asked", names.len())));
    }
    let listed = join_all(names.iter().take(SERVERS).map(|name| listed(resolver, name)));
    let (mut candidates, own) = tokio::join!(listed, named(primary));
    let known = |own: &Candidate| {
        let all = candidates.iter().filter_map(|candidate| candidate.addresses.as_ref().ok()).flatten();
        own.addresses.as_ref().is_ok_and(|own| all.into_iter().any(|address| own.contains(address)))
    };
    candidates.extend(own.filter(|own| !known(own)));
    let asked =
        join_all(candidates.into_iter().map(|candidate| serves(resolver.asker, &name, candidate))).await;
    let mut servers = Vec::new();
    for (seen, server, said) in asked {
        found.servers.push(seen);
        servers.extend(server);
        says.extend(said);
    }
    lagging(&servers, &mut says);
    if why.is_none() && !servers.iter().any(|server| server.listed) {
        let lame =
            found.servers.iter().filter(|server| server.listed).all(|server| server.state == State::Failed);
        let because = format!("none of the name servers of {zone} answers for it");
        why = Some(if lame { Says::problem(because) } else { Says::unknown(because) });
    }
    says.extend(why.clone());
    found.state = State::of(&mut says);
    found.says = says;
    Zone { name, found, servers, why }
}

async fn delegation(resolver: &Resolver<'_>, zone: &DnsName) -> Delegation {
    match resolver.see(zone, Rtype::NS).await {
        Ok(Seen::Answer(reply) | Seen::Forged(reply)) => {
            let servers = reply.servers(zone);
            let (address, zone) = (resolver.address, text(zone));
            match reply.rcode {
                _ if !servers.is_empty() => Delegation::Servers(servers),
                Rcode::NXDOMAIN => Delegation::Nobody(format!(
                    "there is no zone {zone}, says the resolver {address}: is it registered, and are its name servers set there?"
                )),
                _ => Delegation::Nobody(format!(
                    "{zone} is no zone of its own, says the resolver {address}: the zone above names no servers for it"
                )),
            }
        }
        // It cannot say whom it asked in vain, and the zone above can.
        Ok(Seen::Fails(rcode)) => above(resolver, zone, rcode).await,
        Err(why) => Delegation::Unknown(why),
    }
}

/// Whom the zone above names for a zone.
async fn above(resolver: &Resolver<'_>, zone: &DnsName, rcode: Rcode) -> Delegation {
    let unknown = |why: &str| {
        Delegation::Unknown(format!("the resolver {} answers {rcode} to it{why}", resolver.address))
    };
    let mut at = zone.clone();
    while let Some(parent) = at.parent().map(|parent| parent.to_name::<Vec<u8>>()) {
        at = parent;
        let Ok(Seen::Answer(reply) | Seen::Forged(reply)) = resolver.see(&at, Rtype::NS).await else {
            continue;
        };
        for server in reply.servers(&at).iter().take(ADDRESSES) {
            for address in resolver.addresses(server).await.unwrap_or_default().into_iter().take(1) {
                let question = Question { name: zone, of: Rtype::NS, recursive: false, unchecked: true };
                let Ok(reply) = resolver.asker.ask((address, PORT).into(), question).await else { continue };
                let servers = reply.servers(zone);
                return match reply.rcode {
                    Rcode::NOERROR if !servers.is_empty() => Delegation::Servers(servers),
                    Rcode::NXDOMAIN | Rcode::NOERROR if reply.authoritative => Delegation::Nobody(format!(
                        "{} names no servers for {}, so nobody finds it",
                        text(server),
                        text(zone)
                    )),
                    _ => unknown(", and the zone above does not say who serves it"),
                };
            }
        }
        if !reply.servers(&at).is_empty() {
            break;
        }
    }
    unknown(", and nobody else could be asked who serves it")
}

/// A server that the world knows.
async fn listed(resolver: &Resolver<'_>, name: &DnsName) -> Candidate {
    let addresses = match resolver.addresses(name).await {
        Ok(found) if found.is_empty() => {
            Err(Says::problem(format!("its name server {} has no address", text(name))))
        }
        Ok(found) => Ok(found.into_iter().take(ADDRESSES).map(|address| (address, PORT).into()).collect()),
        Err(why) => {
            Err(Says::unknown(format!("no address of its name server {} was found: {why}", text(name))))
        }
    };
    Candidate { name: text(name), listed: true, addresses }
}

/// The server that the roster names, as kwo finds it when it writes there.
async fn named(primary: Option<(&str, u16)>) -> Option<Candidate> {
    let (host, port) = primary?;
    let addresses = match host.parse::<IpAddr>() {
        Ok(address) => Ok(vec![(address, port).into()]),
        Err(_) => match timeout(PATIENCE, lookup_host((host, port))).await {
            Ok(Ok(found)) => Ok(found.take(ADDRESSES).collect()),
            _ => Err(Says::note(format!("no address of {host} was found, which the roster names"))),
        },
    };
    Some(Candidate { name: host.to_owned(), listed: false, addresses })
}

/// Asks a server whether it serves the zone, at the first of its addresses that answers. The one that only the roster names
/// may answer to a key alone, so that is no fault.
async fn serves(
    asker: &Asker,
    zone: &DnsName,
    Candidate { name, listed, addresses }: Candidate,
) -> (ServerFound, Option<Server>, Vec<Says>) {
    let mut seen = ServerFound { name, address: None, listed, state: State::Unknown, serial: None };
    let addresses = match addresses {
        Ok(addresses) => addresses,
        Err(why) => {
            let mut says = vec![why];
            seen.state = State::of(&mut says);
            return (seen, None, says);
        }
    };
    let mut silent = Vec::new();
    for address in addresses {
        let question = Question { name: zone, of: Rtype::SOA, recursive: false, unchecked: true };
        let reply = match asker.ask(address, question).await {
            Ok(reply) => reply,
            Err(why) => {
                silent.push(why);
                continue;
            }
        };
        seen.address = Some(address.to_string());
        let serial =
            reply.answer.iter().filter(|record| record.owner == *zone).find_map(|record| match record.data {
                Data::Soa(serial, _) => Some(serial),
                _ => None,
            });
        if let (Rcode::NOERROR, true, Some(serial)) = (reply.rcode, reply.authoritative, serial) {
            seen.state = State::Works;
            seen.serial = Some(serial);
            let name = seen.name.clone();
            return (seen, Some(Server { name, address, listed, serial }), Vec::new());
        }
        let how = match reply.rcode {
            Rcode::NOERROR => "does not answer for the zone as its own".to_owned(),
            other => format!("answers {other}"),
        };
        let said = format!("{} ({address}) {how}", seen.name);
        let says = if listed {
            seen.state = State::Failed;
            Says::problem(format!("its name server {said}: resolvers that ask it find nothing there"))
        } else {
            Says::note(format!("{said}; the roster names it, and the world does not ask it"))
        };
        return (seen, None, vec![says]);
    }
    let why = silent.join("; ");
    let says = if listed {
        Says::unknown(format!("its name server {}: {why}", seen.name))
    } else {
        Says::note(format!("{}, which the roster names: {why}", seen.name))
    };
    (seen, None, vec![says])
}

/// Is this serial behind the other one (RFC 1982)?
pub(super) fn behind(serial: u32, other: u32) -> bool {
    (1..1 << 31).contains(&other.wrapping_sub(serial))
}

/// The server with the newest serial.
pub(super) fn newest(servers: &[Server]) -> Option<&Server> {
    servers.iter().reduce(|newest, server| if behind(newest.serial, server.serial) { server } else { newest })
}

fn lagging(servers: &[Server], says: &mut Vec<Says>) {
    let Some(newest) = newest(servers) else { return };
    for server in servers.iter().filter(|server| behind(server.serial, newest.serial)) {
        says.push(Says::note(format!(
            "{} has the serial {}, and {} has {}: it lags behind",
            server.name, server.serial, newest.name, newest.serial
        )));
    }
}

/// Does the zone above say that this one is signed, and does that hold?
async fn signed(resolver: &Resolver<'_>, zone: &DnsName) -> (Option<bool>, Vec<Says>) {
    let (ds, soa) = tokio::join!(resolver.see(zone, Rtype::DS), resolver.see(zone, Rtype::SOA));
    let signed = match ds {
        Ok(Seen::Answer(reply) | Seen::Forged(reply)) => {
            Some(reply.answer.iter().any(|record| record.owner == *zone && record.data == Data::Ds))
        }
        Ok(Seen::Fails(_)) | Err(_) => None,
    };
    let says = match soa {
        Ok(Seen::Forged(_)) => vec![Says::problem(match signed {
            Some(true) => {
                "DNSSEC is broken: the zone above says how this one is signed (its DS records), and what it answers is not \
                 signed so. Resolvers that check find none of its names, and no issuer of certificates does. Set the DS \
                 records of its keys at the registrar, or remove them if nobody signs the zone any more"
            }
            Some(false) | None => {
                "DNSSEC is broken above it: resolvers that check find none of its names, and no issuer of certificates does"
            }
        })],
        Ok(Seen::Answer(reply)) if signed == Some(true) && !reply.authentic => vec![Says::note(format!(
            "it is signed, and the resolver {} does not check DNSSEC, so kwo cannot say whether that holds",
            resolver.address
        ))],
        Ok(_) => Vec::new(),
        Err(_) if signed.is_none() => vec![Says::unknown("it could not be asked whether DNSSEC holds")],
        Err(_) => Vec::new(),
    };
    (signed, says)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serials_go_round() {
        for (serial, other, is) in [
            (1, 2, true),
            (2, 1, false),
            (1, 1, false),
            (u32::MAX, 0, true),
            (0, u32::MAX, false),
            (2_026_112_901, 2_026_112_902, true),
        ] {
            assert_eq!(behind(serial, other), is, "{serial} {other}");
        }
    }
}
