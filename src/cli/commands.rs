//! What can be typed after the commands about the roster as a whole. The doc comments are the help text.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, ValueEnum};

use super::roster::{PerhapsRosterArgs, RosterArgs};
use super::shared::{AgeArgs, ClusterArgs, ShownArgs, TargetArgs};
use super::unattended::SettingsArgs;
use super::values::{
    Format, SchemaOf, duration, fail_on, filled, filled_os, for_kubernetes, lock_duration, switch, whole,
};

use kwo_engine::strict::FailOn;

/// `kwo validate`
#[derive(Args, Debug)]
pub struct Validate {
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened")]
    pub roster: RosterArgs,
    /// How to print the mistakes.
    #[arg(short, long, default_value = "text", env = "KWO_OUTPUT", value_name = "FORMAT")]
    pub output: Format,
}

/// `kwo render`
#[derive(Args, Debug)]
pub struct Render {
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened")]
    pub roster: RosterArgs,
    /// YAML documents, or one JSON list.
    #[arg(short, long, default_value = "yaml", env = "KWO_RENDER_OUTPUT", value_name = "FORMAT", value_parser = for_kubernetes())]
    pub output: Format,
}

/// `kwo plan`
#[derive(Args, Debug)]
#[expect(missing_docs, reason = "flattened")]
pub struct Plan {
    #[command(flatten)]
    pub roster: RosterArgs,
    #[command(flatten)]
    pub target: TargetArgs,
    /// How to show the plan.
    #[arg(short, long, default_value = "text", env = "KWO_PLAN_OUTPUT", value_name = "FORMAT")]
    pub output: Format,
    /// Save the plan, so that `kwo apply --plan` does exactly this. kwo replaces only a saved plan; `-` is standard
    /// output.
    #[arg(long, env = "KWO_PLAN_OUT", value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// With --out: sign the plan with this ssh key. The signature goes to FILE.sig.
    #[arg(long, env = "KWO_SIGN", value_name = "KEY", requires = "out")]
    pub sign: Option<PathBuf>,
    /// Exit with 2 when there are changes.
    #[arg(long, env = "KWO_DETAILED_EXITCODE", value_parser = switch)]
    pub detailed_exitcode: bool,
    /// Exit with 5, even if everything else is fine: `leftover-access`, if somebody still has a right that kwo gave
    /// and the roster no longer names; `foreign-access`, if a binding of others gives a right, or a network policy of
    /// others opens what is closed.
    #[arg(long, env = "KWO_FAIL_ON", value_name = "WHAT", value_delimiter = ',', value_parser = fail_on())]
    pub fail_on: Vec<FailOn>,
    #[command(flatten)]
    pub shown: ShownArgs,
    /// If the plan tightens something, name the existing objects that it would hit. `--hits=no` does not look.
    #[arg(long, env = "KWO_HITS", value_name = "YES", default_value = "yes", default_missing_value = "yes",
        num_args = 0..=1, require_equals = true, value_parser = switch, action = ArgAction::Set)]
    pub hits: bool,
}

