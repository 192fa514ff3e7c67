//! Vault or OpenBao beside the home. Ids and bodies hold what people know: names, identities, paths. Here they become the
//! ids of the server, and back. What others made is read and never written: a policy, a group or an entity of kwo's own
//! carries the uid of its cluster.

mod checkup;
mod cutter;
mod keys;
mod kv;
mod mark;
mod methods;
mod observe;
mod remains;
mod roles;
mod server;
mod session;
mod things;
mod turns;
mod users;
mod write;

pub use kv::Kv;
pub use server::VaultServer;
