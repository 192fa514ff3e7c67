//! What can be typed after the commands that run by themselves, and what looks at their traces. The doc comments are
//! the help text.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::values::{Format, allowed, duration, fail_on, lock_duration, switch, whole};

use kwo_engine::strict::FailOn;
use kwo_engine::sync::Allowed;

/// Where kwo's settings are.
#[derive(Args, Debug)]
pub struct SettingsArgs {
    /// kwo's settings.
    #[arg(long, default_value = "/etc/kwo/kwo.yaml", env = "KWO_SETTINGS", value_name = "FILE")]
    pub settings: PathBuf,
}

/// `kwo sync`
#[derive(Args, Debug)]
#[expect(missing_docs, reason = "flattened")]
pub struct Sync {
    #[command(flatten)]
    pub settings: SettingsArgs,
    /// Fetch, choose the commit and plan, but change nothing.
    #[arg(long, env = "KWO_DRY_RUN", value_parser = switch)]
    pub dry_run: bool,
    /// Allow once what kwo would refuse: a rewritten branch, or a plan that goes beyond a limit.
    #[arg(long, env = "KWO_ALLOW", value_name = "WHAT", value_delimiter = ',', value_parser = allowed())]
    pub allow: Vec<Allowed>,
    /// How long to wait for another run to end.
    #[arg(long, default_value = "30s", env = "KWO_LOCK_TIMEOUT", value_name = "DURATION", value_parser = duration)]
    pub lock_timeout: Duration,
    /// How long the lock lasts after a run was killed.
    #[arg(long, default_value = "15s", env = "KWO_LOCK_DURATION", value_name = "DURATION", value_parser = lock_duration)]
    pub lock_duration: Duration,
    /// How long to wait for an API server that goes away or asks to wait. Default: 1m, and 5s before its first answer.
    #[arg(long, env = "KWO_API_WAIT", value_name = "DURATION", value_parser = duration)]
    pub api_wait: Option<Duration>,
    /// How long to wait after a correction, until kwo looks again whether somebody undoes it. With 0s kwo looks only
    /// once.
    #[arg(long, default_value = "2s", env = "KWO_SETTLE", value_name = "DURATION", value_parser = duration)]
    pub settle: Duration,
    /// Exit with 5, even if everything else is fine: `leftover-access`, if somebody still has a right that kwo gave
    /// and the roster no longer names; `foreign-access`, if a binding of others gives a right, or a network policy of
    /// others opens what is closed. `strict:` in the settings does the same.
    #[arg(long, env = "KWO_FAIL_ON", value_name = "WHAT", value_delimiter = ',', value_parser = fail_on())]
    pub fail_on: Vec<FailOn>,
    /// Afterwards, ask the API server whether each person and service account may do what the roster promises, and
    /// nothing else. Exit with 5 if an answer differs, or if kwo cannot ask. `verifyAccess:`
    /// in the settings does the same.
    #[arg(long, env = "KWO_VERIFY_ACCESS", value_parser = switch)]
    pub verify_access: bool,
    /// How to print the report.
    #[arg(short, long, default_value = "text", env = "KWO_OUTPUT", value_name = "FORMAT")]
    pub output: Format,
}

/// `kwo history`
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
#[expect(missing_docs, reason = "flattened")]
pub struct History {
    #[command(flatten)]
    pub list: HistoryList,
    #[command(subcommand)]
    pub then: Option<HistoryThen>,
}

/// The last entries.
#[derive(Args, Debug)]
#[expect(missing_docs, reason = "flattened")]
pub struct HistoryList {
    #[command(flatten)]
    pub settings: SettingsArgs,
    /// How many of the last entries to show.
    #[arg(long, default_value_t = 20, env = "KWO_HISTORY_TAIL", value_name = "N", value_parser = whole::<u32>(0, u32::MAX.into()))]
    pub tail: u32,
    /// How to print it.
    #[arg(short, long, default_value = "text", env = "KWO_OUTPUT", value_name = "FORMAT")]
    pub output: Format,
}

/// What else can be done with the history.
#[derive(Debug, Subcommand)]
pub enum HistoryThen {
    /// Show everything in one entry.
    Show(HistoryShow),
    /// Check that nobody changed or removed an entry.
    Verify(HistoryVerify),
}

/// `kwo history show`
#[derive(Args, Debug)]
#[expect(missing_docs, reason = "flattened")]
pub struct HistoryShow {
    /// The number of the entry.
    #[arg(value_parser = whole::<u64>(0, u64::MAX))]
    pub number: u64,
    #[command(flatten)]
    pub settings: SettingsArgs,
    /// How to print it.
    #[arg(short, long, default_value = "text", env = "KWO_OUTPUT", value_name = "FORMAT")]
    pub output: Format,
}

/// `kwo history verify`
#[derive(Args, Debug)]
#[expect(missing_docs, reason = "flattened")]
pub struct HistoryVerify {
    #[command(flatten)]
    pub settings: SettingsArgs,
    /// Check only the files, and not what the cluster remembers of them.
    #[arg(long, env = "KWO_OFFLINE", value_parser = switch)]
    pub offline: bool,
}
