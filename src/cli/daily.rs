//! What can be typed after the commands that keep a machine in agreement by themselves. The doc comments are the help
//! text.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::alone::RollbackAlone;
use super::roster::RosterArgs;
use super::shared::TargetArgs;
use super::values::{duration, lock_duration, socket, switch};

/// `kwo watch`
#[derive(Args, Debug)]
#[expect(missing_docs, reason = "flattened")]
pub struct Watch {
    #[command(flatten)]
    pub roster: RosterArgs,
    #[command(flatten)]
    pub target: TargetArgs,
    /// Apply each plan, without asking.
    #[arg(long, env = "KWO_APPLY", value_parser = switch)]
    pub apply: bool,
    /// End when kwo has planned every edit, instead of waiting for the next one.
    #[arg(long, env = "KWO_ONCE", value_parser = switch)]
    pub once: bool,
    /// How long to wait for another run to end.
    #[arg(long, default_value = "1m", env = "KWO_LOCK_TIMEOUT", value_name = "DURATION", value_parser = duration)]
    pub lock_timeout: Duration,
    /// How long the lock lasts after a run was killed.
    #[arg(long, default_value = "15s", env = "KWO_LOCK_DURATION", value_name = "DURATION", value_parser = lock_duration)]
    pub lock_duration: Duration,
}

/// `kwo hook`
#[derive(Args, Debug)]
pub struct Hook {
    /// kwo's settings. They say what each forge signs with, and how `kwo sync` runs.
    #[arg(long, default_value = "/etc/kwo/kwo.yaml", env = "KWO_SETTINGS", value_name = "FILE")]
    pub settings: PathBuf,
    /// Listen on this address, instead of the one in the settings.
    #[arg(long, env = "KWO_LISTEN", value_name = "IP:PORT", value_parser = socket)]
    pub listen: Option<SocketAddr>,
    /// On a push only write this file, instead of running `kwo sync`. Its folder must exist.
    #[arg(long, env = "KWO_TRIGGER", value_name = "FILE")]
    pub trigger: Option<PathBuf>,
    /// Do not listen. Run `kwo sync`, then wait for this file, which a listener with `--trigger` writes. Take it away and run
    /// `kwo sync` each time that it is there.
    #[arg(long, env = "KWO_AWAIT", value_name = "FILE", conflicts_with_all = ["listen", "trigger"])]
    pub r#await: Option<PathBuf>,
    /// How long a run may go on after you stop `kwo hook`.
    #[arg(long, default_value = "5m", env = "KWO_HOOK_GRACE", value_name = "DURATION", value_parser = duration)]
    pub grace: Duration,
}

/// `kwo install`
#[derive(Args, Debug)]
pub struct Install {
    /// The folder above the files. kwo calls systemd only if it is `/`.
    #[arg(long, default_value = "/", env = "KWO_INSTALL_ROOT", value_name = "DIR")]
    pub root: PathBuf,
    /// Install the listener for pushes as well.
    #[arg(long, env = "KWO_INSTALL_HOOK", value_parser = switch)]
    pub hook: bool,
    /// Allow `kwo sync` to write the files of the node.
    #[arg(long, env = "KWO_INSTALL_NODE", value_parser = switch)]
    pub node: bool,
    /// Replace files that somebody changed, but never the settings.
    #[arg(long, env = "KWO_INSTALL_FORCE", value_parser = switch)]
    pub force: bool,
    /// Remove what `kwo install` wrote; settings, state and history stay.
    #[arg(long, env = "KWO_UNINSTALL", value_parser = switch)]
    #[arg(conflicts_with_all = ["hook", "node", "force"])]
    pub uninstall: bool,
}

/// `kwo self-update`
#[derive(Args, Debug)]
pub struct SelfUpdate {
    // First, because each of the next ones takes its value away from what was typed.
    #[command(flatten)]
    _alone: RollbackAlone<false>,
    /// Where the releases are: each in a folder of its version, and the newest also in `latest`. `releases.url` in the settings
    /// does the same.
    #[arg(long, env = "KWO_BASE_URL", value_name = "URL")]
    pub base_url: Option<String>,
    /// The file of the public SSH keys, one a line. One of them must have signed the release. `releases.keys` in the settings
    /// does the same.
    #[arg(long, env = "KWO_RELEASE_KEYS", value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Get this version, instead of the newest one.
    // clap's own `version` is left out of the manual.
    #[arg(long = "version", env = "KWO_RELEASE_VERSION", value_name = "VERSION", value_parser = version)]
    pub release: Option<semver::Version>,
    /// Only say whether there is a newer version; exit with 2 if so. Nothing is downloaded but the sums.
    #[arg(long, env = "KWO_UPDATE_CHECK", value_parser = switch)]
    pub check: bool,
    /// Allow a version that is older than this program.
    #[arg(long, env = "KWO_DOWNGRADE", value_parser = switch)]
    pub downgrade: bool,
    /// Go back to the program that the last update replaced. A second time brings the newer one back.
    #[arg(long, env = "KWO_UPDATE_ROLLBACK", value_parser = switch)]
    pub rollback: bool,
    /// kwo's settings. kwo reads them unless you give both `--base-url` and `--key`.
    #[arg(long, default_value = "/etc/kwo/kwo.yaml", env = "KWO_SETTINGS", value_name = "FILE")]
    pub settings: PathBuf,
}

/// A version, also as forges name it, with a `v`.
fn version(text: &str) -> Result<semver::Version, String> {
    let wrong = |_| "expected a version of kwo, such as `0.2.0`".to_owned();
    text.strip_prefix('v').unwrap_or(text).parse().map_err(wrong)
}