/// `kwo apply`
#[derive(Args, Debug)]
#[expect(missing_docs, reason = "flattened")]
pub struct Apply {
    #[command(flatten)]
    pub roster: PerhapsRosterArgs,
    #[command(flatten)]
    pub target: TargetArgs,
    /// Do exactly what this saved plan says, or nothing. Without a roster, the plan needs a seal that kwo made here,
    /// or a signature.
    #[arg(long, env = "KWO_PLAN", value_name = "FILE")]
    pub plan: Option<PathBuf>,
    /// With --plan: apply only if one of these signers signed the plan. A file of allowed signers, as ssh-keygen
    /// reads it.
    #[arg(long, env = "KWO_SIGNERS", value_name = "FILE", requires = "plan")]
    pub signers: Option<PathBuf>,
    /// Do not ask.
    #[arg(short, long, env = "KWO_YES", value_parser = switch)]
    pub yes: bool,
    /// How to print the report.
    #[arg(short, long, default_value = "text", env = "KWO_OUTPUT", value_name = "FORMAT")]
    pub output: Format,
    /// How long to wait for another run to end.
    #[arg(long, default_value = "0s", env = "KWO_LOCK_TIMEOUT", value_name = "DURATION", value_parser = duration)]
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

/// `kwo diff`
#[derive(Args, Debug)]
pub struct Diff {
    /// What to compare from: a file, a git revision (`main`, `HEAD~1`, `v1.2`), REVISION:PATH, `-` for standard
    /// input, or two revisions at once: `A..B`, or `A...B` for the changes in B since it branched off from A. If a
    /// word names a file, it is the file.
    #[arg(value_name = "FROM", value_parser = filled_os("write a file or a git revision"))]
    pub from: OsString,
    /// What to compare to. Default: the roster as it is now.
    #[arg(value_name = "TO", value_parser = filled_os("write a file or a git revision, or leave it out"))]
    pub to: Option<OsString>,
    /// The roster. Its path in a revision, and what to compare to by default.
    #[arg(short = 'f', long, default_value = "roster.yaml", env = "KWO_ROSTER", value_name = "FILE")]
    pub file: PathBuf,
    /// How to show the difference.
    #[arg(short, long, default_value = "text", env = "KWO_PLAN_OUTPUT", value_name = "FORMAT")]
    pub output: Format,
    /// Exit with 2 when there are changes.
    #[arg(long, visible_alias = "exit-code", env = "KWO_DETAILED_EXITCODE", value_parser = switch)]
    pub detailed_exitcode: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened")]
    pub shown: ShownArgs,
}

/// `kwo explain`
#[derive(Args, Debug)]
pub struct Explain {
    /// A tenant, a namespace, a person (`alice@example.com`, `group:ops`), a line (`roster.yaml:12`, or `:12` of
    /// the roster), or the id of an object (`kube:ResourceQuota/alice/alice-quota`). `tenant:`, `namespace:` or `person:`
    /// in front says which one.
    #[arg(value_parser = filled("write a tenant, a namespace, a person, a line or an id"))]
    pub what: String,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened")]
    pub roster: RosterArgs,
    /// How to print it.
    #[arg(short, long, default_value = "text", env = "KWO_OUTPUT", value_name = "FORMAT")]
    pub output: Format,
}

/// `kwo status`
#[derive(Args, Debug)]
pub struct Status {
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened")]
    pub roster: RosterArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened")]
    pub cluster: ClusterArgs,
    /// Include the node that kwo runs on. Shows its disks, its newest backup, k3s and the kubeconfigs that it keeps.
    #[arg(long, env = "KWO_NODE", value_parser = switch)]
    pub node: bool,
    /// The folder above the node's files.
    #[arg(long, default_value = "/", env = "KWO_ROOT", value_name = "DIR", requires = "node")]
    pub root: PathBuf,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened")]
    pub settings: SettingsArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened")]
    pub age: AgeArgs,
    /// The name of this roster in the cluster that it keeps, instead of the cluster's name in the roster.
    #[arg(long, env = "KWO_ROSTER_ID", value_name = "NAME")]
    pub roster_id: Option<String>,
    /// Exit with 5, even if everything else is fine: `leftover-access`, if somebody still has a right that kwo gave
    /// and the roster no longer names; `foreign-access`, if a binding of others gives a right, or a network policy of
    /// others opens what is closed; either of them, if kwo cannot know.
    #[arg(long, env = "KWO_FAIL_ON", value_name = "WHAT", value_delimiter = ',', value_parser = fail_on())]
    pub fail_on: Vec<FailOn>,
    /// How to print it.
    #[arg(short, long, default_value = "text", env = "KWO_OUTPUT", value_name = "FORMAT")]
    pub output: Format,
}

/// `kwo logs`
#[derive(Args, Debug)]
pub struct Logs {
    /// `traefik`, `registry`, `k3s` (the journal of this node) or `tenant:NAME`.
    pub what: LogsOf,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened")]
    pub roster: RosterArgs<false>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened")]
    pub cluster: ClusterArgs,
    /// Show new lines as they come, until Ctrl-C.
    #[arg(short, long, env = "KWO_FOLLOW", value_parser = switch)]
    pub follow: bool,
    /// How many of the last lines of each container to show first.
    #[arg(long, default_value_t = 100, env = "KWO_LOGS_TAIL", value_name = "N", value_parser = whole::<u32>(0, u32::MAX.into()))]
    pub tail: u32,
}

/// What has a log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum LogsOf {
    /// The pods of the ingress controller.
    Traefik,
    /// The pods of the container registry.
    Registry,
    /// The service on the node.
    K3s,
    /// All pods of the tenant of this name.
    Tenant(String),
}

impl std::str::FromStr for LogsOf {
    type Err = String;
    fn from_str(text: &str) -> Result<LogsOf, String> {
        match (text, text.strip_prefix("tenant:")) {
            ("traefik", _) => Ok(LogsOf::Traefik),
            ("registry", _) => Ok(LogsOf::Registry),
            ("k3s", _) => Ok(LogsOf::K3s),
            (_, Some(name)) if !name.is_empty() => Ok(LogsOf::Tenant(name.to_owned())),
            _ => Err("expected traefik, registry, k3s or tenant:NAME".to_owned()),
        }
    }
}

/// `kwo schema`
#[derive(Args, Debug)]
pub struct Schema {
    /// The schema to print.
    #[arg(default_value = "roster")]
    pub of: SchemaOf,
}

/// `kwo init`
#[derive(Args, Debug)]
pub struct Init {
    /// The file to write. It must not exist.
    #[arg(default_value = "roster.yaml")]
    pub roster: PathBuf,
    /// The file to write, instead of the argument.
    #[arg(short, long, value_name = "FILE", conflicts_with = "roster")]
    pub file: Option<PathBuf>,
}

/// `kwo import`
#[derive(Args, Debug)]
pub struct Import {
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened")]
    pub cluster: ClusterArgs,
    /// Include the node that kwo runs on. Reads the scripts' files about tenants, and the configuration of k3s.
    #[arg(long, env = "KWO_NODE", value_parser = switch)]
    pub node: bool,
    /// The folder above the node's files.
    #[arg(long, default_value = "/", env = "KWO_ROOT", value_name = "DIR", requires = "node")]
    pub root: PathBuf,
    /// Write the roster to this file, which must not exist, instead of standard output.
    #[arg(long, env = "KWO_IMPORT_OUT", value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// `kwo completion`
#[derive(Args, Debug)]
pub struct Completion {
    /// The shell.
    pub shell: Shell,
}

/// A shell that can complete what is typed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Shell {
    Bash,
    Elvish,
    Fish,
    Powershell,
    Zsh,
}

/// `kwo man`
#[derive(Args, Debug)]
pub struct Man {
    /// The folder to write into. kwo makes it if it is not there.
    #[arg(default_value = ".")]
    pub folder: PathBuf,
}
