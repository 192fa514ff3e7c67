//! A Kubernetes cluster, through its API server.

mod answer;
mod connect;
mod decode;
mod endpoint;
mod lease;
mod observe;
mod owners;
mod path;
mod provider;
mod proxy;
mod read;
mod token;
mod veil;
mod wire;
mod write;

pub(crate) use connect::web;
pub use connect::{ConnectError, Kube, KubeOptions};
pub use endpoint::Endpoint;
pub use lease::LastRun;
pub(crate) use path::encoded;
pub use read::Log;
pub use token::Token;
pub(crate) use wire::chain;
