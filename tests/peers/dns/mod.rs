//! DNS records: a real PowerDNS is asked by its API and by DNS, beside a real API server. `world` has the roster and the
//! front before the server that counts, fails or kills.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up ends here")]

mod check;
mod contract;
mod crash;
mod faults;
mod others;
mod records;
mod world;
