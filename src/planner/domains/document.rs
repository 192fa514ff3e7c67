//! The whole roster: what may stand at the top of its files, and the checked sections of all files together, which
//! only `parse` makes.

use std::sync::Arc;

use super::cluster::Cluster;
use super::dns::Dns;
use super::operators::Operator;
use super::registry::Registry;
use super::systems::{Systems, Vault};
use super::tenants::Tenant;
use super::tiers::Tier;
use crate::policy::Policy;
use crate::roster::record::{choice, record};
use crate::roster::scalar::{Refusal, quote, text_type};
use crate::roster::{At, Map, Name, Sources, Span};

/// A roster that has been read and checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Roster {
    pub(super) cluster: Cluster,
    pub(super) tiers: Map<Name, Tier>,
    pub(super) tenants: Map<Name, Tenant>,
    pub(super) operators: Map<Name, Operator>,
    pub(super) dns: Dns,
    pub(super) registry: Option<At<Registry>>,
    pub(super) systems: Systems,
    pub(super) policy: Option<Policy>,
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

    /// Its resolvers and zones.
    #[must_use]
    pub fn dns(&self) -> &Dns {
        &self.dns
    }

    /// Its container registry, and where the section stands. A section with mirrors alone asks for none.
    #[must_use]
    pub fn registry(&self) -> Option<(Span, &Registry)> {
        self.registries().filter(|(_, registry)| !registry.hosts.is_empty())
    }

    /// What it says of registries: the one in the cluster, and the mirrors of others.
    #[must_use]
    pub fn registries(&self) -> Option<(Span, &Registry)> {
        self.registry.as_ref().map(|registry| (registry.at, &registry.value))
    }

    /// Vault or OpenBao, and where the section stands.
    #[must_use]
    pub fn vault(&self) -> Option<(Span, &Vault)> {
        self.systems.vault.as_ref().map(|vault| (vault.at, &vault.value))
    }

    /// The rules that it sets for itself.
    #[must_use]
    pub fn policy(&self) -> Option<&Policy> {
        self.policy.as_ref()
    }

    /// The same without this tenant.
    #[must_use]
    pub fn without(&self, tenant: &str) -> Roster {
        let mut rest = self.clone();
        rest.tenants.retain(|name, _| name.as_str() != tenant);
        rest
    }

    /// The text it was read from.
    #[must_use]
    pub fn sources(&self) -> &Arc<Sources> {
        &self.sources
    }
}

record! {
    /// A roster: the tenants, tiers and people of one Kubernetes cluster, as kwo keeps them.
    pub struct Document: "a roster" {
        /// The version of the format.
        pub api_version: Option<At<ApiVersion>> = "apiVersion",
        /// What kind of file this is.
        pub kind: Option<At<FileKind>>,
        /// Other files of this roster, as glob patterns relative to this file's folder.
        pub include: Vec<At<IncludePattern>>,
        /// What kwo needs to know about the cluster.
        pub cluster: Cluster,
        /// Bundles of bounds for tenants, by name.
        pub tiers: Map<Name, Tier>,
        /// The tenants, by name.
        pub tenants: Map<Name, Tenant>,
        /// The DNS providers that prove host names for certificates, and the zones with the records of tenants' hosts.
        pub dns: Dns,
        /// The cluster's own container registry.
        pub registry: Option<At<Registry>>,
        /// The systems beyond the cluster that kwo keeps in step with it.
        pub systems: Systems,
        /// The people who look after the whole cluster, by name.
        pub operators: Map<Name, Operator>,
        /// Rules for what this roster may want. Whoever can edit the roster can edit them, too; rules that it cannot
        /// change stand in kwo's settings.
        pub policy: Option<Policy>,
    }
}

choice! {
    /// The version of the roster's format.
    pub enum ApiVersion: "version of the roster's format", "this kwo reads `kwo/v1`; what a newer one reads may mean something else" {
        /// The first one.
        V1 = "kwo/v1",
    }
}

choice! {
    /// What kind of file it is.
    pub enum FileKind: "kind of file" {
        /// A roster.
        Roster = "Roster",
    }
}

text_type! {
    /// A glob pattern for files of the roster, relative to the folder of the roster.
    pub struct IncludePattern {
        expected: "a path or pattern below the roster's folder, such as `tenants/*.yaml`",
        pattern: "^[^/]",
        max: 4096
    }
}

impl std::str::FromStr for IncludePattern {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<IncludePattern, Refusal> {
        let wrong =
            |why: &str| Refusal::new("bad-include", format!("{} cannot be included: {why}", quote(text)));
        if text.is_empty() {
            return Err(wrong("it is empty"));
        }
        if text.len() > 4096 {
            return Err(wrong("it is too long"));
        }
        if text.starts_with(['/', '~', '\\']) || text.chars().nth(1) == Some(':') {
            return Err(wrong("it does not start at the roster's folder")
                .hint("write a relative path: `tenants/*.yaml`"));
        }
        if text.split(['/', '\\']).any(|part| part == "..") {
            return Err(wrong("`..` leads out of the roster's folder")
                .hint("move the files below the roster's folder"));
        }
        if text.split(['/', '\\']).any(|part| part.eq_ignore_ascii_case(".git")) {
            return Err(wrong("files in `.git` are not part of a roster")
                .hint("name files that are in the repository"));
        }
        Ok(IncludePattern(text.into()))
    }
}
