//! What was typed, as the plain options that a run takes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::again::{Leave, roster_again};
use super::archive::ArchiveImport;
use super::commands::Apply;
use super::daily::Watch;
use super::pipeline::Ci;
use super::shared::{AgeArgs, ClusterArgs, KubeArgs, TargetArgs};
use super::values::Format;
use crate::log::say;
use kwo_engine::failure::Failure;
use kwo_engine::providers::KubeOptions;
use kwo_engine::references::Places;
use kwo_engine::strict::FailOn;
use kwo_engine::target::{Main, TargetOptions};

/// How long `kwo watch` waits before it looks once more, as `--settle` does where nothing else is typed.
const SETTLE: Duration = Duration::from_secs(2);

/// What a run works on, and the words that name it in a command for later.
#[derive(Clone, Debug)]
pub struct Target {
    /// What a run takes.
    pub options: TargetOptions,
    /// The words behind `kwo apply`.
    pub words: String,
    /// The same behind `kwo apply --plan`, where the saved plan says the rest.
    pub words_with_plan: String,
}

/// How to apply.
#[derive(Clone, Debug)]
pub struct ApplyOptions {
    /// The roster; otherwise that of the saved plan, or the usual one.
    pub roster: Option<PathBuf>,
    /// What to apply it to.
    pub target: Target,
    /// The saved plan, of which exactly this is done.
    pub saved: Option<PathBuf>,
    /// Who may have signed it.
    pub signers: Option<PathBuf>,
    /// Nobody is asked.
    pub yes: bool,
    /// How to print the report.
    pub output: Format,
    /// How long to wait for another run to end.
    pub lock_timeout: Duration,
    /// How long the lock lasts after a run was killed.
    pub lock_duration: Duration,
    /// How long to wait after a correction, before kwo looks once more.
    pub settle: Duration,
    /// What is no success although all else went well.
    pub fail_on: Vec<FailOn>,
    /// The API server is asked afterwards who may do what.
    pub verify_access: bool,
    /// Each object is shown.
    pub full: bool,
}

impl Apply {
    /// How to apply.
    ///
    /// # Errors
    /// When the target is none.
    pub fn options(&self) -> Result<ApplyOptions, Failure> {
        let Apply {
            roster,
            target,
            plan,
            signers,
            yes,
            output,
            lock_timeout,
            lock_duration,
            settle,
            fail_on,
            verify_access,
            full,
        } = self;
        Ok(ApplyOptions {
            roster: roster.roster.clone(),
            target: target.target()?,
            saved: plan.clone(),
            signers: signers.clone(),
            yes: *yes,
            output: *output,
            lock_timeout: *lock_timeout,
            lock_duration: *lock_duration,
            settle: *settle,
            fail_on: fail_on.clone(),
            verify_access: *verify_access,
            full: *full,
        })
    }
}

impl Ci {
    /// How to apply what is on the default branch. Beside a roster kwo does not trust the plan, and plans all of it again.
    ///
    /// # Errors
    /// When the target is none.
    pub fn apply_options(&self) -> Result<ApplyOptions, Failure> {
        let Ci {
            roster,
            target,
            plan_file,
            code_quality: _,
            lock_timeout,
            lock_duration,
            settle,
            fail_on,
            verify_access,
            full,
        } = self;
        Ok(ApplyOptions {
            roster: Some(roster.roster.clone()),
            target: target.target()?,
            saved: plan_file.clone(),
            signers: None,
            yes: true,
            output: Format::default(),
            lock_timeout: *lock_timeout,
            lock_duration: *lock_duration,
            settle: *settle,
            fail_on: fail_on.clone(),
            verify_access: *verify_access,
            full: *full,
        })
    }
}

impl Watch {
    /// How to apply what was edited.
    ///
    /// # Errors
    /// When the target is none.
    pub fn apply_options(&self) -> Result<ApplyOptions, Failure> {
        let Watch { roster, target, apply: _, once: _, lock_timeout, lock_duration } = self;
        Ok(ApplyOptions {
            roster: Some(roster.roster.clone()),
            target: target.target()?,
            saved: None,
            signers: None,
            yes: true,
            output: Format::default(),
            lock_timeout: *lock_timeout,
            lock_duration: *lock_duration,
            settle: SETTLE,
            fail_on: Vec::new(),
            verify_access: false,
            full: false,
        })
    }
}

impl Target {
    /// The command that plans for the same target and roster.
    #[must_use]
    pub fn plan_again(&self, roster: &Path) -> String {
        format!("kwo plan{}{}", roster_again(roster), self.words_with_plan)
    }
}

