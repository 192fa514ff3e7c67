//! What can be typed after `kwo node`. The doc comments are the help text.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand};
use kwo_engine::archive::Recipient;
use kwo_planner::k3s::{Check, INSTALL_IGNORES, UPGRADE_IGNORES};
use kwo_planner::roster::{ApiUrl, K3sChannel, K3sVersion};

use super::alone::{PlanAlone, RollbackAlone};
use super::cleanup::NodeCleanup;
use super::roster::{FOR_AN_INSTALLATION, FOR_AN_UPGRADE, PerhapsRosterArgs};
use super::shared::AgeArgs;
use super::values::{Format, duration, switch, whole};

/// `kwo node`
#[derive(Debug, Subcommand)]
pub enum Node {
    /// Install k3s on this machine, start it, and apply the roster. Leaves a k3s that is there already as it is.
    Install(NodeInstall),
    /// Upgrade k3s by one minor version at most, after a backup, or go back to the previous version.
    Upgrade(NodeUpgrade),
    /// Show what of k3s nothing on this machine needs any more, and remove it: programs of earlier versions, and unused images.
    Cleanup(NodeCleanup),
    /// Back up the objects of k3s while k3s runs, with the token, certificates and configuration that they are useless without.
    Backup(NodeBackup),
    /// Prove that a backup can be restored, or write its files into an empty folder. Never touches k3s.
    Restore(NodeRestore),
}

/// Which release of k3s, and where it comes from.
#[derive(Args, Debug)]
pub struct ReleaseArgs {
    /// The version of k3s. Default: as the roster says.
    #[arg(long, env = "KWO_K3S_VERSION", value_name = "VERSION", conflicts_with = "channel")]
    pub version: Option<K3sVersion>,
    /// The channel that leads to the version: `stable`, `latest`, or a minor version such as `v1.37`. Default: as the roster
    /// says, or `stable`.
    #[arg(long, env = "KWO_K3S_CHANNEL", value_name = "CHANNEL")]
    pub channel: Option<K3sChannel>,
    /// The server with the releases. Plain http leads only to this machine.
    #[arg(
        long,
        env = "KWO_K3S_MIRROR",
        value_parser = ApiUrl::of_files,
        value_name = "URL",
        default_value = "https://github.com/k3s-io/k3s/releases/download"
    )]
    pub mirror: ApiUrl,
    /// The server that says which version a channel leads to.
    #[arg(
        long,
        env = "KWO_K3S_CHANNELS",
        value_parser = ApiUrl::of_files,
        value_name = "URL",
        default_value = "https://update.k3s.io/v1-release/channels"
    )]
    pub channels: ApiUrl,
    /// The folder with the program, the images and the list of sums of one release, instead of a server.
    #[arg(long, env = "KWO_K3S_AIRGAP", value_name = "DIR", conflicts_with_all = ["mirror", "channel"])]
    pub airgap: Option<PathBuf>,
}

/// A plan for a node in a file.
#[derive(Args, Debug)]
pub struct NodeSavedArgs {
    /// Save the plan, so that the same command with --plan does exactly this. Changes nothing else. kwo replaces only a saved plan
    /// of a node; `-` is standard output.
    #[arg(long, value_name = "FILE", conflicts_with = "plan")]
    pub out: Option<PathBuf>,
    /// With --out: sign the plan with this ssh key. The signature goes to FILE.sig.
    #[arg(long, value_name = "KEY", requires = "out", conflicts_with = "plan")]
    pub sign: Option<PathBuf>,
    /// Do exactly what this saved plan says, or nothing. The plan needs a seal that kwo made here, or a signature.
    #[arg(long, value_name = "FILE")]
    pub plan: Option<PathBuf>,
    /// With --plan: go on only if one of these signers signed the plan. A file of allowed signers, as ssh-keygen reads it.
    #[arg(long, value_name = "FILE", requires = "plan")]
    pub signers: Option<PathBuf>,
}

