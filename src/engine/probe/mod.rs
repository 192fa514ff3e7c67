//! Questions to others than the cluster: what a host serves, what DNS says of it, whether a registry answers, whether a
//! credential works. Nothing here knows a plan.

mod credential;
pub mod names;
mod registry;
mod tls;

pub use credential::ask;
pub use registry::{answers, lets_in};
pub use tls::{Certificate, Fault, look};
