//! The whole roster: the sections of all its files together. Only `parse` makes one.

use std::sync::Arc;

use super::{Map, Name, Sources};
use crate::domains::cluster::Cluster;
use crate::domains::operators::Operator;
use crate::domains::tenants::Tenant;
use crate::domains::tiers::Tier;

/// A roster that has been read and checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Roster {
    pub(super) cluster: Cluster,
    pub(super) tiers: Map<Name, Tier>,
    pub(super) tenants: Map<Name, Tenant>,
    pub(super) operators: Map<Name, Operator>,
    pub(super) sources: Arc<Sources>,
}

impl Roster {
    /// What it says about the cluster.
    #[must_use]
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Its tiers; the built-in ones are not among them.
    #[must_use]
    pub fn tiers(&self) -> &Map<Name, Tier> {
        &self.tiers
    }

    /// Its tenants.
    #[must_use]
    pub fn tenants(&self) -> &Map<Name, Tenant> {
        &self.tenants
    }

    /// Its operators.
    #[must_use]
    pub fn operators(&self) -> &Map<Name, Operator> {
        &self.operators
    }

    /// The text it was read from.
    #[must_use]
    pub fn sources(&self) -> &Arc<Sources> {
        &self.sources
    }
}
