//! What can be typed after `kwo node cleanup`. The doc comments are the help text.

use std::path::PathBuf;

use clap::Args;

use super::values::{Format, switch};

/// `kwo node cleanup`
#[derive(Args, Debug)]
pub struct NodeCleanup {
    /// Also remove what ran before the last upgrade of k3s. k3s needs it for nothing: a rollback unpacks it again.
    #[arg(long, value_parser = switch)]
    pub previous: bool,
    /// Also remove images that no container has, also none that has ended. What needs one later pulls it again.
    #[arg(long, value_parser = switch)]
    pub images: bool,
    /// Show what would be removed, and remove nothing.
    #[arg(long, value_parser = switch)]
    pub dry_run: bool,
    /// Do not ask.
    #[arg(short, long, env = "KWO_YES", value_parser = switch)]
    pub yes: bool,
    /// The folder above the node's files.
    #[arg(long, default_value = "/", env = "KWO_ROOT", value_name = "DIR")]
    pub root: PathBuf,
    /// Where k3s keeps its data. Default: as its configuration says, or /var/lib/rancher/k3s.
    #[arg(long, env = "KWO_K3S_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// How to print what would be removed. Others than text need --dry-run.
    #[arg(short, long, default_value = "text", env = "KWO_OUTPUT", value_name = "FORMAT")]
    pub output: Format,
}
