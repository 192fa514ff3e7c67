//! What listens for pushes: who sent one, whether it is new, and the run that follows it.

mod answer;
mod deliveries;
mod figures;
mod forge;
mod places;
mod runner;
mod server;
mod signature;

pub use forge::Forge;
pub use runner::Work;
pub use server::{Bounds, Hook};
pub use signature::Keys;
