//! The systems that hold what a roster asks for. Each has a room with what the planner has to know about it: how to
//! write its ids, how to compare its fields, how to end a leftover in it, and what a leftover still gives somebody.

mod connection;
pub mod dns;
pub mod kube;
pub mod node;
mod rules;
pub mod vault;
pub mod vault_rights;
mod vault_users;

pub use connection::Connection;
pub use rules::{Order, Rules};

/// A system. The order is that of a plan.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum System {
    /// The cluster, or the directory of manifests in its place.
    Kube,
    /// The node that kwo runs on.
    Node,
    /// Vault or OpenBao.
    Vault,
    /// DNS zones.
    Dns,
}

impl System {
    /// All of them.
    pub const ALL: [System; 4] = [System::Kube, System::Node, System::Vault, System::Dns];

    /// What the planner has to know of it.
    #[must_use]
    pub fn rules(self) -> &'static dyn Rules {
        match self {
            System::Kube => &kube::Kubernetes,
            System::Node => &node::OfNode,
            System::Vault => &vault::OfVault,
            System::Dns => &dns::Zones,
        }
    }

    /// Its name in ids.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.rules().name()
    }

    /// The system with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<System> {
        System::ALL.into_iter().find(|system| system.name() == name)
    }
}
