//! Questions to others than the cluster: what a host serves. Nothing here knows a plan.

mod tls;

pub use tls::{Certificate, Fault, look};
