//! What several commands take: the cluster, the target, the key of the age files, how much of a plan is shown.
//! The doc comments are the help text.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::values::{duration, switch, whole};

/// Which cluster to speak to, and as whom.
#[derive(Args, Clone, Debug)]
pub struct KubeArgs {
    /// The kubeconfig to use, instead of $KUBECONFIG, ~/.kube/config or the service account of a pod.
    #[arg(long, env = "KWO_KUBECONFIG", value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig, instead of its current one.
    #[arg(long, env = "KWO_CONTEXT", value_name = "NAME")]
    pub context: Option<String>,
    /// Act as this user; your own account needs the right to impersonate it.
    #[arg(long = "as", env = "KWO_AS", value_name = "USER")]
    pub as_user: Option<String>,
    /// With --as: as a member of this group. Repeat it for several.
    #[arg(long, env = "KWO_AS_GROUP", value_name = "GROUP")]
    pub as_group: Vec<String>,
    /// How long to wait for the answer to one request.
    #[arg(long, default_value = "30s", env = "KWO_TIMEOUT", value_name = "DURATION", value_parser = duration)]
    pub timeout: Duration,
    /// How long to wait for an API server that goes away or asks to wait. Default: 1m, and 5s before its first answer.
    #[arg(long, env = "KWO_API_WAIT", value_name = "DURATION", value_parser = duration)]
    pub api_wait: Option<Duration>,
    /// The kubeconfig ends with the run, so that no command for later may name it.
    #[arg(skip)]
    pub passing: bool,
}

/// Which cluster to speak to, and how fast.
#[derive(Args, Clone, Debug)]
pub struct ClusterArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened")]
    pub kube: KubeArgs,
    /// How many requests kwo sends at the same time.
    #[arg(long, default_value_t = 16, env = "KWO_CONCURRENCY", value_name = "N")]
    #[arg(value_parser = whole::<u16>(1, 512))]
    pub concurrency: u16,
}

/// What opens the secrets beside the roster.
#[derive(Args, Clone, Debug)]
pub struct AgeArgs {
    /// The key that opens the age files of the roster; by default /etc/kwo/age.key, if it exists.
    #[arg(long, env = "KWO_AGE_IDENTITY", value_name = "FILE")]
    pub age_identity: Option<PathBuf>,
}

/// Which cluster or directory to look at, and how.
#[derive(Args, Clone, Debug)]
pub struct TargetArgs {
    /// What to write to: `kube`, a cluster, or `dir:PATH`, a directory of manifests.
    #[arg(long, default_value = "kube", env = "KWO_TARGET", value_name = "kube|dir:PATH")]
    pub target: String,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened")]
    pub cluster: ClusterArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened")]
    pub age: AgeArgs,
    /// Include the node that kwo runs on. Looks at its files and writes them: the configuration of k3s, its
    /// registries, and the kubeconfigs.
    #[arg(long, env = "KWO_NODE", value_parser = switch)]
    pub node: bool,
    /// The folder above the node's files. kwo restarts the services of the node only if it is `/`.
    #[arg(long, default_value = "/", env = "KWO_ROOT", value_name = "DIR", requires = "node")]
    pub root: PathBuf,
    /// Restart k3s after a change of a file that it reads; without this kwo only shows the restart.
    #[arg(long, env = "KWO_ALLOW_RESTART", value_parser = switch)]
    pub allow_restart: bool,
    /// The name of this roster in the cluster that it keeps, instead of the cluster's name in the roster.
    #[arg(long, env = "KWO_ROSTER_ID", value_name = "NAME")]
    pub roster_id: Option<String>,
    /// Take over a cluster that another roster keeps, or that this one kept from another place.
    #[arg(long, env = "KWO_TAKE_OVER_ROSTER", value_parser = switch)]
    pub take_over_roster: bool,
    /// kwo's settings. The plan is also checked against the policy in them; nothing else in them counts here.
    #[arg(long, env = "KWO_SETTINGS", value_name = "FILE")]
    pub settings: Option<PathBuf>,
    /// Take over objects that exist without kwo's mark: all of them, those of one tenant, or one by its id. kwo
    /// deletes none of them.
    #[arg(long, env = "KWO_ADOPT", value_name = "TENANT|ID", num_args = 0..=1, require_equals = true, default_missing_value = "*")]
    #[arg(value_delimiter = ',')]
    pub adopt: Vec<String>,
}

/// How much of a plan is shown, and where.
#[derive(Args, Clone, Debug)]
pub struct ShownArgs {
    /// Show each object, and the whole content of new ones. Otherwise a big plan has one line for each tenant.
    #[arg(long, env = "KWO_FULL", value_parser = switch)]
    pub full: bool,
    /// Show one line for each tenant, dangerous changes, and the totals, even for a small plan.
    #[arg(long, env = "KWO_SUMMARY", value_parser = switch)]
    pub summary: bool,
    /// Show only this tenant, and count the rest; you can give it several times. JSON, YAML and a saved plan always
    /// have everything.
    #[arg(long = "tenant", env = "KWO_TENANT", value_name = "NAME", value_delimiter = ',')]
    pub tenants: Vec<String>,
    /// Do not show the plan in a pager. By default a terminal gets $KWO_PAGER, $PAGER or `less`.
    #[arg(long, env = "KWO_NO_PAGER", value_parser = switch)]
    pub no_pager: bool,
}
