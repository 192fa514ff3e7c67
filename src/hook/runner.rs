//! The run that follows a push: one at a time, and at most one more that waits, however many pushes come meanwhile.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kwo_planner::units::moment;
use rustix::process::{Pid, Signal, kill_process};
use sd_notify::NotifyState;
use tokio::process::{Child, Command};
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use super::figures::{Figures, Run};
use kwo_engine::out;
use kwo_engine::providers::keep_private;
use kwo_engine::run::told;

/// How long a run that was told to end may take to do so.
const LAST_WORDS: Duration = Duration::from_secs(30);

/// How long after the trigger was written it is not written again. systemd takes no more starts of a unit in a minute
/// than the unit says, and from then on it would wait for the trigger no more.
const PAUSE: Duration = Duration::from_secs(2);

/// Where the listener says what happens.
pub(super) type Say = Arc<dyn Fn(&str) + Send + Sync>;

/// What a run is.
#[derive(Clone, Debug)]
pub enum Work {
    /// A program with its arguments, as a process of its own.
    Program(PathBuf, Vec<OsString>),
    /// This file is written; who watches it does the rest.
    Trigger(PathBuf),
}

/// What starts the runs.
pub(super) struct Runner {
    work: Work,
    grace: Duration,
    wanted: Notify,
    figures: Arc<Figures>,
    say: Say,
}

impl Runner {
    /// A runner; when it is stopped, a run that goes on has this much time left.
    #[must_use]
    pub(super) fn new(work: Work, grace: Duration, figures: Arc<Figures>, say: Say) -> Runner {
        Runner { work, grace, wanted: Notify::new(), figures, say }
    }

    /// Asks for a run that begins from now on.
    pub(super) fn want(&self) {
        self.figures.waits();
        // It remembers one call, and that is as many as are needed.
        self.wanted.notify_one();
    }

    /// Does what is asked for until it is stopped.
    pub(super) async fn serve(&self, stop: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                biased;
                () = told(&stop) => break,
                () = self.wanted.notified() => self.run(&stop).await,
            }
        }
        if !self.figures.waiting() {
            return;
        }
        if matches!(self.work, Work::Trigger(_)) {
            // It takes no time, and the next listener knows nothing of it.
            self.run(&stop).await;
        } else {
            (self.say)("a push came that no run has looked at yet; the next `kwo sync` looks at it");
        }
    }

    async fn run(&self, stop: &watch::Receiver<bool>) {
        self.figures.begins();
        let began = Timestamp::now();
        let exit = match &self.work {
            Work::Trigger(path) => match trigger(path, began) {
                Ok(()) => 0,
                Err(why) => {
                    (self.say)(&format!("cannot write the trigger {}: {why}", path.display()));
                    1
                }
            },
            Work::Program(program, args) => {
                let mut command = Command::new(program);
                // Of its own process group, so that Ctrl-C at a terminal is for the listener alone.
                command.args(args).stdin(Stdio::null()).process_group(0).env_remove("NOTIFY_SOCKET");
                match command.spawn() {
                    Ok(child) => self.ended(child, stop).await,
                    Err(error) => {
                        (self.say)(&format!("cannot run {}: {error}", program.display()));
                        1
                    }
                }
            }
        };
        let run = Run { began, ended: Timestamp::now(), exit };
        self.figures.ends(run);
        let what = match &self.work {
            Work::Trigger(_) => "the trigger was written",
            Work::Program(..) => "the run ended",
        };
        if matches!(self.work, Work::Program(..)) {
            (self.say)(&format!("the run ended with exit code {exit}"));
        }
        let status = format!("{what} at {}, exit code {exit}", moment(run.ended));
        let _ = sd_notify::notify(&[NotifyState::Status(&status)]);
        if matches!(self.work, Work::Trigger(_)) {
            let _ = timeout(PAUSE, told(stop)).await;
        }
    }

    /// The exit code of a run, which is told to end when the listener is stopped and its time is over.
    async fn ended(&self, mut child: Child, stop: &watch::Receiver<bool>) -> i32 {
        let ended = tokio::select! {
            ended = child.wait() => ended,
            () = told(stop) => {
                (self.say)("stopping as soon as the current run has ended");
                match timeout(self.grace, child.wait()).await {
                    Ok(ended) => ended,
                    Err(_) => self.end(&mut child).await,
                }
            }
        };
        match ended {
            Ok(status) => status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1),
            Err(error) => {
                (self.say)(&format!("cannot wait for the run: {error}"));
                1
            }
        }
    }

    async fn end(&self, child: &mut Child) -> std::io::Result<std::process::ExitStatus> {
        (self.say)(&format!("the run is still active after {} s; kwo tells it to end", self.grace.as_secs()));
        let process = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(process) = process {
            // Where it has ended meanwhile there is nothing to tell.
            let _ = kill_process(process, Signal::TERM);
        }
        match timeout(LAST_WORDS, child.wait()).await {
            Ok(ended) => ended,
            Err(_) => {
                child.start_kill()?;
                child.wait().await
            }
        }
    }
}

/// Says in this file that a push has come.
fn trigger(path: &Path, began: Timestamp) -> Result<(), String> {
    out::may_replace(path, out::TRIGGER)?;
    keep_private(path, &format!("{began}\n")).map_err(|astray| astray.to_string())
}
