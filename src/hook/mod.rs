//! What listens for pushes: who sent one, whether it is new, and the run that follows it.

mod awaiting;
mod deliveries;
mod figures;
mod forge;
mod listener;
mod places;
mod respond;
mod runner;
mod server;
mod signature;

pub use awaiting::awaiting;
pub use forge::Forge;
pub use listener::{Bounds, Hook};
pub use runner::Work;
pub use signature::Keys;
