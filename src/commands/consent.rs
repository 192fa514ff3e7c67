//! What a run has to have before it changes anything: the lock, and a yes.

use std::io::{BufRead as _, IsTerminal as _};
use std::time::Duration;

use tokio::sync::watch::Receiver;

use super::print::talk;
use super::signals;
use kwo_engine::failure::{Exit, Failure};
use kwo_engine::providers::Home;
use kwo_engine::run::{self, Locked, NoLock};

/// Takes the lock, or says why it cannot be had.
pub(crate) async fn lock(
    provider: &dyn Home,
    patience: Duration,
    interrupted: &Receiver<bool>,
) -> Result<Locked, Failure> {
    run::lock(provider, patience, interrupted).await.map_err(|none| match none {
        NoLock::Held { by } => {
            Failure { exit: Exit::Locked, ..Failure::new(format!("another run is at work: {by}")) }
                .hint("wait for it with `--lock-timeout 5m`; a run that was killed loses the lock by itself")
        }
        NoLock::Failed(refusal) => Failure::new(format!("cannot take the lock: {refusal}")),
        NoLock::Interrupted => signals::nothing_done(),
    })
}

/// Asks the person at the terminal; nothing but `yes` is a yes.
pub(crate) async fn confirm(question: &str, hint: &str) -> Result<(), Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage(
            "kwo cannot ask for confirmation, because standard input is not a terminal",
        )
        .hint(hint));
    }
    talk(&format!("\n{question} Type `yes` to confirm: "));
    let _asking = signals::Asking::begins();
    let answer = tokio::task::spawn_blocking(|| {
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer).map(|_| answer)
    });
    match answer.await {
        Ok(Ok(answer)) if answer.trim() == "yes" => Ok(()),
        answer => {
            if !matches!(&answer, Ok(Ok(answer)) if answer.ends_with('\n')) {
                talk("\n");
            }
            Err(Failure::new("not confirmed; nothing was changed"))
        }
    }
}
