//! DNS records: real servers are asked by DNS and by what runs them, beside a real API server, and so is what stands in place
//! of Cloudflare, deSEC, DigitalOcean, Hetzner, OVH and Route 53. Each scene is played on every server
//! (`testkit::peers::zones::ALL`); `powerdns`, `rfc2136`, `cloudflare`, `desec`, `digitalocean`, `hetzner`, `ovh` and `route53`
//! have what only one protocol can be asked or get wrong.
//! `world` has the roster, and the front before a server that counts, fails or kills.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up ends here")]

mod check;
mod cloudflare;
mod contract;
mod crash;
mod desec;
mod digitalocean;
mod faults;
mod hetzner;
mod leaving;
mod names;
mod others;
mod ovh;
mod powerdns;
mod records;
mod rfc2136;
mod route53;
mod world;
