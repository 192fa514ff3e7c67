//! DNS zones beside the cluster. `records` has what every server of a zone has alike: record sets, and what stands in the
//! way of one. `mark` is how kwo knows its own, and `texts` is how a mark stands where there are no comments. `zone` looks and
//! does a step through a `server`, `cutter` lets a tenant leave, and both write by `transact`. `objects` is for servers where
//! each record is an object of its own, and `lines` for those with an API over HTTP. `pace` bounds how fast kwo asks. `servers`
//! lists the servers that kwo speaks to, each in a room of its own.

mod cloudflare;
mod cutter;
mod desec;
mod digitalocean;
mod gather;
#[cfg(test)]
mod gather_tests;
mod hetzner;
mod lines;
mod mark;
mod objects;
mod ovh;
mod pace;
mod pages;
mod powerdns;
mod provider;
mod records;
mod rfc2136;
mod route53;
mod server;
mod servers;
#[cfg(test)]
mod tests;
mod texts;
mod transact;
mod zone;

pub(super) use provider::Dns;