impl TargetArgs {
    /// What a run works on, and how it was typed.
    ///
    /// # Errors
    /// When the target is none.
    pub fn target(&self) -> Result<Target, Failure> {
        Ok(Target {
            options: self.options()?,
            words: self.again(Leave::Command),
            words_with_plan: self.again(Leave::Plan),
        })
    }

    /// What a run works on.
    ///
    /// # Errors
    /// When the target is neither `kube` nor `dir:PATH`, or the cluster cannot be meant so.
    pub fn options(&self) -> Result<TargetOptions, Failure> {
        let TargetArgs {
            target,
            cluster,
            age,
            node,
            root,
            allow_restart,
            roster_id,
            take_over_roster,
            settings,
            adopt,
        } = self;
        Ok(TargetOptions {
            main: main(target, cluster)?,
            age_identity: age.age_identity.clone(),
            node: node.then(|| root.clone()),
            allow_restart: *allow_restart,
            roster_id: roster_id.clone(),
            take_over_roster: *take_over_roster,
            settings: settings.clone(),
            concurrency: usize::from(cluster.concurrency),
            adopt: adopt.clone(),
        })
    }
}

impl AgeArgs {
    /// Where the references of a roster lead.
    #[must_use]
    pub fn places(&self, roster: &Path) -> Places {
        Places::usual(folder(roster), self.age_identity.clone())
    }
}

/// The folder that a roster lies in, where its relative paths begin.
#[must_use]
pub fn folder(roster: &Path) -> PathBuf {
    roster.parent().unwrap_or(Path::new("")).to_owned()
}

impl ArchiveImport {
    /// Where the objects are to be.
    ///
    /// # Errors
    /// When the target is neither `kube` nor `dir:PATH`, or the cluster cannot be meant so.
    pub fn options(&self) -> Result<TargetOptions, Failure> {
        Ok(TargetOptions {
            main: main(&self.target, &self.cluster)?,
            age_identity: None,
            node: None,
            allow_restart: false,
            roster_id: None,
            take_over_roster: false,
            settings: None,
            concurrency: usize::from(self.cluster.concurrency),
            adopt: Vec::new(),
        })
    }
}

/// The system that is meant.
fn main(target: &str, cluster: &ClusterArgs) -> Result<Main, Failure> {
    match target.strip_prefix("dir:").filter(|path| !path.is_empty()) {
        Some(path) => Ok(Main::Directory(PathBuf::from(path))),
        None if target == "kube" => Ok(Main::Cluster(Box::new(cluster.options()?))),
        None => Err(Failure::usage(format!("`{target}` is not a valid target"))
            .hint("expected `kube` for a cluster, or `dir:PATH` for a directory of manifests")),
    }
}

impl ClusterArgs {
    /// How to reach the cluster, and how fast.
    ///
    /// # Errors
    /// When groups are to be impersonated without a user.
    pub fn options(&self) -> Result<KubeOptions, Failure> {
        Ok(KubeOptions { concurrency: usize::from(self.concurrency), ..self.kube.options()? })
    }
}

impl KubeArgs {
    /// How to reach the cluster.
    ///
    /// # Errors
    /// When groups are to be impersonated without a user.
    pub fn options(&self) -> Result<KubeOptions, Failure> {
        let said = |name: &&String| !name.is_empty();
        let as_groups: Vec<String> = self.as_group.iter().filter(said).cloned().collect();
        let as_user = self.as_user.as_ref().filter(said).cloned();
        if as_user.is_none() && !as_groups.is_empty() {
            return Err(Failure::usage(
                "--as-group without --as: groups can only be impersonated together with a user",
            )
            .hint("add `--as USER`; a user of that name need not exist"));
        }
        Ok(KubeOptions {
            kubeconfig: self.kubeconfig.clone(),
            context: self.context.clone(),
            as_user,
            as_groups,
            timeout: self.timeout,
            api_wait: self.api_wait,
            // Talk for a person, wherever the data of the command goes.
            tell: say,
            passing: self.passing,
            ..KubeOptions::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use crate::cli::{Cli, Command};

    fn adopted(option: &str) -> Vec<String> {
        let Command::Plan(args) = Cli::try_parse_from(["kwo", "plan", option]).unwrap().command else {
            panic!("it is a plan")
        };
        args.target.options().unwrap().adopt
    }

    #[test]
    fn what_is_taken_over_is_named_or_all_of_it() {
        assert_eq!(adopted("--full"), [""; 0]);
        assert_eq!(adopted("--adopt="), [""]);
        assert_eq!(adopted("--adopt"), ["*"]);
        assert_eq!(adopted("--adopt=bob,alice"), ["bob", "alice"]);
    }
}
