//! The settings as a whole, what a run works on and how much it may change by itself.

use super::hook::Hook;
use super::notify::Notify;
use super::numbers::{Count, Percent};
use super::repository::{Repository, Trust};
use super::values::{AbsolutePath, ContextName, WebUrl};
use crate::domains::ApiVersion;
use crate::policy::Policy;
use crate::roster::record::{choice, record};

use crate::roster::At;

record! {
    /// What kwo does by itself: where the roster comes from, whom it trusts, how much it may change, whom it tells.
    pub struct Settings: "the settings file" {
        /// The version of the format.
        pub api_version: At<ApiVersion> = "apiVersion",
        /// What kind of file this is.
        pub kind: At<SettingsKind>,
        /// Where the roster comes from.
        pub repository: Repository,
        /// Which commits kwo applies.
        pub trust: Option<Trust>,
        /// The target: what kwo makes agree with the roster.
        pub target: Option<Target>,
        /// How much one run may change by itself.
        pub limits: Option<Limits>,
        /// Rules for what a roster may want, whoever wrote it. No roster can change or waive them.
        pub policy: Option<Policy>,
        /// What kwo does with a change that somebody else made. Default: enforce.
        pub drift: Option<At<Drift>>,
        /// What makes kwo exit with 5, even if everything else is fine.
        pub strict: Option<Strict>,
        /// Ask the API server after each run whether everybody may do what the roster promises, and nothing else?
        /// kwo exits with 5 if an answer differs, or if it cannot ask. Default: no.
        pub verify_access: Option<At<bool>> = "verifyAccess",
        /// Who gets a message when something changes, fails or recovers.
        pub notify: Option<Notify>,
        /// The listener for pushes.
        pub hook: Option<Hook>,
        /// The file for the metrics of the runs, for Prometheus' textfile collector; its name ends in `.prom`.
        pub metrics: Option<At<AbsolutePath>>,
        /// The folder of the backups that `kwo node backup` makes on this machine, such as /var/lib/kwo/backups. `kwo doctor`
        /// and the metrics say when the newest one was made.
        pub backups: Option<At<AbsolutePath>>,
        /// Where releases of kwo are, for `kwo self-update`.
        pub releases: Option<Releases>,
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
    /// The target: what kwo makes agree with the roster.
    pub struct Target: "the target" {
        /// The kubeconfig of the cluster. Default: as kubectl finds it.
        pub kubeconfig: Option<At<AbsolutePath>>,
        /// The context of the kubeconfig. Default: its current one.
        pub context: Option<At<ContextName>>,
        /// A directory of manifests, instead of a cluster.
        pub directory: Option<At<AbsolutePath>>,
        /// Look at the files of the node that kwo runs on, and write them? Default: no.
        pub node: Option<At<bool>>,
        /// May kwo restart k3s if a file that it reads has changed? Default: no.
        pub allow_restart: Option<At<bool>> = "allowRestart",
        /// The folder above the node's files. Default: /.
        pub root: Option<At<AbsolutePath>>,
        /// The key that opens the age files of the roster. Default: /etc/kwo/age.key, if it exists.
        pub age_identity: Option<At<AbsolutePath>> = "ageIdentity",
    }
}

record! {
    /// How much one run may change by itself. kwo refuses a plan beyond a limit, and names the flag that allows it
    /// once.
    pub struct Limits: "the limits" {
        /// The share of kwo's objects that one run may revise, if there are at least 10. Default: 30.
        pub revise: Option<At<Percent>>,
        /// The share of the tenants that a commit may drop, if there are at least 10. A commit never drops all of
        /// them without a flag. Default: 30.
        pub drop: Option<At<Percent>>,
        /// How many tenants one run may touch. Default: all.
        pub tenants: Option<At<Count>>,
    }
}

record! {
    /// What makes kwo exit with 5, even if everything else is fine.
    pub struct Strict: "what is strict" {
        /// Exit with 5 if somebody still has a right that kwo gave and the roster no longer names? Default: no.
        pub leftover_access: Option<At<bool>> = "leftoverAccess",
        /// Exit with 5 if a binding of others gives a right, if a network policy of others opens what is closed, or
        /// if kwo cannot know? Default: no.
        pub foreign_access: Option<At<bool>> = "foreignAccess",
    }
}

record! {
    /// Where releases of kwo are, for `kwo self-update`.
    pub struct Releases: "the releases" {
        /// The address of the releases: each is in a folder of its version, and the newest also in `latest`.
        pub url: At<WebUrl>,
        /// The file of the public SSH keys, one a line. One of them must have signed a release.
        pub keys: At<AbsolutePath>,
    }
}

choice! {
    /// What kwo does with a change that somebody else made.
    pub enum Drift: "way with drift" {
        /// kwo corrects it and reports it.
        Enforce = "enforce",
        /// kwo reports it and leaves it as it is.
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

    /// Is the API server asked after each run who may do what?
    #[must_use]
    pub fn verifies_access(&self) -> bool {
        self.verify_access.is_some_and(|asked| asked.value)
    }

    /// What becomes of drift.
    #[must_use]
    pub fn drift(&self) -> Drift {
        self.drift.map_or(Drift::Enforce, |drift| drift.value)
    }
}
