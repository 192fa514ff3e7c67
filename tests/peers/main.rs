//! kwo beside the real programs that it works with or makes settings for: git, sshd, a forge, Traefik, a registry, an ACME
//! server, an OpenID provider, Prometheus, systemd's own checks, editors, a DNS server. Several suites use the API server too.

mod dns;
mod editors;
mod forge;
mod inside;
mod install;
mod notify;
mod pipeline;
mod platform;
mod programs;
mod readers;
mod sync;
mod tutorial;
mod vault;
