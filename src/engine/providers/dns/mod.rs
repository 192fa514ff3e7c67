//! DNS zones beside the cluster. `records` has what every server of a zone has alike: record sets, and what stands in the
//! way of one. `mark` is how kwo knows its own. `powerdns` speaks to a server; `zone` looks and writes through it.

mod mark;
mod powerdns;
mod provider;
mod records;
mod zone;

pub(super) use provider::Dns;
