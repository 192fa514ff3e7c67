//! A Kubernetes cluster, through its API server.

mod answer;
mod connect;
mod decode;
mod lease;
mod observe;
mod owners;
mod path;
mod provider;
mod proxy;
mod veil;
mod wire;
mod write;

pub(crate) use connect::web;
pub use connect::{ConnectError, Kube, KubeOptions};
pub(crate) use wire::chain;
