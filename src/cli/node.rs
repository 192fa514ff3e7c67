//! What can be typed after `kwo node`. The doc comments are the help text.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};
use kwo_engine::archive::Recipient;

use super::values::Format;

/// `kwo node`
#[derive(Debug, Subcommand)]
pub enum Node {
    /// Back up the database of k3s while k3s runs, with the token, certificates and configuration that it is useless without.
    Backup(NodeBackup),
    /// Prove that a backup can be restored, or write its files into an empty folder. Never touches k3s.
    Restore(NodeRestore),
}

/// `kwo node backup`
#[derive(Args, Debug)]
pub struct NodeBackup {
    /// Who can open the backup. kwo writes none that is not encrypted.
    #[arg(long, env = "KWO_BACKUP_RECIPIENT", value_name = "age1…", value_delimiter = ',', value_parser = named)]
    pub recipient: Vec<Option<Recipient>>,
    /// The folder for the backup. Only its owner may write to it; kwo makes it if it is missing.
    #[arg(long, default_value = "/var/lib/kwo/backups", env = "KWO_BACKUP_TO", value_name = "FOLDER")]
    pub to: PathBuf,
    /// How many backups of this node stay in the folder. kwo removes older ones once the new one is verified. Default: all.
    #[arg(long, env = "KWO_BACKUP_KEEP", value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
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
    /// Read the backup to its end, open its database in memory, and say what is in it. Writes nothing.
    #[arg(long)]
    pub check: bool,
    /// Check it, and write its files below this folder, which is new or empty. Print the commands that put them in place.
    #[arg(long, value_name = "FOLDER")]
    pub to: Option<PathBuf>,
    /// How to print what is in it.
    #[arg(short, long, default_value = "text", env = "KWO_OUTPUT", value_name = "FORMAT")]
    pub output: Format,
}

/// A recipient; none where a file of variables has the name of one and no value yet.
fn named(text: &str) -> Result<Option<Recipient>, String> {
    if text.trim().is_empty() { Ok(None) } else { text.parse().map(Some) }
}
