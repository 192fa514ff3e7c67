//! What serves a zone, by the word in the roster. A new provider is a line in each of the two lists here.

use kwo_planner::domains::zone_servers::ZoneProvider;

use super::server::Opener;
use super::{cloudflare, desec, digitalocean, hetzner, ovh, powerdns, rfc2136, route53};

/// What opens zones, by provider.
#[derive(Default)]
pub(super) struct Servers {
    powerdns: powerdns::Servers,
    rfc2136: rfc2136::Servers,
    cloudflare: cloudflare::Servers,
    route53: route53::Servers,
    digitalocean: digitalocean::Servers,
    hetzner: hetzner::Servers,
    desec: desec::Servers,
    ovh: ovh::Servers,
}

impl Servers {
    /// That of a provider.
    pub(super) fn of(&mut self, provider: ZoneProvider) -> &mut dyn Opener {
        match provider {
            ZoneProvider::Powerdns => &mut self.powerdns,
            ZoneProvider::Rfc2136 => &mut self.rfc2136,
            ZoneProvider::Cloudflare => &mut self.cloudflare,
            ZoneProvider::Route53 => &mut self.route53,
            ZoneProvider::Digitalocean => &mut self.digitalocean,
            ZoneProvider::Hetzner => &mut self.hetzner,
            ZoneProvider::Desec => &mut self.desec,
            ZoneProvider::Ovh => &mut self.ovh,
        }
    }
}