/// `kwo node install`
#[derive(Args, Debug)]
pub struct NodeInstall {
    // First, because each of the next ones takes its value away from what was typed.
    #[command(flatten)]
    _plan_alone: PlanAlone<false>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened")]
    pub roster: PerhapsRosterArgs<FOR_AN_INSTALLATION>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened")]
    pub release: ReleaseArgs,
    /// Install although this check fails: `os`, `memory`, `disk`, `ports`, `cgroup`, `clock` or `runtime`.
    #[arg(long, value_name = "CHECK", value_delimiter = ',', value_parser = install_check)]
    pub ignore: Vec<Check>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened")]
    pub saved: NodeSavedArgs,
    /// Show what would be done, and change nothing.
    #[arg(long, value_parser = switch)]
    pub dry_run: bool,
    /// Do not ask.
    #[arg(short, long, env = "KWO_YES", value_parser = switch)]
    pub yes: bool,
    /// How long the node may take to be ready.
    #[arg(long, default_value = "10m", env = "KWO_READY_TIMEOUT", value_name = "TIME", value_parser = duration)]
    pub ready_timeout: Duration,
    /// The folder above the node's files. Below another one than `/`, kwo writes the files of an image, and starts nothing.
    #[arg(long, default_value = "/", env = "KWO_ROOT", value_name = "DIR")]
    pub root: PathBuf,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened")]
    pub age: AgeArgs,
    /// How to print what would be done. Others than text need --dry-run or --out.
    #[arg(short, long, default_value = "text", env = "KWO_OUTPUT", value_name = "FORMAT")]
    pub output: Format,
}

/// `kwo node upgrade`
#[derive(Args, Debug)]
pub struct NodeUpgrade {
    // First, because each of the next ones takes its value away from what was typed.
    #[command(flatten)]
    _alone: RollbackAlone<true>,
    #[command(flatten)]
    _plan_alone: PlanAlone<true>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened")]
    pub roster: PerhapsRosterArgs<FOR_AN_UPGRADE>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened")]
    pub release: ReleaseArgs,
    /// Go back to the version and to the objects from before the last upgrade. What was written to the cluster since goes.
    #[arg(long, value_parser = switch)]
    pub rollback: bool,
    /// Who can open the backup. kwo writes none that is not encrypted.
    #[arg(long, env = "KWO_BACKUP_RECIPIENT", value_name = "age1…", value_delimiter = ',', value_parser = named)]
    pub recipient: Vec<Option<Recipient>>,
    /// The folder for the backup. It is on this machine, whatever `--root` says. Only its owner may write to it; kwo makes it if
    /// it is missing.
    #[arg(long, default_value = "/var/lib/kwo/backups", env = "KWO_BACKUP_TO", value_name = "FOLDER")]
    pub to: PathBuf,
    /// How many backups of this node stay in the folder. kwo removes older ones once the new one is verified. Default: all.
    #[arg(long, env = "KWO_BACKUP_KEEP", value_name = "N", value_parser = whole::<u16>(1, 65535))]
    pub keep: Option<u16>,
    /// Upgrade although this check fails: `disk`, `backup`, `nodes`, `apis` or `workloads`.
    #[arg(long, value_name = "CHECK", value_delimiter = ',', value_parser = upgrade_check)]
    pub ignore: Vec<Check>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened")]
    pub saved: NodeSavedArgs,
    /// Show what would be done, and change nothing.
    #[arg(long, value_parser = switch)]
    pub dry_run: bool,
    /// Do not ask.
    #[arg(short, long, env = "KWO_YES", value_parser = switch)]
    pub yes: bool,
    /// How long the node may take to be ready.
    #[arg(long, default_value = "10m", env = "KWO_READY_TIMEOUT", value_name = "TIME", value_parser = duration)]
    pub ready_timeout: Duration,
    /// How long kwo waits before it compares the workloads: what the API says first is from before the restart.
    #[arg(long, default_value = "30s", value_name = "TIME", value_parser = duration)]
    pub settle: Duration,
    /// The folder above the node's files. Below another one than `/`, kwo upgrades nothing.
    #[arg(long, default_value = "/", env = "KWO_ROOT", value_name = "DIR")]
    pub root: PathBuf,
    /// How to print what would be done. Others than text need --dry-run or --out.
    #[arg(short, long, default_value = "text", env = "KWO_OUTPUT", value_name = "FORMAT")]
    pub output: Format,
}

