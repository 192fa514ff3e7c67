//! What can be typed after `kwo archive`. The doc comments are the help text.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::shared::ClusterArgs;
use super::values::{Format, duration, lock_duration, switch};

/// `kwo archive`
#[derive(Debug, Subcommand)]
pub enum Archive {
    /// Read an archive to its end, and say whether it is whole: exit 1 if it is not.
    Verify(ArchiveVerify),
    /// List what is in an archive, and what was left out of it.
    List(ArchiveList),
    /// Make the objects of an archive that are missing in a cluster. Objects that are there stay as they are.
    Import(Box<ArchiveImport>),
}

/// Which archive, and what opens it.
#[derive(Args, Debug)]
pub struct ArchiveFile {
    /// The archive: a file that ends with `.kwoarc`.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The key that opens it, if it is encrypted.
    #[arg(long, env = "KWO_IDENTITY", value_name = "FILE")]
    pub identity: Option<PathBuf>,
}

/// `kwo archive verify`
#[derive(Args, Debug)]
#[expect(missing_docs, reason = "flattened")]
pub struct ArchiveVerify {
    #[command(flatten)]
    pub archive: ArchiveFile,
    /// The expected SHA-256. Without a key, kwo can check nothing else of an encrypted archive.
    #[arg(long, env = "KWO_SHA256", value_name = "DIGEST", value_parser = sha256)]
    pub sha256: Option<String>,
}

/// `kwo archive list`
#[derive(Args, Debug)]
#[expect(missing_docs, reason = "flattened")]
pub struct ArchiveList {
    #[command(flatten)]
    pub archive: ArchiveFile,
    /// How to print it.
    #[arg(short, long, default_value = "text", env = "KWO_OUTPUT", value_name = "FORMAT")]
    pub output: Format,
}

/// `kwo archive import`
#[derive(Args, Debug)]
#[expect(missing_docs, reason = "flattened")]
pub struct ArchiveImport {
    #[command(flatten)]
    pub archive: ArchiveFile,
    /// What to write to: `kube`, a cluster, or `dir:PATH`, a directory of manifests. A directory takes no Secrets.
    #[arg(long, default_value = "kube", env = "KWO_TARGET", value_name = "kube|dir:PATH")]
    pub target: String,
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// The roster. The import is checked against the policy in it. Default: `roster.yaml`, if there is one.
    #[arg(short = 'f', long = "file", env = "KWO_ROSTER", value_name = "FILE")]
    pub roster: Option<PathBuf>,
    /// kwo's settings. The import is also checked against the policy in them; nothing else in them counts here.
    #[arg(long, env = "KWO_SETTINGS", value_name = "FILE")]
    pub settings: Option<PathBuf>,
    /// Do not ask.
    #[arg(short, long, env = "KWO_YES", value_parser = switch)]
    pub yes: bool,
    /// Show each object, and the whole content of new ones.
    #[arg(long, env = "KWO_FULL", value_parser = switch)]
    pub full: bool,
    /// How long to wait for another run to end.
    #[arg(long, default_value = "0s", env = "KWO_LOCK_TIMEOUT", value_name = "DURATION", value_parser = duration)]
    pub lock_timeout: Duration,
    /// How long the lock lasts after a run was killed.
    #[arg(long, default_value = "15s", env = "KWO_LOCK_DURATION", value_name = "DURATION", value_parser = lock_duration)]
    pub lock_duration: Duration,
    /// How to print the report.
    #[arg(short, long, default_value = "text", env = "KWO_OUTPUT", value_name = "FORMAT")]
    pub output: Format,
}

/// A digest, with or without what it is a digest by.
fn sha256(text: &str) -> Result<String, String> {
    let digest = text.trim().trim_start_matches("sha256:").to_ascii_lowercase();
    match digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => Ok(digest),
        false => Err("expected 64 hexadecimal digits".to_owned()),
    }
}
