//! Questions to others than the cluster: what a host serves, and whether a credential works. Nothing here knows a plan.

mod credential;
mod tls;

pub use credential::ask;
pub use tls::{Certificate, Fault, look};
