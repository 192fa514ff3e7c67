//! What can be typed after the commands for pipelines. The doc comments are the help text.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::roster::RosterArgs;
use super::shared::TargetArgs;
use super::values::{Format, duration, fail_on, for_kubernetes, lock_duration, switch};

use kwo_engine::strict::FailOn;

/// `kwo ci`
#[derive(Args, Debug)]
#[expect(missing_docs, reason = "flattened")]
pub struct Ci {
    #[command(flatten)]
    pub roster: RosterArgs,
    #[command(flatten)]
    pub target: TargetArgs,
    /// On a request, save the plan to this file. On the default branch, plan again, and apply only if the result
    /// equals the whole plan in this file.
    #[arg(long, env = "KWO_PLAN_FILE", value_name = "FILE")]
    pub plan_file: Option<PathBuf>,
    /// The file in which GitLab finds the mistakes in the roster.
    #[arg(
        long,
        default_value = "gl-code-quality-report.json",
        env = "KWO_CODE_QUALITY",
        value_name = "FILE"
    )]
    pub code_quality: PathBuf,
    /// How long to wait for another run to end.
    #[arg(long, default_value = "5m", env = "KWO_LOCK_TIMEOUT", value_name = "DURATION", value_parser = duration)]
    pub lock_timeout: Duration,
    /// How long the lock lasts after a run was killed.
    #[arg(long, default_value = "15s", env = "KWO_LOCK_DURATION", value_name = "DURATION", value_parser = lock_duration)]
    pub lock_duration: Duration,
    /// How long to wait after a correction, until kwo looks again whether somebody undoes it. With 0s kwo looks only
    /// once.
    #[arg(long, default_value = "2s", env = "KWO_SETTLE", value_name = "DURATION", value_parser = duration)]
    pub settle: Duration,
    /// Exit with 5, even if everything else is fine: `leftover-access`, if somebody still has a right that kwo gave
    /// and the roster no longer names; `foreign-access`, if a binding of others gives a right, or a network policy of
    /// others opens what is closed.
    #[arg(long, env = "KWO_FAIL_ON", value_name = "WHAT", value_delimiter = ',', value_parser = fail_on())]
    pub fail_on: Vec<FailOn>,
    /// Afterwards, ask the API server whether each person and service account may do what the roster promises, and
    /// nothing else. Exit with 5 if an answer differs, or if kwo cannot ask.
    #[arg(long, env = "KWO_VERIFY_ACCESS", value_parser = switch)]
    pub verify_access: bool,
    /// Show each object, and the whole content of new ones. Otherwise a big plan has one line for each tenant.
    #[arg(long, env = "KWO_FULL", value_parser = switch)]
    pub full: bool,
}

/// `kwo rbac`
#[derive(Args, Debug)]
pub struct Rbac {
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened")]
    pub roster: RosterArgs,
    /// What the account is for: `plan` only reads, `apply` plans and applies. Without this, one account for each.
    #[arg(long = "for", env = "KWO_FOR", value_name = "PURPOSE")]
    pub purpose: Option<RightsFor>,
    /// The name of the service account and of its roles. Default: kwo-plan or kwo-apply.
    #[arg(long, env = "KWO_ACCOUNT", value_name = "NAME", requires = "purpose")]
    pub account: Option<String>,
    /// The namespace of the service account.
    #[arg(long, default_value = "kwo-system", env = "KWO_NAMESPACE", value_name = "NAME")]
    pub namespace: String,
    /// Also print the rights to see left-over objects of kinds that the roster does not ask for.
    #[arg(long, env = "KWO_LEFTOVERS", value_parser = switch)]
    pub leftovers: bool,
    /// Also print the rights to see what a plan that tightens something would hit.
    #[arg(long, env = "KWO_RBAC_HITS", value_parser = switch)]
    pub hits: bool,
    /// Also print the right to ask who may do what, for `--verify-access`.
    #[arg(long, env = "KWO_RBAC_VERIFY_ACCESS", value_parser = switch)]
    pub verify_access: bool,
    /// YAML documents, or one JSON list.
    #[arg(short, long, default_value = "yaml", env = "KWO_RBAC_OUTPUT", value_name = "FORMAT", value_parser = for_kubernetes())]
    pub output: Format,
}

/// What an account is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
#[expect(missing_docs, reason = "the names say it")]
pub enum RightsFor {
    Plan,
    Apply,
    Sync,
    Offboard,
}
