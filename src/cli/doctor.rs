//! What can be typed after `kwo doctor`. The doc comments are the help text.

use std::path::PathBuf;

use clap::Args;

use super::roster::RosterArgs;
use super::shared::{AgeArgs, ClusterArgs};
use super::unattended::SettingsArgs;
use super::values::{Format, switch};

/// `kwo doctor`
#[derive(Args, Debug)]
pub struct Doctor {
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened")]
    pub roster: RosterArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened")]
    pub cluster: ClusterArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened")]
    pub settings: SettingsArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened")]
    pub age: AgeArgs,
    /// Include the node that kwo runs on. Checks its disks, k3s, and who can read its files.
    #[arg(long, env = "KWO_NODE", value_parser = switch)]
    pub node: bool,
    /// The folder above the node's files.
    #[arg(long, default_value = "/", env = "KWO_ROOT", value_name = "DIR", requires = "node")]
    pub root: PathBuf,
    /// Check the archives of tenants that left, in this folder.
    #[arg(long, env = "KWO_ARCHIVES", value_name = "DIR")]
    pub archives: Option<PathBuf>,
    /// The name of this roster in the cluster that it keeps, instead of the cluster's name in the roster.
    #[arg(long, env = "KWO_ROSTER_ID", value_name = "NAME")]
    pub roster_id: Option<String>,
    /// Write a support bundle to this file: what the checks found, without secrets. kwo never replaces a file.
    #[arg(long, env = "KWO_BUNDLE", value_name = "FILE")]
    pub bundle: Option<PathBuf>,
    /// How to print the checks.
    #[arg(short, long, default_value = "text", env = "KWO_OUTPUT", value_name = "FORMAT")]
    pub output: Format,
}
