//! The unit of k3s, through `systemctl`. Every question has an end.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};

/// How long systemd may take.
const ANSWER: Duration = Duration::from_secs(90);

/// How long k3s may take to stop; systemd ends it by force after 90 seconds, unless its unit says otherwise.
const STOPS: Duration = Duration::from_secs(180);
/// Between two looks whether it has stopped.
const PAUSE: Duration = Duration::from_millis(200);

const UNIT: &str = "k3s.service";

/// systemd, as it runs here.
#[derive(Debug, Default)]
pub(super) struct Service;

impl Service {
    /// Is the unit started at boot, and does it run or begin to?
    pub(super) async fn state(&self) -> Result<(bool, bool), String> {
        let text = run(&["show", "--property=ActiveState,UnitFileState", UNIT]).await?;
        let is = |key: &str, values: &[&str]| {
            let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            value.is_some_and(|value| values.contains(&value))
        };
        Ok((is("UnitFileState", &["enabled"]), is("ActiveState", &["active", "activating", "reloading"])))
    }

    /// Starts it, now and at every boot. Does not wait until it is up.
    pub(super) async fn start(&self) -> Result<(), String> {
        for words in [&["daemon-reload"][..], &["enable", UNIT], &["start", "--no-block", UNIT]] {
            run(words).await?;
        }
        Ok(())
    }

    /// Starts it as it is. Does not wait until it is up.
    pub(super) async fn start_again(&self) -> Result<(), String> {
        // A unit that failed too often does not start otherwise. One that never failed has nothing to forget.
        let _ = run(&["reset-failed", UNIT]).await;
        run(&["start", "--no-block", UNIT]).await.map(drop)
    }

    /// The same for a program that was replaced: whoever may have started the old one meanwhile, it is the new one that runs.
    pub(super) async fn restart(&self) -> Result<(), String> {
        let _ = run(&["reset-failed", UNIT]).await;
        run(&["restart", "--no-block", UNIT]).await.map(drop)
    }

    /// Has it ended?
    pub(super) async fn has_ended(&self) -> Result<bool, String> {
        let text = run(&["show", "--property=ActiveState,MainPID", UNIT]).await?;
        let is = |line: &str| text.lines().any(|found| found == line);
        Ok(is("MainPID=0") && (is("ActiveState=inactive") || is("ActiveState=failed")))
    }

    /// Stops it, and waits until it has ended. Pods go on.
    pub(super) async fn stop(&self) -> Result<(), String> {
        run(&["stop", "--no-block", UNIT]).await?;
        let end = Instant::now() + STOPS;
        loop {
            if self.has_ended().await? {
                return Ok(());
            }
            if Instant::now() >= end {
                return Err(format!("{UNIT} has not ended after {} s", STOPS.as_secs()));
            }
            sleep(PAUSE).await;
        }
    }
}

async fn run(args: &[&str]) -> Result<String, String> {
    let words = format!("systemctl {}", args.join(" "));
    let mut command = Command::new("systemctl");
    command.args(args).env("LC_ALL", "C").stdin(Stdio::null()).kill_on_drop(true);
    // A terminal that goes away, and a Ctrl-C, are for kwo, and not for what it has begun.
    command.process_group(0);
    let output = timeout(ANSWER, command.output()).await;
    let output = output.map_err(|_| format!("`{words}` gave no answer for {} s", ANSWER.as_secs()))?;
    let output = output.map_err(|error| format!("`{words}` cannot be run: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(format!("`{words}` failed: {}", errors.lines().next().unwrap_or("it does not say why")))
}
