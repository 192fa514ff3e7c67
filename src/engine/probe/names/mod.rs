//! What DNS says of the hosts of the roster: what the authoritative servers of their zones answer, and what the resolvers of
//! the world make of it. `ask` sends one question and reads its answer, `resolver` asks the resolver that stands for those
//! of the world, `zone` finds the servers of a zone, `host` holds their answers against the roster, `caa` reads who may issue
//! certificates, and `found` is what comes of it. An answer is a stranger's word: who could not be asked is `unknown`.

mod ask;
mod caa;
mod found;
mod host;
mod look;
mod resolver;
mod system;
mod zone;

pub use found::{HostFound, Names, Says, ServerFound, State, Weight, ZoneFound};
pub use look::look;
pub use system::resolvers;
