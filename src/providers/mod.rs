//! The systems that kwo can look at and write to, one file or folder each.

mod dir;
mod documents;
mod kube;
mod manifest;
mod mask;
mod node;
mod patch;
mod place;
mod provider;
mod together;

pub use self::dir::Dir;
pub(crate) use self::documents::fold;
pub use self::kube::{ConnectError, Endpoint, Kube, KubeOptions, LastRun, Log, Token};
pub(crate) use self::kube::{chain, web};
pub use self::node::Node;
pub(crate) use self::place::{Astray, inside, keep_private, settle, temporary};
pub use self::together::Together;
pub use provider::{Identity, Lock, LockRefusal, Promise, Provider, Refusal};
