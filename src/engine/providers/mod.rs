//! The systems that kwo can look at and write to, one file or folder each.

mod api;
mod atomic_file;
mod checkup;
mod composite;
mod cutter;
mod dir;
mod dns;
mod documents;
mod kube;
mod manifest;
mod mask;
mod node;
mod open_systems;
mod patience;
mod provider;
mod restart;
mod vault;

pub use self::api::{Answer, Api, ApiOptions, Ask, NoAnswer, secret_header};
pub use self::atomic_file::{Astray, inside, keep_private, keep_readable, replace, settle, temporary};
pub(crate) use self::atomic_file::{followed, in_root, machine_folder, named_temporary, sweep};
pub use self::checkup::{Checkup, RightFound, Tested};
pub use self::composite::{Composite, Opens};
pub use self::cutter::{Cutter, Cutters, Records, Remain, Restored, Whole};
pub use self::dir::Dir;
pub use self::documents::fold;
pub(crate) use self::kube::hostname_in;
pub use self::kube::{ApiKind, Blind, Held, OF_ACCESS, counted};
pub use self::kube::{ConnectError, Event, Kube, KubeOptions, LastRun, Log, May, StoredSecret, hostname};
pub use self::kube::{FAILED, NAME_ONE, chain, contexts, encoded, kubeconfigs, web};
pub use self::manifest::read as yaml_documents;
pub(crate) use self::manifest::write as yaml_text;
pub use self::node::{KeptToken, Node, TokenState};
pub use self::open_systems::{Surround, cluster};
pub use self::vault::{Kv, VaultServer};
pub use provider::{
    Account, Home, Identity, Issuer, Lock, LockRefusal, Promise, Provider, Refusal, Reviewer, Surroundings,
    Together, Token, VersionedText,
};
