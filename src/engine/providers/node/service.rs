//! Services that read the files: since when one runs, whether it has read its files as they are, and its restart. All
//! through `systemctl`, which is found by `PATH`.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use kwo_planner::change::Step;
use kwo_planner::observed::{MARK, Present, Sighting, Version};
use kwo_planner::resource::Resource;
use kwo_planner::tree::Tree;
use smol_str::{SmolStr, format_smolstr};
use tokio::process::Command;
use tokio::time::timeout;

use super::file::{path, read};
use crate::providers::Refusal;

/// How long systemd may take to answer a question.
const ANSWER: Duration = Duration::from_secs(30);

/// How long a service may take to be up again.
const RESTART: Duration = Duration::from_secs(600);

/// The services of the machine.
#[derive(Debug)]
pub(super) struct Services {
    systemctl: PathBuf,
}

impl Services {
    pub(super) fn new(systemctl: PathBuf) -> Services {
        Services { systemctl }
    }

    /// What is seen of a service. One that does not run reads its files when it is started, so there is nothing that
    /// could be restarted.
    pub(super) async fn look(&self, root: &Path, wanted: &Resource) -> Sighting {
        let since = match self.since(&wanted.id.name).await {
            Err(why) => return Sighting::Unknown { why: why.into() },
            Ok(None) => return Sighting::Absent,
            Ok(Some(since)) => since,
        };
        let newer = wanted.follows.iter().any(|id| {
            let file = path(id).ok().and_then(|path| read(root, &path).ok()?);
            let time = file.and_then(|file| Timestamp::try_from(file.meta.modified().ok()?).ok());
            // systemd tells whole seconds.
            time.is_some_and(|time| time.as_second() > since.as_second())
        });
        let since = format_smolstr!("since {since:.0}");
        let body = Tree::map([
            ("current", Tree::from(!newer)),
            ("metadata", Tree::map([("labels", Tree::map([(MARK.0, Tree::from(MARK.1))]))])),
            ("running", Tree::from(&since)),
        ]);
        Sighting::Present(Present { body, version: Version(since), owners: Arc::new([]), deleting: None })
    }

    /// Restarts the service that a step is for.
    pub(super) async fn restart(&self, step: &Step) -> Result<(), Refusal> {
        let refused = |why: String| Refusal::Refused { why };
        let since = self.since(&step.id.name).await.map_err(refused)?;
        let now = since.map(|since| Version(format_smolstr!("since {since:.0}")));
        if now.is_none() || now != step.seen {
            let now = now.map_or_else(|| "it does not run".to_owned(), |now| format!("it runs {}", now.0));
            return Err(Refusal::Changed { why: now });
        }
        let unit = unit(&step.id.name).map_err(refused)?;
        self.run(&["restart", &unit], RESTART).await.map(drop).map_err(refused)
    }

    /// Since when a service runs; nothing where it does not.
    pub(super) async fn since(&self, name: &SmolStr) -> Result<Option<Timestamp>, String> {
        let unit = unit(name)?;
        let what = "--property=ActiveState,ExecMainStartTimestamp";
        let answer = self.run(&["show", what, &unit], ANSWER).await?;
        let text = String::from_utf8_lossy(&answer.stdout);
        let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        match value("ActiveState") {
            Some("active" | "reloading" | "activating") => {}
            Some(_) => return Ok(None),
            None => return Err(format!("systemctl does not say whether {unit} runs")),
        }
        let said = value("ExecMainStartTimestamp").unwrap_or_default();
        let time = DateTime::strptime("%a %Y-%m-%d %H:%M:%S UTC", said)
            .and_then(|time| time.to_zoned(TimeZone::UTC))
            .map_err(|_| format!("systemctl does not say since when {unit} runs: it says `{said}`"))?;
        Ok(Some(time.timestamp()))
    }

    async fn run(&self, args: &[&str], patience: Duration) -> Result<Output, String> {
        let words = format!("{} {}", self.systemctl.display(), args.join(" "));
        let mut command = Command::new(&self.systemctl);
        command.args(args).env("LC_ALL", "C").env("TZ", "UTC").stdin(std::process::Stdio::null());
        let output = match timeout(patience, command.kill_on_drop(true).output()).await {
            Err(_) => return Err(format!("`{words}` gave no answer for {} s", patience.as_secs())),
            Ok(Err(error)) => return Err(format!("`{words}` cannot be run: {error}")),
            Ok(Ok(output)) => output,
        };
        if output.status.success() {
            return Ok(output);
        }
        let errors = String::from_utf8_lossy(&output.stderr);
        Err(format!("`{words}` failed: {}", errors.lines().next().unwrap_or("it does not say why")))
    }
}

/// The unit of a service. The name may come from a saved plan, and must never be taken for an option.
fn unit(name: &SmolStr) -> Result<String, String> {
    let plain = |char: char| char.is_ascii_alphanumeric() || "-_.@".contains(char);
    if name.starts_with(|char: char| char.is_ascii_alphanumeric()) && name.chars().all(plain) {
        return Ok(format!("{name}.service"));
    }
    Err(format!("`{name}` is not a valid name of a service"))
}
