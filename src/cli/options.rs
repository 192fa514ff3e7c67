//! What was typed, as the plain options that a run takes.

use std::path::{Path, PathBuf};

use super::shared::{AgeArgs, ClusterArgs, KubeArgs, TargetArgs};
use crate::log::say;
use kwo_engine::failure::Failure;
use kwo_engine::providers::KubeOptions;
use kwo_engine::references::Places;
use kwo_engine::target::{Main, TargetOptions};

impl TargetArgs {
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
            adopt,
        } = self;
        let main = match target.strip_prefix("dir:").filter(|path| !path.is_empty()) {
            Some(path) => Main::Directory(PathBuf::from(path)),
            None if target == "kube" => Main::Cluster(Box::new(cluster.options()?)),
            None => {
                return Err(Failure::usage(format!("`{target}` is no target"))
                    .hint("expected `kube` for a cluster, or `dir:PATH` for a directory of manifests"));
            }
        };
        Ok(TargetOptions {
            main,
            age_identity: age.age_identity.clone(),
            node: node.then(|| root.clone()),
            allow_restart: *allow_restart,
            roster_id: roster_id.clone(),
            take_over_roster: *take_over_roster,
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
