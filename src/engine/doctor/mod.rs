//! What `kwo doctor` checks: each documented fault is a check with what it looks at, what it found, and what to do. No
//! check changes anything, and none waits for longer than its time. `report/doctor.rs` shows them.

mod archives;
mod backup;
pub mod bundle;
mod check;
mod clock;
mod cluster;
mod files;
mod hosts;
mod login;
mod network;
mod node;
mod rights;
mod scrub;
mod unattended;
mod workloads;

use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::{join, join4, join5};
use kwo_planner::domains::Roster;
use kwo_planner::plan::Plan;
use kwo_planner::resource::Desired;

pub use check::{ALL, Check, Outcome, Todo, Topic};
pub use hosts::served_names;
pub use scrub::Scrub;

use crate::providers::Kube;
use crate::references::Places;
use crate::status::Status;

/// How long one check may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// What there is to look at. What is missing is not looked at, and its checks say why.
pub struct Patient<'p> {
    /// The cluster, and what is known of it.
    pub cluster: Result<Cluster<'p>, String>,
    /// The roster and what it wants, or why there is none.
    pub roster: Result<(&'p Roster, &'p Desired), NoRoster>,
    /// The kubeconfigs in use.
    pub kubeconfigs: Vec<PathBuf>,
    /// kwo's settings.
    pub settings: PathBuf,
    /// The key that opens the age files, where one is named.
    pub age_identity: Option<PathBuf>,
    /// The folder above the files of the node, where the run is asked to look at it.
    pub node: Option<PathBuf>,
    /// The folder with the archives of tenants that left.
    pub archives: Option<PathBuf>,
    /// What tells of the units of the machine; nothing where none runs here.
    pub systemctl: Option<PathBuf>,
    /// What the commands need to be told that are named.
    pub again: Again,
}

/// Why there is no roster.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct NoRoster {
    /// In words.
    pub why: String,
    /// Nobody named one, and there is none by the usual name.
    pub usual: bool,
}

/// What a command needs to be told to work on the same cluster and roster, each with a space in front.
#[derive(Clone, Debug, Default)]
pub struct Again {
    /// For kubectl.
    pub kubectl: String,
    /// For kwo, behind the name of the roster.
    pub kwo: String,
    /// The roster, where it has not the usual name.
    pub roster: String,
    /// The settings, where they are not in the usual file.
    pub settings: String,
}

/// A cluster that can be asked.
pub struct Cluster<'p> {
    /// The way to it.
    pub kube: &'p Kube,
    /// What `kwo status` says of it.
    pub status: &'p Status,
    /// What a plan says, or why there is none.
    pub plan: Result<&'p Plan, String>,
}

/// Looks at everything, at all of it at the same time. The checks come in the order of `ALL`.
pub async fn examine(patient: &Patient<'_>) -> Vec<Check> {
    let Patient { cluster, roster, kubeconfigs, settings, age_identity, node, archives, systemctl, again } =
        patient;
    let known = roster.as_ref().ok().map(|(roster, _)| *roster);
    let places = Places::usual(PathBuf::from("/etc/kwo"), age_identity.clone());
    let asked = async {
        match cluster {
            Err(why) => cluster::none(why, kubeconfigs.is_empty()),
            Ok(Cluster { kube, status, plan }) => {
                let (clock, rights, network, (names, certificates)) = join4(
                    clock::clock(kube),
                    rights::rights(kube, roster.as_ref().ok().map(|(roster, desired)| (*roster, *desired))),
                    network::policies(kube),
                    join(hosts::api_certificate(kube, known), hosts::certificates(kube, known)),
                )
                .await;
                let judged = cluster::judged(status, plan.as_ref().copied(), roster.is_ok());
                [vec![clock, network, certificates], rights, names, judged].concat()
            }
        }
    };
    let (asked, dns, oidc, unattended, disk) = join5(
        asked,
        hosts::dns(known),
        login::oidc(known),
        unattended::checks(settings, &places, systemctl.as_deref()),
        async {
            let (files, archives, node, backup) = join4(
                files::modes(kubeconfigs, settings, age_identity.as_deref(), node.as_deref()),
                async { archives::archives(archives.as_deref()) },
                node::node(cluster.as_ref().ok().map(|cluster| cluster.status), node.as_deref(), settings),
                backup::newest(settings, node.as_deref()),
            )
            .await;
            [files, vec![archives, backup], node].concat()
        },
    )
    .await;
    let read = match roster {
        Ok((roster, _)) => check::ROSTER.ok(format!("tenants: {}", roster.tenants().len())),
        Err(NoRoster { why, usual: true }) => check::ROSTER.not_asked(why),
        Err(NoRoster { why, usual: false }) => {
            check::ROSTER.failed(why).todo("see what is wrong with it", "kwo validate")
        }
    };
    let mut all = [vec![read, dns, oidc], asked, unattended, disk].concat();
    all.sort_by_key(|check| ALL.iter().position(|topic| topic.name == check.name));
    for todo in all.iter_mut().filter_map(|check| check.todo.as_mut()) {
        todo.command = again.whole(&todo.command);
    }
    all
}

impl Again {
    /// The command with what it needs to be told.
    fn whole(&self, command: &str) -> String {
        let Again { kubectl, kwo, roster, settings } = self;
        let name = command.strip_prefix("sudo ").unwrap_or(command);
        if let Some(rest) = name.strip_prefix("kubectl ") {
            return format!("kubectl{kubectl} {rest}");
        }
        match name.strip_prefix("kwo ").and_then(|rest| rest.split(' ').next()) {
            Some("plan" | "apply" | "status") => format!("{command}{roster}{kwo}"),
            Some("history" | "sync") if !command.contains(" --settings ") => format!("{command}{settings}"),
            Some("validate" | "rbac") => format!("{command}{roster}"),
            _ => command.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_is_named_reaches_the_same_cluster_and_roster() {
        let again = Again {
            kubectl: " --context=a".to_owned(),
            kwo: " --context a".to_owned(),
            roster: " b.yaml".to_owned(),
            settings: " --settings s.yaml".to_owned(),
        };
        for (command, whole) in [
            ("kubectl get nodes", "kubectl --context=a get nodes"),
            ("kwo plan", "kwo plan b.yaml --context a"),
            ("sudo kwo apply --node", "sudo kwo apply --node b.yaml --context a"),
            ("kwo rbac --for plan", "kwo rbac --for plan b.yaml"),
            ("sudo kwo install", "sudo kwo install"),
            ("sudo kwo history show 1", "sudo kwo history show 1 --settings s.yaml"),
            ("sudo kwo sync --dry-run", "sudo kwo sync --dry-run --settings s.yaml"),
            ("kwo history --settings s.yaml", "kwo history --settings s.yaml"),
            ("timedatectl", "timedatectl"),
        ] {
            assert_eq!(again.whole(command), whole);
        }
    }
}
