//! The `operators` section: people who look after the whole cluster.

use crate::roster::record::{choice, record};
use crate::roster::{At, Identity};

record! {
    /// Somebody who looks after the whole cluster.
    pub struct Operator: "an operator" {
        /// The user or group.
        pub identity: At<Identity>,
        /// What they may do.
        pub role: At<Role>,
    }
}

choice! {
    /// What an operator may do.
    pub enum Role: "role of an operator" {
        /// Everything.
        Admin = "admin",
        /// Read almost everything in all namespaces, but no Secrets and no ConfigMaps, and run nothing in pods.
        PowerUser = "power-user",
    }
}
