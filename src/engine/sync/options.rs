//! What a run gets and what it returns: its options, the target as the settings name it, and the entry with the exit
//! code.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use kwo_planner::plan::Plan;
use kwo_planner::policy::Layer;
use kwo_planner::settings::Settings;
use tokio::sync::watch;

use crate::failure::Exit;
use crate::history::{Entry, Outcome};
use crate::issued::Issued;
use crate::providers::KubeOptions;
use crate::strict::FailOn;
use crate::target::{Main, TargetOptions};

/// What a run may do that it otherwise would not.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Allowed {
    /// Follow a branch that was rewritten.
    Rewrite,
    /// Revise more objects than the limit.
    Revise,
    /// Let go of more tenants than the limit.
    Drop,
    /// Touch more tenants than the limit.
    Tenants,
    /// Keep what another roster keeps.
    Roster,
}

impl fmt::Display for Allowed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Allowed::Rewrite => "rewrite",
            Allowed::Revise => "revise",
            Allowed::Drop => "drop",
            Allowed::Tenants => "tenants",
            Allowed::Roster => "roster",
        })
    }
}

/// How to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Only say what would be done.
    pub dry_run: bool,
    /// What it may do once.
    pub allowed: BTreeSet<Allowed>,
    /// What makes kwo exit with 5, even if everything else is fine.
    pub fail_on: BTreeSet<FailOn>,
    /// Ask the API server afterwards who may do what.
    pub verify_access: bool,
    /// The rules of the settings.
    pub policy: Option<Layer>,
    /// How long to wait before what was put right is looked at once more; nothing where it is not.
    pub settle: Duration,
    /// How long to wait for another run to end.
    pub patience: Duration,
    /// How long the lock lasts after a run was killed.
    pub lock_duration: Duration,
    /// How long to wait for an API server that goes away.
    pub api_wait: Option<Duration>,
    /// Hears what is waited for, line by line.
    pub tell: fn(&str),
    /// Turns true when it is to end.
    pub interrupted: watch::Receiver<bool>,
}

/// What a run came to.
#[derive(Debug)]
pub struct Ran {
    /// The entry, as it is kept or would be kept.
    pub entry: Entry,
    /// The run before it.
    pub before: Option<Entry>,
    /// The entries of what `kwo offboard` did since then.
    pub departed: Vec<Entry>,
    /// The plan that it made.
    pub plan: Option<Plan>,
    /// How the Certificates are that the roster asks for; nothing where nobody could look.
    pub certificates: Option<Vec<Issued>>,
    /// What makes kwo exit with 5, even if everything else is fine.
    pub fail_on: BTreeSet<FailOn>,
}

impl Ran {
    /// The exit code.
    #[must_use]
    pub fn exit(&self) -> Exit {
        let left = self.entry.outcome == Outcome::AccessLeft;
        let foreign = !self.entry.foreign_access.is_empty() || !self.entry.unseen_access.is_empty();
        let fails = self.fail_on.iter().any(|on| match on {
            FailOn::LeftoverAccess => left,
            FailOn::ForeignAccess => foreign,
        });
        match self.entry.outcome {
            Outcome::Converged | Outcome::AccessLeft if !fails => Exit::Done,
            Outcome::Converged
            | Outcome::AccessLeft
            | Outcome::Held
            | Outcome::AccessDiffers
            | Outcome::Refused => Exit::Held,
            Outcome::Failed => Exit::Failed,
        }
    }
}

/// What the settings say about the target. `tell` hears what is waited for.
#[must_use]
pub fn target_options(settings: &Settings, tell: fn(&str)) -> TargetOptions {
    let target = settings.target.as_ref();
    let path = |path: &kwo_planner::settings::AbsolutePath| PathBuf::from(path.as_str());
    let yes = |field: Option<kwo_planner::roster::At<bool>>| field.is_some_and(|field| field.value);
    let main = match target.and_then(|target| target.directory.as_ref()) {
        Some(directory) => Main::Directory(PathBuf::from(directory.to_string())),
        None => Main::Cluster(Box::new(KubeOptions {
            kubeconfig: target.and_then(|target| target.kubeconfig.as_ref()).map(|at| path(&at.value)),
            context: target.and_then(|target| target.context.as_ref()).map(|at| at.value.to_string()),
            tell,
            ..KubeOptions::default()
        })),
    };
    let root = || {
        let root = target.and_then(|target| target.root.as_ref());
        root.map_or_else(|| PathBuf::from("/"), |at| path(&at.value))
    };
    TargetOptions {
        main,
        age_identity: target.and_then(|target| target.age_identity.as_ref()).map(|at| path(&at.value)),
        node: yes(target.and_then(|target| target.node)).then(root),
        allow_restart: yes(target.and_then(|target| target.allow_restart)),
        roster_id: None,
        take_over_roster: false,
        settings: None,
        concurrency: KubeOptions::default().concurrency,
        adopt: Vec::new(),
    }
}
