//! The settings as a whole, what a run works on and how much it may change by itself.

use super::hook::Hook;
use super::notify::Notify;
use super::numbers::{Count, Percent};
use super::repository::{Repository, Trust};
use super::values::{AbsolutePath, ContextName};
use crate::roster::record::{choice, record};
use crate::roster::{ApiVersion, At};

record! {
    /// What kwo does by itself: where the roster comes from, whom it trusts, how much it may change, whom it tells.
    pub struct Settings: "the settings file" {
        /// The version of the format.
        pub api_version: At<ApiVersion> = "apiVersion",
        /// What kind of file this is.
        pub kind: At<SettingsKind>,
        /// Where the roster comes from.
        pub repository: Repository,
        /// Which commits are applied.
        pub trust: Option<Trust>,
        /// What is made to agree with the roster.
        pub target: Option<Target>,
        /// How much one run may change by itself.
        pub limits: Option<Limits>,
        /// What becomes of a change that somebody else made. Default: enforce.
        pub drift: Option<At<Drift>>,
        /// What is no success although all went well.
        pub strict: Option<Strict>,
        /// Who is told when something changes, fails or recovers.
        pub notify: Option<Notify>,
        /// What listens for pushes.
        pub hook: Option<Hook>,
        /// Where the runs leave their figures, for Prometheus' textfile collector: a file that ends in `.prom`.
        pub metrics: Option<At<AbsolutePath>>,
        /// Where kwo keeps its clone, its history and what it applied last. Default: /var/lib/kwo.
        pub state: Option<At<AbsolutePath>>,
    }
}

choice! {
    /// What kind of file it is.
    pub enum SettingsKind: "kind of file", "these are settings: `kind: Settings`" {
        /// Settings.
        Settings = "Settings",
    }
}

record! {
    /// What is made to agree with the roster.
    pub struct Target: "the target" {
        /// The kubeconfig of the cluster. Default: as kubectl finds it.
        pub kubeconfig: Option<At<AbsolutePath>>,
        /// The context of the kubeconfig. Default: its current one.
        pub context: Option<At<ContextName>>,
        /// A directory of manifests, instead of a cluster.
        pub directory: Option<At<AbsolutePath>>,
        /// Look at the files of the node that kwo runs on, and write them? Default: no.
        pub node: Option<At<bool>>,
        /// May k3s be restarted where a file that it reads has changed? Default: no.
        pub allow_restart: Option<At<bool>> = "allowRestart",
        /// The folder above the node's files. Default: /.
        pub root: Option<At<AbsolutePath>>,
        /// The key that opens the age files of the roster. Default: /etc/kwo/age.key, where it exists.
        pub age_identity: Option<At<AbsolutePath>> = "ageIdentity",
    }
}

record! {
    /// How much one run may change by itself. What goes beyond is refused, with the flag that lets it pass once.
    pub struct Limits: "the limits" {
        /// The share of kwo's objects that may be revised, of at least 10 objects. Default: 30.
        pub revise: Option<At<Percent>>,
        /// The share of the tenants that a commit may drop, of at least 10 tenants; all of them are never dropped
        /// without being told to. Default: 30.
        pub drop: Option<At<Percent>>,
        /// How many tenants may be touched. Default: all.
        pub tenants: Option<At<Count>>,
    }
}

record! {
    /// What is no success although all went well.
    pub struct Strict: "what is strict" {
        /// Exit with 5 where somebody still has a right that kwo gave and that the roster does not name any more?
        /// Default: no.
        pub leftover_access: Option<At<bool>> = "leftoverAccess",
        /// Exit with 5 where somebody has a right by a binding that is not kwo's, where a network policy that is not kwo's
        /// opens what is closed, or where either is not known? Default: no.
        pub foreign_access: Option<At<bool>> = "foreignAccess",
    }
}

choice! {
    /// What becomes of a change that somebody else made.
    pub enum Drift: "way with drift" {
        /// It is put right, and told.
        Enforce = "enforce",
        /// It is told, and left as it is.
        Report = "report",
    }
}

impl Limits {
    /// The share, in percent, that is taken where none is set.
    pub const SHARE: u8 = 30;
}

impl Settings {
    /// The folder that holds kwo's state.
    #[must_use]
    pub fn state(&self) -> &str {
        self.state.as_ref().map_or("/var/lib/kwo", |path| path.as_str())
    }

    /// Is access that is left over no success?
    #[must_use]
    pub fn fails_on_leftover_access(&self) -> bool {
        self.strict.as_ref().and_then(|strict| strict.leftover_access).is_some_and(|strict| strict.value)
    }

    /// Is access that is not kwo's no success?
    #[must_use]
    pub fn fails_on_foreign_access(&self) -> bool {
        self.strict.as_ref().and_then(|strict| strict.foreign_access).is_some_and(|strict| strict.value)
    }

    /// What becomes of drift.
    #[must_use]
    pub fn drift(&self) -> Drift {
        self.drift.map_or(Drift::Enforce, |drift| drift.value)
    }
}
