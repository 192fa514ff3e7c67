//! All hosts of the zones of a roster, beside each other and within one time for all.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream;
use kwo_planner::domains::zone_hosts::ZoneHost;
use kwo_planner::tree::SmolStr;

use super::ask::{Asker, dns_name};
use super::found::{Names, Says, State, ZoneFound};
use super::resolver::Resolver;
use super::{host, zone};

/// How long all questions may take together.
const WHOLE: Duration = Duration::from_secs(60);

/// How many hosts are looked at beside each other.
const HOSTS: usize = 32;

/// Looks at these hosts. `primaries` are the servers that the roster names, by zone: a host and a port.
pub async fn look(
    hosts: &[ZoneHost<'_>],
    primaries: &BTreeMap<SmolStr, (SmolStr, u16)>,
    resolvers: Result<Vec<SocketAddr>, String>,
) -> Names {
    let mut names: Vec<&str> = hosts.iter().map(|host| host.zone.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let Some(first) = names.first() else { return Names::default() };
    let asker = Asker::new(WHOLE);
    let chosen = match (resolvers, dns_name(first)) {
        (Ok(addresses), Ok(name)) => Resolver::choose(&asker, &addresses, &name).await,
        (Err(why), _) | (_, Err(why)) => Err(why),
    };
    let resolver = match chosen {
        Ok(resolver) => resolver,
        Err(why) => return unasked(hosts, &names, &format!("no resolver could be asked: {why}")),
    };
    let primary = |zone: &str| primaries.get(zone).map(|(host, port)| (host.as_str(), *port));
    let zones = join_all(names.iter().map(|name| zone::look(&resolver, name, primary(name)))).await;
    let zone_of = |host: &ZoneHost<'_>| zones.iter().find(|zone| zone.found.zone == host.zone.as_str());
    let pairs = hosts.iter().filter_map(|host| Some((zone_of(host)?, host)));
    let found = stream::iter(pairs).map(|(zone, host)| host::look(&resolver, zone, host)).buffered(HOSTS);
    Names {
        resolver: Some(resolver.address.to_string()),
        hosts: found.collect().await,
        zones: zones.into_iter().map(|zone| zone.found).collect(),
    }
}

/// What is known where nobody can be asked.
fn unasked(hosts: &[ZoneHost<'_>], zones: &[&str], why: &str) -> Names {
    let says = || vec![Says::unknown(why)];
    let zone = |zone: &&str| ZoneFound {
        zone: (*zone).to_owned(),
        state: State::Unknown,
        servers: Vec::new(),
        signed: None,
        says: says(),
    };
    Names {
        resolver: None,
        zones: zones.iter().map(zone).collect(),
        hosts: hosts.iter().map(|asked| host::unknown(asked, says())).collect(),
    }
}
