//! What listens for pushes: who sent one, whether it is new, and the run that follows it.

mod answer;
mod awaiting;
mod deliveries;
mod figures;
mod forge;
mod listener;
mod places;
mod runner;
mod server;
mod signature;

pub use awaiting::awaiting;
pub use forge::Forge;
pub use listener::{Bounds, Hook};
pub use runner::Work;
pub use signature::Keys;
