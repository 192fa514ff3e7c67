//! Questions to others than the cluster: what a host serves, whether a registry answers, whether a
//! credential works. Nothing here knows a plan.

mod credential;
mod registry;
mod tls;

pub use credential::ask;
pub use registry::{answers, lets_in};
pub use tls::{Certificate, Fault, look};