/// `kwo node backup`
#[derive(Args, Debug)]
pub struct NodeBackup {
    /// Who can open the backup. kwo writes none that is not encrypted.
    #[arg(long, env = "KWO_BACKUP_RECIPIENT", value_name = "age1…", value_delimiter = ',', value_parser = named)]
    pub recipient: Vec<Option<Recipient>>,
    /// The folder for the backup. It is on this machine, whatever `--root` says. Only its owner may write to it; kwo makes it if
    /// it is missing.
    #[arg(long, default_value = "/var/lib/kwo/backups", env = "KWO_BACKUP_TO", value_name = "FOLDER")]
    pub to: PathBuf,
    /// How many backups of this node stay in the folder. kwo removes older ones once the new one is verified. Default: all.
    #[arg(long, env = "KWO_BACKUP_KEEP", value_name = "N", value_parser = whole::<u16>(1, 65535))]
    pub keep: Option<u16>,
    /// The folder above the node's files.
    #[arg(long, default_value = "/", env = "KWO_ROOT", value_name = "DIR")]
    pub root: PathBuf,
    /// Where k3s keeps its data. Default: as its configuration says, or /var/lib/rancher/k3s.
    #[arg(long, env = "KWO_K3S_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// How to print what was made.
    #[arg(short, long, default_value = "text", env = "KWO_OUTPUT", value_name = "FORMAT")]
    pub output: Format,
}

/// `kwo node restore`
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("what").required(true).args(["check", "to"]))]
pub struct NodeRestore {
    /// The backup: a file that ends with `.tar.zst.age`.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The key of one of those that the backup was made for.
    #[arg(long, value_name = "FILE")]
    pub identity: PathBuf,
    /// Read the backup to its end, check its database or its snapshot of etcd, and say what is in it. Writes nothing.
    #[arg(long)]
    pub check: bool,
    /// Check it, and write its files below this folder, which is new or empty. Print the commands that put them in place.
    #[arg(long, value_name = "FOLDER")]
    pub to: Option<PathBuf>,
    /// How to print what is in it.
    #[arg(short, long, default_value = "text", env = "KWO_OUTPUT", value_name = "FORMAT")]
    pub output: Format,
}

/// A check that may fail for an installation.
fn install_check(text: &str) -> Result<Check, String> {
    Check::named(text, &INSTALL_IGNORES)
}

/// A check that may fail for an upgrade.
fn upgrade_check(text: &str) -> Result<Check, String> {
    Check::named(text, &UPGRADE_IGNORES)
}

/// A recipient; none where a file of variables has the name of one and no value yet.
fn named(text: &str) -> Result<Option<Recipient>, String> {
    if text.trim().is_empty() { Ok(None) } else { text.parse().map(Some) }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use kwo_planner::k3s::{INSTALL_IGNORES, UPGRADE_IGNORES};

    use crate::cli::Cli;

    #[test]
    fn the_help_of_ignore_lists_what_it_takes() {
        let all = Cli::command();
        let node = all.find_subcommand("node").unwrap();
        for (name, checks) in [("install", &INSTALL_IGNORES[..]), ("upgrade", &UPGRADE_IGNORES)] {
            let command = node.find_subcommand(name).unwrap();
            let ignore = command.get_arguments().find(|arg| arg.get_id() == "ignore").unwrap();
            let help = ignore.get_help().unwrap().to_string();
            let listed: Vec<&str> = help.split('`').skip(1).step_by(2).collect();
            let known: Vec<String> = checks.iter().map(ToString::to_string).collect();
            assert_eq!(listed, known, "{help}");
        }
    }
}
