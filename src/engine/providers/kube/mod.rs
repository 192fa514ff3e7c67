//! A Kubernetes cluster, through its API server.

mod answer;
mod beside;
mod connect;
mod decode;
mod distrust;
mod endpoint;
mod events;
mod lease;
mod login;
mod note;
mod observe;
mod outage;
mod owners;
mod pace;
mod page;
mod path;
mod provider;
mod proxy;
mod read;
mod redact;
mod review;
mod secret;
mod token;
mod warned;
mod way;
mod wire;
mod write;

pub use connect::{ConnectError, Kube, KubeOptions};
pub use connect::{contexts, web};
pub use events::Event;
pub use lease::{LastRun, hostname};
pub use path::encoded;
pub use read::Log;
pub use secret::StoredSecret;
pub use token::Token;
pub use way::chain;
